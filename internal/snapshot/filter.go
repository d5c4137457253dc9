// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/kernel"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtattr"
)

// Filter is a TC rule that a card carries out.
type Filter struct {
	On     resource.ID
	Netdev string
	Kind   string // flower
	Pref   int
}

// Of include/uapi/linux/pkt_cls.h.
const (
	tcaFlowerFlags = 22
	tcaInHW        = 1 << 2
)

// setAddresses says which addresses the netdevs of VFs have.
func (s *Snapshot) setAddresses(own map[pci.Function]netdev.Link) {
	for i := range s.PFs {
		for n := range s.PFs[i].VFs {
			if l, ok := own[pci.VF(s.PFs[i].Address, n)]; ok {
				s.PFs[i].VFs[n].Addresses = s.addressesOf(l.Index)
			}
		}
	}
}

// readFilters finds the TC rules in hardware that are not of Open vSwitch, on
// uplinks and representors: whoever's they are, the eswitch is busy with them.
func (s *Snapshot) readFilters(ctx context.Context, own map[pci.Function]netdev.Link) error {
	candidates := map[int]netdev.Link{}
	of := map[pci.Address]*PF{}
	for i := range s.PFs {
		p := &s.PFs[i]
		if !p.HasDevlink || p.Eswitch.Mode == "" {
			continue
		}
		of[p.Address] = p
		if l, ok := own[pci.PF(p.Address)]; ok {
			candidates[l.Index] = l
		}
	}
	for _, l := range s.Netdevs {
		if of[l.Function.PF] != nil && l.Representor {
			candidates[l.Index] = l
		}
	}
	if len(candidates) == 0 {
		return nil
	}
	with, err := Ingress(ctx)
	if err != nil {
		return err
	}
	switched := s.switchPorts()
	for _, index := range slices.Sorted(maps.Keys(with)) {
		l, ok := candidates[index]
		if !ok || switched[index] {
			continue
		}
		filters, err := filtersOn(l)
		if errors.Is(err, unix.ENODEV) {
			continue // it went away meanwhile
		}
		if err != nil {
			return err
		}
		p := of[l.Function.PF]
		p.Filters = append(p.Filters, filters...)
	}
	return nil
}

// switchPorts are the netdevs that are ports of Open vSwitch, or members of such:
// the rules there are its own, and go when it lets go of them.
func (s *Snapshot) switchPorts() map[int]bool {
	master, kind := map[int]int{}, map[int]string{}
	for _, l := range s.Links {
		master[l.Index], kind[l.Index] = l.Master, l.Kind
	}
	ports := map[int]bool{}
	for _, l := range s.Links {
		for m, hops := l.Master, 0; m != 0 && hops < 8; m, hops = master[m], hops+1 {
			if kind[m] == "openvswitch" {
				ports[l.Index] = true
			}
		}
	}
	return ports
}

// filtersOn lists the flower rules in hardware at a netdev's ingress.
func filtersOn(l netdev.Link) ([]Filter, error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETTFILTER, unix.NLM_F_DUMP)
	req.AddData(&nl.TcMsg{Family: nl.FAMILY_ALL, Ifindex: int32(l.Index), Parent: netlink.HANDLE_MIN_INGRESS})
	msgs, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWTFILTER)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, kernel.Wrap("listing the TC rules (RTM_GETTFILTER)", l.Name, err)
	}
	var filters []Filter
	for _, m := range msgs {
		kind, pref, inHW, err := parseFilter(m)
		if err != nil {
			return nil, kernel.Wrap("listing the TC rules (RTM_GETTFILTER)", l.Name, err)
		}
		if inHW {
			filters = append(filters, Filter{On: l.ID(), Netdev: l.Name, Kind: kind, Pref: pref})
		}
	}
	return filters, nil
}

// parseFilter reads what kind of rule it is and whether it is in hardware.
func parseFilter(m []byte) (kind string, pref int, inHW bool, err error) {
	if len(m) < nl.SizeofTcMsg {
		return "", 0, false, fmt.Errorf("a TC rule of %d bytes", len(m))
	}
	pref = int(nl.DeserializeTcMsg(m).Info >> 16)
	attrs, err := rtattr.Parse(m[nl.SizeofTcMsg:])
	if err != nil {
		return "", 0, false, err
	}
	var options []byte
	for _, a := range attrs {
		switch a.Attr.Type &^ unix.NLA_F_NESTED {
		case nl.TCA_KIND:
			kind = unix.ByteSliceToString(a.Value)
		case nl.TCA_OPTIONS:
			options = a.Value
		}
	}
	if kind != "flower" || len(options) == 0 {
		return kind, pref, false, nil
	}
	if attrs, err = rtattr.Parse(options); err != nil {
		return "", 0, false, err
	}
	for _, a := range attrs {
		if a.Attr.Type&^unix.NLA_F_NESTED == tcaFlowerFlags && len(a.Value) >= 4 {
			inHW = nl.NativeEndian().Uint32(a.Value)&tcaInHW != 0
		}
	}
	return kind, pref, inHW, nil
}
