// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"net"
	"testing"

	"github.com/nicwright/nicwright/internal/rtlink"
)

func TestTheAddressThatAMemberJoinsWith(t *testing.T) {
	own, bonds := net.HardwareAddr{2, 0, 0, 0, 0, 1}, net.HardwareAddr{2, 0, 0, 0, 0, 9}
	for name, c := range map[string]struct {
		l    rtlink.Link
		want string
	}{
		"of no bond":            {rtlink.Link{MAC: own}, own.String()},
		"of another bond":       {rtlink.Link{MAC: bonds, Slave: &rtlink.Slave{OwnMAC: own}}, own.String()},
		"of one that says less": {rtlink.Link{MAC: bonds, Slave: &rtlink.Slave{}}, bonds.String()},
		"of InfiniBand":         {rtlink.Link{MAC: make(net.HardwareAddr, 20)}, ""},
		"without one":           {rtlink.Link{}, ""},
	} {
		if got := macOf(c.l).String(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
