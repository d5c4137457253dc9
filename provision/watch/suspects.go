// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/hostnet"
	"github.com/nicwright/nicwright/internal/resource"
)

// managers are programs that change netdevs, bonds or the switch by themselves, by the
// name that the kernel keeps of them (/proc/PID/comm, 15 characters).
func managers() map[string]string {
	return map[string]string{
		"NetworkManager": "NetworkManager", "systemd-network": "systemd-networkd", "cloud-init": "cloud-init", "teamd": "teamd",
		"ifup": "ifupdown", "ifreload": "ifupdown2", "wicked": "wicked", "wickedd": "wicked", "connmand": "connman", "netplan": "netplan",
		"libvirtd": "libvirt", "virtnetworkd": "libvirt", "neutron-openvsw": "Neutron's agent", "ovn-controller": "OVN", "sriov-network-c": "the SR-IOV network operator",
		"ansible-playboo": "Ansible", "puppet": "Puppet", "chef-client": "Chef", "salt-minion": "Salt",
	}
}

// running are the managers that run, by the processes below proc. What cannot be read
// has ended, or is not ours to see.
func running(proc string) (names []string) {
	known := managers()
	files, _ := filepath.Glob(filepath.Join(proc, "[0-9]*", "comm")) // the pattern is well formed
	for _, f := range files {
		b, err := os.ReadFile(f)
		if name, is := known[strings.TrimSpace(string(b))]; err == nil && is && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// suspects are who may have changed a resource: those that run, and what its netdev is a
// port of, for its master has a say in its MTU, address and state.
func suspects(s hostnet.State, id resource.ID, running []string) (all []string) {
	for _, name := range running {
		all = append(all, name+", which runs")
	}
	netdev := id
	switch id.Kind {
	case resource.PF, resource.VF:
		netdev = resource.OfNetdev(id.Function)
	case resource.SwitchPort:
		netdev = ovs.NetdevOf(id.Of)
	case resource.BridgePort:
		netdev = id.NetdevOf()
	}
	if n, there := s.Netdevs[netdev]; there && n.MasterName != "" {
		kind := n.MasterKind
		if kind == "" {
			kind = "master"
		}
		all = append(all, fmt.Sprintf("%s, the %s that %s is a port of", n.MasterName, kind, n.Name))
	}
	if id.Kind == resource.Bridge || id.Kind == resource.SwitchPort || id.Kind == resource.Switch {
		all = append(all, "who writes to the database of Open vSwitch (ovsdb-client monitor shows what)")
	}
	return all
}
