// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"fmt"
	"slices"
	"strings"
)

// queueing is the qdiscs, classes and filters that somebody made. Those that the
// kernel makes by itself have the handle 0; those of Open vSwitch come and go
// with its ports and with traffic.
func (l *look) queueing() error {
	var qdiscs []object
	if err := l.read(&qdiscs, "tc", "-j", "qdisc", "show"); err != nil {
		return err
	}
	vswitch, err := l.portsOfOVS()
	if err != nil {
		return err
	}
	classful := map[string]bool{}
	for _, q := range qdiscs {
		dev := text(q["dev"])
		if q["handle"] == "0:" || q["kind"] == "noqueue" || vswitch[dev] != "" && q["kind"] == vswitch[dev] {
			continue
		}
		parent := text(q["parent"])
		if q["root"] == true {
			parent = "root"
		}
		l.set(l.names.of(dev), strings.TrimSpace("qdisc "+parent), text(bare(without(q, "dev", "parent", "root", "refcnt"))))
		switch {
		case q["kind"] == "ingress":
			err = l.filters(dev, "ingress")
		case q["kind"] == "clsact":
			if err = l.filters(dev, "ingress"); err == nil {
				err = l.filters(dev, "egress")
			}
		case !classful[dev]:
			classful[dev] = true
			if err = l.filters(dev, "root"); err == nil {
				err = l.classes(dev)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *look) classes(dev string) error {
	var all []object
	if err := l.read(&all, "tc", "-j", "class", "show", "dev", dev); err != nil {
		return err
	}
	for _, c := range all {
		if c["class"] != "mq" {
			l.set(l.names.of(dev), "class "+text(c["handle"]), text(bare(without(c, "handle"))))
		}
	}
	return nil
}

// counters are the parts of a filter and of its actions that are no part of the rule.
var counters = []string{
	"in_hw", "not_in_hw", "in_hw_count", "index", "ref", "bind", "installed", "used", "last_used", "expires", "stats",
	"used_hw_stats", "cookie", "direct_packets_stat",
}

func (l *look) filters(dev, where string) error {
	var all []object
	if err := l.read(&all, "tc", "-j", "filter", "show", "dev", dev, where); err != nil {
		return err
	}
	for _, f := range all {
		options, ok := f["options"].(object)
		if !ok {
			continue // the line of the preference as a whole
		}
		key := fmt.Sprintf("filter %s pref %v handle %v", where, f["pref"], text(options["handle"]))
		l.add(l.names.of(dev), key, l.names.in(text(bare(without(f, "pref", "parent")))))
	}
	return nil
}

// bare is a value without counters, at any depth.
func bare(v any) any {
	switch v := v.(type) {
	case object:
		out := object{}
		for k, e := range v {
			if !slices.Contains(counters, k) {
				out[k] = bare(e)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = bare(v[i])
		}
		return out
	}
	return v
}

// portsOfOVS are the netdevs that Open vSwitch puts qdiscs on, its ports and the
// members of a bond that is one, with the kind: what comes from an internal port
// is what leaves the host, so its rules hang at egress (OVS, lib/netdev-offload-tc.c,
// get_tc_qdisc_hook).
func (l *look) portsOfOVS() (map[string]string, error) {
	links, err := l.links("")
	if err != nil {
		return nil, err
	}
	ports := map[string]string{}
	for range 2 { // the second time finds the members
		for _, k := range links {
			switch {
			case k.Info.Kind == "openvswitch":
				ports[k.Name] = "clsact"
			case k.Master == datapath || ports[k.Master] != "":
				ports[k.Name] = "ingress"
			}
		}
	}
	return ports, nil
}
