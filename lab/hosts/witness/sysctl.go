// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"os"
	"slices"
)

// sysctlTrees have a directory for every netdev, and one for the default.
var sysctlTrees = []string{"ipv4/conf", "ipv6/conf", "ipv4/neigh", "ipv6/neigh"}

// elsewhere are sysctls that say what another attribute says.
var elsewhere = []string{"mtu", "stable_secret", "addr_gen_mode", "mc_forwarding"}

// sysctls are those of a netdev that differ from the default, and those for all.
func (l *look) sysctls(links []link) error {
	for _, tree := range sysctlTrees {
		dir := "/proc/sys/net/" + tree + "/"
		defaults := values(dir + "default")
		for name, v := range values(dir + "all") {
			l.set("host", "sysctl "+tree+"/all/"+name, v)
		}
		for name, v := range defaults {
			l.set("host", "sysctl "+tree+"/default/"+name, v)
		}
		for _, k := range links {
			for name, v := range values(dir + k.Name) {
				if v != defaults[name] {
					l.set(l.names.of(k.Name), "sysctl "+tree+"/"+name, v)
				}
			}
		}
	}
	return nil
}

func values(dir string) map[string]string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // the netdev went, or has no IPv6
	}
	all := map[string]string{}
	for _, e := range entries {
		if !slices.Contains(elsewhere, e.Name()) {
			all[e.Name()] = file(dir + "/" + e.Name())
		}
	}
	return all
}
