// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/report"
)

// A VF that is leased is taken by no proof: not chosen, not where the profile names it, not by force.
func TestLeasedVFsAreNotTaken(t *testing.T) {
	pf := pci.Address("0000:3b:00.0")
	leased := []eswitch.Use{{Kind: eswitch.Leased, By: "web1"}}
	have := report.Host{Cards: []eswitch.Card{{Ports: []eswitch.Port{{Address: pf, NumVFs: 2, VFs: []eswitch.VF{{Index: 0, Uses: leased}, {Index: 1}}}}}}}
	free := unleased(have, func(context.Context, pci.Function) error { return nil })
	if err := free(t.Context(), pci.VF(pf, 0)); err == nil || !strings.Contains(err.Error(), "it is leased as web1") {
		t.Errorf("a leased VF: %v", err)
	}
	for _, f := range []pci.Function{pci.VF(pf, 1), pci.VF(pf, 2), pci.PF(pf), pci.VF("0000:5e:00.0", 0)} {
		if err := free(t.Context(), f); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
	r := newRun(Input{Have: have, Want: &profiles.Want{Verify: &profiles.VerifySpec{InUse: true}}}, nil)
	if _, err := r.enter(t.Context(), pci.VF(pf, 1), pci.VF(pf, 0)); err == nil || !strings.Contains(err.Error(), "it is leased as web1") {
		t.Errorf("one that the profile names, by force: %v", err)
	}
}
