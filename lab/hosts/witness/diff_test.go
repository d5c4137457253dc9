// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	a := State{
		"bond/bond0":   {there: "yes", "mtu": "1500", "address 10.0.0.1/8": "{}"},
		"link/vmbr0":   {there: "yes", "up": "yes"},
		"link/as-ever": {there: "yes"},
	}
	b := State{
		"bond/bond0":   {there: "yes", "mtu": "9000"},
		"link/new":     {there: "yes", "up": "no", "mtu": "1500"},
		"link/as-ever": {there: "yes"},
	}
	want := strings.Join([]string{
		"bond/bond0 address 10.0.0.1/8: {} -> (none)",
		"bond/bond0 mtu: 1500 -> 9000",
		"link/new there: (none) -> yes",
		"link/vmbr0 there: yes -> (none)",
		"link/vmbr0 up: yes -> (none)",
		"",
	}, "\n")
	all := Diff(a, b)
	if got := Text(all); got != want {
		t.Errorf("the differences are\n%swant\n%s", got, want)
	}
	for _, d := range all {
		if d.New != (d.Resource == "link/new") || d.Gone != (d.Resource == "link/vmbr0") {
			t.Errorf("%s: new %v, gone %v", d, d.New, d.Gone)
		}
	}
	if again := Diff(b, b); len(again) != 0 {
		t.Errorf("a host differs from itself:\n%s", Text(again))
	}
}

// Attributes alike are told apart, and lose nothing.
func TestAdd(t *testing.T) {
	s := State{}
	s.add("host", "route default", "a")
	s.add("host", "route default", "b")
	if s["host"]["route default"] != "a" || s["host"]["route default (2)"] != "b" {
		t.Errorf("it is %v", s)
	}
}

func TestFunctionsByThePortsName(t *testing.T) {
	for name, want := range map[string]string{
		"pf0vf3": "vf 3", "pf1vf0": "vf 0", "c1pf0vf2": "vf 2", "pf0sf88": "sf 88", "p0": "", "pf0": "", "": "", "pf0vf": "",
	} {
		got := ""
		if m := representorName.FindStringSubmatch(name); m != nil {
			got = m[1] + " " + m[2]
		}
		if got != want {
			t.Errorf("%q is the representor of %q, want %q", name, got, want)
		}
	}
	if !uplinkName.MatchString("p1") || uplinkName.MatchString("pf1vf0") {
		t.Error("uplinks are not told from representors")
	}
}

func TestNamesInTexts(t *testing.T) {
	n := names{"eth2": "pci/0000:3b:00.0/vf/0/representor", "mgmt0": "link/mgmt0"}
	if got, want := n.in("priority=10,in_port=eth2 actions=output:mgmt0,eth20"), "priority=10,in_port=pci/0000:3b:00.0/vf/0/representor actions=output:link/mgmt0,eth20"; got != want {
		t.Errorf("it is %q, want %q", got, want)
	}
}

func TestFlowWithoutCounters(t *testing.T) {
	line := " cookie=0x0, duration=1.2s, table=0, n_packets=0, n_bytes=0, idle_age=3, priority=10,in_port=mgmt0 actions=NORMAL"
	if got, want := flowCounters.ReplaceAllString(line, ""), " cookie=0x0, table=0, priority=10,in_port=mgmt0 actions=NORMAL"; got != want {
		t.Errorf("it is %q, want %q", got, want)
	}
}

func TestFilterWithoutCounters(t *testing.T) {
	f := object{"kind": "flower", "options": object{"not_in_hw": true, "actions": []any{object{"kind": "gact", "index": 7.0, "ref": 1.0}}}}
	if got, want := text(bare(f)), `{"kind":"flower","options":{"actions":[{"kind":"gact"}]}}`; got != want {
		t.Errorf("it is %s, want %s", got, want)
	}
}

func TestOVSDBValues(t *testing.T) {
	for _, c := range []struct {
		in   any
		want string
	}{
		{"a", "a"},
		{100.0, "100"},
		{[]any{"set", []any{}}, "[]"},
		{[]any{"set", []any{200.0, 100.0}}, "[100, 200]"},
		{[]any{"uuid", "7b8f"}, "(a row)"},
	} {
		if got := ovsdb(c.in); got != c.want {
			t.Errorf("%v is %q, want %q", c.in, got, c.want)
		}
	}
}
