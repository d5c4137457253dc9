// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nicwright/internal/step"
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
		reps := 0
		for name, p := range ports.Port {
			if !strings.HasPrefix(name, "pci/"+pf+"/") {
				continue
			}
			if p.Flavour != "pcivf" {
				continue
			}
			reps++
			var link []struct{ Flags []string }
			witnessJSON(t, &link, "ip", "-j", "link", "show", "dev", p.Netdev)
			if !slices.Contains(link[0].Flags, "UP") {
				t.Errorf("ip: the representor of VF %d of %s is not up", p.VFNum, pf)
			}
			if got := strings.TrimSpace(witness(t, "ovs-vsctl", "get", "Port", p.Netdev, "tag")); got != tag(p.VFNum) {
				t.Errorf("ovs-vsctl: VF %d of %s has the tag %s, want %s", p.VFNum, pf, got, tag(p.VFNum))
			}
			if got := strings.TrimSpace(witness(t, "ovs-vsctl", "get", "Interface", p.Netdev, "ofport")); strings.HasPrefix(got, "-") || got == "[]" {
				t.Errorf("ovs-vsctl: the representor of VF %d of %s has the ofport %s", p.VFNum, pf, got)
			}
		}
		if reps != vfs {
			t.Errorf("devlink: %s has %d representors, want %d", pf, reps, vfs)
		}
		if got := uplinkMaster(t, pf); got != "bond0" {
			t.Errorf("ip: the uplink of %s has the master %q", pf, got)
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

// uplinkMaster is the master of the PF's netdev that the kernel names pN: the devlink port of an uplink hangs on an
// auxiliary device in 6.12, so `ip` is the shorter way.
func uplinkMaster(t *testing.T, pf string) string {
	t.Helper()
	var links []struct {
		Master, ParentDev string
		PhysPortName      string `json:"phys_port_name"`
	}
	witnessJSON(t, &links, "ip", "-d", "-j", "link", "show")
	for _, l := range links {
		if l.ParentDev == pf && physical.MatchString(l.PhysPortName) {
			return l.Master
		}
	}
	t.Fatalf("ip: %s has no uplink", pf)
	return ""
}

var physical = regexp.MustCompile(`^p[0-9]+$`)

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

// reads are the netlink requests that change nothing, by family: whatever else is sent is a write. The commands are
// DEVLINK_CMD_GET, _PORT_GET, _ESWITCH_GET, _PARAM_GET, _INFO_GET (linux/devlink.h) and ETHTOOL_MSG_STRSET_GET,
// _FEATURES_GET (linux/ethtool_netlink.h), as strace prints them.
var reads = map[string]*regexp.Regexp{
	"nlctrl":      regexp.MustCompile(`cmd=CTRL_CMD_GETFAMILY\b`),
	"devlink":     regexp.MustCompile(`cmd=(0x1|0x5|0x1d|0x26|0x33)\b`),
	"ethtool":     regexp.MustCompile(`cmd=(0x1|0xb)\b`),
	"RTM_GETLINK": regexp.MustCompile(``),
}

var (
	netlinkType  = regexp.MustCompile(`nlmsg_type=(\w+)`)
	openForWrite = regexp.MustCompile(`open(at)?\(.*"/(sys|proc)/.*O_(WRONLY|RDWR)`)
	writeIoctl   = regexp.MustCompile(`ioctl\(.*(ETHTOOL_S|SIOCS|SIOCBOND)`)
)

// testNoOpWritesNothing has the kernel's view of a second apply: no netlink, sysfs, ioctl or OVSDB write, and no file
// of nicwright's but its lock.
func testNoOpWritesNothing(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "trace")
	out := witness(t, "strace", "-f", "-s", "65536", "-x", "-e", "signal=none", "-e", "trace=openat,open,rename,renameat,renameat2,sendto,sendmsg,sendmmsg,ioctl,write,writev,pwrite64,connect",
		"-o", trace, "nicwright", "apply", "-p", "vm-host")
	if !strings.Contains(out, "nothing to do") {
		t.Fatalf("the second apply printed:\n%s", out)
	}
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for line := range strings.Lines(string(b)) {
		if m := netlinkType.FindStringSubmatch(line); m != nil {
			seen[m[1]]++
			if ok := reads[m[1]]; ok == nil || !ok.MatchString(line) {
				t.Errorf("netlink write: %.300s", line)
			}
		}
		switch {
		case openForWrite.MatchString(line), strings.Contains(line, "rename"):
			t.Errorf("a file written: %.300s", line)
		case writeIoctl.MatchString(line):
			t.Errorf("ioctl write: %.300s", line)
		case strings.Contains(line, `\"transact\"`):
			t.Errorf("OVSDB write: %.300s", line)
		case strings.Contains(line, `\"monitor_cond_since\"`):
			seen["OVSDB"]++
		}
	}
	for _, what := range []string{"RTM_GETLINK", "devlink", "ethtool", "OVSDB"} {
		if seen[what] == 0 {
			t.Errorf("strace saw no request to %s: the trace proves nothing (it saw %v)", what, seen)
		}
	}
}

// Every run is killed (by strace's injection) as it begins to tell of its first step, or ever later among its writes to
// the kernel and to its state; the next goes on.
func TestKilledApplyGoesOn(t *testing.T) {
	needLab(t)
	for name, injection := range map[string]func(kills int) []string{
		"after each step": func(int) []string { return []string{"-e", "inject=write:signal=KILL:when=1"} },
		"at any write": func(kills int) []string {
			return []string{"-e", fmt.Sprintf("inject=sendto,sendmsg,pwrite64,renameat,fsync:signal=KILL:when=%d", 1+kills)}
		},
	} {
		t.Run(name, func(t *testing.T) { testKilledApply(t, name == "after each step", injection) })
	}
}

func testKilledApply(t *testing.T, onReport bool, injection func(kills int) []string) {
	profile := filepath.Join("testdata", "small.yaml")
	left := stepsLeft(t, profile)
	all, killedIn, kills := len(left), map[step.Phase]bool{}, 0
	for ; len(left) > 0; kills++ {
		if kills > 2*all {
			t.Fatalf("%d killed applies have not ended the work of %d steps", kills, all)
		}
		report, err := os.Create(filepath.Join(t.TempDir(), "report"))
		if err != nil {
			t.Fatal(err)
		}
		args := append([]string{"-f", "-o", "/dev/null"}, injection(kills)...)
		if onReport {
			args = append(args, "-P", report.Name())
		}
		cmd := exec.CommandContext(t.Context(), "strace", append(args, "nicwright", "apply", "-p", profile)...)
		var errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = report, &errs
		err = cmd.Run()
		report.Close()
		if errs.Len() > 0 || err == nil && onReport {
			t.Fatalf("run %d was not killed: %v, %s", kills, err, &errs)
		}
		left = stepsLeft(t, profile)
		if err != nil && len(left) > 0 {
			killedIn[left[0].Phase] = true
		}
	}
	t.Logf("%d applies were killed for a plan of %d steps", kills, all)
	// Writes are counted for each thread, so the second way passes over short phases.
	if least := map[bool]int{true: 6, false: 3}[onReport]; len(killedIn) < least {
		t.Errorf("applies were killed in the phases %v only: the test proves little", slices.Collect(maps.Keys(killedIn)))
	}
	expect(t, exitDone, "apply", "-p", profile)
	assertHost(t, 2, func(int) string { return "100" })
	rollback(t)
}

// stepsLeft asks for the plan; assertHost asks others whether it told the truth.
func stepsLeft(t *testing.T, profile string) []step.Step {
	t.Helper()
	r := command(t, "nicwright", "plan", "--json", "-p", profile)
	var plan struct{ Steps []step.Step }
	if err := json.Unmarshal([]byte(r.stdout), &plan); err != nil || r.code != exitSteps && r.code != exitDone {
		t.Fatalf("plan exited %d: %s%s %v", r.code, r.stdout, r.stderr, err)
	}
	return plan.Steps
}
