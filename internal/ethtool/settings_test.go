// SPDX-License-Identifier: Apache-2.0

package ethtool

import (
	"maps"
	"slices"
	"testing"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/genetlink/genltest"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

func TestNumbersOnTheWire(t *testing.T) {
	g := Rings.group()
	ae := g.header(7)
	ae.Uint32(2, 8192)
	ae.Uint32(6, 1024)
	ae.Uint32(9, 512)
	ae.Uint8(13, 1)
	b, err := ae.Encode()
	if err != nil {
		t.Fatal(err)
	}
	index, r, err := g.parse(b)
	now, most := r.Now, r.Most
	if index != 7 || err != nil || !maps.Equal(now, Numbers{"rx": 1024, "tx": 512, "tx-push": 1}) || !maps.Equal(most, Numbers{"rx": 8192}) {
		t.Errorf("got %v, %v, %v", now, most, err)
	}
	if got := now.String(); got != "rx 1024 tx 512 tx-push 1" {
		t.Errorf("they are %q", got)
	}
	if back, err := ParseNumbers(now.String()); err != nil || !maps.Equal(back, now) {
		t.Errorf("they are read back as %v, %v", back, err)
	}
	for _, bad := range []string{"rx", "rx a", "rx -1"} {
		if n, err := ParseNumbers(bad); err == nil {
			t.Errorf("%q is %v", bad, n)
		}
	}
}

// A set is read in the verbose form, and of FEC in the compact one too, and is written
// whole, or by the names of its bits.
func TestSetsOnTheWire(t *testing.T) {
	bits := func(noMask bool, bits ...func(*netlink.AttributeEncoder)) func(*netlink.AttributeEncoder) error {
		return func(ae *netlink.AttributeEncoder) error {
			ae.Flag(bitsetNoMask, noMask)
			ae.Uint32(bitsetSize, 100)
			ae.Nested(bitsetBits, func(ae *netlink.AttributeEncoder) error {
				for _, b := range bits {
					ae.Nested(bitsetBitsBit, func(ae *netlink.AttributeEncoder) error { b(ae); return nil })
				}
				return nil
			})
			return nil
		}
	}
	bit := func(index uint32, name string, on bool) func(*netlink.AttributeEncoder) {
		return func(ae *netlink.AttributeEncoder) {
			ae.Uint32(bitIndex, index)
			ae.String(bitName, name)
			ae.Flag(bitValue, on)
		}
	}
	flags := message(t, func(ae *netlink.AttributeEncoder) {
		ae.Nested(2, bits(false, bit(0, "rx_cqe_moder", true), bit(3, "rx_striding_rq", false)))
	})
	if _, r, err := PrivateFlags.group().parse(flags); err != nil || !maps.Equal(r.Now, Numbers{"rx_cqe_moder": 1, "rx_striding_rq": 0}) {
		t.Errorf("private flags: %v, %v", r.Now, err)
	}
	fec := message(t, func(ae *netlink.AttributeEncoder) {
		ae.Nested(2, bits(true, bit(50, "RS", true)))
		ae.Uint8(fecAuto, 0)
	})
	if _, r, err := FEC.group().parse(fec); err != nil || !maps.Equal(r.Now, Numbers{"auto": 0, "off": 0, "rs": 1, "baser": 0, "llrs": 0}) {
		t.Errorf("FEC: %v, %v", r.Now, err)
	}
	for _, tt := range []struct {
		of   Setting
		want Numbers
		says Numbers
	}{
		{FEC, Numbers{"auto": 0, "baser": 1}, Numbers{"off": 0, "rs": 0, "baser": 1, "llrs": 0}},
		{PrivateFlags, Numbers{"a": 1, "b": 0}, Numbers{"a": 1, "b": 0}},
	} {
		g := tt.of.group()
		asked := message(t, func(ae *netlink.AttributeEncoder) { g.encodeBits(ae, tt.want) })
		ad, err := netlink.NewAttributeDecoder(asked)
		if err != nil || !ad.Next() || ad.Type() != 2 {
			t.Fatalf("%s: no set: %v", tt.of, err)
		}
		got := Numbers{}
		if g.known != nil { // the kernel knows the size
			set := append(message(t, func(ae *netlink.AttributeEncoder) { ae.Uint32(bitsetSize, 100) }), ad.Bytes()...)
			if err := g.parseBits(set, got); err != nil || !maps.Equal(got, tt.says) {
				t.Errorf("%s asks for %v, %v", tt.of, got, err)
			}
			continue
		}
		ad.Nested(func(ad *netlink.AttributeDecoder) error {
			for ad.Next() {
				ad.Nested(func(ad *netlink.AttributeDecoder) error {
					for ad.Next() {
						ad.Nested(func(ad *netlink.AttributeDecoder) error {
							name, on := "", uint32(0)
							for ad.Next() {
								switch ad.Type() {
								case bitName:
									name = ad.String()
								case bitValue:
									on = 1
								}
							}
							got[name] = on
							return nil
						})
					}
					return nil
				})
			}
			return nil
		})
		if !maps.Equal(got, tt.says) {
			t.Errorf("%s asks for %v", tt.of, got)
		}
	}
}

func FuzzNumbers(f *testing.F) {
	ae := netlink.NewAttributeEncoder()
	ae.Uint32(6, 1)
	b, _ := ae.Encode()
	f.Add(b)
	f.Fuzz(func(_ *testing.T, b []byte) {
		for _, s := range []Setting{Channels, Rings, Coalesce, Pause, FEC, PrivateFlags} {
			_, _, _ = s.group().parse(b)
		}
	})
}

// The kernel ends a dump at a netdev that is detached: each is asked for by itself then, and that one is told.
func TestNumbersWithADetachedNetdev(t *testing.T) {
	const loopback, gone = 1, 1 << 30 // there is one, and no other
	cl := fake(t, nil, func(g genetlink.Message, _ netlink.Message) ([]genetlink.Message, error) {
		index, _, err := Rings.group().parse(g.Data)
		switch {
		case err != nil:
			return nil, err
		case index == loopback || index == gone:
			return nil, genltest.Error(int(unix.ENODEV))
		}
		ae := Rings.group().header(index)
		ae.Uint32(Rings.group().fields[0].attr, 512)
		b, err := ae.Encode()
		return []genetlink.Message{{Data: b}}, err
	})
	all, detached, err := cl.eachNumbers(Rings, []int{loopback, 7, gone})
	if err != nil || !slices.Equal(detached, []int{loopback}) || len(all) != 1 || all[7].Now[Rings.group().fields[0].name] != 512 {
		t.Errorf("%v, %v, %v", all, detached, err)
	}
}
