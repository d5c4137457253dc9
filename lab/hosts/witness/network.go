// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"fmt"
	"slices"
	"strings"
)

// object is one entry of what a tool prints as JSON.
type object = map[string]any

// network is what a namespace has on its netdevs.
func (l *look) network(ns string, n names, links []link) error {
	for _, k := range links {
		l.link(ns, n, k)
	}
	for _, part := range []func(string, names) error{l.addresses, l.routes, l.rules, l.neighbours, l.nexthops} {
		if err := part(ns, n); err != nil {
			return err
		}
	}
	return nil
}

// peer is the lab's namespace with the far ends of the cables: no part of the host.
const peer = "peer"

func (l *look) namespaces() error {
	var all []struct{ Name string }
	if err := l.read(&all, "ip", "-j", "netns", "list"); err != nil {
		return err
	}
	for _, ns := range all {
		if ns.Name == peer {
			continue
		}
		l.set("netns/"+ns.Name, there, "yes")
		links, err := l.links(ns.Name)
		if err != nil {
			return err
		}
		if err := l.network(ns.Name, l.nameAll(ns.Name, links), links); err != nil {
			return err
		}
	}
	return nil
}

// forever is the lifetime that does not end.
const forever = 4294967295

func (l *look) addresses(ns string, n names) error {
	var links []struct {
		Name      string   `json:"ifname"`
		Addresses []object `json:"addr_info"`
	}
	if err := l.read(&links, "ip", inside(ns, "-d", "-j", "address", "show")...); err != nil {
		return err
	}
	for _, k := range links {
		for _, a := range k.Addresses {
			if a["protocol"] == "kernel_ll" || a["protocol"] == "kernel_lo" {
				continue
			}
			key := fmt.Sprintf("address %v/%v", a["local"], a["prefixlen"])
			for _, life := range []string{"valid_life_time", "preferred_life_time"} {
				if v, ok := a[life].(float64); !ok || v == forever {
					a[life] = "forever"
				} else {
					a[life] = "finite"
				}
			}
			if a["label"] == k.Name { // the name of a netdev can be chance
				delete(a, "label")
			}
			l.add(n.of(k.Name), key, text(without(a, "local", "prefixlen", "family", "tentative", "dadfailed")))
		}
	}
	return nil
}

func without(o object, keys ...string) object {
	out := object{}
	for k, v := range o {
		if !slices.Contains(keys, k) {
			out[k] = v
		}
	}
	return out
}

func (l *look) routes(ns string, n names) error {
	var all []object
	if err := l.read(&all, "ip", inside(ns, "-d", "-j", "route", "show", "table", "all")...); err != nil {
		return err
	}
	for _, r := range all {
		dst := text(r["dst"])
		// The kernel makes these with the netdev.
		if r["table"] == "local" || r["protocol"] == "kernel" && strings.HasPrefix(dst, "fe80::") {
			continue
		}
		on := within(ns, "host")
		if dev := text(r["dev"]); dev != "" {
			on = n.of(dev)
		}
		if text(r["protocol"]) == "ra" {
			continue // it comes again with the router's next advertisement, as a plan says, and there is no router here
		}
		key := fmt.Sprintf("route %v table %v metric %v", dst, r["table"], text(r["metric"]))
		if hops, ok := r["nexthops"].([]any); ok {
			var hs []string
			for _, h := range hops {
				if o, ok := h.(object); ok {
					o["dev"] = n.of(text(o["dev"]))
					hs = append(hs, text(without(o, "flags")))
				}
			}
			slices.Sort(hs)
			r["nexthops"] = hs
		}
		if _, ok := r["expires"]; ok {
			r["expires"] = "yes"
		}
		l.add(on, key, text(without(r, "dst", "dev", "table", "metric", "flags")))
	}
	return nil
}

func (l *look) rules(ns string, n names) error {
	for _, family := range []string{"-4", "-6"} {
		var all []object
		if err := l.read(&all, "ip", inside(ns, family, "-j", "rule", "show")...); err != nil {
			return err
		}
		var texts []string
		for _, r := range all {
			for _, k := range []string{"iif", "oif"} {
				if dev, ok := r[k].(string); ok {
					r[k] = n.of(dev)
				}
				delete(r, k+"_detached")
			}
			texts = append(texts, fmt.Sprintf("rule %s %v\t%s", family[1:], r["priority"], text(without(r, "priority"))))
		}
		slices.Sort(texts)
		for _, t := range texts {
			key, value, _ := strings.Cut(t, "\t")
			l.add(within(ns, "host"), key, value)
		}
	}
	return nil
}

func (l *look) neighbours(ns string, n names) error {
	for _, what := range [][]string{{"nud", "permanent"}, {"proxy"}} {
		var all []object
		if err := l.read(&all, "ip", inside(ns, append([]string{"-j", "neighbour", "show"}, what...)...)...); err != nil {
			return err
		}
		for _, o := range all {
			if dev := text(o["dev"]); dev != "" && dev != "lo" {
				l.set(n.of(dev), "neighbour "+what[len(what)-1]+" "+text(o["dst"]), text(o["lladdr"]))
			}
		}
	}
	return nil
}

func (l *look) nexthops(ns string, n names) error {
	var all []object
	if err := l.read(&all, "ip", inside(ns, "-j", "nexthop", "show")...); err != nil {
		return err
	}
	for _, o := range all {
		on := within(ns, "host")
		if dev := text(o["dev"]); dev != "" {
			on = n.of(dev)
		}
		l.set(on, "nexthop "+text(o["id"]), text(without(o, "id", "dev", "flags")))
	}
	return nil
}

// bridging is what the kernel's bridges keep of their ports.
func (l *look) bridging() error {
	var ports []struct {
		Name  string `json:"ifname"`
		VLANs []object
	}
	if err := l.read(&ports, "bridge", "-j", "vlan", "show"); err != nil {
		return err
	}
	for _, p := range ports {
		for _, v := range p.VLANs {
			end := ""
			if e, ok := v["vlanEnd"]; ok {
				end = "-" + text(e)
			}
			l.set(l.names.of(p.Name), "bridge VLAN "+text(v["vlan"])+end, text(v["flags"]))
		}
	}
	var fdb []object
	if err := l.read(&fdb, "bridge", "-j", "fdb", "show"); err != nil {
		return err
	}
	for _, e := range fdb {
		if e["state"] == "static" {
			l.set(l.names.of(text(e["ifname"])), strings.TrimSpace("fdb "+text(e["mac"])+" "+text(e["vlan"])), text(without(e, "mac", "vlan", "ifname", "master")))
		}
	}
	return nil
}
