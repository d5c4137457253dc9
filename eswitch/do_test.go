// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/internal/sysfs"
)

// A FIFO that nobody reads stands for a write in which the kernel blocks.
func TestAWriteThatBlocksHasADeadline(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "bus/pci/devices", string(pf0))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "numvfs"), []byte("2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(dir, "unbind")
	if err := unix.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeoutCause(t.Context(), 10*time.Millisecond, errors.New("it has not happened within 10 ms"))
	defer stop()
	sys := sysfs.FS{Root: root}
	for who, want := range map[string]string{
		"":                   "the kernel is still at it: it has not happened within 10 ms",
		"process 7 holds it": "the kernel waits for whoever holds it, and goes on when that lets go (process 7 holds it)",
	} {
		err := blocking(ctx, func() string { return who }, func() error { return sys.Write(pf0, "unbind", "x") })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v", err)
		}
	}
	if err := blocking(t.Context(), nil, func() error { return unix.EBUSY }); !errors.Is(err, unix.EBUSY) {
		t.Errorf("what the kernel answered in time: %v", err)
	}
	// Whoever waits goes on, so that the test leaves nothing behind.
	f, err := os.OpenFile(fifo, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
}

func TestVFAttributesOfOneActAreOneChange(t *testing.T) {
	on := true
	now := rtlink.VF{Index: 1, VLAN: 100, QoS: 3, VLANProto: "802.1Q", MinTxRate: 10, MaxTxRate: 20}
	for name, c := range map[string]struct {
		to     map[string]string
		change rtlink.VFChange
		next   rtlink.VF
	}{
		"a VLAN keeps its priority": {
			map[string]string{attrVLAN: "5"},
			rtlink.VFChange{VLAN: &rtlink.VLAN{ID: 5, QoS: 3, Proto: "802.1Q"}},
			rtlink.VF{Index: 1, VLAN: 5, QoS: 3, VLANProto: "802.1Q", MinTxRate: 10, MaxTxRate: 20},
		},
		"both rates": {
			map[string]string{attrMinTxRate: "30", attrMaxTxRate: "40"},
			rtlink.VFChange{Rate: &rtlink.Rate{Min: 30, Max: 40}},
			rtlink.VF{Index: 1, VLAN: 100, QoS: 3, VLANProto: "802.1Q", MinTxRate: 30, MaxTxRate: 40},
		},
		"an address": {
			map[string]string{attrMAC: "02:00:00:00:00:01"},
			rtlink.VFChange{MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}},
			rtlink.VF{Index: 1, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, VLAN: 100, QoS: 3, VLANProto: "802.1Q", MinTxRate: 10, MaxTxRate: 20},
		},
		"a switch": {
			map[string]string{attrTrust: "true"},
			rtlink.VFChange{Trust: &on},
			rtlink.VF{Index: 1, VLAN: 100, QoS: 3, VLANProto: "802.1Q", MinTxRate: 10, MaxTxRate: 20, Trust: &on},
		},
	} {
		change, next, err := adminChange(now, c.to)
		if d := cmp.Diff([]any{c.change, c.next}, []any{change, next}); err != nil || d != "" {
			t.Errorf("%s: %v (-want +got)\n%s", name, err, d)
		}
	}
	for _, bad := range []map[string]string{{attrVLAN: "x"}, {attrMAC: "x"}, {"name": "x"}} {
		if _, _, err := adminChange(now, bad); err == nil {
			t.Errorf("%v is a change", bad)
		}
	}
}

func TestAStepOfAnotherVersion(t *testing.T) {
	for _, f := range []pci.Function{pci.PF(pf0), pci.VF(pf0, 0)} {
		err := NewDoer().Do(t.Context(), []step.Step{{Resource: resource.OfFunction(f), Attribute: "colour", To: step.Text("red")}})
		if err == nil || !strings.Contains(err.Error(), `no attribute "colour"`) || !strings.Contains(err.Error(), f.String()) {
			t.Errorf("%v", err)
		}
	}
}

func TestRemediesAreForTheirErrno(t *testing.T) {
	for _, c := range []struct {
		attribute, want string
		err             error
	}{
		{attrMode, "TC flows", unix.EBUSY}, {attrVLAN, "eswitch mode", unix.EOPNOTSUPP}, {attrVFs, "as root", unix.EPERM}, {AttrUp, "dmesg", unix.EIO},
	} {
		if err := newError("setting "+c.attribute, "pci/x", c.attribute, c.err); !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v", err)
		}
	}
}
