// SPDX-License-Identifier: Apache-2.0

package devlink

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/genetlink/genltest"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/kernel"
)

var pf = Device{"pci", "0000:3b:00.0"}

func encode(t testing.TB, f func(*netlink.AttributeEncoder)) genetlink.Message {
	t.Helper()
	ae := netlink.NewAttributeEncoder()
	f(ae)
	b, err := ae.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return genetlink.Message{Data: b}
}

func client(t *testing.T, fn genltest.Func) *Client {
	t.Helper()
	f := genetlink.Family{ID: 30, Version: 1, Name: "devlink"}
	c, err := NewClient(genltest.Dial(genltest.ServeFamily(f, fn)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func representor(ae *netlink.AttributeEncoder) {
	ae.String(attrBusName, "pci")
	ae.String(attrDevName, "0000:3b:00.0")
	ae.Uint32(attrPortIndex, 65538)
	ae.Uint16(attrPortFlavour, 4)
	ae.Uint32(attrPortNetdevIfindex, 7)
	ae.String(attrPortNetdevName, "eth0_1")
	ae.Uint32(attrPortControllerNum, 0)
	ae.Uint16(attrPortPFNumber, 0)
	ae.Uint16(attrPortVFNumber, 1)
	ae.Uint8(attrPortExternal, 0)
}

func TestPorts(t *testing.T) {
	c := client(t, func(greq genetlink.Message, nreq netlink.Message) ([]genetlink.Message, error) {
		if greq.Header.Command != cmdPortGet || nreq.Header.Flags&netlink.Dump == 0 {
			t.Errorf("asked with command %d, flags %v", greq.Header.Command, nreq.Header.Flags)
		}
		return []genetlink.Message{encode(t, representor), encode(t, func(ae *netlink.AttributeEncoder) {
			ae.String(attrBusName, "auxiliary")
			ae.String(attrDevName, "mlx5_core.eth.0")
		})}, nil
	})
	got, err := c.Ports(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := []Port{
		{Device: pf, Index: 65538, Flavour: FlavourPCIVF, Netdev: "eth0_1", Ifindex: 7, VF: 1},
		{Device: Device{"auxiliary", "mlx5_core.eth.0"}, Flavour: FlavourUnset},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestEswitchAndItsSetters(t *testing.T) {
	var set map[uint16][]byte
	c := client(t, func(greq genetlink.Message, _ netlink.Message) ([]genetlink.Message, error) {
		switch greq.Header.Command {
		case cmdEswitchGet:
			return []genetlink.Message{encode(t, func(ae *netlink.AttributeEncoder) {
				ae.Uint16(attrEswitchMode, 1)
				ae.Uint8(attrEswitchInlineMode, 3)
				ae.Uint8(attrEswitchEncapMode, 9)
			})}, nil
		case cmdEswitchSet:
			set = map[uint16][]byte{}
			ad, err := netlink.NewAttributeDecoder(greq.Data)
			if err != nil {
				return nil, err
			}
			for ad.Next() {
				set[ad.Type()] = ad.Bytes()
			}
			return []genetlink.Message{{}}, ad.Err()
		}
		return nil, errors.New("unexpected command")
	})
	ctx := context.Background()
	e, err := c.Eswitch(ctx, pf)
	if want := (Eswitch{"switchdev", "transport", "unknown(9)"}); err != nil || e != want {
		t.Errorf("%+v, %v", e, err)
	}
	if err := c.SetEncapMode(ctx, pf, "basic"); err != nil {
		t.Fatal(err)
	}
	want := map[uint16][]byte{attrBusName: []byte("pci\x00"), attrDevName: []byte("0000:3b:00.0\x00"), attrEswitchEncapMode: {1}}
	if d := cmp.Diff(want, set); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	set = nil
	if err := c.SetInlineMode(ctx, pf, "nonsense"); err == nil || set != nil {
		t.Errorf("a mode that is none: %v, sent %v", err, set)
	}
}

func TestErrorsHaveTheErrno(t *testing.T) {
	c := client(t, func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) {
		return nil, genltest.Error(int(unix.EOPNOTSUPP))
	})
	_, err := c.Eswitch(context.Background(), pf)
	var e *kernel.Error
	if !errors.As(err, &e) || !errors.Is(err, unix.EOPNOTSUPP) || !strings.Contains(err.Error(), "pci/0000:3b:00.0: reading the eswitch") {
		t.Errorf("%v", err)
	}
}

func param(kind uint8, values func(*netlink.AttributeEncoder)) func(*netlink.AttributeEncoder) {
	return func(ae *netlink.AttributeEncoder) {
		ae.Nested(attrParam, func(ae *netlink.AttributeEncoder) error {
			ae.String(attrParamName, "p")
			ae.Uint8(attrParamType, kind)
			ae.Nested(attrParamValuesList, func(ae *netlink.AttributeEncoder) error {
				ae.Nested(attrParamValue, func(ae *netlink.AttributeEncoder) error {
					values(ae)
					return nil
				})
				return nil
			})
			return nil
		})
	}
}

func TestParamValues(t *testing.T) {
	for _, c := range []struct {
		name   string
		kind   uint8
		data   func(*netlink.AttributeEncoder)
		want   string
		refuse bool
	}{
		{"string", paramTypeString, func(ae *netlink.AttributeEncoder) { ae.String(attrParamValueData, "smfs") }, "smfs", false},
		{"u32", paramTypeU32, func(ae *netlink.AttributeEncoder) { ae.Uint32(attrParamValueData, 4096) }, "4096", false},
		{"u16", paramTypeU16, func(ae *netlink.AttributeEncoder) { ae.Uint16(attrParamValueData, 7) }, "7", false},
		{"flag on", paramTypeFlag, func(ae *netlink.AttributeEncoder) { ae.Flag(attrParamValueData, true) }, "true", false},
		{"flag off", paramTypeFlag, func(*netlink.AttributeEncoder) {}, "false", false},
		{"short number", paramTypeU32, func(ae *netlink.AttributeEncoder) { ae.Uint8(attrParamValueData, 1) }, "", true},
	} {
		p, err := parseParam(encode(t, param(c.kind, func(ae *netlink.AttributeEncoder) {
			ae.Uint8(attrParamValueCmode, 1)
			c.data(ae)
		})))
		if (err != nil) != c.refuse || (err == nil && (p.Name != "p" || p.Values[DriverInit] != c.want)) {
			t.Errorf("%s: %+v, %v", c.name, p, err)
		}
	}
}

func info(ae *netlink.AttributeEncoder) {
	version := func(attr uint16, name, value string) {
		ae.Nested(attr, func(ae *netlink.AttributeEncoder) error {
			ae.String(attrInfoVersionName, name)
			ae.String(attrInfoVersionValue, value)
			return nil
		})
	}
	ae.String(attrInfoDriverName, "mlx5_core")
	version(attrInfoVersionFixed, "fw.psid", "MT_0000000359")
	version(attrInfoVersionRunning, "fw.version", "22.35.4030")
	version(attrInfoVersionStored, "fw.version", "")
}

func TestInfoKeepsRunningAndStoredApart(t *testing.T) {
	got, err := parseInfo(encode(t, info))
	want := Info{
		Driver: "mlx5_core", Fixed: map[string]string{"fw.psid": "MT_0000000359"},
		Running: map[string]string{"fw.version": "22.35.4030"}, Stored: map[string]string{"fw.version": ""},
	}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v (-want +got)\n%s", err, d)
	}
}

func FuzzMessages(f *testing.F) {
	f.Add(encode(f, representor).Data)
	f.Add(encode(f, info).Data)
	f.Add(encode(f, rateOf(rateNode, "gold")).Data)
	f.Add(encode(f, param(paramTypeU32, func(ae *netlink.AttributeEncoder) { ae.Uint32(attrParamValueData, 1) })).Data)
	f.Fuzz(func(_ *testing.T, b []byte) {
		m := genetlink.Message{Data: b}
		// Whatever the bytes: an error or a value, no panic.
		_, _ = parsePort(m)
		_, _ = parseEswitch(m)
		_, _ = parseParam(m)
		_, _ = parseInfo(m)
		_, _ = parseRate(m)
	})
}

// A kernel that does not let go of a query keeps nobody: neither who asks, nor who closes.
func TestAQueryThatDoesNotEnd(t *testing.T) {
	holds := make(chan struct{})
	defer close(holds)
	c := client(t, func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) { <-holds; return nil, nil })
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, errors.New("1ms are over"))
	defer cancel()
	_, err := c.Reporters(ctx)
	if err == nil || !strings.Contains(err.Error(), "1ms are over") || !strings.Contains(err.Error(), "reboot") {
		t.Errorf("it says %v", err)
	}
	if _, err := c.Ports(t.Context()); err == nil || !strings.Contains(err.Error(), "did not answer before") {
		t.Errorf("asked again: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
