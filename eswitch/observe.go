// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/sysfs"
)

// Observe finds the network cards of the host by PCI address (and netdevsim's
// devices) and says how they are, in the calling thread's network namespace. It
// writes nothing. Of ports and links it takes one dump each, so that it costs
// little with many VFs.
func Observe(ctx context.Context) ([]Card, error) {
	o := observer{}
	if err := o.open(ctx); err != nil {
		return nil, fmt.Errorf("looking at the cards: %w", err)
	}
	cards, err := o.cards(ctx)
	if o.devlink != nil {
		err = errors.Join(err, o.devlink.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("looking at the cards: %w", err)
	}
	return cards, nil
}

type observer struct {
	sys     sysfs.FS
	devlink *devlink.Client // nil in a kernel without devlink
	own     map[pci.Function]rtlink.Link
	reps    map[pci.Function]rtlink.Link
	caps    map[pci.Function]map[string]bool
}

func (o *observer) open(ctx context.Context) error {
	var ports []devlink.Port
	c, err := devlink.Dial()
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		o.devlink = c
		if ports, err = c.Ports(ctx); err != nil {
			return err
		}
	}
	links, err := rtlink.Dump(ctx)
	if err != nil {
		return err
	}
	byIndex := make(map[int]rtlink.Link, len(links))
	for _, l := range links {
		byIndex[l.Index] = l
	}
	found, err := netdev.From(ports, links, o.sys)
	if err != nil {
		return err
	}
	if o.caps, err = capsOf(ports, o.sys); err != nil {
		return err
	}
	o.own, o.reps = map[pci.Function]rtlink.Link{}, map[pci.Function]rtlink.Link{}
	for _, f := range found {
		l, ok := byIndex[f.Index]
		switch {
		case !ok: // it went away between the two dumps
		case f.Representor:
			o.reps[f.Function] = l
		default:
			o.own[f.Function] = l
		}
	}
	return nil
}

func (o *observer) cards(ctx context.Context) ([]Card, error) {
	var cards []Card
	index := map[string]int{} // place in cards, by what the ports of a card share
	for _, bus := range []string{"pci", "netdevsim"} {
		all, err := o.sys.Devices(bus)
		if err != nil {
			return nil, err
		}
		for _, a := range all {
			if !o.isPF(a) {
				continue
			}
			c, key, err := o.port(ctx, a)
			if errors.Is(err, fs.ErrNotExist) && !o.sys.Exists(a) {
				continue // it went away while it was looked at
			}
			if err != nil {
				return nil, err
			}
			if i, ok := index[key]; ok {
				cards[i].Ports = append(cards[i].Ports, c.Ports...)
				continue
			}
			index[key] = len(cards)
			cards = append(cards, c)
		}
	}
	for _, c := range cards {
		sort.Slice(c.Ports, func(i, j int) bool { return c.Ports[i].Address < c.Ports[j].Address })
	}
	return cards, nil
}

// isPF tells a network card's PF: an Ethernet controller with SR-IOV, or one
// that mlx5_core drives without it. VFs of this host are none.
func (o *observer) isPF(a pci.Address) bool {
	if a.Bus() == "netdevsim" {
		return true
	}
	class, err := o.sys.String(a, "class")
	if err != nil || !strings.HasPrefix(class, "0x0200") {
		return false
	}
	if pf, err := o.sys.PhysFn(a); err != nil || pf != "" {
		return false
	}
	if _, err := o.sys.Int(a, "sriov_totalvfs"); err == nil {
		return true
	}
	driver, err := o.sys.Driver(a)
	return err == nil && driver == mlx5
}

// port is the card as seen through one of its ports, and what all ports of the
// card share.
func (o *observer) port(ctx context.Context, a pci.Address) (Card, string, error) {
	c, key, err := o.identity(a)
	if err != nil {
		return Card{}, "", err
	}
	p := Port{Address: a}
	if p.Driver, err = o.sys.Driver(a); err != nil {
		return Card{}, "", err
	}
	c.Driver = p.Driver
	if err := o.sriov(&p); err != nil {
		return Card{}, "", err
	}
	if o.devlink != nil && p.Driver != "" {
		serial, err := o.askDevlink(ctx, &c, &p)
		if err != nil {
			return Card{}, "", err
		}
		if c.Serial == "" && serial != "" {
			c.Serial = serial
			key = c.VendorID + " serial " + serial
		}
	}
	if l, ok := o.own[pci.PF(a)]; ok {
		p.Netdev, p.Ifindex, p.MTU, p.Up, p.Carrier = l.Name, l.Index, l.MTU, l.Up, l.Carrier
		p.Speed = o.speed(a, l.Name)
	}
	if err := o.vfs(&p); err != nil {
		return Card{}, "", err
	}
	c.Ports = []Port{p}
	return c, key, nil
}

// identity reads what the PCI function itself says of the card, from
// configuration space and VPD.
func (o *observer) identity(a pci.Address) (Card, string, error) {
	if a.Bus() != "pci" {
		return Card{Model: a.Bus()}, string(a), nil
	}
	var c Card
	for attr, to := range map[string]*string{"vendor": &c.VendorID, "device": &c.DeviceID} {
		v, err := o.sys.String(a, attr)
		if err != nil {
			return Card{}, "", err
		}
		*to = strings.TrimPrefix(v, "0x")
	}
	// Not every card has VPD, and a broken one is no reason to lose the card.
	if v, err := o.sys.VPD(a); err == nil {
		c.Product, c.PartNumber, c.Serial = v.Product, v.PartNumber, v.Serial
	}
	c.Model = modelName(c.VendorID, c.DeviceID)
	if c.Model == "" {
		c.Model = c.Product
	}
	if c.Serial != "" {
		return c, c.VendorID + " serial " + c.Serial, nil
	}
	slot, _, _ := strings.Cut(string(a), ".")
	return c, "slot " + slot, nil
}

func (o *observer) sriov(p *Port) error {
	for attr, to := range map[string]*int{"sriov_totalvfs": &p.TotalVFs, "sriov_numvfs": &p.NumVFs} {
		n, err := o.sys.Int(p.Address, attr)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		*to = n
	}
	if p.Address.Bus() == "netdevsim" {
		p.TotalVFs = maxSimulatedVFs(p.Address)
	}
	n, err := o.sys.Int(p.Address, "sriov_drivers_autoprobe")
	switch {
	case err == nil:
		on := n != 0
		p.Autoprobe = &on
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

// maxSimulatedVFs asks netdevsim through debugfs; where that is not mounted the
// answer is NSIM_BUS_DEV_MAX_VFS (drivers/net/netdevsim/netdevsim.h).
func maxSimulatedVFs(a pci.Address) int {
	const builtIn = 4
	b, err := os.ReadFile(filepath.Join("/sys/kernel/debug/netdevsim", a.Device(), "max_vfs"))
	if err != nil {
		return builtIn
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return builtIn
	}
	return n
}

// askDevlink reads the eswitch, the steering mode and the firmware's versions,
// and returns devlink's serial number. A device that has none of them, or no
// devlink at all, is left without.
func (o *observer) askDevlink(ctx context.Context, c *Card, p *Port) (string, error) {
	dev := device(p.Address)
	e, err := o.devlink.Eswitch(ctx, dev)
	if err != nil && !unsupported(err) {
		return "", err
	}
	p.Mode, p.InlineMode, p.EncapMode = e.Mode, e.Inline, e.Encap
	steering, err := o.devlink.Param(ctx, dev, steeringParam)
	if err != nil && !unsupported(err) {
		return "", err
	}
	p.Steering = steering.Values[devlink.Runtime]
	info, err := o.devlink.Info(ctx, dev)
	if err != nil && !unsupported(err) {
		return "", err
	}
	c.PSID = info.Fixed["fw.psid"]
	for _, name := range []string{"fw.version", "fw"} { // "fw" is the generic name, mlx5 has both
		if c.Firmware == "" {
			c.Firmware = info.Running[name]
		}
	}
	if info.Serial == "" {
		return info.BoardSerial, nil
	}
	return info.Serial, nil
}

func (o *observer) speed(a pci.Address, name string) int {
	// The file cannot be read while the link is down, and says -1 when the speed is not known.
	n, err := o.sys.Int(a, filepath.Join("net", name, "speed"))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func (o *observer) vfs(p *Port) error {
	var addresses []pci.Address
	if p.Address.Bus() == "pci" {
		var err error
		if addresses, err = o.sys.VFs(p.Address); err != nil {
			return err
		}
	} else {
		addresses = make([]pci.Address, p.NumVFs)
	}
	for n, a := range addresses {
		vf := VF{Index: n, Address: a}
		if a != "" {
			var err error
			if vf.Driver, err = o.sys.Driver(a); err != nil {
				return err
			}
		}
		f := pci.VF(p.Address, n)
		if l, ok := o.own[f]; ok {
			vf.Netdev = l.Name
		}
		if l, ok := o.reps[f]; ok {
			vf.Representor = &Representor{
				Netdev: l.Name, Ifindex: l.Index, PhysPortName: l.PhysPortName,
				Up: l.Up, Carrier: l.Carrier, MTU: l.MTU,
			}
		}
		vf.Caps = o.caps[f]
		p.VFs = append(p.VFs, vf)
	}
	return nil
}

func device(a pci.Address) devlink.Device {
	return devlink.Device{Bus: a.Bus(), Name: a.Device()}
}

// modelName is the card's name in its vendor's words, by its PCI ids (the
// driver's device table and pci.ids), "" for one that is not listed.
func modelName(vendor, dev string) string {
	i := slices.IndexFunc(models(), func(m [3]string) bool { return m[0] == vendor && m[1] == dev })
	if i < 0 {
		return ""
	}
	return models()[i][2]
}

func models() [][3]string {
	return [][3]string{
		{"15b3", "1013", "ConnectX-4"},
		{"15b3", "1015", "ConnectX-4 Lx"},
		{"15b3", "1017", "ConnectX-5"},
		{"15b3", "1019", "ConnectX-5 Ex"},
		{"15b3", "101b", "ConnectX-6"},
		{"15b3", "101d", "ConnectX-6 Dx"},
		{"15b3", "101f", "ConnectX-6 Lx"},
		{"15b3", "1021", "ConnectX-7"},
		{"15b3", "1023", "ConnectX-8"},
		{"15b3", "1025", "ConnectX-9"},
		{"15b3", "a2d2", "BlueField"},
		{"15b3", "a2d6", "BlueField-2"},
		{"15b3", "a2dc", "BlueField-3"},
		{"8086", "10c9", "82576"},
	}
}
