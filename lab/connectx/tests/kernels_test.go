// SPDX-License-Identifier: Apache-2.0

// Package tests has the test that keeps the table of kernels in the
// README true; the card itself is C.
package tests

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const begin, end = "<!-- kernels: made by kernels_test.go -->\n", "<!-- end of kernels -->"

// TestKernelsTable asks the driver of every kernel what it offers on the card
// and compares the README's table with the answers. NICWRIGHT_UPDATE=1 writes it.
func TestKernelsTable(t *testing.T) {
	if os.Getenv("NICWRIGHT_KERNELS") == "" {
		t.Skip("boots every kernel: make test-kernels")
	}
	kernels := []string{"6.1", "6.12", "7.3"}
	var names []string
	offers := map[string]map[string]string{}
	for _, k := range kernels {
		cmd := exec.Command("../../../bin/lab", "run", "--kernel", k, "--card", "ports=2,vfs=8,load=no", "--share", ".", "--", "/lab/share/driver")
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("ask the driver of kernel %s: %v\n%s", k, err, out)
		}
		for line := range strings.Lines(string(out)) {
			name, answer, ok := strings.Cut(strings.TrimSpace(line), "\t")
			if !ok {
				continue
			}
			if offers[name] == nil {
				offers[name] = map[string]string{}
				names = append(names, name)
			}
			offers[name][k] = answer
		}
	}
	if len(names) < 10 {
		t.Fatalf("only %d answers", len(names))
	}
	want := &strings.Builder{}
	fmt.Fprintf(want, "| the driver of | %s |\n|---|%s\n", strings.Join(kernels, " | "), strings.Repeat("---|", len(kernels)))
	for _, n := range names {
		fmt.Fprintf(want, "| %s |", n)
		for _, k := range kernels {
			fmt.Fprintf(want, " %s |", offers[n][k])
		}
		want.WriteString("\n")
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(readme), begin)
	got, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the README has no place for the table")
	}
	if got == want.String() {
		return
	}
	if os.Getenv("NICWRIGHT_UPDATE") == "1" {
		if err := os.WriteFile("../README.md", []byte(head+begin+want.String()+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("the README's table is\n%s\nthe kernels say\n%s", got, want)
}
