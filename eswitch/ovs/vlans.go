// SPDX-License-Identifier: Apache-2.0

package ovs

import "github.com/nicwright/nicwright/internal/vlans"

// VLANs are VLANs as a profile writes them: [10, 100-199].
type VLANs = vlans.List

// MaxVLAN is the last VLAN that can be carried.
const MaxVLAN = vlans.Max
