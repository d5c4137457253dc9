// SPDX-License-Identifier: Apache-2.0

// Command vfiotest drives functions of the emulated card through VFIO, as a
// machine's monitor and its driver would: it maps memory, gives commands, gets
// interrupts, sends frames. tests/vfio.sh runs it and judges what is seen from
// outside.
//
//	vfiotest SCENARIO ADDRESS...
package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// scenarios are what can be asked for, by name. Those with one device take the first.
var scenarios = map[string]func([]*device) error{
	"answers":  one(answers),
	"unmapped": one(unmapped),
	"mailbox":  one(mailbox),
	"readonly": one(readOnly),
	"foreign":  one(foreign),
	"hugekey":  one(hugeKey),
	"data":     one(data),
	"reset":    one(resets),
	"held":     one(held),
	"two":      two,
}

func one(f func(*device) error) func([]*device) error {
	return func(ds []*device) error { return f(ds[0]) }
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "vfiotest:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	names := make([]string, 0, len(scenarios))
	for n := range scenarios {
		names = append(names, n)
	}
	slices.Sort(names)
	if len(args) < 2 || scenarios[args[0]] == nil {
		return fmt.Errorf("usage: vfiotest SCENARIO ADDRESS...; scenarios: %s", strings.Join(names, ", "))
	}
	c, err := newContainer()
	if err != nil {
		return err
	}
	var devices []*device
	for _, address := range args[1:] {
		d, err := c.open(address)
		if err != nil {
			return fmt.Errorf("%s: %w", address, err)
		}
		devices = append(devices, d)
	}
	if err := scenarios[args[0]](devices); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	fmt.Println("ok", strings.Join(args, " "))
	return nil
}
