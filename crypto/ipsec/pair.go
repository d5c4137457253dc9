// SPDX-License-Identifier: Apache-2.0

package ipsec

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/rtlink"
)

// Pair is one end of a connection: the SA out, the SA in, and their policies. It
// stays in the network namespace it was made in, and can be used from any; but
// not by two goroutines at a time.
type Pair struct {
	c      *conn
	params Params // without keys
	netdev string // name of params.Netdev
	made   []made
}

// made is something that was added.
type made struct {
	sa     sa // without its key
	policy bool
}

// Add makes one end of a connection in the calling thread's network namespace:
// the SA out, the SA in, and a policy for each direction. It reads all of them
// back, and fails, with nothing left behind, where one is not offloaded as it
// was asked for: errors.Is(err, [ErrSoftware]). No forward policies are made:
// the selectors are the two hosts themselves, so nothing is forwarded. A bond
// other than active-backup is refused without asking the kernel: [ErrBond].
//
// From then on packets between the two addresses pass protected or not at all.
func Add(ctx context.Context, params Params) (_ *Pair, err error) {
	if err := params.check(); err != nil {
		return nil, err
	}
	p := &Pair{params: params}
	p.params.Keys = Keys{}
	if params.Offload != None {
		l, err := rtlink.ByIndex(params.Netdev)
		if err != nil {
			return nil, fmt.Errorf("the netdev that is to offload IPsec: %w", err)
		}
		if mode, refused := bondMode(l); refused {
			return nil, fmt.Errorf("the netdev that is to offload IPsec: %s, mode %s: %w", l.Name, mode, ErrBond)
		}
		p.netdev = l.Name
	}
	if p.c, err = dial(); err != nil {
		return nil, err
	}
	if err := p.addAll(ctx, params.Keys); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// bondModes are by number (include/uapi/linux/if_bonding.h, BOND_MODE_*).
var bondModes = [...]string{"balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"}

// bondMode is the mode of a bond that is none of active-backup.
func bondMode(l rtlink.Link) (mode string, refused bool) {
	if l.Bond == nil {
		return "", false
	}
	n, known := l.Bond.Values[nl.IFLA_BOND_MODE]
	if !known || n < 0 || n >= len(bondModes) {
		return "(unknown)", true
	}
	return bondModes[n], bondModes[n] != "active-backup"
}

func (p *Pair) addAll(ctx context.Context, keys Keys) error {
	local, remote := p.params.Local, p.params.Remote
	keyOut, keyIn, err := keys.take(local, remote)
	if err != nil {
		return err
	}
	defer clear(keyOut)
	defer clear(keyIn)
	out := sa{src: local, dst: remote, spi: keys.SPI(local, remote), reqID: keys.reqID(), key: keyOut, params: &p.params}
	in := sa{src: remote, dst: local, spi: keys.SPI(remote, local), reqID: keys.reqID(), key: keyIn, params: &p.params, in: true}
	// The policies last: before its SA is there a policy drops packets, or wakes an IKE daemon.
	for _, s := range []sa{out, in} {
		if err := p.add(ctx, s, false); err != nil {
			return err
		}
	}
	for _, s := range []sa{in, out} {
		s.key = nil
		if err := p.add(ctx, s, true); err != nil {
			return err
		}
	}
	return p.check(ctx)
}

func (p *Pair) add(ctx context.Context, s sa, policy bool) error {
	m := made{sa: s, policy: policy}
	m.sa.key = nil
	a := attempt{offload: p.params.Offload, ipv6: s.dst.Is6(), policy: policy}
	kind, op, encode := netlink.HeaderType(nl.XFRM_MSG_NEWSA), "adding "+m.what()+" (XFRM_MSG_NEWSA)", s.newSA
	if policy {
		kind, op, encode = nl.XFRM_MSG_NEWPOLICY, "adding "+m.what()+" (XFRM_MSG_NEWPOLICY)", s.newPolicy
		if a.offload == Crypto {
			a.offload = None
		}
	}
	b, err := encode()
	defer clear(b)
	if err == nil {
		_, err = p.c.execute(ctx, kind, netlink.Acknowledge|netlink.Create|netlink.Excl, b)
	}
	if err != nil {
		return newError(op, p.describe(s), a, err)
	}
	p.made = append(p.made, m)
	return nil
}

func (m made) what() string {
	what := "the SA "
	if m.policy {
		what = "the policy "
	}
	return what + policyDirections[m.sa.direction()]
}

// describe names an SA in errors.
func (p *Pair) describe(s sa) string {
	d := fmt.Sprintf("esp %v -> %v spi %v %v", s.src, s.dst, s.spi, p.params.Mode)
	if p.params.Offload != None {
		d += fmt.Sprintf(", %v offload on %s", p.params.Offload, p.netdev)
	}
	return d
}

// check reads everything back and compares the offload with what was asked for.
func (p *Pair) check(ctx context.Context) error {
	states, err := p.states(ctx)
	if err != nil {
		return err
	}
	want := OffloadState{Mode: p.params.Offload}
	if want.Mode != None {
		want.Index, want.Netdev = p.params.Netdev, p.netdev
	}
	i := 0
	for _, m := range p.made {
		var have OffloadState
		if m.policy {
			if want.Mode != Packet {
				continue
			}
			policy, err := p.c.policy(ctx, m.id(), p.describe(m.sa))
			if err != nil {
				return err
			}
			have = p.named(policy.Offload)
		} else {
			have = states[i].Offload
			i++
		}
		if have != want {
			return &Error{
				Op: "reading back " + m.what(), Resource: p.describe(m.sa), Err: ErrSoftware,
				Hint: fmt.Sprintf("the driver of %s has no IPsec offload, or refused this SA (EOPNOTSUPP): for a VF of mlx5, is ipsec_crypto of its port function on; is the kernel built with CONFIG_MLX5_EN_IPSEC, and does `ethtool -k` show esp-hw-offload on? Through a bond, Debian's 6.12.117 does it in software always: use a member", p.netdev),
			}
		}
	}
	return nil
}

// States reads both SAs: out, then in.
func (p *Pair) States() ([]State, error) { return p.states(context.Background()) }

func (p *Pair) states(ctx context.Context) ([]State, error) {
	var all []State
	for _, m := range p.made {
		if m.policy {
			continue
		}
		s, err := p.c.state(ctx, m.sa.dst, m.sa.spi)
		if err != nil {
			return nil, err
		}
		s.Offload = p.named(s.Offload)
		all = append(all, s)
	}
	return all, nil
}

// named knows the name of the pair's own netdev, wherever it is called from.
func (p *Pair) named(o OffloadState) OffloadState {
	if o.Index == p.params.Netdev {
		o.Netdev = p.netdev
	}
	return o
}

// Close removes the policies and the SAs. What is gone already, as from a netdev
// that went down, is no error.
func (p *Pair) Close() error {
	var errs []error
	for len(p.made) > 0 {
		m := p.made[len(p.made)-1]
		p.made = p.made[:len(p.made)-1]
		errs = append(errs, p.c.remove(context.Background(), m.policy, m.id(), p.describe(m.sa)))
	}
	return errors.Join(append(errs, p.c.close())...)
}

func (m made) id() []byte {
	if m.policy {
		return policyID(selector(m.sa.src, m.sa.dst), m.sa.direction())
	}
	return saID(m.sa.dst, m.sa.spi)
}

// remove deletes an SA or a policy; one that does not exist is no error.
func (c *conn) remove(ctx context.Context, policy bool, id []byte, what string) error {
	kind, op := netlink.HeaderType(nl.XFRM_MSG_DELSA), "removing the SA (XFRM_MSG_DELSA)"
	if policy {
		kind, op = nl.XFRM_MSG_DELPOLICY, "removing the policy (XFRM_MSG_DELPOLICY)"
	}
	_, err := c.execute(ctx, kind, netlink.Acknowledge, id)
	if err == nil || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return newError(op, what, attempt{policy: policy}, err)
}

// Clean removes what runs that were killed left in the calling thread's network
// namespace: SAs and policies that have [ReqIDMark]. Those of a run that still
// goes on have it too.
func Clean(ctx context.Context) (err error) {
	c, err := dial()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	policies, err := c.policies(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range policies {
		if dir := slices.Index(policyDirections[:], p.Direction); p.Ours && dir >= 0 {
			errs = append(errs, c.remove(ctx, true, policyID(p.selector, uint8(dir)), fmt.Sprintf("policy %s %v -> %v", p.Direction, p.Src, p.Dst)))
		}
	}
	states, err := c.states(ctx)
	errs = append(errs, err)
	for _, s := range states {
		if s.Ours {
			errs = append(errs, c.remove(ctx, false, saID(s.Dst, s.SPI), fmt.Sprintf("esp %v -> %v spi %v", s.Src, s.Dst, s.SPI)))
		}
	}
	return errors.Join(errs...)
}
