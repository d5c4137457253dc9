// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// links asks for the netdevs of a namespace. That of Open vSwitch's datapath is
// left out: it is there while any bridge is.
func (l *look) links(ns string) ([]link, error) {
	var raw []json.RawMessage
	if err := l.read(&raw, "ip", inside(ns, "-d", "-j", "link", "show")...); err != nil {
		return nil, err
	}
	var all []link
	for _, r := range raw {
		var k link
		if err := json.Unmarshal(r, &k); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(r, &k.raw); err != nil {
			return nil, err
		}
		if k.Name != "" && k.Name != datapath {
			all = append(all, k)
		}
	}
	return all, nil
}

const datapath = "ovs-system"

// inside are the arguments of ip or bridge in a namespace.
func inside(ns string, args ...string) []string {
	if ns == "" {
		return args
	}
	return append([]string{"-n", ns}, args...)
}

// Of the options of a netdev's kind, those that the kernel changes by itself.
var volatile = map[string][]string{
	"bond": {"active_slave", "ad_info"},
	"bridge": {
		"hello_timer", "tcn_timer", "topology_change_timer", "gc_timer", "topology_change", "topology_change_detected",
		"bridge_id", "root_id", "root_port", "root_path_cost", "fdb_n_learned",
	},
	"macvlan": {"macaddr_count", "macaddr_data"},
	"macvtap": {"macaddr_count", "macaddr_data"},
	"bond_slave": {
		"state", "mii_status", "link_failure_count", "perm_hwaddr", "ad_aggregator_id", "ad_actor_oper_port_state",
		"ad_actor_oper_port_state_str", "ad_partner_oper_port_state", "ad_partner_oper_port_state_str",
	},
	// The cost is made from the speed, which is unknown while there is no carrier.
	"bridge_slave": {
		"state", "cost", "id", "no", "designated_port", "designated_cost", "bridge_id", "root_id", "hold_timer", "message_age_timer",
		"forward_delay_timer", "topology_change_ack", "config_pending",
	},
}

// attributes of `ip -d -j link` that are taken as they are.
var linkAttributes = []string{"mtu", "txqlen", "group", "ifalias", "inet6_addr_gen_mode", "gso_max_size", "gro_max_size", "protodown", "linkmode"}

// kernelName is a name that nobody gave; which number it has is chance.
var kernelName = regexp.MustCompile(`^eth[0-9]+$`)

func (l *look) link(ns string, n names, k link) {
	id := n.of(k.Name)
	l.set(id, there, "yes")
	isFunction := strings.HasPrefix(id, "pci/")
	if isFunction {
		if ns != "" {
			l.set(id, "netns", ns)
		}
		if !kernelName.MatchString(k.Name) {
			l.set(id, "name", k.Name)
		}
	}
	for _, a := range linkAttributes {
		if v, ok := k.raw[a]; ok {
			l.set(id, a, text(v))
		}
	}
	l.set(id, "up", yesNo(slices.Contains(k.Flags, "UP")))
	for _, f := range []string{"NOARP", "MULTICAST"} {
		l.set(id, strings.ToLower(f), yesNo(slices.Contains(k.Flags, f)))
	}
	if k.Master != "" && k.Master != datapath {
		l.set(id, "master", n.of(k.Master))
	} else if k.Master == datapath {
		l.set(id, "master", "Open vSwitch")
	}
	if k.Lower != "" {
		l.set(id, "link", n.of(k.Lower))
	}
	for _, a := range k.AltNames {
		l.set(id, "altname "+a, "yes")
	}
	if mac := macOf(ns, k, strings.HasSuffix(id, "/representor")); mac != "" {
		l.set(id, "mac", mac)
	}
	if k.Info.Kind != "" {
		l.set(id, "kind", k.Info.Kind)
	}
	l.options(id, n, "kind ", k.Info.Kind, k.Info.Data)
	l.options(id, n, "port ", k.Info.SlaveKind, k.Info.SlaveData)
	if (k.Info.SlaveKind == "bond" || k.Info.SlaveKind == "team") && k.Master != "" {
		l.set(n.of(k.Master), "member "+id, "yes")
	}
	if ns == "" {
		for _, f := range []string{"gro_flush_timeout", "napi_defer_hard_irqs", "threaded"} {
			if v := file("/sys/class/net/" + k.Name + "/" + f); v != "" && v != "0" {
				l.set(id, f, v)
			}
		}
	}
}

func (l *look) options(id string, n names, prefix, kind string, data map[string]any) {
	if prefix == "port " {
		kind += "_slave"
	}
	for k, v := range data {
		if slices.Contains(volatile[kind], k) {
			continue
		}
		s := text(v)
		if k == "primary" || k == "active_slave" {
			s = n.of(s)
		}
		l.set(id, prefix+k, s)
	}
}

// What addr_assign_type says (include/uapi/linux/netdevice.h).
const (
	macRandom = "1"
	macStolen = "2"
)

// macOf is the hardware address; the random one of a representor is another each
// time that it is made, and means nothing to anybody, and a bond, a bridge or a VLAN
// without its own has that of another netdev.
func macOf(ns string, k link, representor bool) string {
	mac := text(k.raw["address"])
	if ns != "" {
		return mac
	}
	how := file("/sys/class/net/" + k.Name + "/addr_assign_type")
	switch k.Info.Kind {
	case "openvswitch":
		return ""
	case "bond", "bridge", "vlan", "team":
		if how != "3" {
			return "of another netdev"
		}
		return mac
	}
	switch {
	case how == macStolen:
		return "of another netdev"
	case how == macRandom && representor:
		return "random"
	}
	return mac
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
