// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	kernelerr "github.com/nicwright/nicwright/internal/kernel" // kernel() is the release
	hosts "github.com/nicwright/nicwright/lab/hosts/witness"
)

// faultDir is where the emulated card is told what is to go wrong (lab/connectx/README.md).
const faultDir = "/sys/kernel/debug/connectx_emu/"

// A fault is one operation below nicwright that fails once: a command of the card, or a function of the kernel.
type fault struct {
	name    string
	file    string     // below faultDir
	rule    string     // what is written there
	errno   unix.Errno // what nicwright is told; 0: what the driver makes of it
	refused bool       // an apply is not possible without it: it has to fail
}

// Whatever fails below an apply or a removal: it succeeds or says clearly what failed; the apply after it gives the host of
// the profile, the removal after it the host before. An apply that failed is followed by one with the next fault, which goes
// on from there; what has been done by then cannot fail any more, and is tried from the beginning.
func TestFaults(t *testing.T) {
	needLab(t)
	script(t, "reset")
	t.Cleanup(func() { script(t, "reset") })
	tell(t, "commands", "clear")
	tell(t, "calls", "clear")
	before := dump(t)
	todo, after := chosenFaults(), hosts.State(nil)
	if os.Getenv("NICWRIGHT_FAULTS") != "" {
		todo, after = allFaults(t)
		assertSame(t, "a removal without a fault", before)
	}
	for cycle := 1; len(todo) > 0; cycle++ {
		left := faultyCycle(t, todo, before, after)
		t.Logf("cycle %d: %d of %d faults are left", cycle, len(left), len(todo))
		if len(left) == len(todo) {
			t.Errorf("%s did not happen in an apply: the test proves nothing", left[0].name)
			left = left[1:]
		}
		todo = left
	}
}

const faultyProfile = "testdata/small.yaml"

// allFaults are those that this run is to have, of what an apply without faults does, and the host after it.
func allFaults(t *testing.T) ([]fault, hosts.State) {
	t.Helper()
	tell(t, "seen", "clear")
	for _, f := range kernelFaults {
		tell(t, "calls", "count "+f.function+" nicwright")
	}
	expect(t, exitDone, "apply", "-p", faultyProfile)
	seen, called := heard(t, "seen"), heard(t, "calls")
	tell(t, "calls", "clear")
	after := dump(t)
	t.Logf("an apply makes commands of %d kinds, and calls %v", len(seen), called)
	expect(t, exitDone, "remove", "-p", faultyProfile)
	return chosen(t, append(cardFaults(seen), callFaults(called)...)), after
}

// faultyCycle applies with one fault after the other until one is done, removes in the same way, and gives the faults that did not happen.
func faultyCycle(t *testing.T, todo []fault, before, after hosts.State) (left []fault) {
	t.Helper()
	defer func() {
		if t.Failed() {
			script(t, "reset") // the next begins from a host that is whole
		}
	}()
	var happened, tried []fault
	done := false
	for _, f := range todo {
		if done {
			left = append(left, f)
			continue
		}
		t.Run("apply, "+f.name, func(t *testing.T) {
			r, did := f.during(t, "apply", "-p", faultyProfile)
			if did {
				happened = append(happened, f)
			} else {
				left = append(left, f)
			}
			assertClear(t, f, r, did)
			done = r.code == exitDone
		})
	}
	ok := t.Run("the apply that mends", func(t *testing.T) {
		expect(t, exitDone, "apply", "-p", faultyProfile)
		if r := expect(t, exitDone, "plan", "-p", faultyProfile); !strings.Contains(r.stdout, "nothing to do") {
			t.Errorf("there is work left:\n%s", r.stdout)
		}
		assertHost(t, 2, func(int) string { return "100" })
		if after != nil {
			assertMended(t, "the apply", after, happened)
		}
	})
	if !ok {
		return left
	}
	for done = false; len(happened) > 0 && !done; happened = happened[1:] {
		f := happened[0]
		t.Run("remove, "+f.name, func(t *testing.T) {
			r, did := f.during(t, "remove", "-p", faultyProfile)
			assertClear(t, f, r, did)
			done = r.code == exitDone
			if did {
				tried = append(tried, f)
			}
		})
	}
	t.Run("the removal that mends", func(t *testing.T) {
		if !done {
			expect(t, exitDone, "remove", "-p", faultyProfile)
		}
		if !assertMended(t, "the removal", before, tried) {
			script(t, "reset")
		}
	})
	return left
}

// assertMended is assertSame, but for the addresses of VFs, which the driver draws anew, and for features of netdevs that are gone
// where a command of the card has failed: the driver does without what it could not make, tells nobody but its log, and makes
// it anew with the next netdev. It tells whether no feature is gone.
func assertMended(t *testing.T, what string, want hosts.State, faults []fault) bool {
	t.Helper()
	swallows := slices.ContainsFunc(faults, func(f fault) bool { return f.file == "commands" })
	var wrong, without []hosts.Difference
	for range settles {
		wrong, without = nil, nil
		for _, d := range hosts.Diff(want, dump(t)) {
			netdev := strings.HasSuffix(d.Resource, "/netdev")
			switch {
			case netdev && d.Attribute == "mac" && strings.Contains(d.Resource, "/vf/"):
			case netdev && swallows && strings.HasPrefix(d.Attribute, "feature ") && d.B == "":
				without = append(without, d)
			default:
				wrong = append(wrong, d)
			}
		}
		if len(wrong)+len(without) == 0 {
			return true
		}
	}
	if len(wrong) > 0 {
		t.Errorf("after %s the host is not what it was:\n%s", what, hosts.Text(wrong))
	}
	t.Logf("after %s the driver does without:\n%s", what, hosts.Text(without))
	return len(without) == 0
}

// during runs nicwright with the fault waiting for it, and tells whether it happened.
func (f fault) during(t *testing.T, args ...string) (result, bool) {
	t.Helper()
	tell(t, f.file, f.rule)
	r := command(t, "nicwright", args...)
	left, err := os.ReadFile(faultDir + f.file)
	if err != nil {
		t.Fatal(err)
	}
	tell(t, f.file, "clear")
	return r, f.happened(string(left))
}

// happened reads what is left of the rule: a command's is gone when it is used up, a call's has a count of 0.
func (f fault) happened(left string) bool {
	left = strings.TrimSpace(left)
	return left == "" || f.file == "calls" && strings.HasSuffix(left, " 0")
}

// assertClear asks of what failed that it says what and why, in a line of its own, and of what is said to have gone well nothing.
func assertClear(t *testing.T, f fault, r result, happened bool) {
	t.Helper()
	t.Logf("it exited %d, and the fault happened: %t: %s", r.code, happened, r.stderr)
	for _, no := range []string{"panic:", "goroutine ", "runtime error"} {
		if strings.Contains(r.stderr+r.stdout, no) {
			t.Errorf("it says %q: %s%s", no, r.stdout, r.stderr)
		}
	}
	switch {
	case !happened && r.code != exitDone:
		t.Errorf("it exited %d without a fault: %s%s", r.code, r.stdout, r.stderr)
	case r.code == exitDone && f.refused && happened:
		t.Errorf("it says that it was done, with %s refused", f.name)
	case r.code == exitDone:
		return
	case r.code != exitError:
		t.Errorf("it exited %d, want %d or %d", r.code, exitDone, exitError)
	}
	said := r.stderr[strings.LastIndex("\n"+r.stderr, "\nnicwright: "):]
	if !sentence.MatchString(said) {
		t.Errorf("it does not say what was being done, to what, and what the answer was: %s", r.stderr)
	}
	if !nextStep.MatchString(said) {
		t.Errorf("it does not say what to do next: %s", r.stderr)
	}
	if f.errno == unix.EOPNOTSUPP && hasNone.MatchString(said) {
		return // what the kernel says with that errno
	}
	if f.errno != 0 && !strings.Contains(said, kernelerr.Name(f.errno)) && !strings.Contains(said, f.errno.Error()) {
		t.Errorf("it does not say %s: %s", kernelerr.Name(f.errno), r.stderr)
	}
}

var (
	sentence = regexp.MustCompile(`(?s)^nicwright: .+: .+: .+`)
	nextStep = regexp.MustCompile("again|dmesg|systemctl|leave .*unset")
	hasNone  = regexp.MustCompile("has no devlink eswitch|does not have it")
)

func tell(t *testing.T, file, rule string) {
	t.Helper()
	if err := os.WriteFile(faultDir+file, []byte(rule), 0o600); err != nil {
		t.Fatalf("%s to %s: %v", rule, file, err)
	}
}

// heard is the first number of each line of a file of the emulated card, by the line's first word.
func heard(t *testing.T, file string) map[string]int {
	t.Helper()
	b, err := os.ReadFile(faultDir + file)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]int{}
	for line := range strings.Lines(string(b)) {
		words := strings.Fields(line)
		if len(words) < 2 {
			t.Fatalf("%s says %q", file, line)
		}
		n, err := strconv.Atoi(words[1])
		if err != nil {
			t.Fatalf("%s says %q: %v", file, line, err)
		}
		if n > 0 {
			all[words[0]] = n
		}
	}
	return all
}

// chosen are the faults that a run is to have that does not have those of make test: NICWRIGHT_FAULTS is "each" (every operation, the statuses in turn),
// "all" (every operation with every status), or a regular expression of names.
// NICWRIGHT_FAULTS_PART=2/3 is the second of three parts.
func chosen(t *testing.T, all []fault) []fault {
	t.Helper()
	which, part := os.Getenv("NICWRIGHT_FAULTS"), os.Getenv("NICWRIGHT_FAULTS_PART")
	byOperation := map[string]int{}
	all = slices.DeleteFunc(all, func(f fault) bool {
		operation, _, _ := strings.Cut(f.name, " gives ")
		if _, ok := byOperation[operation]; !ok {
			byOperation[operation] = len(byOperation) % 5 // the turn
		} else {
			byOperation[operation]--
		}
		switch which {
		case "all":
			return false
		case "each":
			return byOperation[operation] != 0
		}
		return !regexp.MustCompile(which).MatchString(f.name)
	})
	if part != "" {
		var n, of int
		if got, err := fmt.Sscanf(part, "%d/%d", &n, &of); got != 2 || err != nil || n < 1 || n > of {
			t.Fatalf("NICWRIGHT_FAULTS_PART=%s: it is as 2/3", part)
		}
		i := -1
		all = slices.DeleteFunc(all, func(fault) bool { i++; return i%of != n-1 })
	}
	if len(all) == 0 {
		t.Fatalf("no fault is tried: NICWRIGHT_FAULTS=%s NICWRIGHT_FAULTS_PART=%s", which, part)
	}
	return all
}
