// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"

	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/facts"
)

// Known is what is known of the hardware of a host that was looked at, for rules
// and for the doctor; what is dear is asked when it is wanted.
func Known(ctx context.Context, h Host, s *snapshot.Snapshot) facts.Facts {
	return facts.Of(ctx, s, facts.Host{Cards: h.Cards, Bonds: h.Bonds, Switch: h.Switch})
}

// Facts are what rules want to know of a host that was looked at: check, plan and
// apply are told the same. States of IPsec that cannot be listed break no rule.
func Facts(ctx context.Context, h Host, s *snapshot.Snapshot) profiles.Facts {
	return Known(ctx, h, s).Rules(h.CardInfos())
}

// Facts are those of the look.
func (r *Road) Facts(ctx context.Context) profiles.Facts { return Facts(ctx, r.Have, r.Snapshot) }
