// SPDX-License-Identifier: Apache-2.0

package baseline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/sysfs"
)

// collector puts together what a look saw, and asks for what that left out.
type collector struct {
	s      *snapshot.Snapshot
	sys    sysfs.FS
	unread []error
}

// fail notes what could not be read.
func (c *collector) fail(err error) {
	if err != nil {
		c.unread = append(c.unread, err)
	}
}

// cards are the PFs' hardware and firmware.
func (c *collector) cards(ctx context.Context) map[string]Facts {
	all := map[string]Facts{}
	client, err := ethtool.Dial(ctx)
	c.fail(err)
	if err == nil {
		defer client.Close()
	}
	for _, p := range c.s.PFs {
		c.fail(p.Err)
		f := Facts{}
		all[string(p.Address)] = f
		set := func(name, value string) {
			if value != "" {
				f[name] = value
			}
		}
		set("vendor", p.Vendor)
		set("device", p.Device)
		set("driver", p.Driver)
		set("serial", cmp.Or(p.VPD.Serial, p.Info.Serial))
		set("part_number", p.VPD.PartNumber)
		for kind, versions := range map[string]map[string]string{"fixed": p.Info.Fixed, "running": p.Info.Running, "stored": p.Info.Stored} {
			for name, v := range versions {
				set("firmware."+kind+"."+name, v)
			}
		}
		f["sriov.total_vfs"] = strconv.Itoa(p.TotalVFs)
		if p.Address.Bus() == "pci" {
			for name, attr := range map[string]string{"pcie.width": "current_link_width", "pcie.speed": "current_link_speed", "numa_node": "numa_node"} {
				v, err := c.sys.String(p.Address, attr)
				if err == nil {
					set(name, v)
				}
			}
			if group, err := os.Readlink(filepath.Join(c.sys.Dir(p.Address), "iommu_group")); err == nil {
				set("iommu_group", filepath.Base(group))
			}
		}
		if l, ok := c.netdevOf(pci.PF(p.Address)); ok && client != nil {
			c.link(client, l, set)
		}
	}
	return all
}

// link is how the port's link is, and what is plugged in.
func (c *collector) link(client *ethtool.Client, l rtlink.Link, set func(name, value string)) {
	switch m, err := client.Link(l.Index); {
	case errors.Is(err, unix.EOPNOTSUPP):
	case err != nil:
		c.fail(err)
	default:
		if m.Speed > 0 {
			set("link.speed", fmt.Sprintf("%d Mbit/s", m.Speed))
			set("link.duplex", m.Duplex)
		}
		set("link.autoneg", strconv.FormatBool(m.Autoneg))
		set("link.advertised", strings.Join(m.Advertised, " "))
	}
	fec, auto, err := client.FEC(l.Index)
	c.fail(err)
	set("link.fec", fec)
	if fec != "" {
		set("link.fec_auto", strconv.FormatBool(auto))
	}
	if vendor, part, err := ethtool.Module(l.Name); err == nil { // a port without a module has none
		set("module.vendor", vendor)
		set("module.part_number", part)
	}
}

// netdevOf is a function's own netdev.
func (c *collector) netdevOf(f pci.Function) (rtlink.Link, bool) {
	for _, n := range c.s.Netdevs {
		if n.Function == f && n.SF == nil && !n.Representor {
			return c.s.Link(n.Index)
		}
	}
	return rtlink.Link{}, false
}

// shown is what the kernel shows of functions, representors and bonds.
func (c *collector) shown(ctx context.Context) map[string]Facts {
	all := map[string]Facts{}
	of := func(subject string) Facts {
		if all[subject] == nil {
			all[subject] = Facts{}
		}
		return all[subject]
	}
	counters := map[string]bool{} // read of one netdev a kind and PF: they are the driver's, and many
	for _, n := range c.s.Netdevs {
		subject, kind := n.Function.String(), "vf"
		switch {
		case n.SF != nil:
			subject, kind = fmt.Sprintf("%s/sf/%d", n.Function, *n.SF), "sf"
		case !n.Function.IsVF():
			kind = "pf"
		}
		if n.Representor {
			subject, kind = subject+" representor", kind+" representor"
		}
		l, ok := c.s.Link(n.Index)
		if !ok {
			continue
		}
		c.netdev(of(subject), l)
		if key := string(n.Function.PF) + kind; !counters[key] {
			counters[key] = true
			stats, err := ethtool.Statistics(l.Name)
			c.fail(err)
			maps.DeleteFunc(stats, func(name string, _ uint64) bool { return ofQueue.MatchString(name) })
			if len(stats) > 0 {
				of(string(n.Function.PF) + " " + kind)["counters"] = strings.Join(slices.Sorted(maps.Keys(stats)), " ")
			}
		}
	}
	for _, l := range c.s.Links {
		if l.Bond != nil {
			c.netdev(of("bond "+l.Name), l)
		}
	}
	for _, p := range c.s.PFs {
		f := of(pci.PF(p.Address).String())
		if p.HasDevlink {
			for name, v := range map[string]string{"eswitch.mode": p.Eswitch.Mode, "eswitch.inline-mode": p.Eswitch.Inline, "eswitch.encap-mode": p.Eswitch.Encap} {
				if v != "" {
					f[name] = v
				}
			}
		}
		if lag, ok := c.s.LAG[p.Address]; ok {
			f["lag.state"] = lag.State
			if lag.Type != "" {
				f["lag.type"], f["lag.port_select_mode"] = lag.Type, lag.PortSelMode
			}
		}
	}
	for _, p := range c.s.Ports {
		if p.Flavour != devlink.FlavourPCIVF {
			continue
		}
		for _, n := range c.s.Netdevs {
			if n.Index == p.Ifindex && n.Representor {
				for name, on := range p.Caps {
					of(n.Function.String())["port_function."+name] = strconv.FormatBool(on)
				}
			}
		}
	}
	c.params(ctx, of)
	return all
}

// ofQueue are counters of one channel or queue: there are as many as there have been
// channels since the netdev was made, none before it was up.
var ofQueue = regexp.MustCompile(`^(ch|rx|tx)[0-9]+_|^(rx|tx)_queue_[0-9]+_`)

// netdev is what a netdev shows.
func (c *collector) netdev(f Facts, l rtlink.Link) {
	f["netdev"] = l.Name
	if len(l.AltNames) > 0 {
		f["altnames"] = strings.Join(slices.Sorted(slices.Values(l.AltNames)), " ")
	}
	f["mtu"] = strconv.Itoa(l.MTU)
	features := c.s.Features[l.Index]
	for _, name := range features.Names() {
		if v, ok := features.Get(name); ok {
			f["feature."+name] = feature(v)
		}
	}
	for setting, numbers := range c.s.Numbers[l.Index] {
		f[string(setting)] = numbers.String()
	}
}

// feature is in ethtool(8)'s words.
func feature(v ethtool.Feature) string {
	words := map[bool]string{true: "on", false: "off"}
	s := words[v.Active]
	switch {
	case v.Fixed():
		s += " [fixed]"
	case v.Wanted != v.Active:
		s += " [requested " + words[v.Wanted] + "]"
	}
	return s
}

// params are devlink's, by cmode.
func (c *collector) params(ctx context.Context, of func(string) Facts) {
	client, err := devlink.Dial()
	if err != nil {
		c.fail(err)
		return
	}
	all, err := client.Params(ctx)
	c.fail(errors.Join(err, client.Close()))
	for dev, params := range all {
		subject, ok := c.subject(dev)
		if !ok {
			continue
		}
		for _, p := range params {
			for mode, v := range p.Values {
				of(subject)["param."+p.Name+"."+mode.String()] = v
			}
		}
	}
}

// subject is the function that a devlink instance is of.
func (c *collector) subject(dev devlink.Device) (string, bool) {
	for _, p := range c.s.PFs {
		if devlink.DeviceOf(p.Address) == dev {
			return pci.PF(p.Address).String(), true
		}
		for n, vf := range p.VFs {
			if vf.Address != "" && devlink.DeviceOf(vf.Address) == dev {
				return pci.VF(p.Address, n).String(), true
			}
		}
	}
	return "", false
}
