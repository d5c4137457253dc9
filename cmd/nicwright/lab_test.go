// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The tests of this file run the binary a user would run, in the lab machine,
// and ask stock tools what it did.

const shared = "/lab/share"

func needLab(t *testing.T) {
	t.Helper()
	if os.Getenv("NICWRIGHT_LAB") == "" {
		t.Skip("needs the lab: make test-lab")
	}
	t.Setenv("PATH", shared+":"+os.Getenv("PATH"))
}

// result is a command that ended.
type result struct {
	stdout, stderr string
	code           int
}

func command(t *testing.T, name string, args ...string) result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// expect runs nicwright and checks its exit status.
func expect(t *testing.T, code int, args ...string) result {
	t.Helper()
	r := command(t, "nicwright", args...)
	if r.code != code {
		t.Fatalf("nicwright %s exited %d, want %d\n%s%s", strings.Join(args, " "), r.code, code, r.stdout, r.stderr)
	}
	return r
}

// witness runs a stock tool that has to succeed and gives what it printed.
func witness(t *testing.T, name string, args ...string) string {
	t.Helper()
	r := command(t, name, args...)
	if r.code != 0 {
		t.Fatalf("%s %s exited %d: %s%s", name, strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

func witnessJSON(t *testing.T, v any, name string, args ...string) {
	t.Helper()
	out := witness(t, name, args...)
	if err := json.Unmarshal([]byte(out), v); err != nil {
		t.Fatalf("%s %v printed no JSON: %v\n%s", name, args, err, out)
	}
}

var pfs = []string{"0001:3b:00.0", "0001:3b:00.1"}

type devlinkPorts struct {
	Port map[string]struct {
		Netdev, Flavour string
		VFNum           int `json:"vfnum"`
	}
}

// assertHost asks stock tools whether the host is as vm-host (with this many VFs a port and
// these access VLANs by VF) says.
func assertHost(t *testing.T, vfs int, tag func(vf int) string) {
	t.Helper()
	var ports devlinkPorts
	witnessJSON(t, &ports, "devlink", "-j", "port", "show")
	for _, pf := range pfs {
		var mode struct {
			Dev map[string]struct{ Mode string }
		}
		witnessJSON(t, &mode, "devlink", "-j", "dev", "eswitch", "show", "pci/"+pf)
		if got := mode.Dev["pci/"+pf].Mode; got != "switchdev" {
			t.Errorf("devlink: the eswitch of %s is in mode %q", pf, got)
		}
		reps, uplink := 0, ""
		for name, p := range ports.Port {
			if !strings.HasPrefix(name, "pci/"+pf+"/") {
				continue
			}
			switch p.Flavour {
			case "physical":
				uplink = p.Netdev
			case "pcivf":
				reps++
				var link []struct{ Flags []string }
				witnessJSON(t, &link, "ip", "-j", "link", "show", "dev", p.Netdev)
				if !strings.Contains(strings.Join(link[0].Flags, " "), "UP") {
					t.Errorf("ip: the representor of VF %d of %s is not up", p.VFNum, pf)
				}
				if got := strings.TrimSpace(witness(t, "ovs-vsctl", "get", "Port", p.Netdev, "tag")); got != tag(p.VFNum) {
					t.Errorf("ovs-vsctl: VF %d of %s has the tag %s, want %s", p.VFNum, pf, got, tag(p.VFNum))
				}
				if got := strings.TrimSpace(witness(t, "ovs-vsctl", "get", "Interface", p.Netdev, "ofport")); strings.HasPrefix(got, "-") || got == "[]" {
					t.Errorf("ovs-vsctl: the representor of VF %d of %s has the ofport %s", p.VFNum, pf, got)
				}
			}
		}
		if reps != vfs {
			t.Errorf("devlink: %s has %d representors, want %d", pf, reps, vfs)
		}
		var link []struct{ Master string }
		witnessJSON(t, &link, "ip", "-j", "link", "show", "dev", uplink)
		if link[0].Master != "bond0" {
			t.Errorf("ip: the uplink of %s has the master %q", pf, link[0].Master)
		}
		lag, err := os.ReadFile("/sys/kernel/debug/mlx5/" + pf + "/lag/state")
		if err != nil || strings.TrimSpace(string(lag)) != "active" {
			t.Errorf("debugfs: the LAG of %s is %q, %v", pf, lag, err)
		}
		vfDirs, err := filepath.Glob("/sys/bus/pci/devices/" + pf + "/virtfn*")
		if err != nil || len(vfDirs) != vfs {
			t.Errorf("sysfs: %s has %d VFs, want %d", pf, len(vfDirs), vfs)
		}
		for _, d := range vfDirs {
			nets, err := filepath.Glob(d + "/net/*")
			if err != nil || len(nets) != 1 {
				t.Errorf("sysfs: %s has the netdevs %v", d, nets)
				continue
			}
			if out := witness(t, "ethtool", "-k", filepath.Base(nets[0])); !strings.Contains(out, "tls-hw-tx-offload: on") {
				t.Errorf("ethtool: TLS TX is not on on %s", nets[0])
			}
		}
		if auto, err := os.ReadFile("/sys/bus/pci/devices/" + pf + "/sriov_drivers_autoprobe"); err != nil || strings.TrimSpace(string(auto)) != "1" {
			t.Errorf("sysfs: sriov_drivers_autoprobe of %s is %q, was 1 before nicwright", pf, auto)
		}
	}
	bonding, err := os.ReadFile("/proc/net/bonding/bond0")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"IEEE 802.3ad Dynamic link aggregation", "Transmit Hash Policy: layer3+4", "LACP rate: fast", "MII Polling Interval (ms): 100"} {
		if !strings.Contains(string(bonding), want) {
			t.Errorf("/proc/net/bonding/bond0 does not say %q:\n%s", want, bonding)
		}
	}
	if got := strings.TrimSpace(witness(t, "ovs-vsctl", "get", "Open_vSwitch", ".", "other_config:hw-offload")); got != `"true"` {
		t.Errorf("ovs-vsctl: hw-offload is %s", got)
	}
	if got := strings.TrimSpace(witness(t, "ovs-vsctl", "get", "Port", "bond0", "trunks")); got != "[100, 200]" {
		t.Errorf("ovs-vsctl: the bond's trunks are %s", got)
	}
}

func vmHostTag(vf int) string {
	if vf < 2 {
		return "100"
	}
	return "200"
}

// rollback leaves the machine bare for the next test.
func rollback(t *testing.T) {
	t.Helper()
	expect(t, exitDone, "rollback")
	for _, pf := range pfs {
		if n, err := os.ReadFile("/sys/bus/pci/devices/" + pf + "/sriov_numvfs"); err != nil || strings.TrimSpace(string(n)) != "0" {
			t.Errorf("after the rollback %s has %q VFs, %v", pf, n, err)
		}
		if out := witness(t, "devlink", "dev", "eswitch", "show", "pci/"+pf); !strings.Contains(out, "mode legacy") {
			t.Errorf("after the rollback: %s", out)
		}
	}
	if r := command(t, "ip", "link", "show", "dev", "bond0"); r.code == 0 {
		t.Error("after the rollback the bond is still there")
	}
	if got := strings.TrimSpace(witness(t, "ovs-vsctl", "list-br")); got != "" {
		t.Errorf("after the rollback OVS has the bridges %s", got)
	}
}

func TestVMHostFromBareCardToProof(t *testing.T) {
	needLab(t)
	show := expect(t, exitDone, "show")
	for _, pf := range pfs {
		if !strings.Contains(show.stdout, pf) {
			t.Errorf("show does not name %s:\n%s", pf, show.stdout)
		}
	}
	saved := filepath.Join(t.TempDir(), "plan")
	if plan := expect(t, exitSteps, "plan", "-p", "vm-host", "-o", saved); !strings.Contains(plan.stdout, "eswitch-mode") {
		t.Errorf("the plan does not speak of the eswitch mode:\n%s", plan.stdout)
	}
	// A plan whose ground has moved is refused: one VF was made meanwhile.
	numvfs := "/sys/bus/pci/devices/" + pfs[0] + "/sriov_numvfs"
	if err := os.WriteFile(numvfs, []byte("1"), 0o200); err != nil {
		t.Fatal(err)
	}
	if r := expect(t, exitError, "apply", "--plan", saved); !strings.Contains(r.stderr, "the host has changed since the plan was made") {
		t.Errorf("the stale plan was refused with: %s", r.stderr)
	}
	if err := os.WriteFile(numvfs, []byte("0"), 0o200); err != nil {
		t.Fatal(err)
	}
	expect(t, exitDone, "apply", "--plan", saved)
	assertHost(t, 4, vmHostTag)

	t.Run("no-op", testNoOpWritesNothing)
	t.Run("offloaded", func(t *testing.T) {
		r := expect(t, exitDone, "verify", "--json")
		assertVerdict(t, r.stdout, "offloaded")
	})
	t.Run("software", func(t *testing.T) {
		setTLS(t, "off")
		defer setTLS(t, "on")
		r := expect(t, exitUnproven, "verify", "--json")
		assertVerdict(t, r.stdout, "software")
	})
	assertHost(t, 4, vmHostTag)
	rollback(t)
}

func assertVerdict(t *testing.T, report, want string) {
	t.Helper()
	var r struct {
		KTLS []struct {
			Verdict, Reason string
		} `json:"ktls"`
	}
	if err := json.Unmarshal([]byte(report), &r); err != nil {
		t.Fatalf("verify printed no JSON: %v\n%s", err, report)
	}
	if len(r.KTLS) == 0 {
		t.Fatalf("verify proved nothing:\n%s", report)
	}
	for _, p := range r.KTLS {
		if p.Verdict != want || (want != "offloaded" && p.Reason == "") {
			t.Errorf("the verdict is %q (%s), want %q", p.Verdict, p.Reason, want)
		}
	}
}

// setTLS turns TLS TX of every VF on or off, behind nicwright's back.
func setTLS(t *testing.T, state string) {
	t.Helper()
	for _, pf := range pfs {
		nets, err := filepath.Glob("/sys/bus/pci/devices/" + pf + "/virtfn*/net/*")
		if err != nil || len(nets) == 0 {
			t.Fatalf("no VF netdevs below %s: %v", pf, err)
		}
		for _, n := range nets {
			witness(t, "ethtool", "-K", filepath.Base(n), "tls-hw-tx-offload", state)
		}
	}
}

// writes are system calls by which a program changes network devices, sysfs or OVSDB.
func testNoOpWritesNothing(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "trace")
	out := witness(t, "strace", "-f", "-s", "65536", "-x", "-e", "trace=openat,open,sendto,sendmsg,sendmmsg,ioctl,write,writev,pwrite64,connect", "-o", trace, shared+"/nicwright", "apply", "-p", "vm-host")
	if !strings.Contains(out, "nothing to do") {
		t.Fatalf("the second apply printed:\n%s", out)
	}
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	requests := 0
	for line := range strings.Lines(string(b)) {
		switch {
		case (strings.Contains(line, `"/sys/`) || strings.Contains(line, `"/proc/sys/`)) && strings.ContainsAny(line, "O") && (strings.Contains(line, "O_WRONLY") || strings.Contains(line, "O_RDWR")):
			t.Errorf("opened for writing: %s", line)
		case strings.Contains(line, "RTM_NEW") || strings.Contains(line, "RTM_DEL") || strings.Contains(line, "RTM_SET"):
			t.Errorf("netlink write: %s", line)
		case strings.Contains(line, `\"transact\"`) || strings.Contains(line, `"transact"`):
			t.Errorf("OVSDB write: %s", line)
		case strings.Contains(line, "ioctl(") && (strings.Contains(line, "ETHTOOL_S") || strings.Contains(line, "SIOCSIF")):
			t.Errorf("ioctl write: %s", line)
		}
		if strings.Contains(line, "RTM_GETLINK") || strings.Contains(line, "monitor") {
			requests++
		}
	}
	if requests == 0 {
		t.Error("strace saw no request at all: the trace proves nothing")
	}
}

// Every run is killed as soon as it has reported one step; the next goes on. So each step in turn is the last one of
// a killed apply.
func TestApplyKilledAfterEachStepGoesOn(t *testing.T) {
	needLab(t)
	profile := filepath.Join("testdata", "small.yaml")
	kills := 0
	for ; ; kills++ {
		if kills > 200 {
			t.Fatal("200 killed applies have not ended the work")
		}
		cmd := exec.CommandContext(t.Context(), "nicwright", "apply", "-p", profile)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		line := ""
		if lines.Scan() {
			line = lines.Text()
		}
		if strings.Contains(line, "nothing to do") {
			if err := cmd.Wait(); err != nil {
				t.Fatal(err)
			}
			break
		}
		if !strings.HasPrefix(line, "done") {
			t.Fatalf("run %d printed %q", kills, line)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Logf("run %d ended before it could be killed, after %q", kills, line)
		}
	}
	t.Logf("%d applies were killed", kills)
	if kills < 10 {
		t.Errorf("only %d applies were killed: the test proves little", kills)
	}
	assertHost(t, 2, func(int) string { return "100" })
	rollback(t)
}
