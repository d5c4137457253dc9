// SPDX-License-Identifier: Apache-2.0

package devlink

import (
	"context"
	"errors"
	"fmt"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Of include/uapi/linux/devlink.h: Linux 5.14.
const (
	cmdRateGet = 74
	cmdRateSet = 75
	cmdRateNew = 76
	cmdRateDel = 77

	attrRateType       = 165
	attrRateTxShare    = 166 // u64, bytes a second
	attrRateTxMax      = 167
	attrRateNodeName   = 168
	attrRateParentName = 169

	rateNode = 1 // DEVLINK_RATE_TYPE_NODE; the other is a leaf, of a port
)

// Rate is what an eswitch gives a port's function, or a node, which stands for all
// functions and nodes below it.
type Rate struct {
	Device Device
	// Node is the node's name, "" where it is the rate of a port's function.
	Node string
	// Port is the index of the port.
	Port uint32
	// Share is what is guaranteed and Max the most, in bytes a second; 0: nothing, and no limit.
	Share, Max uint64
	// Parent is the node that it is below, "" for none.
	Parent string
}

// Rates lists all of the network namespace, in one dump; none where the kernel
// (before Linux 5.14) knows no rates.
func (c *Client) Rates(ctx context.Context) ([]Rate, error) {
	rates, err := dump(ctx, c, "listing the devlink rates", cmdRateGet, parseRate)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil
	}
	return rates, err
}

func parseRate(m genetlink.Message) (Rate, error) {
	var r Rate
	isNode := false
	ad, err := netlink.NewAttributeDecoder(m.Data)
	if err != nil {
		return Rate{}, fmt.Errorf("a devlink rate message: %w", err)
	}
	for ad.Next() {
		switch ad.Type() {
		case attrBusName:
			r.Device.Bus = ad.String()
		case attrDevName:
			r.Device.Name = ad.String()
		case attrPortIndex:
			r.Port = ad.Uint32()
		case attrRateType:
			isNode = ad.Uint16() == rateNode
		case attrRateTxShare:
			r.Share = ad.Uint64()
		case attrRateTxMax:
			r.Max = ad.Uint64()
		case attrRateNodeName:
			r.Node = ad.String()
		case attrRateParentName:
			r.Parent = ad.String()
		}
	}
	if err := ad.Err(); err != nil {
		return Rate{}, fmt.Errorf("a devlink rate message: %w", err)
	}
	if isNode != (r.Node != "") {
		return Rate{}, errors.New("a devlink rate message: a node without a name, or a function's with one")
	}
	return r, nil
}

// NewRateNode makes a node. EEXIST: there is one of that name; EOPNOTSUPP: the
// driver has none, or not in this eswitch mode.
func (c *Client) NewRateNode(ctx context.Context, dev Device, name string) error {
	_, err := c.request(ctx, "making the rate node "+name, dev, cmdRateNew, netlink.Acknowledge, func(ae *netlink.AttributeEncoder) { ae.String(attrRateNodeName, name) })
	return err
}

// DelRateNode removes a node. EBUSY while something is below it.
func (c *Client) DelRateNode(ctx context.Context, dev Device, name string) error {
	_, err := c.request(ctx, "removing the rate node "+name, dev, cmdRateDel, netlink.Acknowledge, func(ae *netlink.AttributeEncoder) { ae.String(attrRateNodeName, name) })
	return err
}

// SetRateNode sets what a node has, in bytes a second; mlx5 takes whole Mbit/s
// (125,000; m5/esw/qos.c).
func (c *Client) SetRateNode(ctx context.Context, dev Device, name string, share, most uint64) error {
	op := fmt.Sprintf("setting tx_share %d and tx_max %d (bytes a second) of the rate node %s", share, most, name)
	_, err := c.request(ctx, op, dev, cmdRateSet, netlink.Acknowledge, func(ae *netlink.AttributeEncoder) {
		ae.String(attrRateNodeName, name)
		ae.Uint64(attrRateTxShare, share)
		ae.Uint64(attrRateTxMax, most)
	})
	return err
}

// SetRateParent puts the function of a port below a node, "": below none.
func (c *Client) SetRateParent(ctx context.Context, dev Device, port uint32, node string) error {
	op := fmt.Sprintf("putting the function of port %d below the rate node %q", port, node)
	_, err := c.request(ctx, op, dev, cmdRateSet, netlink.Acknowledge, func(ae *netlink.AttributeEncoder) {
		ae.Uint32(attrPortIndex, port)
		ae.String(attrRateParentName, node)
	})
	return err
}
