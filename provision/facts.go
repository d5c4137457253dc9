// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"

	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/facts"
)

// Known is what is known of the hardware of the host: see facts.Of.
func (r *Road) Known(ctx context.Context) facts.Facts {
	return facts.Of(ctx, r.Snapshot, facts.Host{Cards: r.Have.Cards, Bonds: r.Have.Bonds, Switch: r.Have.Switch})
}

// Facts are what rules want to know. States of IPsec that cannot be listed break
// no rule: they are not known.
func (r *Road) Facts(ctx context.Context) profiles.Facts {
	return r.Known(ctx).Rules(r.Have.CardInfos())
}
