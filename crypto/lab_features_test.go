// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/lab/vflab"
)

// What Do sets is what ethtool(8) shows, and afterwards there is nothing to do;
// what the card does not do is an error that names it.
func TestLabSwitchesAreAsEthtoolShows(t *testing.T) {
	if os.Getenv("NICWRIGHT_LAB") == "" {
		t.Skip("needs the lab: make test-lab")
	}
	ctx := t.Context()
	links := vflab.Legacy(t, ctx, 2)
	on, off := true, false
	want := map[pci.Function]Spec{
		links[0].Function: {TLSTx: &off, TLSRx: &on},
		links[1].Function: {TLSRx: &on, ESPTxSeg: &off},
	}
	d := NewDoer()
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	plan := func() []step.Step {
		t.Helper()
		s, err := snapshot.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Diff(Observe(s), want, nil, step.Options{})
		if err != nil || len(r.Left) > 0 {
			t.Fatalf("left %v, %v", r.Left, err)
		}
		return r.Steps
	}
	steps := plan()
	if len(steps) < 3 {
		t.Fatalf("planned %v", steps)
	}
	if err := d.Do(ctx, steps); err != nil {
		t.Fatal(err)
	}
	for _, w := range []struct{ netdev, line string }{
		{links[0].Name, "tls-hw-tx-offload: off"},
		{links[0].Name, "tls-hw-rx-offload: on"},
		{links[1].Name, "tls-hw-rx-offload: on"},
		{links[1].Name, "tx-esp-segmentation: off"},
	} {
		out, err := exec.Command("ethtool", "-k", w.netdev).CombinedOutput()
		if err != nil || !strings.Contains(string(out), w.line) {
			t.Errorf("ethtool -k %s: %v, no %q in\n%s", w.netdev, err, w.line, out)
		}
	}
	if again := plan(); len(again) > 0 {
		t.Errorf("planned again: %v", again)
	}
	t.Run("refused", func(t *testing.T) { refuses(t, ctx, d, links[0]) })
}

// refuses asks for receive offload without the checksum offload that it needs.
func refuses(t *testing.T, ctx context.Context, d *Doer, l netdev.Link) {
	vflab.Run(t, "ethtool", "-K", l.Name, "rx", "off")
	steps := []step.Step{
		{Resource: resource.OfNetdev(l.Function), Attribute: featTLSRx, To: step.Text("on")},
		{Resource: resource.OfNetdev(l.Function), Attribute: featTLSTx, To: step.Text("on")},
	}
	err := d.Do(ctx, steps)
	if err == nil || !strings.Contains(err.Error(), "tls-hw-rx-offload of "+l.Function.String()) || strings.Contains(err.Error(), featTLSTx) {
		t.Errorf("got %v", err)
	}
	gone := step.Step{Resource: resource.OfNetdev(pci.VF(l.Function.PF, 99)), Attribute: featTLSTx, To: step.Text("on")}
	if err := d.Do(ctx, []step.Step{gone}); !errors.Is(err, netdev.ErrNone) {
		t.Errorf("got %v", err)
	}
}
