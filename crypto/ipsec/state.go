// SPDX-License-Identifier: Apache-2.0

package ipsec

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"

	"github.com/nicwright/nicwright/internal/rtlink"
)

// State is a security association as the kernel lists it, without its keys.
type State struct {
	Src   netip.Addr `json:"src"`
	Dst   netip.Addr `json:"dst"`
	Proto string     `json:"proto"` // esp, ah, comp, or a number
	SPI   SPI        `json:"spi"`
	Mode  Mode       `json:"mode"`
	// Direction is "in" or "out" where the kernel knows: of offloaded SAs, and of
	// those that were given one (from Linux 6.10 on). Else it is "".
	Direction string `json:"direction,omitempty"`
	ReqID     uint32 `json:"reqid"`
	Ours      bool   `json:"ours"` // made by this package, in this run or another
	// Encryption is an AEAD or a cipher; Authentication stands beside a cipher, or alone.
	Encryption     *Algorithm     `json:"encryption,omitempty"`
	Authentication *Algorithm     `json:"authentication,omitempty"`
	Encapsulation  *Encapsulation `json:"encapsulation,omitempty"` // in UDP or TCP
	ESN            bool           `json:"esn"`
	ReplayWindow   uint32         `json:"replay_window"` // packets, 0: no check
	Offload        OffloadState   `json:"offload"`
	Bytes          uint64         `json:"bytes"`
	Packets        uint64         `json:"packets"`
	Sent           uint64         `json:"sent_sequence"`     // number of the last packet sent
	Received       uint64         `json:"received_sequence"` // highest number received
	Failures       Failures       `json:"failures"`
	Limits         Limits         `json:"limits"`
	Added          uint64         `json:"added"` // Unix time, seconds
	Used           uint64         `json:"used"`  // Unix time of the first use, 0: never
	Mark           *Mark          `json:"mark,omitempty"`
	IfID           uint32         `json:"if_id,omitempty"` // of an xfrm interface
}

// Algorithms are what it encrypts and authenticates with, with the bits of their keys: "cbc(aes) 128 + hmac(sha256) 256".
func (s State) Algorithms() string {
	var all []string
	for _, a := range []*Algorithm{s.Encryption, s.Authentication} {
		if a != nil {
			all = append(all, fmt.Sprintf("%s %d", a.Name, a.Bits))
		}
	}
	return strings.Join(all, " + ")
}

// Algorithm is an algorithm, and never its key.
type Algorithm struct {
	Name string `json:"name"` // the kernel's, as rfc4106(gcm(aes))
	Bits int    `json:"bits"` // of the key, without the salt of an AEAD
	ICV  int    `json:"icv,omitempty"`
}

// Encapsulation of ESP (include/uapi/linux/udp.h, UDP_ENCAP_*).
type Encapsulation struct {
	Type    string `json:"type"` // espinudp, espintcp, or a number
	SrcPort uint16 `json:"src_port"`
	DstPort uint16 `json:"dst_port"`
}

// OffloadState is what does the work: the zero value is the kernel alone.
type OffloadState struct {
	Mode   Offload `json:"mode"`
	Index  int     `json:"ifindex,omitempty"`
	Netdev string  `json:"netdev,omitempty"` // its name now; "" if it is not in this network namespace
}

// Failures count packets that an SA did not let in.
type Failures struct {
	Window    uint32 `json:"replay_window"` // too old for the window
	Replay    uint32 `json:"replay"`        // seen before
	Integrity uint32 `json:"integrity"`     // the ICV was wrong
}

// Mark is a mark and its mask.
type Mark struct {
	Value uint32 `json:"value"`
	Mask  uint32 `json:"mask"`
}

// Policy is an xfrm policy as the kernel lists it.
type Policy struct {
	Src       netip.Prefix `json:"src"`
	Dst       netip.Prefix `json:"dst"`
	Proto     uint8        `json:"proto"` // of the payload, 0: any
	Direction string       `json:"direction"`
	Index     uint32       `json:"index"`
	Priority  uint32       `json:"priority"`
	Block     bool         `json:"block"`
	Ours      bool         `json:"ours"`
	Offload   OffloadState `json:"offload"`
	Templates []Template   `json:"templates,omitempty"`
	Mark      *Mark        `json:"mark,omitempty"`
	IfID      uint32       `json:"if_id,omitempty"`
	selector  nl.XfrmSelector
}

// Template names the SA that a policy wants; its addresses are invalid where any will do.
type Template struct {
	Src      netip.Addr `json:"src"`
	Dst      netip.Addr `json:"dst"`
	Proto    string     `json:"proto"`
	SPI      SPI        `json:"spi"`
	ReqID    uint32     `json:"reqid"`
	Mode     Mode       `json:"mode"`
	Optional bool       `json:"optional"`
}

func ours(reqID uint32) bool { return reqID>>16 == ReqIDMark }

// List reads all SAs of the calling thread's network namespace, by source,
// destination and SPI.
func List(ctx context.Context) (_ []State, err error) {
	c, err := dial()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	states, err := c.states(ctx)
	if err != nil {
		return nil, err
	}
	names := netdevNames{}
	for i := range states {
		if err := names.fill(&states[i].Offload); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(states, func(a, b State) int {
		if d := a.Src.Compare(b.Src); d != 0 {
			return d
		}
		if d := a.Dst.Compare(b.Dst); d != 0 {
			return d
		}
		return int(int64(a.SPI) - int64(b.SPI))
	})
	return states, nil
}

// Policies reads all policies of the calling thread's network namespace, in the
// kernel's order.
func Policies(ctx context.Context) (_ []Policy, err error) {
	c, err := dial()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	policies, err := c.policies(ctx)
	if err != nil {
		return nil, err
	}
	names := netdevNames{}
	for i := range policies {
		if err := names.fill(&policies[i].Offload); err != nil {
			return nil, err
		}
	}
	return policies, nil
}

// netdevNames are the names by index, each asked for once.
type netdevNames map[int]string

func (n netdevNames) fill(o *OffloadState) error {
	if o.Index == 0 {
		return nil
	}
	if _, ok := n[o.Index]; !ok {
		l, err := rtlink.ByIndex(o.Index)
		if err != nil && !errors.Is(err, rtlink.ErrNone) {
			return err
		}
		n[o.Index] = l.Name
	}
	o.Netdev = n[o.Index]
	return nil
}
