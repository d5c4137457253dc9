// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/hostnet/tuning"
	"github.com/nicwright/nicwright/internal/chain"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/profiles"
)

// port captures a port and its VFs.
func (c *capturer) port(p eswitch.Port, ref string) profiles.Port {
	number := p.Number
	_, name, _ := strings.Cut(ref, "/")
	ours := func(attribute string) bool { return c.ours(resource.OfFunction(pci.PF(p.Address)), attribute) }
	is := profiles.Port{Name: name, Port: &number, PortSpec: p.Captured(ours), Offload: c.host.Offload[pci.PF(p.Address)].Captured()}
	is.UplinkSpec = c.host.Tuning[pci.PF(p.Address)].CapturedUplink()
	is.AddressSpec = c.addresses(resource.OfNetdev(pci.PF(p.Address)), ref)
	if c.bonded[p.Address] {
		is.MTU, is.Up = nil, nil // they are said at the bond
		if v, on := is.Params["esw_multiport"]; on && v.Value == "true" {
			delete(is.Params, "esw_multiport")
			c.left("esw_multiport of "+ref, "it is true, and the port is in a bond, which excludes it in a profile (NW121)")
		}
		if on(is.Offload.TLSTx) || on(is.Offload.TLSRx) {
			if l := bond.TLSLink(c.host.Bonds, p.Netdev); l.Status != chain.OK {
				is.Offload.TLSTx, is.Offload.TLSRx = nil, nil
				c.left("the TLS switches of "+ref, "they are on, and of no use (NW102): %s", l.Found)
			}
		}
	}
	if p.NetdevIn != "" {
		c.left(ref, "its netdev is in %s, and what is set there is not looked at", p.NetdevIn)
	}
	for _, n := range p.SFs {
		c.left(fmt.Sprintf("scalable function %d of %s", n, ref), "no profile can say them yet")
	}
	vfs := make([]profiles.VF, p.NumVFs)
	for n := range vfs {
		if i := slices.IndexFunc(p.VFs[n].Uses, func(u eswitch.Use) bool { return u.Kind == eswitch.Leased }); i >= 0 {
			c.leased[pci.VF(p.Address, n)] = true
			c.left(fmt.Sprintf("VF %d of %s", n, ref), "it is leased (%s), and its lease says how it is", p.VFs[n].Uses[i].By)
			continue
		}
		vfs[n].FunctionSpec = is.Functions[n]
		vfs[n].Offload = c.host.Offload[pci.VF(p.Address, n)].Captured()
		vfs[n].VFSpec = c.host.Tuning[pci.VF(p.Address, n)].CapturedVF()
		if vf := p.VFs[n]; vf.Driver != "" && vfs[n].Driver == nil {
			c.left(fmt.Sprintf("the driver of VF %d of %s", n, ref), "it is %s, which no profile can name", vf.Driver)
		}
	}
	is.Functions = nil
	if p.NumVFs > 0 {
		is.VF = common(vfs)
		ranges := ranges(vfs)
		if is.VFList.Ranges = ranges; len(ranges) == 0 || last(ranges) != p.NumVFs-1 {
			is.VFList = whole(ranges, p.NumVFs)
		}
	}
	is.VFs = nil
	return is
}

func on(b *bool) bool { return b != nil && *b }

// common is what all VFs have alike; what they have is taken out of them.
func common(vfs []profiles.VF) profiles.VF {
	var all profiles.VF
	for _, of := range []func(*profiles.VF) any{
		func(v *profiles.VF) any { return &v.FunctionSpec },
		func(v *profiles.VF) any { return &v.Offload },
	} {
		into := reflect.ValueOf(of(&all)).Elem()
		for i := range into.NumField() {
			if into.Field(i).Kind() != reflect.Pointer || into.Type().Field(i).Tag.Get("yaml") == "-" {
				continue
			}
			first := reflect.ValueOf(of(&vfs[0])).Elem().Field(i)
			same := !first.IsNil()
			for n := range vfs {
				f := reflect.ValueOf(of(&vfs[n])).Elem().Field(i)
				same = same && !f.IsNil() && reflect.DeepEqual(f.Interface(), first.Interface())
			}
			if !same {
				continue
			}
			into.Field(i).Set(first)
			for n := range vfs {
				reflect.ValueOf(of(&vfs[n])).Elem().Field(i).SetZero()
			}
		}
	}
	told := make([]tuning.VFSpec, len(vfs))
	for n := range vfs {
		told[n] = vfs[n].VFSpec
	}
	all.VFSpec, told = tuning.Common(told)
	for n := range vfs {
		vfs[n].VFSpec = told[n]
	}
	return all
}

// ranges are the VFs of which something is to be said beside what all have, in runs of those that are alike.
func ranges(vfs []profiles.VF) []profiles.Range {
	var all []profiles.Range
	for n := 0; n < len(vfs); {
		end := n + 1
		for end < len(vfs) && reflect.DeepEqual(vfs[end], vfs[n]) {
			end++
		}
		if !reflect.DeepEqual(vfs[n], profiles.VF{}) {
			r := profiles.Range{Name: fmt.Sprintf("vf%d-%d", n, end-1), Indices: fmt.Sprintf("%d-%d", n, end-1), VF: vfs[n]}
			if end-n == 1 {
				r.Name, r.Indices = fmt.Sprintf("vf%d", n), strconv.Itoa(n)
			}
			all = append(all, r)
		}
		n = end
	}
	return all
}

// last is the highest VF of ranges.
func last(ranges []profiles.Range) int {
	_, to, is := strings.Cut(ranges[len(ranges)-1].Indices, "-")
	if !is {
		to = ranges[len(ranges)-1].Indices
	}
	n, _ := strconv.Atoi(to) // written by ranges
	return n
}

// whole is VFs of which the last are in no range, or all: their number is said by one more, that says nothing else.
func whole(ranges []profiles.Range, n int) profiles.VFList {
	if len(ranges) == 0 {
		return profiles.VFList{Count: &n}
	}
	return profiles.VFList{Ranges: append(slices.Clip(ranges), profiles.Range{Name: fmt.Sprintf("vf%d", n-1), Indices: strconv.Itoa(n - 1)})}
}
