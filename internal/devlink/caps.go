// SPDX-License-Identifier: Apache-2.0

package devlink

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/mdlayher/netlink"
)

// Of enum devlink_port_function_attr (include/uapi/linux/devlink.h).
const (
	portFnCaps     = 4 // struct nla_bitfield32: value, selector
	portFnMaxIOEQs = 6 // u32
)

// capNames are the capabilities of a port function by their bit (enum
// devlink_port_fn_attr_cap), in the words of the devlink tool.
func capNames() []string { return []string{"roce", "migratable", "ipsec_crypto", "ipsec_packet"} }

// parseFunction reads a port's function: the capabilities that the driver has, and
// whether each is enabled, and how many event queues it may have.
func parseFunction(into *Port) func(*netlink.AttributeDecoder) error {
	return func(ad *netlink.AttributeDecoder) error {
		for ad.Next() {
			b := ad.Bytes()
			if ad.Type() == portFnMaxIOEQs && len(b) == 4 {
				n := uint32(nativeUint(b))
				into.MaxIOEQs = &n
			}
			if ad.Type() != portFnCaps || len(b) < 8 {
				continue
			}
			value, selector := nativeUint(b[:4]), nativeUint(b[4:8])
			for bit, name := range capNames() {
				if selector>>bit&1 != 0 {
					into.Caps[name] = value>>bit&1 != 0
				}
			}
		}
		return ad.Err()
	}
}

// SetCap switches a capability of a port's function: roce, migratable,
// ipsec_crypto (from Linux 6.6 on) or ipsec_packet. EBUSY while the function has
// a driver; for ipsec_* also while the PF itself has IPsec SAs (m5/esw/ipsec.c).
func (c *Client) SetCap(ctx context.Context, p Port, name string, on bool) error {
	op := fmt.Sprintf("setting %s of the function of port %d to %t", name, p.Index, on)
	i := slices.Index(capNames(), name)
	if i < 0 {
		return newError(op, p.Device, fmt.Errorf("it can be one of %q", capNames()))
	}
	field := make([]byte, 8) // value, selector
	if on {
		binary.NativeEndian.PutUint32(field, 1<<i)
	}
	binary.NativeEndian.PutUint32(field[4:], 1<<i)
	return c.setFunction(ctx, op, p, func(ae *netlink.AttributeEncoder) { ae.Bytes(portFnCaps, field) })
}

// SetMaxIOEQs says how many event queues for completions the function of a port may
// have (from Linux 6.10 on). EBUSY while the function has a driver, EINVAL for more
// than the card has (m5/eswitch_offloads.c, mlx5_devlink_port_fn_max_io_eqs_set).
func (c *Client) SetMaxIOEQs(ctx context.Context, p Port, n uint32) error {
	op := fmt.Sprintf("setting max_io_eqs of the function of port %d to %d", p.Index, n)
	return c.setFunction(ctx, op, p, func(ae *netlink.AttributeEncoder) { ae.Uint32(portFnMaxIOEQs, n) })
}

func (c *Client) setFunction(ctx context.Context, op string, p Port, what func(*netlink.AttributeEncoder)) error {
	_, err := c.request(ctx, op, p.Device, cmdPortSet, netlink.Acknowledge, func(ae *netlink.AttributeEncoder) {
		ae.Uint32(attrPortIndex, p.Index)
		ae.Nested(attrPortFunction, func(ae *netlink.AttributeEncoder) error {
			what(ae)
			return nil
		})
	})
	return err
}
