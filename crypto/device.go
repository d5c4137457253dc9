// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/crypto/ipsec"
	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/snapshot"
)

// Names of the features on which those of Spec depend (net/ethtool/common.c).
const (
	featTxCsum   = "tx-checksum-ip-generic"
	featTxCsumV4 = "tx-checksum-ipv4"
	featTxCsumV6 = "tx-checksum-ipv6"
	featRxCsum   = "rx-checksum"
)

// Device is one function's netdev with all that a chain of TLS or IPsec needs to
// know of it.
type Device struct {
	Function pci.Function       `json:"function"`
	Netdev   string             `json:"netdev"`
	Index    int                `json:"ifindex"`
	Driver   string             `json:"driver"`
	Up       bool               `json:"up"`      // administratively
	Carrier  bool               `json:"carrier"` // there is a link on it
	Features map[string]Feature `json:"features"`
	// Contexts are the TLS contexts that are open on it, by direction ("tx", "rx"), as far as they are
	// counted: see OpenContexts.
	Contexts map[string]uint64 `json:"contexts,omitempty"`
	// States are the IPsec states that are offloaded to it, and Packet those of them in packet mode.
	States int `json:"states"`
	Packet int `json:"packet_states"`
}

// Devices are the netdevs of all PFs and VFs, by function. states are those of
// the network namespace, as ipsec.List has them.
func Devices(s *snapshot.Snapshot, states []ipsec.State) []Device {
	drivers := map[pci.Function]string{}
	for _, p := range s.PFs {
		drivers[pci.PF(p.Address)] = p.Driver
		for n, vf := range p.VFs {
			drivers[pci.VF(p.Address, n)] = vf.Driver
		}
	}
	total, packet := map[int]int{}, map[int]int{}
	for _, st := range states {
		if st.Offload.Mode == ipsec.None {
			continue
		}
		total[st.Offload.Index]++
		if st.Offload.Mode == ipsec.Packet {
			packet[st.Offload.Index]++
		}
	}
	var out []Device
	for _, l := range s.Netdevs {
		if l.Representor || l.SF != nil {
			continue
		}
		d := Device{
			Function: l.Function, Netdev: l.Name, Index: l.Index, Driver: drivers[l.Function],
			States: total[l.Index], Packet: packet[l.Index], Features: map[string]Feature{},
		}
		if link, ok := s.Link(l.Index); ok {
			d.Up, d.Carrier = link.Up, link.Carrier
		}
		if f, ok := s.Features[l.Index]; ok {
			d.Features = pick(f)
		}
		out = append(out, d)
	}
	return out
}

func pick(f ethtool.Features) map[string]Feature {
	out := map[string]Feature{}
	for _, name := range append([]string{featTxCsum, featTxCsumV4, featTxCsumV6, featRxCsum}, featureNames...) {
		if v, ok := f.Get(name); ok {
			out[name] = Feature{Hardware: v.Hardware, Wanted: v.Wanted, Active: v.Active, Fixed: v.Fixed()}
		}
	}
	return out
}

// OpenContexts are the TLS contexts that are open on a netdev, by direction ("tx",
// "rx"), as far as the driver counts them (mlx5: tx_tls_ctx less tx_tls_del,
// ethtool -S): none of a driver without statistics.
func OpenContexts(netdev string) (map[string]uint64, error) {
	stats, err := ethtool.Statistics(netdev)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return contexts(stats), nil
}

func contexts(stats map[string]uint64) map[string]uint64 {
	open := map[string]uint64{}
	for _, dir := range []string{"tx", "rx"} {
		made, counted := stats[dir+"_tls_ctx"]
		if gone := stats[dir+"_tls_del"]; counted && made >= gone {
			open[dir] = made - gone
		}
	}
	return open
}
