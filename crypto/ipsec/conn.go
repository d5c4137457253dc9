// SPDX-License-Identifier: Apache-2.0

package ipsec

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// conn is a NETLINK_XFRM socket of the network namespace it was opened in.
type conn struct{ c *netlink.Conn }

func dial() (*conn, error) {
	c, err := netlink.Dial(unix.NETLINK_XFRM, nil)
	if err != nil {
		return nil, newError("opening a socket to the kernel's IPsec (NETLINK_XFRM)", "", attempt{}, err)
	}
	// A kernel before 4.12 does not know the option: errors are then only less talkative.
	_ = c.SetOption(netlink.ExtendedAcknowledge, true)
	return &conn{c}, nil
}

func (c *conn) close() error {
	if err := c.c.Close(); err != nil {
		return fmt.Errorf("closing the socket to the kernel's IPsec: %w", err)
	}
	return nil
}

// execute sends one message and returns the replies. The kernel does what it is
// asked while the message is sent, so ctx is only looked at before.
func (c *conn) execute(ctx context.Context, kind netlink.HeaderType, flags netlink.HeaderFlags, data []byte) ([]netlink.Message, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	return c.c.Execute(netlink.Message{Header: netlink.Header{Type: kind, Flags: netlink.Request | flags}, Data: data})
}

// dump lists what there is of a kind. f must not keep what it is given: it is
// wiped, for it has keys in it.
func (c *conn) dump(ctx context.Context, op string, get, reply netlink.HeaderType, f func([]byte) error) error {
	msgs, err := c.execute(ctx, get, netlink.Dump, nil)
	if err != nil {
		return newError(op, "", attempt{}, err)
	}
	for _, m := range msgs {
		if m.Header.Type == reply && err == nil {
			err = f(m.Data)
		}
		clear(m.Data)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

func (c *conn) states(ctx context.Context) ([]State, error) {
	var all []State
	err := c.dump(ctx, "listing the SAs (XFRM_MSG_GETSA)", nl.XFRM_MSG_GETSA, nl.XFRM_MSG_NEWSA, func(b []byte) error {
		s, err := parseState(b)
		all = append(all, s)
		return err
	})
	return all, err
}

func (c *conn) policies(ctx context.Context) ([]Policy, error) {
	var all []Policy
	err := c.dump(ctx, "listing the policies (XFRM_MSG_GETPOLICY)", nl.XFRM_MSG_GETPOLICY, nl.XFRM_MSG_NEWPOLICY, func(b []byte) error {
		p, err := parsePolicy(b)
		all = append(all, p)
		return err
	})
	return all, err
}

// state reads one SA.
func (c *conn) state(ctx context.Context, dst netip.Addr, spi SPI) (State, error) {
	op, what := "reading the SA back (XFRM_MSG_GETSA)", fmt.Sprintf("esp to %v spi %v", dst, spi)
	msgs, err := c.execute(ctx, nl.XFRM_MSG_GETSA, 0, saID(dst, spi))
	if err != nil {
		return State{}, newError(op, what, attempt{}, err)
	}
	if len(msgs) != 1 || msgs[0].Header.Type != nl.XFRM_MSG_NEWSA {
		return State{}, newError(op, what, attempt{}, errors.New("the kernel's answer is no SA"))
	}
	s, err := parseState(msgs[0].Data)
	clear(msgs[0].Data)
	if err != nil {
		return State{}, newError(op, what, attempt{}, err)
	}
	return s, nil
}

// policy reads one policy.
func (c *conn) policy(ctx context.Context, id []byte, what string) (Policy, error) {
	const op = "reading the policy back (XFRM_MSG_GETPOLICY)"
	msgs, err := c.execute(ctx, nl.XFRM_MSG_GETPOLICY, 0, id)
	if err != nil {
		return Policy{}, newError(op, what, attempt{}, err)
	}
	if len(msgs) != 1 || msgs[0].Header.Type != nl.XFRM_MSG_NEWPOLICY {
		return Policy{}, newError(op, what, attempt{}, errors.New("the kernel's answer is no policy"))
	}
	p, err := parsePolicy(msgs[0].Data)
	if err != nil {
		return Policy{}, newError(op, what, attempt{}, err)
	}
	return p, nil
}
