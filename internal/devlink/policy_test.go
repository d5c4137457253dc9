// SPDX-License-Identifier: Apache-2.0

package devlink

import (
	"context"
	"slices"
	"testing"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/genetlink/genltest"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

func nested(ae *netlink.AttributeEncoder, kind uint16, f func(*netlink.AttributeEncoder)) {
	ae.Nested(kind, func(ae *netlink.AttributeEncoder) error { f(ae); return nil })
}

// policyOf is the message about one attribute of one policy.
func policyOf(t testing.TB, policy, attr uint16, f func(*netlink.AttributeEncoder)) genetlink.Message {
	return encode(t, func(ae *netlink.AttributeEncoder) {
		nested(ae, ctrlAttrPolicy, func(ae *netlink.AttributeEncoder) {
			nested(ae, policy, func(ae *netlink.AttributeEncoder) { nested(ae, attr, f) })
		})
	})
}

func TestCapsTaken(t *testing.T) {
	op := encode(t, func(ae *netlink.AttributeEncoder) {
		nested(ae, ctrlAttrOpPolicy, func(ae *netlink.AttributeEncoder) {
			nested(ae, cmdPortSet, func(ae *netlink.AttributeEncoder) { ae.Uint32(ctrlAttrPolicyDo, 3); ae.Uint32(2, 9) })
		})
	})
	inside := policyOf(t, 3, attrPortFunction, func(ae *netlink.AttributeEncoder) { ae.Uint32(1, 13); ae.Uint32(policyTypeNested, 5) })
	without := policyOf(t, 3, attrPortFunction, func(ae *netlink.AttributeEncoder) { ae.Uint32(1, 13) })
	mask := func(bits uint32) genetlink.Message {
		return policyOf(t, 5, portFnCaps, func(ae *netlink.AttributeEncoder) { ae.Uint32(1, 15); ae.Uint32(policyTypeMask, bits) })
	}
	for _, tt := range []struct {
		name  string
		msgs  []genetlink.Message
		want  []string
		known bool
	}{
		{"as in 6.7 and later", []genetlink.Message{op, inside, mask(15)}, []string{"roce", "migratable", "ipsec_crypto", "ipsec_packet"}, true},
		{"without IPsec", []genetlink.Message{op, inside, mask(3)}, []string{"roce", "migratable"}, true},
		{"with more than is known here", []genetlink.Message{op, inside, mask(1 << 8)}, nil, true},
		{"what is inside is not described", []genetlink.Message{op, without, mask(15)}, nil, false},
		{"the bits are not described", []genetlink.Message{op, inside}, nil, false},
		{"nothing is described", nil, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &Client{family: genetlink.Family{ID: 30, Version: 1, Name: "devlink"}, c: genltest.Dial(func(greq genetlink.Message, nreq netlink.Message) ([]genetlink.Message, error) {
				if greq.Header.Command == 0 {
					return nil, nil // it waits for more
				}
				if nreq.Header.Type != genlIDCtrl || greq.Header.Command != ctrlCmdGetPolicy || nreq.Header.Flags&netlink.Dump == 0 {
					t.Errorf("asked %+v %+v", nreq.Header, greq.Header)
				}
				return tt.msgs, nil
			})}
			got, known, err := c.CapsTaken(context.Background())
			if err != nil || known != tt.known || !slices.Equal(got, tt.want) {
				t.Errorf("got %v, %t, %v", got, known, err)
			}
		})
	}
	c := &Client{c: genltest.Dial(func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) {
		return nil, genltest.Error(int(unix.EOPNOTSUPP))
	})}
	if _, known, err := c.CapsTaken(context.Background()); known || err == nil {
		t.Errorf("a kernel that does not describe anything: %t, %v", known, err)
	}
}

// Whatever the kernel says: an answer or an error.
func FuzzCapsTaken(f *testing.F) {
	f.Add(policyOf(f, 0, attrPortFunction, func(ae *netlink.AttributeEncoder) { ae.Uint32(policyTypeNested, 1) }).Data,
		policyOf(f, 1, portFnCaps, func(ae *netlink.AttributeEncoder) { ae.Uint32(policyTypeMask, 15) }).Data)
	f.Fuzz(func(t *testing.T, a, b []byte) {
		names, known, err := parseCapsTaken([]genetlink.Message{{Data: a}, {Data: b}})
		if len(names) > len(capNames()) || !known && names != nil || err != nil && known {
			t.Errorf("%v, %t, %v", names, known, err)
		}
	})
}
