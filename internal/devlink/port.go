// SPDX-License-Identifier: Apache-2.0

package devlink

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
)

// Port is a devlink port.
type Port struct {
	Device  Device
	Index   uint32
	Flavour Flavour
	// Netdev and Ifindex are of the port's network interface; "" and 0 when it has none in this network namespace.
	Netdev  string
	Ifindex int
	// Controller, PF, VF and SF numbers, for the flavours that have them.
	Controller uint32
	PF         uint16
	VF         uint16
	SF         uint32
	External   bool // the function is on another host (a DPU's view)
	// Caps are the capabilities of the port's function, by name; one that is not there the driver
	// does not have.
	Caps map[string]bool
}

// Ports lists all ports of all devices of the network namespace, in one dump.
func (c *Client) Ports(ctx context.Context) ([]Port, error) {
	const op = "listing the devlink ports"
	msgs, err := c.request(ctx, op, Device{}, cmdPortGet, netlink.Dump, nil)
	if err != nil {
		return nil, err
	}
	ports := make([]Port, 0, len(msgs))
	for _, m := range msgs {
		p, err := parsePort(m)
		if err != nil {
			return nil, newError(op, Device{}, err)
		}
		ports = append(ports, p)
	}
	return ports, nil
}

func parsePort(m genetlink.Message) (Port, error) {
	p := Port{Flavour: FlavourUnset}
	ad, err := netlink.NewAttributeDecoder(m.Data)
	if err != nil {
		return Port{}, fmt.Errorf("a devlink port message: %w", err)
	}
	for ad.Next() {
		switch ad.Type() {
		case attrBusName:
			p.Device.Bus = ad.String()
		case attrDevName:
			p.Device.Name = ad.String()
		case attrPortIndex:
			p.Index = ad.Uint32()
		case attrPortNetdevName:
			p.Netdev = ad.String()
		case attrPortNetdevIfindex:
			p.Ifindex = int(ad.Uint32())
		case attrPortFlavour:
			p.Flavour = Flavour(ad.Uint16())
		case attrPortControllerNum:
			p.Controller = ad.Uint32()
		case attrPortPFNumber:
			p.PF = ad.Uint16()
		case attrPortVFNumber:
			p.VF = ad.Uint16()
		case attrPortSFNumber:
			p.SF = ad.Uint32()
		case attrPortExternal:
			p.External = ad.Uint8() != 0
		case attrPortFunction:
			ad.Nested(func(ad *netlink.AttributeDecoder) error {
				for ad.Next() {
					if ad.Type() == attrPortFnCaps {
						p.Caps = parseCaps(ad.Bytes())
					}
				}
				return nil
			})
		}
	}
	if err := ad.Err(); err != nil {
		return Port{}, fmt.Errorf("a devlink port message: %w", err)
	}
	return p, nil
}

// Capabilities of a port's function that can be set while no driver is bound to
// it, by their place in enum devlink_port_fn_attr_cap.
var capNames = []string{"roce", "migratable", "ipsec_crypto", "ipsec_packet"}

// attrPortFnCaps is DEVLINK_PORT_FN_ATTR_CAPS, a struct nla_bitfield32.
const attrPortFnCaps = 4

// parseCaps reads value and selector.
func parseCaps(b []byte) map[string]bool {
	if len(b) < 8 {
		return nil
	}
	value, selector := binary.NativeEndian.Uint32(b), binary.NativeEndian.Uint32(b[4:])
	caps := map[string]bool{}
	for i, n := range capNames {
		if selector&(1<<i) != 0 {
			caps[n] = value&(1<<i) != 0
		}
	}
	return caps
}

// SetCap switches a capability of a port's function: roce, migratable,
// ipsec_crypto (from Linux 6.6 on) or ipsec_packet. EBUSY while the function has
// a driver; for ipsec_* also while the PF itself has IPsec SAs (m5/esw/ipsec.c).
func (c *Client) SetCap(ctx context.Context, p Port, name string, on bool) error {
	op := fmt.Sprintf("setting %s of the function of port %d to %t", name, p.Index, on)
	i := slices.Index(capNames, name)
	if i < 0 {
		return newError(op, p.Device, fmt.Errorf("it can be one of %q", capNames))
	}
	field := make([]byte, 8)
	if on {
		binary.NativeEndian.PutUint32(field, 1<<i)
	}
	binary.NativeEndian.PutUint32(field[4:], 1<<i)
	_, err := c.request(ctx, op, p.Device, cmdPortSet, netlink.Acknowledge, func(ae *netlink.AttributeEncoder) {
		ae.Uint32(attrPortIndex, p.Index)
		ae.Nested(attrPortFunction, func(ae *netlink.AttributeEncoder) error {
			ae.Bytes(attrPortFnCaps, field)
			return nil
		})
	})
	return err
}
