// SPDX-License-Identifier: Apache-2.0

// Package ipsec makes and reads IPsec in the kernel: security associations
// (xfrm states) and policies over NETLINK_XFRM, with the card doing the
// cryptography (crypto offload) or all of it (packet offload), or neither.
//
// One end of a connection is a [Pair]: an SA for what is sent, one for what is
// received, and the policies that let nothing through between the two addresses
// but what these SAs protect. The two ends share [Keys]:
//
//	keys, err := ipsec.NewKeys(256)
//	here, err := ipsec.Add(ctx, ipsec.Params{Local: a, Remote: b, Keys: keys, Offload: ipsec.Crypto, Netdev: index})
//	// and in the other end's network namespace:
//	there, err := ipsec.Add(ctx, ipsec.Params{Local: b, Remote: a, Keys: keys})
//
// [List] and [Policies] show everybody's, an IKE daemon's too. Everything happens
// in the network namespace of the calling thread and needs CAP_NET_ADMIN there,
// reading included.
//
// # What is ours
//
// The request id (reqid) of every SA, and of every policy's template, has
// [ReqIDMark] in its upper 16 bits; [Clean] removes those and nothing else. Of
// all that an SA and a policy have in common it alone survives a kill with no
// file beside it, takes no part in matching packets (as a mark or an if_id
// does), and is far from where IKE daemons count from (strongSwan from 1,
// libreswan from 16384). It also ties our policies to our SAs: the kernel uses
// no other's for them. Packet offload on mlx5 wants one that is not 0 anyway.
//
// # Why not the library's xfrm
//
// github.com/vishvananda/netlink v1.3.1 has no offload, neither to send nor to
// parse, reads no replay window of an SA with ESN, prints keys in String, and
// reads past the end of short attributes. Its structures of the uAPI (package
// nl) are used here, over github.com/mdlayher/netlink.
package ipsec

import (
	"fmt"
	"net/netip"
)

// ReqIDMark is the upper half of the request ids that are ours ("NW").
const ReqIDMark = 0x4e57

// DefaultReplayWindow is the replay window of [Params] that name none, in
// packets: mlx5 takes it in packet mode, and it outlasts the reordering of a few
// receive queues.
const DefaultReplayWindow = 128

// Mode is how an SA wraps packets (XFRM_MODE_*, include/uapi/linux/xfrm.h).
type Mode uint8

// The modes that [Add] makes; [List] can show others.
const (
	Transport Mode = 0
	Tunnel    Mode = 1
)

var modeNames = [...]string{"transport", "tunnel", "ro", "in-trigger", "beet", "iptfs"}

// String is the mode in ip-xfrm(8)'s words.
func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return fmt.Sprintf("mode %d", uint8(m))
}

// MarshalText is String.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Offload is what of IPsec the card does.
type Offload uint8

// The offloads. Crypto: the card encrypts and decrypts, the kernel does the
// rest. Packet: the card also matches the policy, wraps, numbers and checks for
// replays, so that the kernel sees plain packets (from Linux 6.2 on).
const (
	None Offload = iota
	Crypto
	Packet
)

// String is the offload in ip-xfrm(8)'s words, or "none".
func (o Offload) String() string {
	switch o {
	case None:
		return "none"
	case Crypto:
		return "crypto"
	case Packet:
		return "packet"
	}
	return fmt.Sprintf("offload %d", uint8(o))
}

// MarshalText is String.
func (o Offload) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// SPI is a security parameter index.
type SPI uint32

// String is how ip-xfrm(8) prints it: 0x and eight digits.
func (s SPI) String() string { return fmt.Sprintf("0x%08x", uint32(s)) }

// MarshalText is String.
func (s SPI) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Limits end the life of an SA: at a soft limit the kernel tells IKE daemons, at
// a hard one it stops using the SA. 0 is no limit.
type Limits struct {
	SoftBytes   uint64 `json:"soft_bytes,omitempty"`
	HardBytes   uint64 `json:"hard_bytes,omitempty"`
	SoftPackets uint64 `json:"soft_packets,omitempty"`
	HardPackets uint64 `json:"hard_packets,omitempty"`
	// Seconds since the SA was added, and since it was first used.
	SoftSeconds    uint64 `json:"soft_seconds,omitempty"`
	HardSeconds    uint64 `json:"hard_seconds,omitempty"`
	SoftUseSeconds uint64 `json:"soft_use_seconds,omitempty"`
	HardUseSeconds uint64 `json:"hard_use_seconds,omitempty"`
}

// Params are one end of a connection, as [Add] makes it.
type Params struct {
	// Local and Remote are the two ends, both IPv4 or both IPv6, without zones.
	// They are the selector of the policies, of all protocols, also in a tunnel.
	Local, Remote netip.Addr
	Mode          Mode
	Offload       Offload
	Netdev        int  // ifindex of the netdev that offloads; unused with None
	Keys          Keys // the same at the other end
	// ESN makes sequence numbers 64 bits long (RFC 4304); both ends have to agree.
	ESN bool
	// ReplayWindow is in packets, 1 to 4096; 0: DefaultReplayWindow. mlx5 takes
	// 32, 64, 128 and 256 in packet mode.
	ReplayWindow int
	Limits       Limits // of both SAs
}

func (p *Params) check() error {
	p.Local, p.Remote = p.Local.Unmap(), p.Remote.Unmap()
	switch {
	case !p.Local.IsValid() || !p.Remote.IsValid() || p.Local.Is4() != p.Remote.Is4() || p.Local.Zone()+p.Remote.Zone() != "":
		return fmt.Errorf("IPsec from %v to %v: it takes two IPv4 or two IPv6 addresses, without zones", p.Local, p.Remote)
	case p.Local == p.Remote:
		return fmt.Errorf("IPsec from %v to itself: the two ends have to have different addresses", p.Local)
	case p.Mode != Transport && p.Mode != Tunnel:
		return fmt.Errorf("IPsec in %v: only transport and tunnel can be made", p.Mode)
	case p.Offload > Packet:
		return fmt.Errorf("IPsec with %v: it is none, crypto or packet", p.Offload)
	case p.Offload != None && p.Netdev <= 0:
		return fmt.Errorf("IPsec with %v offload: no netdev is named that is to do it", p.Offload)
	case p.ReplayWindow < 0 || p.ReplayWindow > maxReplayWindow:
		return fmt.Errorf("a replay window of %d packets: it is 1 to %d", p.ReplayWindow, maxReplayWindow)
	}
	if p.ReplayWindow == 0 {
		p.ReplayWindow = DefaultReplayWindow
	}
	return nil
}

// maxReplayWindow is XFRMA_REPLAY_ESN_MAX (include/net/xfrm.h), in packets.
const maxReplayWindow = 4096
