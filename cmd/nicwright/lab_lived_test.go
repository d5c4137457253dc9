// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	hosts "github.com/nicwright/nicwright/lab/hosts/witness"
)

// cutMeOff: default routes lead over what is changed, and the test does not come that way.
const cutMeOff = "--yes-cut-me-off"

const hostScripts = "../../lab/hosts/"

// Whatever is applied, what differs afterwards is what the plan said; a second apply has nothing to do; after a rollback
// nothing differs; what is refused touches nothing.
func TestLivedIn(t *testing.T) {
	needLab(t)
	testLived(t, livedCases)
}

func TestTwoCards(t *testing.T) {
	needLab(t)
	if _, err := os.Stat("/sys/bus/pci/devices/0001:3c:00.0"); err != nil {
		t.Fatalf("this machine has one card; it wants lab exec --card cards=2: %v", err)
	}
	testLived(t, twoCardCases)
}

// testLived does the cases that make test has for their kinds, or, with NICWRIGHT_HOSTS=all, all of them; NICWRIGHT_HOSTS=HOST,...
// those of some hosts; NICWRIGHT_HOSTS_PART=2/3 the second third of them.
func testLived(t *testing.T, cases []lived) {
	which, part := os.Getenv("NICWRIGHT_HOSTS"), os.Getenv("NICWRIGHT_HOSTS_PART")
	cases = slices.Clone(cases)
	if which == "" {
		cases = slices.DeleteFunc(cases, func(c lived) bool { return !c.choice })
	} else if which != "all" {
		cases = slices.DeleteFunc(cases, func(c lived) bool { return !slices.Contains(strings.Split(which, ","), c.host) })
	}
	if part != "" {
		n, of, _ := strings.Cut(part, "/")
		first, err1 := strconv.Atoi(n)
		parts, err2 := strconv.Atoi(of)
		if err1 != nil || err2 != nil || first < 1 || first > parts {
			t.Fatalf("NICWRIGHT_HOSTS_PART=%s: it is as 2/3", part)
		}
		var order []string
		for _, c := range cases {
			if !slices.Contains(order, c.host) {
				order = append(order, c.host)
			}
		}
		cases = slices.DeleteFunc(cases, func(c lived) bool { return slices.Index(order, c.host)%parts != first-1 })
	}
	if len(cases) == 0 {
		t.Fatalf("no host is tried: NICWRIGHT_HOSTS=%s NICWRIGHT_HOSTS_PART=%s", which, part)
	}
	t.Cleanup(func() { script(t, "reset") })
	for _, c := range cases {
		t.Run(strings.Join(append([]string{c.host, c.profile}, c.args...), " "), c.test)
	}
}

func (c lived) test(t *testing.T) {
	start := time.Now()
	script(t, "reset")
	script(t, c.host)
	made := time.Since(start)
	before := dump(t)
	assertCaptured(t)
	assertSame(t, "a capture", before)
	args := append([]string{"-p", c.file()}, c.args...)
	if c.refused != nil {
		c.testRefused(t, before, args)
		return
	}
	if c.nothing {
		printed := expect(t, exitDone, append([]string{"plan"}, args...)...).stdout
		expect(t, exitDone, append([]string{"apply", cutMeOff}, args...)...)
		c.assertSays(t, printed)
		assertSame(t, "an apply of nothing", before)
		assertProcesses(t)
		return
	}
	printed := expect(t, exitSteps, append([]string{"plan"}, args...)...).stdout
	t.Logf("the plan on %s:\n%s", c.host, printed)
	plan := readPlan(t, expect(t, exitSteps, append([]string{"plan", "--json"}, args...)...).stdout)
	c.assertSays(t, printed)
	expect(t, exitDone, append([]string{"apply", cutMeOff}, args...)...)
	after := dump(t)
	for _, d := range hosts.Diff(before, after) {
		if !plan.explains(d) {
			t.Errorf("apply changed what is in no step and no effect of the plan: %s", d)
		}
	}
	if r := expect(t, exitDone, append([]string{"apply", cutMeOff}, args...)...); !strings.Contains(r.stdout, "nothing to do") {
		t.Errorf("the second apply printed:\n%s", r.stdout)
	}
	assertSame(t, "the second apply", after)
	if c.killed {
		rollbackKilled(t)
	} else {
		expect(t, exitDone, "rollback", cutMeOff)
	}
	assertSame(t, "the rollback", before)
	assertProcesses(t)
	t.Logf("made in %s, all in %s", made.Round(time.Second/10), time.Since(start).Round(time.Second/10))
}

// assertCaptured: what is captured of the host plans to nothing on it.
func assertCaptured(t *testing.T) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "captured.yaml")
	expect(t, exitDone, "capture", "-o", file)
	if r := expect(t, exitDone, "plan", "-p", file); !strings.Contains(r.stdout, "nothing to do") {
		text, _ := os.ReadFile(file)
		t.Errorf("a plan of the captured profile printed:\n%s\nand it is:\n%s", r.stdout, text)
	}
}

func (c lived) assertSays(t *testing.T, printed string) {
	t.Helper()
	for _, w := range c.says {
		if !strings.Contains(printed, w) {
			t.Errorf("the plan does not say %q:\n%s", w, printed)
		}
	}
}

func (c lived) testRefused(t *testing.T, before hosts.State, args []string) {
	for _, verb := range []string{"check", "plan", "apply"} {
		r := command(t, "nicwright", append([]string{verb}, args...)...) // refused for its reason, whoever is cut off
		if r.code != exitError {
			t.Errorf("%s exited %d, want %d", verb, r.code, exitError)
		}
		if verb == "plan" {
			t.Logf("refused on %s:\n%s%s", c.host, r.stdout, r.stderr)
		}
		for _, w := range c.refused {
			if !strings.Contains(r.stdout+r.stderr, w) {
				t.Errorf("%s does not say %q:\n%s%s", verb, w, r.stdout, r.stderr)
			}
		}
	}
	assertSame(t, "what was refused", before)
	assertProcesses(t)
}

// file is the profile: of this package's testdata, or else a built-in one.
func (c lived) file() string {
	for _, dir := range []string{"testdata/lived", "testdata"} {
		if f := filepath.Join(dir, c.profile+".yaml"); exists(f) {
			return f
		}
	}
	return c.profile
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func script(t *testing.T, name string) {
	t.Helper()
	if out, err := exec.Command("bash", hostScripts+name+".sh").CombinedOutput(); err != nil {
		t.Fatalf("%s.sh: %v\n%s", name, err, out)
	}
}

func dump(t *testing.T) hosts.State {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s, err := hosts.Dump(ctx)
	if err != nil {
		t.Fatalf("the witness: %v", err)
	}
	return s
}

// settles is how many times the witness looks: what the kernel and ovs-vswitchd do by themselves takes its time.
const settles = 3

func assertSame(t *testing.T, what string, want hosts.State) {
	t.Helper()
	var differ []hosts.Difference
	for range settles {
		if differ = hosts.Diff(want, dump(t)); len(differ) == 0 {
			return
		}
	}
	t.Errorf("after %s the host is not what it was:\n%s", what, hosts.Text(differ))
}

// assertProcesses asks whether those that have a VF still run.
func assertProcesses(t *testing.T) {
	t.Helper()
	pids, err := os.ReadFile("/run/lived/pids")
	if err != nil {
		return // this host has none
	}
	for _, pid := range strings.Fields(string(pids)) {
		if !exists("/proc/" + pid) {
			t.Errorf("the process %s that had a VF is gone", pid)
		}
	}
}

// saidPlan is what plan --json says that it touches.
type saidPlan struct {
	Steps []struct {
		Resource string
		Effects  []struct{ On, From string }
	}
	named map[string]bool
}

func readPlan(t *testing.T, text string) saidPlan {
	t.Helper()
	p := saidPlan{named: map[string]bool{}}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatalf("plan --json printed no JSON: %v\n%s", err, text)
	}
	for _, s := range p.Steps {
		p.named[s.Resource] = true
		if rest, ok := strings.CutPrefix(s.Resource, "bridge/"); ok { // the port of a bridge: the witness has it at the netdev
			_, netdev, _ := strings.Cut(rest, "/")
			p.named[netdev] = true
		}
		for _, e := range s.Effects {
			p.named[e.On] = true
		}
	}
	return p
}

// explains tells whether a plan says what differs: the resource is one of a step's or of an effect's, or it is new, and
// what it is part of is.
func (p saidPlan) explains(d hosts.Difference) bool {
	if p.named[d.Resource] {
		return true
	}
	// A function's mtu and up are its netdev's.
	if function, ok := strings.CutSuffix(d.Resource, "/netdev"); ok && p.named[function] && (d.Attribute == "mtu" || d.Attribute == "up") {
		return true
	}
	parent, _, _ := strings.Cut(d.Resource, "/vf/")
	bridge := ""
	if parts := strings.SplitN(d.Resource, "/", 3); parts[0] == "ovs" && len(parts) == 3 {
		bridge = "ovs/" + parts[1]
	}
	switch {
	case d.New:
		for r := d.Resource; strings.Contains(r, "/"); {
			r = r[:strings.LastIndex(r, "/")]
			if p.named[r] {
				return true
			}
		}
		name, ok := strings.CutPrefix(d.Resource, "link/") // the bridge's own port
		return ok && p.named["ovs/"+name]
	case d.Gone && strings.HasPrefix(d.Resource, "link/"):
		return p.named["ovs/"+strings.TrimPrefix(d.Resource, "link/")]
	case d.Gone && bridge != "":
		// A port of a netdev that was not there has another name where a plan knows whose it is.
		return strings.Contains(d.Resource, "/port/") && (p.named[bridge] || slices.ContainsFunc(p.Steps, func(s struct {
			Resource string
			Effects  []struct{ On, From string }
		},
		) bool {
			return strings.HasPrefix(s.Resource, bridge+"/")
		}))
	case strings.HasPrefix(d.Attribute, "function "):
		return p.named[parent] // the eswitch has functions' attributes in switchdev only
	}
	return false
}

// rollbackKilled kills a rollback as it tells of its first step, and starts the next.
func rollbackKilled(t *testing.T) {
	t.Helper()
	for kills := range 100 {
		// Killed as it told that it was done, it was done.
		if !killedAtItsReport(t, "rollback", cutMeOff) || kills > 0 && lastOperation(t) == "rollback done" {
			t.Logf("the rollback was killed %d times", kills)
			if kills == 0 {
				t.Error("it was never killed: the test proves nothing")
			}
			return
		}
	}
	t.Fatal("a hundred killed rollbacks have not ended the work")
}

// lastOperation is the kind and outcome of the newest operation of the journal.
func lastOperation(t *testing.T) string {
	t.Helper()
	var all []struct{ Kind, Outcome string }
	if err := json.Unmarshal([]byte(expect(t, exitDone, "history", "--json").stdout), &all); err != nil || len(all) == 0 {
		t.Fatalf("history: %v, %v", all, err)
	}
	last := all[len(all)-1]
	return last.Kind + " " + last.Outcome
}
