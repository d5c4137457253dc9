// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/colorprofile"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// printed is what a pipe gets of what print writes.
func printed(t *testing.T, print func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := print(&colorprofile.Writer{Forward: &b, Profile: colorprofile.NoTTY}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The picture of each host of testdata/hosts.
func TestHostText(t *testing.T) {
	files, err := filepath.Glob("testdata/hosts/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no hosts: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			var h Host
			golden.Read(t, file, &h)
			golden.Text(t, "testdata/text/host-"+name+".txt", printed(t, h.Print))
		})
	}
	if got := printed(t, (Host{}).Print); !strings.Contains(got, "no SmartNIC") {
		t.Errorf("a host without a card: %s", got)
	}
}

func steps() []step.Step {
	pf, vf := pci.PF("0001:3b:00.0"), pci.VF("0001:3b:00.0", 1)
	uplink, br := resource.OfNetdev(pf), resource.OfBridge("br-nic")
	return []step.Step{
		{Phase: step.Quiesce, Resource: br, Attribute: "bridge", Action: step.Remove, From: step.Text("present"), Reason: "it is not wanted any more", Effects: []step.Effect{step.Stop(br, step.ForGood, "all traffic over br-nic")}},
		{Phase: step.Quiesce, Resource: resource.OfFunction(vf), Attribute: "driver", Action: step.Change, From: step.Text("mlx5_core"), To: step.Text("none"), Effects: []step.Effect{
			step.Stop(resource.OfFunction(vf), step.Apply, "all traffic of VF 1"), {Kind: step.Remade, On: resource.OfNetdev(vf)},
		}},
		{Phase: step.Eswitch, Resource: resource.OfFunction(pf), Attribute: "inline-mode", Action: step.Replace, From: step.Unknown(), To: step.Text("none")},
		{Phase: step.Functions, Resource: uplink, Attribute: "mtu", Action: step.Replace, From: step.Text("1500"), To: step.Text("1500"), Reason: "its netdev is made again"},
		{Phase: step.Bond, Resource: resource.OfBond("bond0"), Attribute: "bond", Action: step.Make, To: step.Text("802.3ad")},
		{Phase: step.Network, Resource: resource.OfLink("e\x1b[31mvil"), Attribute: "alias", Action: step.Change, From: step.Text("\x1b]0;x\x07"), To: step.Text("")},
		{Phase: step.Network, Resource: uplink, Attribute: "route", Action: step.Remove, From: step.Unknown()},
	}
}

func TestPlanText(t *testing.T) {
	left := []step.Left{{Resource: resource.OfFunction(pci.VF("0001:3b:00.0", 3)), Attribute: "driver", Reason: "process 812 (qemu) holds its vfio group"}}
	summary := []string{"br-nic is gone: nobody's traffic crosses it any more", "VF 1 loses its traffic until the plan is done"}
	var b strings.Builder
	for _, tt := range []struct {
		title   string
		steps   []step.Step
		left    []step.Left
		summary []string
	}{{"vm-host", steps(), left, summary}, {"nothing", nil, nil, nil}, {"only what is left", nil, left, nil}} {
		b.WriteString(printed(t, func(w io.Writer) error { return Plan(w, tt.title, tt.steps, tt.left, tt.summary) }))
	}
	golden.Text(t, "testdata/text/plan.txt", b.String())
}

func TestApplyText(t *testing.T) {
	r := Apply{Profile: "vm-host", Started: time.Now()}
	if got := printed(t, r.Print); got != "vm-host: nothing to do\n" {
		t.Errorf("an apply without steps prints %q", got)
	}
	vfs := func(device, group string) step.Step {
		return step.Step{Phase: step.SRIOV, Resource: resource.OfFunction(pci.PF(pci.Address(device))), Device: device, Group: group, Attribute: "vfs", From: step.Text("0"), To: step.Text("2")}
	}
	const a, b = "0000:0a:00.0", "0000:0b:00.0"
	r.Steps = []Done{
		{Step: vfs(a, ""), Seconds: 0.2},
		{Step: vfs(a, "g"), Seconds: 0.5},
		{Step: vfs(a, "g"), Seconds: 0.5}, // of one act: counted once
		{Step: vfs(b, ""), Seconds: 0.4},  // at the same time
		{Step: step.Step{Phase: step.Bind, Resource: resource.OfFunction(pci.VF(a, 0)), Device: a, Attribute: "driver", From: step.Text("none"), To: step.Text("mlx5_core")}, Seconds: 1, Err: io.EOF},
	}
	r.End(io.EOF)
	r.Seconds = 1.7
	if r.Error != "EOF" {
		t.Errorf("the report's error is %q", r.Error)
	}
	r.Awaits = []string{"pci/0000:0a:00.0 params total_vfs permanent: 8 -> 16: it is stored in the card"}
	r.Left = []step.Left{{Resource: resource.OfFunction(pci.VF(a, 1)), Attribute: "driver", Reason: "it is in use"}}
	var out strings.Builder
	for _, d := range r.Steps {
		out.WriteString(printed(t, func(w io.Writer) error { d.Print(w); return nil }))
	}
	golden.Text(t, "testdata/text/apply.txt", out.String()+printed(t, r.Print))
}
