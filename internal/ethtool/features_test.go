// SPDX-License-Identifier: Apache-2.0

package ethtool

import (
	"bufio"
	"bytes"
	"errors"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/genetlink/genltest"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

func fake(t *testing.T, names map[string]uint32, answer genltest.Func) *Client {
	t.Helper()
	c := genltest.Dial(answer)
	t.Cleanup(func() { _ = c.Close() })
	return &Client{c: c, fam: genetlink.Family{ID: 21}, names: names}
}

func TestSetTellsWhatChangedAndWhatWasRefused(t *testing.T) {
	names := map[string]uint32{"tls-hw-tx-offload": 0, "tls-hw-rx-offload": 1, "tx-gso-list": 2, "esp-hw-offload": 3}
	cl := fake(t, names, func(greq genetlink.Message, _ netlink.Message) ([]genetlink.Message, error) {
		if greq.Header.Command != msgFeaturesSet {
			t.Errorf("command %d", greq.Header.Command)
		}
		if !bytes.Contains(greq.Data, []byte("tls-hw-tx-offload\x00")) {
			t.Error("the request does not name the feature")
		}
		ae := netlink.NewAttributeEncoder()
		ae.Bytes(featuresWanted, compact(t, 4, []byte{8, 0, 0, 0}, []byte{8, 0, 0, 0})) // 3 is not as asked
		ae.Bytes(featuresActive, compact(t, 4, []byte{1, 0, 0, 0}, []byte{5, 0, 0, 0})) // 0 became on, 2 became off
		return []genetlink.Message{{Data: encode(t, ae)}}, nil
	})
	got, err := cl.Set(7, map[string]bool{"tls-hw-tx-offload": true, "esp-hw-offload": true})
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]bool{"tls-hw-tx-offload": true, "tx-gso-list": false}; !maps.Equal(got.Changed, want) {
		t.Errorf("changed %v, want %v", got.Changed, want)
	}
	if want := map[string]bool{"esp-hw-offload": false}; !maps.Equal(got.Refused, want) {
		t.Errorf("refused %v, want %v", got.Refused, want)
	}
}

func TestSetNamesWhatTheKernelRefused(t *testing.T) {
	cl := fake(t, map[string]uint32{"tls-hw-tx-offload": 0}, func(genetlink.Message, netlink.Message) ([]genetlink.Message, error) {
		return nil, genltest.Error(int(unix.EPERM))
	})
	_, err := cl.Set(7, map[string]bool{"tls-hw-tx-offload": true})
	if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "tls-hw-tx-offload on") {
		t.Errorf("got %v", err)
	}
	if _, err := cl.Set(7, map[string]bool{"no-such": true}); err == nil || !strings.Contains(err.Error(), `no feature "no-such"`) {
		t.Errorf("got %v", err)
	}
}

// What is read here is what ethtool(8) reads.
func TestAllAgreesWithEthtool(t *testing.T) {
	if _, err := exec.LookPath("ethtool"); err != nil {
		t.Skip("ethtool(8) is not installed")
	}
	cl, err := Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	all, err := cl.All()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("no netdev has features, not even lo")
	}
	for _, f := range all {
		one, err := cl.Get(f.Index)
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("ethtool", "-k", f.Netdev).Output()
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
			name, value, ok := strings.Cut(strings.TrimSpace(lines.Text()), ": ")
			feature, known := f.Get(name)
			if !ok || !known {
				continue // a heading, or a group of features
			}
			seen++
			if got := strings.HasPrefix(value, "on"); got != feature.Active {
				t.Errorf("%s %s: active %t here, ethtool says %q", f.Netdev, name, feature.Active, value)
			}
			if got := strings.Contains(value, "[fixed]"); got != feature.Fixed() {
				t.Errorf("%s %s: fixed %t here, ethtool says %q", f.Netdev, name, feature.Fixed(), value)
			}
			if again, _ := one.Get(name); again != feature {
				t.Errorf("%s %s: %+v in the dump, %+v alone", f.Netdev, name, feature, again)
			}
		}
		if seen < 20 {
			t.Errorf("%s: only %d features to compare", f.Netdev, seen)
		}
		if !slices.Contains(f.Names(), "tls-hw-tx-offload") {
			t.Errorf("%s: no tls-hw-tx-offload among the names", f.Netdev)
		}
	}
}

func TestErrorsCarryTheExtendedAck(t *testing.T) {
	cl, err := Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	_, err = cl.Get(1 << 30)
	if !errors.Is(err, unix.ENODEV) || !strings.Contains(err.Error(), "no device") {
		t.Errorf("got %v, want ENODEV and the kernel's words for it", err)
	}
}

func TestSetOnADummy(t *testing.T) {
	if os.Getenv("NICWRIGHT_LAB") == "" {
		t.Skip("needs the lab: make test-lab")
	}
	const name = "nwfeat0"
	if out, err := exec.Command("sh", "-c", "modprobe dummy; ip link add "+name+" type dummy").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", name).Run() })
	cl, err := Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	all, err := cl.All()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(f Features) bool { return f.Netdev == name })
	if i < 0 {
		t.Fatalf("%s is not in the dump", name)
	}
	change, err := cl.Set(all[i].Index, map[string]bool{"tx-tcp-segmentation": false, "esp-hw-offload": true})
	if err != nil {
		t.Fatal(err)
	}
	if on, ok := change.Changed["tx-tcp-segmentation"]; !ok || on {
		t.Errorf("changed %v, want tx-tcp-segmentation off", change.Changed)
	}
	if on, ok := change.Refused["esp-hw-offload"]; !ok || on {
		t.Errorf("refused %v, want esp-hw-offload to be off still", change.Refused)
	}
	out, err := exec.Command("ethtool", "-k", name).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "tx-tcp-segmentation: off") {
		t.Errorf("ethtool -k: %v\n%s", err, out)
	}
}
