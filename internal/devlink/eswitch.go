// SPDX-License-Identifier: Apache-2.0

package devlink

import (
	"context"
	"fmt"
	"slices"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
)

// Eswitch is the state of a device's embedded switch, in the words of the
// devlink tool; "" for what the driver does not report.
type Eswitch struct {
	Mode   string // legacy, switchdev
	Inline string // none, link, network, transport
	Encap  string // none, basic
}

// The values of enum devlink_eswitch_mode, devlink_eswitch_inline_mode and
// devlink_eswitch_encap_mode, by number.
func eswitchModes() []string { return []string{"legacy", "switchdev", "switchdev_inactive"} }
func inlineModes() []string  { return []string{"none", "link", "network", "transport"} }
func encapModes() []string   { return []string{"none", "basic"} }

// Eswitch asks for the state of a device's eswitch. errors.Is(err,
// unix.EOPNOTSUPP) when it has none.
func (c *Client) Eswitch(ctx context.Context, dev Device) (Eswitch, error) {
	const op = "reading the eswitch"
	msgs, err := c.request(ctx, op, dev, cmdEswitchGet, 0, nil)
	if err != nil {
		return Eswitch{}, err
	}
	if len(msgs) != 1 {
		return Eswitch{}, newError(op, dev, fmt.Errorf("the kernel answered with %d messages, not one", len(msgs)))
	}
	e, err := parseEswitch(msgs[0])
	if err != nil {
		return Eswitch{}, newError(op, dev, err)
	}
	return e, nil
}

// SetInlineMode sets how much of a packet's header the driver puts in the work
// request: none, link, network or transport.
func (c *Client) SetInlineMode(ctx context.Context, dev Device, mode string) error {
	return c.setEswitch(ctx, dev, "inline-mode", attrEswitchInlineMode, mode, inlineModes())
}

// SetEncapMode sets whether tunnels can be offloaded: none or basic.
func (c *Client) SetEncapMode(ctx context.Context, dev Device, mode string) error {
	return c.setEswitch(ctx, dev, "encap-mode", attrEswitchEncapMode, mode, encapModes())
}

func (c *Client) setEswitch(ctx context.Context, dev Device, what string, attr uint16, value string, values []string) error {
	op := fmt.Sprintf("setting the eswitch %s to %s", what, value)
	n := slices.Index(values, value)
	if n < 0 {
		return newError(op, dev, fmt.Errorf("it can be one of %q", values))
	}
	_, err := c.request(ctx, op, dev, cmdEswitchSet, netlink.Acknowledge, func(ae *netlink.AttributeEncoder) {
		ae.Uint8(attr, uint8(n))
	})
	return err
}

func parseEswitch(m genetlink.Message) (Eswitch, error) {
	var e Eswitch
	ad, err := netlink.NewAttributeDecoder(m.Data)
	if err != nil {
		return Eswitch{}, fmt.Errorf("a devlink eswitch message: %w", err)
	}
	for ad.Next() {
		switch ad.Type() {
		case attrEswitchMode:
			e.Mode = word(eswitchModes(), int(ad.Uint16()))
		case attrEswitchInlineMode:
			e.Inline = word(inlineModes(), int(ad.Uint8()))
		case attrEswitchEncapMode:
			e.Encap = word(encapModes(), int(ad.Uint8()))
		}
	}
	if err := ad.Err(); err != nil {
		return Eswitch{}, fmt.Errorf("a devlink eswitch message: %w", err)
	}
	return e, nil
}

// word names a value; one that is newer than this list is shown by its number.
func word(names []string, n int) string {
	if n < len(names) {
		return names[n]
	}
	return fmt.Sprintf("unknown(%d)", n)
}
