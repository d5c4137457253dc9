// SPDX-License-Identifier: Apache-2.0

package kselftest

import (
	"fmt"
	"regexp"
	"slices"
	"time"
)

// Test is a self-test of the kernel's.
type Test struct {
	// Name is its path below tools/testing/selftests, with what else tells it from others after a blank.
	Name string
	// Machine is the one that it runs in, with others of the same topology.
	Machine string
	// Command runs it, in the directory of its path.
	Command []string
	// Build are lines for bash that make it, in the same directory of the root that the machine will boot from. build is the compiler, with the
	// kernel's own headers, TOP the directory above tools/.
	Build []string
	// Env is added to the environment.
	Env []string
	// Edits change its files before it is built.
	Edits []Edit
	// Limit is how long it may take, many times what it takes on a quiet host.
	Limit time.Duration
	// Results is how many subtests it reports, by kernel. On a kernel that is not here it is not run: Not says why.
	Results map[string]int
	// Not says why it is not run on a kernel.
	Not map[string]string
	// Expect are the subtests that do not pass; all others do.
	Expect []Expect
}

// Edit changes a file of a test where it runs. It has to match, or the test is not run.
type Edit struct {
	// File is its path below tools/testing/selftests.
	File string
	// From is a regular expression of which each match becomes To, in the syntax of regexp.
	From, To string
	// Kernels are those that it is for; nil: all.
	Kernels []string
	// Why is the reason.
	Why string
}

// Expect is what is expected of subtests that do not pass.
type Expect struct {
	// Subtests is a regular expression of whole names.
	Subtests string
	Outcome  Outcome
	// Kernels are those that it holds on; nil: all.
	Kernels []string
	// Why is the reason: the driver's own limit, the kernel's configuration, the test's assumption, or the emulation's.
	Why string
}

// Either is expected of subtests that end one way or another, by how fast the machine is.
const Either Outcome = "either"

// Left is a self-test that is not run.
type Left struct{ Name, Why string }

func (e *Expect) on(kernel string) bool {
	return e.Kernels == nil || slices.Contains(e.Kernels, kernel)
}

// outcome is what is expected: pass, where nothing else is said.
func (e *Expect) outcome() Outcome {
	if e == nil {
		return Pass
	}
	return e.Outcome
}

// expectation returns what the table says of the subtest, or nil.
func (t *Test) expectation(kernel, subtest string) *Expect {
	for i := range t.Expect {
		e := &t.Expect[i]
		if e.on(kernel) && whole(e.Subtests).MatchString(subtest) {
			return e
		}
	}
	return nil
}

// whole is the expression of a whole name; TestTable compiles all of them.
func whole(expr string) *regexp.Regexp { return regexp.MustCompile("^(?:" + expr + ")$") }

// On tells whether the test is run on the kernel.
func (t *Test) On(kernel string) bool { _, ok := t.Results[kernel]; return ok }

// edit returns the text of a file after the edit.
func (e Edit) edit(text string) (string, error) {
	re, err := regexp.Compile("(?m)" + e.From)
	if err != nil {
		return "", fmt.Errorf("edit %s: %w", e.File, err)
	}
	if !re.MatchString(text) {
		return "", fmt.Errorf("edit %s (%s): nothing in it is %s; this kernel's is another: change the table", e.File, e.Why, e.From)
	}
	return re.ReplaceAllString(text, e.To), nil
}

// Machine is a machine of the lab's, in which tests of one topology run one after another.
type Machine struct {
	// Name is what Test.Machine says, Topology the argument of topology.sh.
	Name, Topology string
	// CPUs is the number of its processors: mlx5 has no more queues.
	CPUs int
}

// Flags are the lab's for the machine. They go by the clock: by instructions (--icount) the loops in which these tests wait take as many times
// longer as the machine is slower.
func (m Machine) Flags() string { return fmt.Sprintf("--boot-limit 8m --cpus %d --mem 3G", m.CPUs) }
