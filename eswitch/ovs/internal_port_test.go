// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

func TestMTUText(t *testing.T) {
	for text, m := range map[string]mtu{"9000": {9000, 9000}, "1500 (not asked for)": {1500, 0}, "1500 (9000 is asked for)": {1500, 9000}} {
		if got, err := parseMTU(text); err != nil || got != m || m.text() != text {
			t.Errorf("%q is %+v, %v, which is %q", text, got, err, m.text())
		}
	}
	for _, bad := range []string{"", "x", "-1", "0", "1500 ", "1500 (x is asked for)", "1500 (1500 is asked for)", "1500 asked", "01500"} {
		if m, err := parseMTU(bad); err == nil {
			t.Errorf("%q is %+v", bad, m)
		}
	}
}

// What a bridge's own netdev is told is asked for in the rows of its internal port.
func TestTransactionOfTheInternalPort(t *testing.T) {
	rows := someRows(t)
	rows.Ports["p9"] = map[string]json.RawMessage{"name": []byte(`"br0"`), "interfaces": []byte(`["uuid","i9"]`)}
	rows.Interfaces["i9"] = map[string]json.RawMessage{"name": []byte(`"br0"`), "type": []byte(`"internal"`), "mtu_request": []byte(`9000`)}
	rows.Bridges["b1"]["ports"] = []byte(`["set",[["uuid","p1"],["uuid","p9"]]]`)
	of := resource.OfBridge("br0")
	for _, c := range []struct {
		name  string
		steps []step.Step
		want  string
		ops   int
	}{
		{"it is so", []step.Step{sw(of, attrMTU, step.Unknown(), step.Text("9000"))}, "", 0},
		{"another", []step.Step{sw(of, attrMTU, step.Text("9000"), step.Text("1500"))}, `{"mtu_request":1500}`, 1},
		{"none any more, which is let go later", []step.Step{sw(of, attrMTU, step.Text("9000"), step.Text("1500 (not asked for)"))}, `{"mtu_request":1500}`, 1},
		{"none any more, and it is so already", []step.Step{sw(of, attrMTU, step.Text("9000"), step.Text("9000 (not asked for)"))}, "", 0},
		{"up is the kernel's", []step.Step{sw(of, attrUp, step.Text("down"), step.Text("up"))}, "", 0},
		{"of a new bridge", []step.Step{
			sw(resource.OfBridge("br7"), AttrBridge, step.Absent(), step.Text("owner me")),
			sw(resource.OfBridge("br7"), attrMTU, step.Absent(), step.Text("9000")),
		}, `"mtu_request":9000`, 5},
	} {
		e, err := parseEdits(c.steps)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := newTransaction(rows, e, someNames)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := json.Marshal(tr.ops)
		if len(tr.ops) != c.ops+2 || !strings.Contains(string(b), c.want) {
			t.Errorf("%s: %d operations: %s", c.name, len(tr.ops), b)
		}
		if later := slices.Contains(tr.requests["br0"], columnMTU); later != strings.HasPrefix(c.name, "none any more") {
			t.Errorf("%s: it is let go later: %t", c.name, later)
		}
	}
	for _, s := range []step.Step{sw(of, attrMTU, step.Absent(), step.Text("x")), sw(of, attrUp, step.Absent(), step.Text("sideways"))} {
		if _, err := parseEdits([]step.Step{s}); err == nil {
			t.Errorf("%s is done", s)
		}
	}
}
