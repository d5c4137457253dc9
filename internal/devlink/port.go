// SPDX-License-Identifier: Apache-2.0

package devlink

import (
	"context"
	"fmt"

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
	// Physical is the physical port's number (DEVLINK_ATTR_PORT_NUMBER), where the driver says it.
	Physical *uint32
	// Caps are the capabilities of the port's function that the driver has, by the devlink tool's
	// names (roce, migratable, ipsec_crypto, ipsec_packet), and whether each is enabled.
	Caps map[string]bool
	// MaxIOEQs is how many event queues for completions the port's function may have; nil where the driver does not say.
	MaxIOEQs *uint32
}

// Ports lists all ports of all devices of the network namespace, in one dump.
func (c *Client) Ports(ctx context.Context) ([]Port, error) {
	return dump(ctx, c, "listing the devlink ports", cmdPortGet, parsePort)
}

// Port asks for one port. errors.Is(err, unix.ENODEV) when there is none.
func (c *Client) Port(ctx context.Context, dev Device, index uint32) (Port, error) {
	op := fmt.Sprintf("reading port %d", index)
	msgs, err := c.request(ctx, op, dev, cmdPortGet, 0, func(ae *netlink.AttributeEncoder) { ae.Uint32(attrPortIndex, index) })
	if err != nil {
		return Port{}, err
	}
	if len(msgs) != 1 {
		return Port{}, newError(op, dev, fmt.Errorf("the kernel answered with %d messages, not one", len(msgs)))
	}
	p, err := parsePort(msgs[0])
	if err != nil {
		return Port{}, newError(op, dev, err)
	}
	return p, nil
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
		case attrPortNumber:
			n := ad.Uint32()
			p.Physical = &n
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
			p.Caps = map[string]bool{}
			ad.Nested(parseFunction(&p))
		}
	}
	if err := ad.Err(); err != nil {
		return Port{}, fmt.Errorf("a devlink port message: %w", err)
	}
	return p, nil
}
