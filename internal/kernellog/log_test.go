// SPDX-License-Identifier: Apache-2.0

package kernellog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestLog(t *testing.T) {
	reads := []any{
		"6,1,1000000,-;mlx5_core 0000:3b:00.0: firmware version: 22.31.1014\n SUBSYSTEM=pci\n DEVICE=+pci:0000:3b:00.0\n",
		"6,2,1000001,-;eth0: link becomes ready\n", unix.EINTR,
		"4,3,2000000,-;bond0: (slave eth0): link status definitely down\n", unix.EPIPE,
		"6,9,3000000,-,caller=T1;openvswitch: Open vSwitch switching datapath\n",
		"11,10,3500000,-;nicwright: said by a process\n",
		"no record", "6,x", "6,1,y,-;mlx5", unix.EAGAIN,
	}
	var got strings.Builder
	lost, err := read(t.Context(), func(b []byte) (int, error) {
		next := reads[0]
		reads = reads[1:]
		if s, ok := next.(string); ok {
			return copy(b, s), nil
		}
		return 0, next.(unix.Errno)
	}, func(r Record) {
		if r.OfDrivers() {
			fmt.Fprintln(&got, r.Level, r.User, r)
		}
	})
	if err != nil || !lost {
		t.Fatal(lost, err)
	}
	want := `6 false [    1.000000] mlx5_core 0000:3b:00.0: firmware version: 22.31.1014
4 false [    2.000000] bond0: (slave eth0): link status definitely down
6 false [    3.000000] openvswitch: Open vSwitch switching datapath
3 true [    3.500000] nicwright: said by a process
`
	if d := cmp.Diff(want, got.String()); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if _, err := read(t.Context(), func([]byte) (int, error) { return 0, unix.EIO }, nil); !errors.Is(err, unix.EIO) {
		t.Errorf("%v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := read(ended, func([]byte) (int, error) { return 0, unix.EINTR }, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func FuzzRecord(f *testing.F) {
	f.Add("4,3,2000000,-;bond0: (slave eth0): link status definitely down\n SUBSYSTEM=net\n")
	f.Add("12,99999999999999999999,18446744073709551615,-;x")
	f.Fuzz(func(t *testing.T, text string) {
		r, ok := parse(text)
		if ok && (r.Level < 0 || r.Level > 7 || r.At < 0 || strings.Contains(r.Message, "\n")) {
			t.Errorf("%q: %+v", text, r)
		}
	})
}
