// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What the drivers of netdevs are told by a profile is there, also when a change of the eswitch made the driver
// forget it, wins over what nicwright carries, is captured, and goes with the profile; ethtool and ip say so.
func TestTuning(t *testing.T) {
	needLab(t)
	profile := filepath.Join("testdata", "tuning.yaml")
	uplink := filepath.Base(netdevOf(t, pfs[0]))
	// Somebody's own, that the profile names, and that it does not.
	witness(t, "ethtool", "-G", uplink, "rx", "2048")
	witness(t, "ethtool", "-K", uplink, "tx-nocache-copy", "on")
	before := settingsOf(t, uplink)
	if r := expect(t, exitError, "plan", "-p", profile, "--set", "cards.c.ports.a.rings.rx=65536"); !strings.Contains(r.stderr, "takes 8192 at most") {
		t.Errorf("too large a ring is refused with:\n%s", r.stderr)
	}
	if r := expect(t, exitError, "plan", "-p", profile, "--set", "cards.c.ports.a.private_flags.no-such=true"); !strings.Contains(r.stderr, "no such setting (ethtool --show-priv-flags)") {
		t.Errorf("a flag that the driver has not is refused with:\n%s", r.stderr)
	}
	expect(t, exitDone, "apply", "-p", profile)
	assertTuned(t, uplink)
	if r := expect(t, exitDone, "apply", "-p", profile); !strings.Contains(r.stdout, "nothing to do") {
		t.Errorf("the second apply printed:\n%s", r.stdout)
	}

	r := expect(t, exitDone, "capture")
	for _, want := range []string{`mtu: 9000`, `rx-usecs: 17`, `fec: rs`, `rx_no_csum_complete: true`, `rx-gro: false`, `rx-udp-gro-forwarding: true`, `rx-usecs: 21`, `mtu: 4000`} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("the captured profile has no %s:\n%s", want, r.stdout)
		}
	}

	// The driver goes back to its defaults, and VFs get new netdevs.
	switchdev := "cards.c.ports.a.eswitch-mode=switchdev"
	expect(t, exitDone, "apply", "-p", profile, "--set", switchdev)
	assertTuned(t, uplink)
	if out := witness(t, "ethtool", "-k", uplink); !strings.Contains(out, "tx-nocache-copy: on") {
		t.Errorf("tx-nocache-copy, which the profile does not name, was on before")
	}
	if r := expect(t, exitDone, "apply", "-p", profile, "--set", switchdev); !strings.Contains(r.stdout, "nothing to do") {
		t.Errorf("the second apply in switchdev printed:\n%s", r.stdout)
	}

	// What somebody changes is drift, and is mended.
	vf := vfNetdev(t, 0)
	witness(t, "ip", "link", "set", "dev", vf, "mtu", "1500")
	witness(t, "ethtool", "-G", vf, "rx", "256")
	witness(t, "ethtool", "-C", uplink, "rx-usecs", "5")
	if r := expect(t, exitSteps, "plan", "-p", profile, "--set", switchdev); !strings.Contains(r.stdout, "1500 -> 9000") || !strings.Contains(r.stdout, "256 -> 2048") || !strings.Contains(r.stdout, "5 -> 17") {
		t.Errorf("the plan says nothing of it:\n%s", r.stdout)
	}
	expect(t, exitDone, "apply", "-p", profile, "--set", switchdev)
	assertTuned(t, uplink)

	expect(t, exitDone, "rollback")
	expect(t, exitDone, "rollback")
	assertTuned(t, uplink) // as after the first apply, in legacy mode, with VFs that were made again
	remove(t, profile)
	if d := cmp.Diff(before, settingsOf(t, uplink)); d != "" {
		t.Errorf("the uplink is not as it was (-was +is):\n%s", d)
	}
	witness(t, "ethtool", "-K", uplink, "tx-nocache-copy", "off")
	witness(t, "ethtool", "-G", uplink, "rx", "1024")
}

// vfNetdev is the netdev of a VF of the first port.
func vfNetdev(t *testing.T, n int) string {
	t.Helper()
	vf, err := filepath.EvalSymlinks("/sys/bus/pci/devices/" + pfs[0] + "/virtfn" + string(rune('0'+n)))
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Base(netdevOf(t, filepath.Base(vf)))
}

// settingsOf is all that ethtool shows of a netdev's settings, but for the flag that is shown with coalescing too, and
// there rightly: at first it is off, and the driver does as if it were on.
func settingsOf(t *testing.T, netdev string) []string {
	t.Helper()
	var all []string
	for _, option := range []string{"-g", "-l", "-c", "-a", "--show-fec", "--show-priv-flags", "-k"} {
		for line := range strings.Lines(witness(t, "ethtool", option, netdev)) {
			if !strings.HasPrefix(line, "rx_cqe_moder") {
				all = append(all, line)
			}
		}
	}
	return all
}

// assertTuned asks ethtool and ip whether all is as testdata/tuning.yaml says.
func assertTuned(t *testing.T, uplink string) {
	t.Helper()
	first, second := vfNetdev(t, 0), vfNetdev(t, 1)
	is := func(netdev, option, pattern string) {
		t.Helper()
		if out := witness(t, "ethtool", option, netdev); !regexp.MustCompile(`(?s)` + pattern).MatchString(out) {
			t.Errorf("ethtool %s %s is not %q:\n%s", option, netdev, pattern, out)
		}
	}
	is(uplink, "-g", `Current hardware settings:.*RX:\s+512\n.*TX:\s+256\n`)
	is(uplink, "-l", `Current hardware settings:.*Combined:\s+1\n`)
	is(uplink, "-c", `Adaptive RX: off  TX: off.*rx-usecs:\s+17\nrx-frames:\s+33\n.*tx-usecs:\s+19\ntx-frames:\s+35\n`)
	is(uplink, "-a", `RX:\s+off\nTX:\s+on\n`)
	is(uplink, "--show-fec", `Configured FEC encodings:\s+RS\n`)
	is(uplink, "--show-priv-flags", `rx_no_csum_complete\s*: on`)
	is(uplink, "-k", `generic-receive-offload: off.*rx-udp-gro-forwarding: on`)
	for vf, want := range map[string][2]string{first: {"9000", "2048"}, second: {"4000", "512"}} {
		var link []struct{ MTU int }
		witnessJSON(t, &link, "ip", "-j", "link", "show", "dev", vf)
		if len(link) != 1 || want[0] != strconv.Itoa(link[0].MTU) {
			t.Errorf("ip: %s has the MTU %v, want %s", vf, link, want[0])
		}
		is(vf, "-g", `Current hardware settings:.*RX:\s+`+want[1]+`\n.*TX:\s+512\n`)
		is(vf, "-c", `Adaptive RX: off.*rx-usecs:\s+21\n`)
		is(vf, "--show-priv-flags", `rx_no_csum_complete\s*: on`)
		is(vf, "-k", `generic-receive-offload: off`)
	}
}
