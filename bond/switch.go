// SPDX-License-Identifier: Apache-2.0

package bond

import (
	"github.com/nicwright/nicwright/internal/ovsdb"
	"github.com/nicwright/nicwright/internal/step"
)

// switchPort is the bridge of Open vSwitch that a netdev is a port of, and whose
// mark the port carries (external_ids:nicwright, 1 from older versions); "" where
// the database does not say.
func switchPort(db *ovsdb.Database, netdev string) (bridge, owner string) {
	if db == nil {
		return "", ""
	}
	for _, b := range db.Bridges {
		for _, id := range b.UUIDs("ports") {
			p := db.Ports[id]
			for _, id := range p.UUIDs("interfaces") {
				if db.Interfaces[id].String("name") != netdev {
					continue
				}
				if owner = p.Map("external_ids")[Mark]; owner == "1" {
					owner = step.NoOwner
				}
				return b.String("name"), owner
			}
		}
	}
	return "", ""
}
