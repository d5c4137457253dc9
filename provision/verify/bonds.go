// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"context"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/internal/proof"
)

// onBonds proves the bonds of the profile.
func (r *run) onBonds(ctx context.Context) {
	var spec bond.ProofSpec
	if v := r.in.Want.Verify; v != nil && v.Bond != nil {
		spec = *v.Bond
	}
	var require proof.Verdict
	if spec.Require != nil {
		require = proof.Verdict(*spec.Require)
	}
	for _, b := range r.in.Want.Bonds {
		r.progress.Start("bond " + b.Name)
		lag := b.LAG != nil && *b.LAG
		for _, p := range bond.Prove(ctx, b.Name, lag, spec.Failover) {
			r.judge(p, require)
		}
	}
}
