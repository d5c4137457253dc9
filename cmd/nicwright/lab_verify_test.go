// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// leftovers is all that a verify could leave: by stock tools, without what changes by itself.
func leftovers(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, c := range [][]string{
		{"ip", "-o", "-d", "link"},
		{"ip", "-o", "addr"},
		{"ip", "netns", "list"},
		{"ip", "xfrm", "state"},
		{"ip", "xfrm", "policy"},
		{"ip", "-o", "route", "show", "table", "all"},
		{"ovs-vsctl", "--columns=name,external_ids", "list", "port"},
		{"ovs-vsctl", "--columns=name,ofport", "list", "interface"},
		{"ls", "/run/nicwright", "/run/netns"},
	} {
		r := command(t, c[0], c[1:]...) // ls fails while a directory was never made
		b.WriteString(strings.Join(c, " ") + "\n" + volatile.ReplaceAllString(r.stdout, ""))
	}
	return b.String()
}

// LACP's numbers and the time left of what the kernel itself gave.
var volatile = regexp.MustCompile(`(ad_\w+|valid_lft|preferred_lft|expires|hello_timer|tcn_timer|topology_change_timer|gc_timer|bond_slave)\s+\S+|(?m)^.*fe80.*$`)

// openFiles is the system's (proc_sys_fs(5), file-nr).
func openFiles(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/sys/fs/file-nr")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.Fields(string(b))[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// slab is what the kernel cannot give back, in kB.
func slab(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`SUnreclaim:\s+(\d+)`).FindSubmatch(b)
	if m == nil {
		t.Fatalf("/proc/meminfo: %s", b)
	}
	n, _ := strconv.Atoi(string(m[1]))
	return n
}

// runs of the quick matrix; NICWRIGHT_RUNS=1000 is `make soak`.
func runs(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv("NICWRIGHT_RUNS"))
	if err != nil {
		return 3
	}
	t.Logf("%d runs", n)
	return n
}

func TestVerifyLeavesNoTrace(t *testing.T) {
	needLab(t)
	small := filepath.Join("testdata", "small.yaml")
	expect(t, exitDone, "apply", "-p", small)
	// A few first: modules are loaded, flows and caches made.
	for range 2 {
		expect(t, exitDone, "verify", "--quick")
	}
	before, files, kernel := leftovers(t), openFiles(t), slab(t)
	n := runs(t)
	for i := range n {
		r := command(t, "nicwright", "verify", "--quick", "--json")
		if r.code != exitDone {
			t.Fatalf("run %d exited %d:\n%s%s", i, r.code, r.stdout, r.stderr)
		}
		if i%50 == 49 {
			t.Logf("after %d runs: %d kB of slab, %d files are open", i+1, slab(t), openFiles(t))
		}
	}
	if after := leftovers(t); after != before {
		t.Errorf("after %d runs:\n%s\nbefore:\n%s", n, after, before)
	}
	if now := openFiles(t); now > files+200 {
		t.Errorf("after %d runs %d files are open, before %d", n, now, files)
	}
	// What a run left would be there n times: a namespace alone takes more than 100 kB.
	if now := slab(t); now > kernel+4096+20*n {
		t.Errorf("after %d runs the kernel holds %d kB of slab, before %d", n, now, kernel)
	} else {
		t.Logf("slab: %d kB before, %d kB after %d runs; open files: %d, %d", kernel, now, n, files, openFiles(t))
	}

	t.Run("killed", func(t *testing.T) {
		for _, at := range []struct {
			file  string
			later time.Duration
		}{{"/run/nicwright/verify.json", 0}, {"/run/netns/nicwright-verify-0", 0}, {"/run/netns/nicwright-verify-1", 0}, {"/run/netns/nicwright-verify-1", time.Second}} {
			cmd := exec.CommandContext(t.Context(), "nicwright", "verify", "--quick")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
				if _, err := os.Stat(at.file); err == nil {
					break
				}
			}
			time.Sleep(at.later)
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if cmd.ProcessState.Exited() {
				t.Errorf("it was not killed %v after %s was there", at.later, at.file)
			}
		}
		expect(t, exitDone, "verify", "--quick")
		if after := leftovers(t); after != before {
			t.Errorf("after four that were killed and one that was not:\n%s\nbefore:\n%s", after, before)
		}
	})

	t.Run("apply after a killed one", func(t *testing.T) {
		cmd := exec.CommandContext(t.Context(), "nicwright", "verify", "--quick")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if _, err := os.Stat("/run/netns/nicwright-verify-1"); err == nil {
				break
			}
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		expect(t, exitDone, "apply", "-p", small)
		if after := leftovers(t); after != before {
			t.Errorf("after an apply:\n%s\nbefore:\n%s", after, before)
		}
	})

	t.Run("reports", func(t *testing.T) {
		dir := t.TempDir()
		xml, html := filepath.Join(dir, "v.xml"), filepath.Join(dir, "v.html")
		expect(t, exitDone, "verify", "--quick", "--junit", xml, "--html", html)
		for f, want := range map[string]string{xml: "<testsuite ", html: "<svg"} {
			b, err := os.ReadFile(f)
			if err != nil || !strings.Contains(string(b), want) || !strings.Contains(string(b), "offloaded") {
				t.Errorf("%s: %v, %d bytes", f, err, len(b))
			}
		}
		// A link is refused before the proofs run, and what it names stays.
		link, precious := filepath.Join(dir, "link"), filepath.Join(dir, "precious")
		if err := errors.Join(os.WriteFile(precious, []byte("mine"), 0o600), os.Symlink(precious, link)); err != nil {
			t.Fatal(err)
		}
		if r := expect(t, exitError, "verify", "--quick", "--html", link); !strings.Contains(r.stderr, "name the file itself") || r.stdout != "" {
			t.Errorf("through a link: %s%s", r.stdout, r.stderr)
		}
		if b, err := os.ReadFile(precious); err != nil || string(b) != "mine" {
			t.Errorf("the link's file has %q, %v", b, err)
		}
	})
	rollback(t)
}

// A bridge whose ways out are single uplinks, and no bond.
func TestVerifyWithUplinksInTheBridge(t *testing.T) {
	needLab(t)
	profile := filepath.Join(t.TempDir(), "uplinks.yaml")
	port := func(n string) string {
		return "{name: p" + n + ", port: " + n + ", vfs: 2, eswitch-mode: switchdev, up: true, offload: {hw-tc-offload: true}, vf: {driver: mlx5_core, representor-up: true}}"
	}
	text := `version: 1
name: uplinks
description: a bridge with both uplinks
cards:
  - {name: nic0, select: {model: ConnectX-6 Dx}, ports: [` + port("0") + ", " + port("1") + `]}
ovs:
  hw-offload: true
  bridges:
    - name: br-up
      ports:
        - {name: out, uplink: nic0/p0, trunks: [100]}
        - {name: vlan100, vf: nic0/p0/vf0-1, tag: 100}
        - {name: vlan300, vf: nic0/p1/vf0-1, tag: 300}
verify:
  ktls: {versions: [TLSv1.2], ciphers: [AES-128-GCM], directions: [tx], bytes: 65536}
  ipsec: {offloads: [crypto], modes: [transport], directions: [tx], bytes: 65536}
  vlan: {require: holds}
`
	if err := os.WriteFile(profile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, exitDone, "apply", "-p", profile)
	defer rollback(t)
	r := expect(t, exitDone, "verify", "--json")
	assertVerdict(t, r.stdout, "vlan pci/"+pfs[0]+"/vf/0 in VLAN 100 leaves by out", "holds")
	assertVerdict(t, r.stdout, "vlan pci/"+pfs[1]+"/vf/0 in VLAN 300 does not leave by out", "holds")
	// What is off in the port function is named before a kernel that may lack the driver's part.
	assertVerdict(t, r.stdout, "ipsec crypto", "software")
	for name, v := range verdicts(t, r.stdout) {
		if strings.HasPrefix(name, "ipsec crypto") && !strings.HasPrefix(v[1], "ipsec_crypto of the port function of ") {
			t.Errorf("%s: %s", name, v[1])
		}
	}
	witness(t, "ip", "-n", "peer", "link", "set", "wire0", "down")
	defer witness(t, "ip", "-n", "peer", "link", "set", "wire0", "up")
	r = expect(t, exitUnproven, "verify", "--json")
	if v := verdicts(t, r.stdout)["vlan pci/"+pfs[0]+"/vf/0 in VLAN 100 leaves by out"]; v[0] != "failed" || !strings.HasPrefix(v[1], "no link on "+uplink(t, pfs[0])) {
		t.Errorf("with the cable out: %v", v)
	}
}

// On a host without a card of this kind the verdicts are honest: nothing is offloaded, and it says why.
func TestVerifyOnStockDevices(t *testing.T) {
	needLab(t)
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o200); err != nil {
			t.Fatal(err)
		}
	}
	write("/sys/bus/netdevsim/new_device", "7 1")
	defer write("/sys/bus/netdevsim/del_device", "7")
	profile := filepath.Join(t.TempDir(), "sim.yaml")
	if err := os.WriteFile(profile, []byte(`version: 1
name: sim
description: a simulated device
cards:
  - name: s
    select: {model: netdevsim}
    ports: [{name: p0, port: 0, vfs: 2, eswitch-mode: switchdev}]
verify:
  ktls: {bytes: 65536}
  ipsec: {bytes: 65536}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, exitDone, "apply", "-p", profile)
	r := expect(t, exitDone, "verify", "-p", profile, "--json")
	for name, v := range verdicts(t, r.stdout) {
		if v[0] != "not possible here" || v[1] == "" {
			t.Errorf("%s: %s (%s)", name, v[0], v[1])
		}
	}
	expect(t, exitDone, "rollback")
}
