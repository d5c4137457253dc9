// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"fmt"
	"strings"
)

// ethtool gives the parts of a dump that ask ethtool, which knows one netdev at a
// time: features of whatever is of a function or can be over one, and the rest of
// the functions' own netdevs.
func (l *look) ethtool(links []link) []func() error {
	var parts []func() error
	for _, k := range links {
		if k.Name == "lo" || k.Info.Kind == "openvswitch" {
			continue
		}
		id := l.names.of(k.Name)
		parts = append(parts, func() error { return l.features(id, k.Name) })
		if strings.HasPrefix(id, "pci/") && strings.HasSuffix(id, "/netdev") {
			parts = append(parts,
				func() error { return l.ethtoolJSON(id, "rings", "-g", k.Name) },
				func() error { return l.ethtoolJSON(id, "coalesce", "-c", k.Name) },
				func() error { return l.ethtoolText(id, "channels", "-l", k.Name) },
				func() error { return l.ethtoolText(id, "pause", "-a", k.Name) },
				func() error { return l.ethtoolText(id, "FEC", "--show-fec", k.Name) },
				func() error { return l.ethtoolText(id, "private flag", "--show-priv-flags", k.Name) })
		}
	}
	return parts
}

// features are those that somebody could want otherwise, as wanted.
func (l *look) features(id, netdev string) error {
	var all []map[string]any
	if err := l.read(&all, "ethtool", "--json", "-k", netdev); err != nil {
		return err
	}
	for _, device := range all {
		for name, v := range device {
			f, ok := v.(object)
			if !ok || f["fixed"] != false {
				continue
			}
			l.set(id, "feature "+name, text(f["requested"]))
		}
	}
	return nil
}

func (l *look) ethtoolJSON(id, what, option, netdev string) error {
	var all []map[string]any
	if err := l.read(&all, "ethtool", "--json", option, netdev); err != nil {
		return notSupported(err)
	}
	for _, device := range all {
		for k, v := range without(device, "ifname") {
			l.set(id, what+" "+k, text(v))
		}
	}
	return nil
}

// ethtoolText reads what has no JSON: lines "name: value" after a heading; what
// ethtool prints before "Current hardware settings" are limits.
func (l *look) ethtoolText(id, what, option, netdev string) error {
	out, err := l.tool("ethtool", option, netdev)
	if err != nil {
		return notSupported(err)
	}
	s := string(out)
	if _, current, ok := strings.Cut(s, "Current hardware settings:"); ok {
		s = current
	}
	for line := range strings.Lines(s) {
		k, v, ok := strings.Cut(line, ":")
		if v = strings.TrimSpace(v); ok && v != "" && v != "n/a" {
			l.set(id, fmt.Sprintf("%s %s", what, strings.TrimSpace(k)), v)
		}
	}
	return nil
}

// notSupported: a netdev without rings, as a representor has none, is no error.
func notSupported(err error) error {
	if strings.Contains(err.Error(), "not supported") {
		return nil
	}
	return err
}
