// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/colorprofile"

	"github.com/nicwright/nicwright/internal/golden"
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

func TestPlanText(t *testing.T) {
	var have, then Host
	golden.Read(t, "testdata/hosts/small.yaml", &have)
	golden.Read(t, "testdata/hosts/bare.yaml", &then)
	plan, err := NewPlan(have, then.want("rollback of small"), nil)
	if err != nil {
		t.Fatal(err)
	}
	golden.Text(t, "testdata/text/plan.txt", printed(t, plan.Print))
	plan.Steps = nil
	if got := printed(t, plan.Print); got != "rollback of small: nothing to do\n" {
		t.Errorf("a plan without steps prints %q", got)
	}
}

func TestApplyText(t *testing.T) {
	r := ApplyReport{Profile: "vm-host", Started: time.Now()}
	if got := printed(t, r.Print); got != "vm-host: nothing to do\n" {
		t.Errorf("an apply without steps prints %q", got)
	}
	vfs := func(device, group string) step.Step {
		return step.Step{Phase: step.SRIOV, Domain: "eswitch", Resource: device, Device: device, Group: group, Attribute: "vfs", From: "0", To: "2"}
	}
	r.Steps = []Done{
		{Step: vfs("a", ""), Seconds: 0.2},
		{Step: vfs("a", "g"), Seconds: 0.5},
		{Step: vfs("a", "g"), Seconds: 0.5}, // of one act: counted once
		{Step: vfs("b", ""), Seconds: 0.4},  // at the same time
		{Step: step.Step{Phase: step.Bind, Resource: "c", Device: "c", Attribute: "driver", From: "none", To: "mlx5_core"}, Seconds: 1, Err: io.EOF},
	}
	r.Phases = phaseSeconds(r.Steps)
	r.Seconds = 1.7
	var b strings.Builder
	for _, d := range r.Steps {
		b.WriteString(printed(t, func(w io.Writer) error { d.Print(w); return nil }))
	}
	golden.Text(t, "testdata/text/apply.txt", b.String()+printed(t, r.Print))
}
