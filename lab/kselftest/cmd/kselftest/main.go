// SPDX-License-Identifier: Apache-2.0

// Command kselftest runs the kernel's own network self-tests of the table in a machine of the lab, and judges them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/nicwright/nicwright/lab/internal/sandbox"
	"github.com/nicwright/nicwright/lab/kselftest"
)

const usage = `usage:
  kselftest machines KERNEL               the machines that the kernel's tests need: name, the time that it may take, the lab's flags
  kselftest prepare KERNEL ROOT ARCHIVE OUT   edit and compile the kernel's tests in the root of its machines (lab build --selftests has both), to OUT/prepared.tar
  kselftest run MACHINE KERNEL PREPARED OUT   in that machine: make its netdevs, run its tests, what they say to OUT
  kselftest judge KERNEL OUT              a line a test, of the outputs in OUT/MACHINE; status 1 if one is not as expected
  kselftest list                          the table: what is run, edited and expected, and what is left out
`

func main() {
	sandbox.Hook(2)
	flag.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	flag.Parse()
	as, err := start(flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "kselftest:", err)
		os.Exit(2)
	}
	if !as {
		os.Exit(1)
	}
}

// start runs a verb and tells whether all was as expected.
func start(args []string) (bool, error) {
	switch {
	case len(args) == 2 && args[0] == "machines":
		for _, m := range kselftest.Machines {
			if limit := m.Limit(args[1]); limit > 0 {
				fmt.Printf("%s %s %s\n", m.Name, limit, m.Flags())
			}
		}
		return true, nil
	case len(args) == 5 && args[0] == "prepare":
		return true, kselftest.Prepare(context.Background(), args[1], args[2], args[3], args[4], os.Stderr)
	case len(args) == 5 && args[0] == "run":
		return true, kselftest.RunMachine(context.Background(), args[1], args[2], args[3], args[4], os.Stderr)
	case len(args) == 3 && args[0] == "judge":
		return kselftest.JudgeAll(os.Stdout, args[1], args[2])
	case len(args) == 1 && args[0] == "list":
		return true, kselftest.List(os.Stdout)
	}
	flag.Usage()
	return false, errors.New("no such verb, or other arguments")
}
