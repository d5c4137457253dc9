// SPDX-License-Identifier: Apache-2.0

package devlink

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

func reporter(name string, state uint8, errs, recovered uint64) func(*netlink.AttributeEncoder) {
	return func(ae *netlink.AttributeEncoder) {
		ae.String(attrBusName, "pci")
		ae.String(attrDevName, "0000:3b:00.0")
		if name == "tx" {
			ae.Uint32(attrPortIndex, 65535)
		}
		ae.Nested(unix.DEVLINK_ATTR_HEALTH_REPORTER, func(ae *netlink.AttributeEncoder) error {
			ae.String(unix.DEVLINK_ATTR_HEALTH_REPORTER_NAME, name)
			ae.Uint8(unix.DEVLINK_ATTR_HEALTH_REPORTER_STATE, state)
			ae.Uint64(unix.DEVLINK_ATTR_HEALTH_REPORTER_ERR_COUNT, errs)
			ae.Uint64(unix.DEVLINK_ATTR_HEALTH_REPORTER_RECOVER_COUNT, recovered)
			return nil
		})
	}
}

func TestReporters(t *testing.T) {
	c := client(t, func(greq genetlink.Message, nreq netlink.Message) ([]genetlink.Message, error) {
		if greq.Header.Command != unix.DEVLINK_CMD_HEALTH_REPORTER_GET || nreq.Header.Flags&netlink.Dump == 0 {
			t.Errorf("asked with command %d, flags %v", greq.Header.Command, nreq.Header.Flags)
		}
		return []genetlink.Message{encode(t, reporter("fw", 0, 0, 0)), encode(t, reporter("tx", 1, 3, 2))}, nil
	})
	got, err := c.Reporters(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	port := uint32(65535)
	want := []Reporter{
		{Device: pf, Name: "fw", Healthy: true},
		{Device: pf, Port: &port, Name: "tx", Errors: 3, Recoveries: 2},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// A counter of another size than the kernel's is an error, and no number.
func TestReporterOfAnotherShape(t *testing.T) {
	m := encode(t, func(ae *netlink.AttributeEncoder) {
		ae.Nested(unix.DEVLINK_ATTR_HEALTH_REPORTER, func(ae *netlink.AttributeEncoder) error {
			ae.Uint32(unix.DEVLINK_ATTR_HEALTH_REPORTER_ERR_COUNT, 3)
			return nil
		})
	})
	if r, err := parseReporter(m); err == nil {
		t.Errorf("got %+v", r)
	}
}

func FuzzReporter(f *testing.F) {
	f.Add(encode(f, reporter("tx", 1, 3, 2)).Data)
	f.Add([]byte{4, 0, 0x72, 0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = parseReporter(genetlink.Message{Data: b})
	})
}
