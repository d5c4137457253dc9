// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/crypto/ipsec"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/tcpdiag"
	"github.com/nicwright/nicwright/provision/watch"
)

// reader is where counters come from; tests have another than Read.
type reader struct {
	links    func(context.Context) ([]rtlink.Link, error)
	lag      func(pci.Address) snapshot.LAG
	work     func(netdev string) (crypto.Work, error)
	tls      func() (map[string]uint64, error)
	sessions func(context.Context) ([]tcpdiag.Session, error)
	ipsec    func(context.Context) ([]ipsec.State, error)
	flows    func(context.Context) (ovs.FlowCount, error)
	health   func(context.Context) ([]devlink.Reporter, error)
}

// Read reads what this host's cards and kernel count.
func Read(ctx context.Context, sight watch.Sight) []Sample {
	return reader{
		links: rtlink.Dump, lag: func(a pci.Address) snapshot.LAG { return snapshot.ReadLAG(snapshot.Debugfs, a) },
		work: crypto.WorkOf, tls: crypto.TLSStat, sessions: tcpdiag.TLSSessions, ipsec: ipsec.List, flows: ovs.CountFlows, health: reporters,
	}.read(ctx, sight)
}

func reporters(ctx context.Context) (_ []devlink.Reporter, err error) {
	c, err := devlink.Dial()
	if errors.Is(err, fs.ErrNotExist) { // a kernel without devlink
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	return c.Reporters(ctx)
}

func (r reader) read(ctx context.Context, sight watch.Sight) []Sample {
	var out samples
	up := func(source string, err error) { out.add("nicwright_source_up", one(err == nil), source) }
	links, err := r.links(ctx)
	up("links", err)
	names := map[int]string{} // those of now, which look has as they were
	for _, l := range links {
		names[l.Index] = l.Name
	}
	out.links(links, sight)
	up("lag", out.lag(links, sight, r.lag))
	up("netdevs", out.netdevs(sight, names, r.work))
	stat, err := r.tls()
	up("tls", err)
	if err == nil {
		out.tls(stat)
	}
	var sessions []tcpdiag.Session
	if err != nil || stat["TlsCurrTxSw"]+stat["TlsCurrRxSw"] > 0 { // else all connections of the host would be listed for nothing
		sessions, err = r.sessions(ctx)
		up("sessions", err)
	}
	if err == nil {
		out.sessions(sessions)
	}
	states, err := r.ipsec(ctx)
	up("ipsec", err)
	if err == nil {
		out.ipsec(states, sight, names)
	}
	if sight.OVS {
		n, err := r.flows(ctx)
		up("flows", err)
		if err == nil && n.Offloaded != nil {
			out.add("nicwright_flows", float64(*n.Offloaded), "card")
			out.add("nicwright_flows", float64(max(n.All-*n.Offloaded, 0)), "software")
		}
	}
	all, err := r.health(ctx)
	up("health", err)
	out.health(all)
	return out
}

// lacpBits are the bits of LACP's state, from the lowest (IEEE 802.1AX, 6.4.2.3).
var lacpBits = [...]string{"activity", "timeout", "aggregation", "synchronization", "collecting", "distributing", "defaulted", "expired"}

// links are uplinks, and bonds that have one.
func (s *samples) links(links []rtlink.Link, sight watch.Sight) {
	bonds := map[int]string{}
	for _, l := range links {
		if l.Bond != nil {
			bonds[l.Index] = l.Name
		}
	}
	ours := map[int]bool{}
	for _, l := range links {
		id := sight.Netdevs[l.Index].ID
		if id.IsZero() || id.Function.IsVF() {
			continue
		}
		s.link(l, id)
		if bonds[l.Master] != "" {
			ours[l.Master] = true
		}
	}
	for _, l := range links {
		if bond := bonds[l.Master]; ours[l.Master] && l.Slave != nil {
			s.lacpBits(bond, l.Name, "actor", l.Slave.Actor)
			s.lacpBits(bond, l.Name, "partner", l.Slave.Partner)
		}
		if !ours[l.Index] {
			continue
		}
		s.link(l, resource.OfBond(l.Name))
		if ad := l.Bond.AD; ad != nil {
			s.add("nicwright_lacp_partner", one(slices.ContainsFunc(ad.PartnerMAC, func(b byte) bool { return b != 0 })), l.Name)
			s.add("nicwright_lacp_ports", float64(ad.Ports), l.Name)
		}
	}
}

func (s *samples) link(l rtlink.Link, id resource.ID) {
	s.add("nicwright_link_up", one(l.Up && l.Carrier), l.Name, id.String())
	s.add("nicwright_carrier_changes_total", float64(l.CarrierChanges), l.Name, id.String())
}

func (s *samples) lacpBits(bond, member, side string, state *int) {
	if state == nil {
		return
	}
	for i, bit := range lacpBits {
		s.add("nicwright_lacp_state", float64(*state>>i&1), bond, member, side, bit)
	}
}

// lag tells of each bond whether all ports of cards in it are in an active LAG.
func (s *samples) lag(links []rtlink.Link, sight watch.Sight, lag func(pci.Address) snapshot.LAG) (err error) {
	bonds, active := map[int]string{}, map[string]bool{}
	for _, l := range links {
		if l.Bond != nil {
			bonds[l.Index] = l.Name
		}
	}
	for _, l := range links {
		id, bond := sight.Netdevs[l.Index].ID, bonds[l.Master]
		if bond == "" || id.IsZero() || id.Function.IsVF() {
			continue
		}
		of := lag(id.Function.PF)
		if of.State == snapshot.LAGUnknown {
			err = fmt.Errorf("the LAG of %s: %s", id, of.Reason)
			continue
		}
		was, known := active[bond]
		active[bond] = of.State == snapshot.LAGActive && (was || !known)
	}
	for bond, is := range active {
		s.add("nicwright_lag_active", one(is), bond)
	}
	return err
}

// netdevs are the counters of those for which the card may work: to read all of
// hundreds would ask the firmware for thousands of numbers.
func (s *samples) netdevs(sight watch.Sight, names map[int]string, work func(string) (crypto.Work, error)) error {
	var errs []error
	for _, index := range slices.Sorted(maps.Keys(sight.Netdevs)) {
		n := sight.Netdevs[index]
		name, here := names[index]
		if !here || !n.Offloads {
			continue
		}
		w, err := work(name)
		if err != nil {
			if !errors.Is(err, unix.ENODEV) { // it went away meanwhile
				errs = append(errs, err)
			}
			continue
		}
		each := func(family string, by map[string]uint64) {
			for _, dir := range []string{crypto.Tx, crypto.Rx} {
				if v, counted := by[dir]; counted {
					s.add(family, float64(v), name, n.ID.String(), dir)
				}
			}
		}
		each("nicwright_tls_contexts", w.TLSOpen)
		each("nicwright_tls_card_bytes_total", w.TLSBytes)
		each("nicwright_ipsec_card_bytes_total", w.IPsecBytes)
		if w.Resyncs != nil {
			s.add("nicwright_tls_resyncs_total", float64(*w.Resyncs), name, n.ID.String())
		}
	}
	return errors.Join(errs...)
}

// tls is /proc/net/tls_stat.
func (s *samples) tls(stat map[string]uint64) {
	for _, dir := range []struct{ label, name string }{{crypto.Tx, "Tx"}, {crypto.Rx, "Rx"}} {
		for _, where := range []struct{ label, name string }{{"card", "Device"}, {"software", "Sw"}} {
			s.add("nicwright_tls_sessions_total", float64(stat["Tls"+dir.name+where.name]), where.label, dir.label)
			s.add("nicwright_tls_sessions", float64(stat["TlsCurr"+dir.name+where.name]), where.label, dir.label)
		}
	}
	s.add("nicwright_tls_decrypt_errors_total", float64(stat["TlsDecryptError"]))
}

// sessions sums what the kernel works for.
func (s *samples) sessions(all []tcpdiag.Session) {
	var tx, rx uint64
	for _, t := range all {
		if t.Tx == tcpdiag.Kernel {
			tx += t.Sent
		}
		if t.Rx == tcpdiag.Kernel {
			rx += t.Received
		}
	}
	s.add("nicwright_tls_software_bytes", float64(tx), crypto.Tx)
	s.add("nicwright_tls_software_bytes", float64(rx), crypto.Rx)
}

func (s *samples) ipsec(states []ipsec.State, sight watch.Sight, names map[int]string) {
	where := map[string]int{"card-packet": 0, "card-crypto": 0, "software": 0}
	on := map[int]int{}
	var bytes uint64
	for _, st := range states {
		switch st.Offload.Mode {
		case ipsec.Packet:
			where["card-packet"]++
		case ipsec.Crypto:
			where["card-crypto"]++
		default:
			where["software"]++
			bytes += st.Bytes
			continue
		}
		on[st.Offload.Index]++
	}
	for w, n := range where {
		s.add("nicwright_ipsec_states", float64(n), w)
	}
	s.add("nicwright_ipsec_software_bytes", float64(bytes))
	for index, n := range on {
		if d, known := sight.Netdevs[index]; known {
			s.add("nicwright_ipsec_contexts", float64(n), names[index], d.ID.String())
		}
	}
}

func (s *samples) health(all []devlink.Reporter) {
	for _, r := range all {
		port := ""
		if r.Port != nil {
			port = strconv.FormatUint(uint64(*r.Port), 10)
		}
		labels := []string{r.Device.String(), port, r.Name}
		s.add("nicwright_health_errors_total", float64(r.Errors), labels...)
		s.add("nicwright_health_recoveries_total", float64(r.Recoveries), labels...)
		s.add("nicwright_health_ok", one(r.Healthy), labels...)
	}
}
