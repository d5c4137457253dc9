// SPDX-License-Identifier: Apache-2.0

package kselftest

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// FindMachine returns the machine of the name.
func FindMachine(name string) (Machine, error) {
	for _, m := range Machines {
		if m.Name == name {
			return m, nil
		}
	}
	return Machine{}, fmt.Errorf("no machine %q in the table", name)
}

// bootTime is what a machine may take to boot and to copy and compile what its tests need, on a host with much else to do.
const bootTime = 20 * time.Minute

// Limit is how long the machine may take with its tests on the kernel; 0: it has none.
func (m Machine) Limit(kernel string) time.Duration {
	var sum time.Duration
	for i := range Table {
		if t := &Table[i]; t.Machine == m.Name && t.On(kernel) {
			sum += t.Limit
		}
	}
	if sum == 0 {
		return 0
	}
	return sum + bootTime
}

// JudgeAll writes a line for each test of the table, and what is not as expected, of the outputs in dir, and tells whether all is as expected.
func JudgeAll(w io.Writer, kernel, dir string) (bool, error) {
	ran, others := 0, 0
	for i := range Table {
		t := &Table[i]
		if !t.On(kernel) {
			if _, err := fmt.Fprintf(w, "%-42s not on %s: %s\n", t.Name, kernel, orElse(t.Not[kernel], NotTried[kernel])); err != nil {
				return false, err
			}
			continue
		}
		run, err := t.Read(filepath.Join(dir, t.Machine))
		if err != nil {
			return false, err
		}
		v := t.Judge(kernel, run)
		ran++
		if v.Class != Expected {
			others++
		}
		if _, err := fmt.Fprintln(w, v.Line(t.Name, run.Time)); err != nil {
			return false, err
		}
	}
	if ran == 0 {
		return false, fmt.Errorf("the table has no test for a kernel %q", kernel)
	}
	_, err := fmt.Fprintf(w, "kernel %s: %d self-tests, %d not as expected\n", kernel, ran, others)
	return others == 0, err
}

// List writes the table.
func List(w io.Writer) error {
	var b strings.Builder
	for i := range Table {
		t := &Table[i]
		fmt.Fprintf(&b, "%s (machine %s)\n", t.Name, t.Machine)
		for _, k := range sorted(t.Results) {
			fmt.Fprintf(&b, "    %s: %d results\n", k, t.Results[k])
		}
		for _, k := range sorted(t.Not) {
			fmt.Fprintf(&b, "    not on %s: %s\n", k, t.Not[k])
		}
		for _, e := range t.Edits {
			fmt.Fprintf(&b, "    edited%s: %s: %s\n", kernelsOf(e.Kernels), e.File, e.Why)
		}
		for _, e := range t.Expect {
			fmt.Fprintf(&b, "    %s%s: %s: %s\n", e.Outcome, kernelsOf(e.Kernels), e.Subtests, e.Why)
		}
	}
	b.WriteString("\nleft out:\n")
	for _, l := range LeftOut {
		fmt.Fprintf(&b, "    %s: %s\n", l.Name, l.Why)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func sorted[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func kernelsOf(kernels []string) string {
	if kernels == nil {
		return ""
	}
	return " on " + strings.Join(kernels, ", ")
}
