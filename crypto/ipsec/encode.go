// SPDX-License-Identifier: Apache-2.0

package ipsec

import (
	"net/netip"

	"github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// policyOut and policyIn are XFRM_POLICY_OUT and XFRM_POLICY_IN.
const (
	policyIn  = 0
	policyOut = 1
)

const (
	aead    = "rfc4106(gcm(aes))"
	icvBits = 128
	anyAlgo = ^uint32(0)
)

// sa is one SA to be made.
type sa struct {
	src, dst netip.Addr
	spi      SPI
	reqID    uint32
	in       bool // it receives
	key      []byte
	params   *Params
}

// newSA is a XFRM_MSG_NEWSA's payload. It has the key in it.
func (s *sa) newSA() ([]byte, error) {
	p := s.params
	m := nl.XfrmUsersaInfo{
		Id:     nl.XfrmId{Daddr: xfrmAddress(s.dst), Spi: hton(uint32(s.spi)), Proto: unix.IPPROTO_ESP},
		Saddr:  xfrmAddress(s.src),
		Lft:    lifetime(p.Limits),
		Reqid:  s.reqID,
		Family: family(s.dst),
		Mode:   uint8(p.Mode),
	}
	m.Sel.Family = m.Family
	if p.ESN {
		m.Flags |= nl.XFRM_STATE_ESN
	}
	alg := nl.XfrmAlgoAEAD{AlgKeyLen: uint32(len(s.key) * 8), AlgICVLen: icvBits, AlgKey: s.key}
	copy(alg.AlgName[:], aead)
	algBytes := alg.Serialize()
	defer clear(algBytes)
	ae := netlink.NewAttributeEncoder()
	ae.Bytes(nl.XFRMA_ALG_AEAD, algBytes)
	// A window beyond 32 has no room in the old structure. Linux up to 6.9 wants one of every SA with ESN, and an SA
	// without a direction (XFRMA_SA_DIR) needs it on later ones too (net/xfrm/xfrm_replay.c, xfrm_init_replay).
	if s.in || p.ESN {
		ae.Bytes(nl.XFRMA_REPLAY_ESN_VAL, window(p.ReplayWindow))
	}
	if p.Offload != None {
		flags := uint8(0)
		if s.in {
			flags |= offloadInbound
		}
		ae.Bytes(nl.XFRMA_OFFLOAD_DEV, p.offload(flags))
	}
	return payload(m.Serialize(), ae)
}

// window is a struct xfrm_replay_state_esn with its bitmap, all zero but the sizes.
func window(packets int) []byte {
	words := (packets + 31) / 32
	b := make([]byte, nl.SizeofXfrmReplayStateEsn+4*words)
	native.PutUint32(b, uint32(words))
	native.PutUint32(b[20:], uint32(packets))
	return b
}

// offload is a struct xfrm_user_offload.
func (p *Params) offload(flags uint8) []byte {
	if p.Offload == Packet {
		flags |= offloadPacket
	}
	b := make([]byte, sizeofOffload)
	native.PutUint32(b, uint32(p.Netdev))
	b[4] = flags
	return b
}

// selector matches every packet from one address to the other.
func selector(src, dst netip.Addr) nl.XfrmSelector {
	return nl.XfrmSelector{
		Daddr: xfrmAddress(dst), Saddr: xfrmAddress(src),
		PrefixlenD: uint8(dst.BitLen()), PrefixlenS: uint8(src.BitLen()),
		Family: family(dst),
	}
}

// newPolicy is a XFRM_MSG_NEWPOLICY's payload: packets from src to dst have to
// be those of the SA.
func (s *sa) newPolicy() ([]byte, error) {
	p := s.params
	m := nl.XfrmUserpolicyInfo{
		Sel: selector(s.src, s.dst),
		Lft: lifetime(Limits{}),
		Dir: s.direction(),
		// Priority 0 is the highest, and the only one that every card takes.
	}
	tmpl := nl.XfrmUserTmpl{
		XfrmId: nl.XfrmId{Proto: unix.IPPROTO_ESP},
		Family: family(s.dst), Reqid: s.reqID, Mode: uint8(p.Mode),
		Aalgos: anyAlgo, Ealgos: anyAlgo, Calgos: anyAlgo,
	}
	if p.Mode == Tunnel {
		tmpl.Saddr, tmpl.XfrmId.Daddr = xfrmAddress(s.src), xfrmAddress(s.dst)
	}
	ae := netlink.NewAttributeEncoder()
	ae.Bytes(nl.XFRMA_TMPL, tmpl.Serialize())
	if p.Offload == Packet {
		ae.Bytes(nl.XFRMA_OFFLOAD_DEV, p.offload(0))
	}
	return payload(m.Serialize(), ae)
}

func (s *sa) direction() uint8 {
	if s.in {
		return policyIn
	}
	return policyOut
}

// saID is a struct xfrm_usersa_id, which names an SA without a mark.
func saID(dst netip.Addr, spi SPI) []byte {
	m := nl.XfrmUsersaId{Daddr: xfrmAddress(dst), Spi: hton(uint32(spi)), Family: family(dst), Proto: unix.IPPROTO_ESP}
	return m.Serialize()
}

// policyID is a struct xfrm_userpolicy_id, which names a policy without a mark
// by its selector: an index may be another's meanwhile.
func policyID(sel nl.XfrmSelector, dir uint8) []byte {
	m := nl.XfrmUserpolicyId{Sel: sel, Dir: dir}
	return m.Serialize()
}

func payload(header []byte, ae *netlink.AttributeEncoder) ([]byte, error) {
	attrs, err := ae.Encode()
	if err != nil {
		return nil, err
	}
	defer clear(attrs) // the key may be in there
	return append(append(make([]byte, 0, len(header)+len(attrs)), header...), attrs...), nil
}

func xfrmAddress(a netip.Addr) (x nl.XfrmAddress) {
	copy(x[:], a.AsSlice())
	return x
}

func family(a netip.Addr) uint16 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func lifetime(l Limits) nl.XfrmLifetimeCfg {
	orInf := func(n uint64) uint64 {
		if n == 0 {
			return nl.XFRM_INF
		}
		return n
	}
	return nl.XfrmLifetimeCfg{
		SoftByteLimit: orInf(l.SoftBytes), HardByteLimit: orInf(l.HardBytes),
		SoftPacketLimit: orInf(l.SoftPackets), HardPacketLimit: orInf(l.HardPackets),
		SoftAddExpiresSeconds: l.SoftSeconds, HardAddExpiresSeconds: l.HardSeconds,
		SoftUseExpiresSeconds: l.SoftUseSeconds, HardUseExpiresSeconds: l.HardUseSeconds,
	}
}
