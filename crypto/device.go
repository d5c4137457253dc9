// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/crypto/ipsec"
	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/rtlink"
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
	Up       bool               `json:"up"` // administratively
	Features map[string]Feature `json:"features"`
	// Contexts are the TLS contexts that are open on it, by direction ("tx", "rx"), as far as the
	// driver counts them (mlx5: tx_tls_ctx less tx_tls_del, ethtool -S).
	Contexts map[string]uint64 `json:"contexts,omitempty"`
	// States are the IPsec states that are offloaded to it, and Packet those of them in packet mode.
	States int `json:"states"`
	Packet int `json:"packet_states"`
}

// ObserveDevices reads the netdevs of all PFs and VFs in this network namespace,
// by function. States of the kernel are listed with CAP_NET_ADMIN only: without
// it there are none.
func ObserveDevices(ctx context.Context) ([]Device, error) {
	links, err := netdev.All(ctx)
	if err != nil {
		return nil, err
	}
	all, err := rtlink.Dump(ctx)
	if err != nil {
		return nil, err
	}
	up := map[int]bool{}
	for _, l := range all {
		up[l.Index] = l.Up
	}
	c, err := ethtool.Dial(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	features, err := c.All()
	if err != nil {
		return nil, err
	}
	states, err := ipsec.List(ctx)
	if err != nil && !errors.Is(err, unix.EPERM) {
		return nil, err
	}
	var out []Device
	for _, l := range links {
		if l.Representor {
			continue
		}
		d := Device{Function: l.Function, Netdev: l.Name, Index: l.Index, Up: up[l.Index], Features: map[string]Feature{}}
		for _, f := range features {
			if f.Index == l.Index {
				d.Features = pick(f)
			}
		}
		for _, s := range states {
			if s.Offload.Index != l.Index || s.Offload.Mode == ipsec.None {
				continue
			}
			d.States++
			if s.Offload.Mode == ipsec.Packet {
				d.Packet++
			}
		}
		if err := d.ask(); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
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

// ask reads the driver's name and its counters of contexts.
func (d *Device) ask() error {
	info, err := ethtool.DriverInfo(d.Netdev)
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	d.Driver = info.Name
	stats, err := ethtool.Statistics(d.Netdev)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil // a driver without statistics
	}
	if err != nil {
		return err
	}
	d.Contexts = map[string]uint64{}
	for _, dir := range []string{"tx", "rx"} {
		made, counted := stats[dir+"_tls_ctx"]
		if gone := stats[dir+"_tls_del"]; counted && made >= gone {
			d.Contexts[dir] = made - gone
		}
	}
	return nil
}
