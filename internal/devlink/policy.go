// SPDX-License-Identifier: Apache-2.0

package devlink

import (
	"context"
	"slices"
	"time"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
)

// Of include/uapi/linux/genetlink.h and netlink.h (enum netlink_policy_type_attr).
const (
	genlIDCtrl       = 16
	ctrlCmdGetPolicy = 10

	ctrlAttrFamilyName = 2
	ctrlAttrPolicy     = 8
	ctrlAttrOpPolicy   = 9
	ctrlAttrOp         = 10
	ctrlAttrPolicyDo   = 1

	policyTypeNested = 8  // index of the nested attributes' policy
	policyTypeMask   = 10 // of a bitfield: the bits that are taken
)

// attrPolicy is what the kernel takes as one attribute.
type attrPolicy struct {
	nested uint32 // policy of what is inside, where hasNested
	mask   uint32 // of a bitfield, where hasMask

	hasNested, hasMask bool
}

type policyKey struct{ policy, attr uint32 }

// CapsTaken has the capabilities of a port's function that the kernel takes, in
// the words of the devlink tool, by its own description of what it accepts
// (CTRL_CMD_GETPOLICY, Linux 5.10): the kernel's part, not the driver's. known is
// false where it does not describe them (before Linux 6.7).
func (c *Client) CapsTaken(ctx context.Context) (names []string, known bool, err error) {
	const op = "asking what devlink accepts (CTRL_CMD_GETPOLICY)"
	fail := func(err error) error { return newError(op, Device{}, err) }
	if err := ctx.Err(); err != nil {
		return nil, false, fail(context.Cause(ctx))
	}
	ae := netlink.NewAttributeEncoder()
	ae.String(ctrlAttrFamilyName, c.family.Name)
	ae.Uint32(ctrlAttrOp, cmdPortSet)
	b, err := ae.Encode()
	if err != nil {
		return nil, false, fail(err)
	}
	deadline, _ := ctx.Deadline()
	if err := c.c.SetDeadline(deadline); err != nil && deadline != (time.Time{}) {
		return nil, false, fail(err)
	}
	msgs, err := c.c.Execute(genetlink.Message{Header: genetlink.Header{Command: ctrlCmdGetPolicy, Version: 2}, Data: b}, genlIDCtrl, netlink.Request|netlink.Dump)
	if err != nil {
		return nil, false, fail(err)
	}
	names, known, err = parseCapsTaken(msgs)
	if err != nil {
		return nil, false, fail(err)
	}
	return names, known, nil
}

func parseCapsTaken(msgs []genetlink.Message) ([]string, bool, error) {
	var first uint32 // policy of the operation; 0 in kernels that have one for all
	policies := map[policyKey]attrPolicy{}
	for _, m := range msgs {
		ad, err := netlink.NewAttributeDecoder(m.Data)
		if err != nil {
			return nil, false, err //nolint:wrapcheck // the caller says of what
		}
		for ad.Next() {
			switch ad.Type() {
			case ctrlAttrOpPolicy:
				ad.Nested(each(func(op uint16, ad *netlink.AttributeDecoder) {
					ad.Nested(each(func(what uint16, ad *netlink.AttributeDecoder) {
						if op == cmdPortSet && what == ctrlAttrPolicyDo {
							first = ad.Uint32()
						}
					}))
				}))
			case ctrlAttrPolicy:
				ad.Nested(each(func(policy uint16, ad *netlink.AttributeDecoder) {
					ad.Nested(each(func(attr uint16, ad *netlink.AttributeDecoder) {
						var p attrPolicy
						ad.Nested(each(func(what uint16, ad *netlink.AttributeDecoder) {
							switch what {
							case policyTypeNested:
								p.nested, p.hasNested = ad.Uint32(), true
							case policyTypeMask:
								p.mask, p.hasMask = ad.Uint32(), true
							}
						}))
						policies[policyKey{uint32(policy), uint32(attr)}] = p
					}))
				}))
			}
		}
		if err := ad.Err(); err != nil {
			return nil, false, err //nolint:wrapcheck // the caller says of what
		}
	}
	function := policies[policyKey{first, attrPortFunction}]
	caps := policies[policyKey{function.nested, portFnCaps}]
	if !function.hasNested || !caps.hasMask {
		return nil, false, nil
	}
	var names []string
	for bit, name := range capNames() {
		if caps.mask>>bit&1 != 0 {
			names = append(names, name)
		}
	}
	return slices.Clip(names), true, nil
}

// each goes over nested attributes.
func each(do func(kind uint16, ad *netlink.AttributeDecoder)) func(*netlink.AttributeDecoder) error {
	return func(ad *netlink.AttributeDecoder) error {
		for ad.Next() {
			do(ad.Type(), ad)
		}
		return ad.Err() //nolint:wrapcheck // the caller says of what
	}
}
