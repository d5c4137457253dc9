// SPDX-License-Identifier: Apache-2.0

package ipsec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

var errShort = errors.New("the kernel's message is shorter than its format")

// Of include/uapi/linux/xfrm.h (XFRM_OFFLOAD_*, XFRM_SA_DIR_*), and the sizes of struct
// xfrm_user_offload, with its padding, and of the name in struct xfrm_algo.
const (
	offloadInbound = 2
	offloadPacket  = 4
	dirIn          = 1
	dirOut         = 2
	sizeofOffload  = 8
	algoName       = 64
)

var (
	native = binary.NativeEndian
	// policyDirections are XFRM_POLICY_{IN,OUT,FWD}, and those of single sockets behind them.
	policyDirections = [...]string{"in", "out", "fwd", "socket in", "socket out", "socket fwd"}
)

// parseState reads a XFRM_MSG_NEWSA: struct xfrm_usersa_info and attributes. The
// key in it is not looked at.
func parseState(b []byte) (State, error) {
	if len(b) < nl.SizeofXfrmUsersaInfo {
		return State{}, fmt.Errorf("reading an SA: %w", errShort)
	}
	m := nl.DeserializeXfrmUsersaInfo(b)
	s := State{
		Src:          address(m.Saddr, m.Family),
		Dst:          address(m.Id.Daddr, m.Family),
		Proto:        proto(m.Id.Proto),
		SPI:          SPI(hton(m.Id.Spi)),
		Mode:         Mode(m.Mode),
		ReqID:        m.Reqid,
		Ours:         ours(m.Reqid) && m.Id.Proto == unix.IPPROTO_ESP,
		ESN:          m.Flags&nl.XFRM_STATE_ESN != 0,
		ReplayWindow: uint32(m.ReplayWindow),
		Bytes:        m.Curlft.Bytes,
		Packets:      m.Curlft.Packets,
		Failures:     Failures{Window: m.Stats.ReplayWindow, Replay: m.Stats.Replay, Integrity: m.Stats.IntegrityFailed},
		Limits:       limits(m.Lft),
		Added:        m.Curlft.AddTime,
		Used:         m.Curlft.UseTime,
	}
	err := each(b[nl.SizeofXfrmUsersaInfo:], s.attribute)
	if err != nil {
		return State{}, fmt.Errorf("reading the SA to %v with spi %v: %w", s.Dst, s.SPI, err)
	}
	return s, nil
}

func (s *State) attribute(kind uint16, v []byte) (err error) {
	switch kind {
	case nl.XFRMA_ALG_AEAD:
		s.Encryption, err = algorithm(v, true)
	case nl.XFRMA_ALG_CRYPT:
		s.Encryption, err = algorithm(v, false)
	case nl.XFRMA_ALG_AUTH:
		if s.Authentication == nil { // the same again without the length of the ICV
			s.Authentication, err = algorithm(v, false)
		}
	case nl.XFRMA_ALG_AUTH_TRUNC:
		s.Authentication, err = algorithm(v, true)
	case nl.XFRMA_ENCAP:
		if len(v) < 6 {
			return errShort
		}
		s.Encapsulation = &Encapsulation{
			Type:    encapsulation(native.Uint16(v)),
			SrcPort: binary.BigEndian.Uint16(v[2:]),
			DstPort: binary.BigEndian.Uint16(v[4:]),
		}
	case nl.XFRMA_REPLAY_VAL:
		if len(v) < nl.SizeofXfrmReplayState {
			return errShort
		}
		s.Sent, s.Received = uint64(native.Uint32(v)), uint64(native.Uint32(v[4:]))
	case nl.XFRMA_REPLAY_ESN_VAL:
		if len(v) < nl.SizeofXfrmReplayStateEsn {
			return errShort
		}
		s.Sent = uint64(native.Uint32(v[12:]))<<32 | uint64(native.Uint32(v[4:]))
		s.Received = uint64(native.Uint32(v[16:]))<<32 | uint64(native.Uint32(v[8:]))
		s.ReplayWindow = native.Uint32(v[20:])
	case nl.XFRMA_OFFLOAD_DEV:
		var flags uint8
		if s.Offload, flags, err = offload(v); err == nil {
			s.Direction = "out"
			if flags&offloadInbound != 0 {
				s.Direction = "in"
			}
		}
	case nl.XFRMA_SA_DIR:
		switch {
		case len(v) < 1:
			return errShort
		case v[0] == dirIn:
			s.Direction = "in"
		case v[0] == dirOut:
			s.Direction = "out"
		}
	case nl.XFRMA_MARK:
		s.Mark, err = mark(v)
	case nl.XFRMA_IF_ID:
		s.IfID, err = number(v)
	}
	return err
}

// parsePolicy reads a XFRM_MSG_NEWPOLICY: struct xfrm_userpolicy_info and
// attributes.
func parsePolicy(b []byte) (Policy, error) {
	if len(b) < nl.SizeofXfrmUserpolicyInfo {
		return Policy{}, fmt.Errorf("reading a policy: %w", errShort)
	}
	m := nl.DeserializeXfrmUserpolicyInfo(b)
	p := Policy{
		Proto:     m.Sel.Proto,
		Direction: strconv.Itoa(int(m.Dir)),
		Index:     m.Index,
		Priority:  m.Priority,
		Block:     m.Action != 0,
		selector:  m.Sel,
	}
	if int(m.Dir) < len(policyDirections) {
		p.Direction = policyDirections[m.Dir]
	}
	fail := func(err error) (Policy, error) {
		return Policy{}, fmt.Errorf("reading the policy %s %d: %w", p.Direction, p.Index, err)
	}
	var err error
	if p.Src, err = prefix(m.Sel.Saddr, m.Sel.PrefixlenS, m.Sel.Family); err != nil {
		return fail(err)
	}
	if p.Dst, err = prefix(m.Sel.Daddr, m.Sel.PrefixlenD, m.Sel.Family); err != nil {
		return fail(err)
	}
	err = each(b[nl.SizeofXfrmUserpolicyInfo:], func(kind uint16, v []byte) (err error) {
		switch kind {
		case nl.XFRMA_TMPL:
			p.Templates, err = templates(v)
		case nl.XFRMA_OFFLOAD_DEV:
			p.Offload, _, err = offload(v)
			p.Offload.Mode = Packet // policies have no other (net/xfrm/xfrm_device.c, xfrm_dev_policy_add)
		case nl.XFRMA_MARK:
			p.Mark, err = mark(v)
		case nl.XFRMA_IF_ID:
			p.IfID, err = number(v)
		}
		return err
	})
	if err != nil {
		return fail(err)
	}
	p.Ours = len(p.Templates) > 0
	for _, t := range p.Templates {
		p.Ours = p.Ours && ours(t.ReqID) && t.Proto == esp
	}
	return p, nil
}

func templates(b []byte) ([]Template, error) {
	var out []Template
	for ; len(b) >= nl.SizeofXfrmUserTmpl; b = b[nl.SizeofXfrmUserTmpl:] {
		m := nl.DeserializeXfrmUserTmpl(b)
		t := Template{
			Src:      address(m.Saddr, m.Family),
			Dst:      address(m.XfrmId.Daddr, m.Family),
			Proto:    proto(m.XfrmId.Proto),
			SPI:      SPI(hton(m.XfrmId.Spi)),
			ReqID:    m.Reqid,
			Mode:     Mode(m.Mode),
			Optional: m.Optional != 0,
		}
		if t.Src.IsValid() && t.Src.IsUnspecified() {
			t.Src = netip.Addr{}
		}
		if t.Dst.IsValid() && t.Dst.IsUnspecified() {
			t.Dst = netip.Addr{}
		}
		out = append(out, t)
	}
	if len(b) != 0 {
		return nil, errShort
	}
	return out, nil
}

// each calls f for every attribute in b.
func each(b []byte, f func(kind uint16, value []byte) error) error {
	if len(b) == 0 {
		return nil
	}
	ad, err := netlink.NewAttributeDecoder(b)
	if err != nil {
		return fmt.Errorf("%w: %w", errShort, err)
	}
	for ad.Next() {
		if err := f(ad.Type(), ad.Bytes()); err != nil {
			return fmt.Errorf("attribute %d: %w", ad.Type(), err)
		}
	}
	if err := ad.Err(); err != nil {
		return fmt.Errorf("%w: %w", errShort, err)
	}
	return nil
}

// algorithm reads struct xfrm_algo, or, with a length of the ICV behind that of the key,
// xfrm_algo_aead and xfrm_algo_auth; but not what follows: the key.
func algorithm(v []byte, icv bool) (*Algorithm, error) {
	if len(v) < algoName+4 || (icv && len(v) < algoName+8) {
		return nil, errShort
	}
	a := &Algorithm{Name: unix.ByteSliceToString(v[:algoName]), Bits: int(native.Uint32(v[algoName:]))}
	if icv {
		a.ICV = int(native.Uint32(v[algoName+4:]))
	}
	// The salt is counted with the key of these (RFC 4106, 4309, 4543, 7634).
	for name, salt := range map[string]int{"rfc4106(": 32, "rfc4309(": 24, "rfc4543(": 32, "rfc7539esp(": 32} {
		if strings.HasPrefix(a.Name, name) && a.Bits > salt {
			a.Bits -= salt
		}
	}
	return a, nil
}

func offload(v []byte) (OffloadState, uint8, error) {
	if len(v) < sizeofOffload {
		return OffloadState{}, 0, errShort
	}
	o := OffloadState{Mode: Crypto, Index: int(int32(native.Uint32(v)))}
	if v[4]&offloadPacket != 0 {
		o.Mode = Packet
	}
	return o, v[4], nil
}

func mark(v []byte) (*Mark, error) {
	if len(v) < nl.SizeofXfrmMark {
		return nil, errShort
	}
	return &Mark{Value: native.Uint32(v), Mask: native.Uint32(v[4:])}, nil
}

func number(v []byte) (uint32, error) {
	if len(v) < 4 {
		return 0, errShort
	}
	return native.Uint32(v), nil
}

// address is invalid where the family is neither IPv4 nor IPv6.
func address(a nl.XfrmAddress, family uint16) netip.Addr {
	switch family {
	case unix.AF_INET:
		return netip.AddrFrom4([4]byte(a[:4]))
	case unix.AF_INET6:
		return netip.AddrFrom16(a)
	}
	return netip.Addr{}
}

// prefix is invalid where the family is neither IPv4 nor IPv6.
func prefix(a nl.XfrmAddress, bits uint8, family uint16) (netip.Prefix, error) {
	addr := address(a, family)
	if int(bits) > addr.BitLen() {
		if !addr.IsValid() {
			return netip.Prefix{}, nil
		}
		return netip.Prefix{}, fmt.Errorf("an address of %d bits has a prefix of %d", addr.BitLen(), bits)
	}
	return netip.PrefixFrom(addr, int(bits)), nil
}

func limits(l nl.XfrmLifetimeCfg) Limits {
	or0 := func(n uint64) uint64 {
		if n == nl.XFRM_INF {
			return 0
		}
		return n
	}
	return Limits{
		SoftBytes: or0(l.SoftByteLimit), HardBytes: or0(l.HardByteLimit),
		SoftPackets: or0(l.SoftPacketLimit), HardPackets: or0(l.HardPacketLimit),
		SoftSeconds: l.SoftAddExpiresSeconds, HardSeconds: l.HardAddExpiresSeconds,
		SoftUseSeconds: l.SoftUseExpiresSeconds, HardUseSeconds: l.HardUseExpiresSeconds,
	}
}

const esp = "esp"

func proto(n uint8) string {
	switch n {
	case unix.IPPROTO_ESP:
		return esp
	case unix.IPPROTO_AH:
		return "ah"
	case unix.IPPROTO_COMP:
		return "comp"
	}
	return strconv.Itoa(int(n))
}

func encapsulation(n uint16) string {
	switch n {
	case unix.UDP_ENCAP_ESPINUDP:
		return "espinudp"
	case 7: // TCP_ENCAP_ESPINTCP
		return "espintcp"
	}
	return strconv.Itoa(int(n))
}

// hton is the value of a big endian number read as a native one, and the reverse.
func hton(n uint32) uint32 {
	var b [4]byte
	native.PutUint32(b[:], n)
	return binary.BigEndian.Uint32(b[:])
}
