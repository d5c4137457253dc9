// SPDX-License-Identifier: Apache-2.0

package install

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/profiles"
)

// analyze runs systemd-analyze, which reads files and changes nothing.
func analyze(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed here: nobody but systemd can say whether a unit is right (apt install systemd)")
	}
	c := exec.CommandContext(t.Context(), tool, args...)
	c.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER=cat")
	out, err := c.CombinedOutput()
	return string(out), err
}

// units writes the unit of a profile into a directory, for the version of systemd that is here.
func units(t *testing.T, p *profiles.Profile) string {
	t.Helper()
	o := options(t, p)
	o.Systemd = SystemdVersion("/")
	o.Binary = "/bin/true" // has to be there
	o.Watch = true
	o.Kernels = Kernels{Check: true, FallBack: true}
	files, err := Files(p, o)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range files {
		if f.Path != unitPath && f.Path != watchPath && f.Path != againPath && f.Path != trialPath {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(f.Path)), []byte(f.Text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// stubs are units with the ordering of those that others bring, as Debian 12 and 13
// have it: openvswitch-switch 3.1 and 3.5, ifupdown 0.8, network-manager, cloud-init 22.4.
var stubs = map[string]string{
	"ovsdb-server.service":       "[Unit]\nDefaultDependencies=no\nAfter=network-pre.target local-fs.target\nBefore=network.target networking.service\n",
	"ovs-vswitchd.service":       "[Unit]\nDefaultDependencies=no\nAfter=ovsdb-server.service network-pre.target\nBefore=network.target networking.service\nRequires=ovsdb-server.service\n",
	"openvswitch-switch.service": "[Unit]\nBefore=network.target\nAfter=network-pre.target ovsdb-server.service ovs-vswitchd.service\nRequires=ovsdb-server.service ovs-vswitchd.service\n",
	"networking.service":         "[Unit]\nDefaultDependencies=no\nWants=network.target\nAfter=local-fs.target network-pre.target systemd-sysctl.service systemd-modules-load.service\nBefore=network.target shutdown.target network-online.target\n",
	"NetworkManager.service":     "[Unit]\nWants=network.target\nAfter=network-pre.target\nBefore=network.target\n",
	"systemd-networkd.service":   "[Unit]\nDefaultDependencies=no\nWants=network.target\nAfter=systemd-udevd.service network-pre.target systemd-sysctl.service\nBefore=network.target\n",
	"cloud-init-local.service":   "[Unit]\nDefaultDependencies=no\nWants=network-pre.target\nBefore=network-pre.target\n",
	"cloud-init.service":         "[Unit]\nDefaultDependencies=no\nWants=cloud-init-local.service\nAfter=cloud-init-local.service networking.service systemd-networkd-wait-online.service\nBefore=network-online.target sysinit.target\n",
}

// everything is a target that starts our unit with all of those.
func everything(t *testing.T, dir string) string {
	t.Helper()
	wants := Unit + " " + WatchUnit + " " + TrialUnit + " boot-complete.target"
	for name, text := range stubs {
		text += "[Service]\nType=oneshot\nExecStart=/bin/true\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		wants += " " + name
	}
	target := filepath.Join(dir, "all.target")
	// A service with the default dependencies brings sysinit.target into the transaction, as at boot.
	if err := os.WriteFile(target, []byte("[Unit]\nRequires=sysinit.target basic.target\nWants="+wants+"\nAfter="+wants+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return target
}

func TestSystemdTakesTheUnits(t *testing.T) {
	for _, name := range profiles.BuiltIn() {
		dir := units(t, load(t, name))
		for _, unit := range []string{Unit, WatchUnit, AgainUnit, TrialUnit} {
			out, err := analyze(t, dir, "verify", "--man=no", filepath.Join(dir, unit))
			if err != nil || strings.Contains(out, unit) {
				t.Errorf("%s: %s: %v\n%s", name, unit, err, out)
			}
			if unit == TrialUnit { // it has the rights of a verify
				continue
			}
			out, err = analyze(t, dir, "security", "--offline=true", "--threshold=29", filepath.Join(dir, unit))
			if err != nil {
				t.Errorf("%s: %s: below 3.0 is wanted: %v\n%s", name, unit, err, out)
			}
		}
	}
}

// There is no cycle at boot with anything that Debian has: systemd would break it by
// leaving one of the units out.
func TestNoUnitWaitsForOneThatWaitsForIt(t *testing.T) {
	for _, name := range profiles.BuiltIn() {
		dir := units(t, load(t, name))
		out, _ := analyze(t, dir, "verify", "--man=no", everything(t, dir))
		if strings.Contains(out, "cycle") {
			t.Errorf("%s:\n%s", name, out)
		}
	}
	// And it would be told: with the default dependencies there is one.
	dir := units(t, load(t, "tls-server"))
	file := filepath.Join(dir, Unit)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(b), "DefaultDependencies=no\n", "", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, _ := analyze(t, dir, "verify", "--man=no", everything(t, dir)); !strings.Contains(out, "cycle") {
		t.Errorf("a cycle is not told:\n%s", out)
	}
}

func TestTheUnitsPropertiesAreRead(t *testing.T) {
	got := runningOf(map[string]any{"LoadState": "loaded", "ActiveState": "failed", "Id": Unit}, map[string]any{"Result": "timeout", "StatusText": "no card", "NRestarts": uint32(2), "ExecMainStatus": int32(5)})
	if d := cmp.Diff(Running{Load: "loaded", Active: "failed", Status: 5, Result: "timeout", Says: "no card"}, got); d != "" {
		t.Error(d)
	}
	if got := runningOf(nil, map[string]any{"Result": 7}); got != (Running{}) {
		t.Errorf("of nothing: %+v", got)
	}
}

func TestUdevTakesTheRules(t *testing.T) {
	udevadm, err := exec.LookPath("udevadm")
	if err != nil || SystemdVersion("/") < 254 {
		t.Skip("udevadm verify (systemd 254) is not here: nobody but udev can say whether a rule is right")
	}
	for name, template := range map[string]string{"marks": "", "names": "{card}{port}"} {
		all := files(t, func(o *Options) { o.Names = template })
		file := filepath.Join(t.TempDir(), filepath.Base(rulesPath))
		for _, f := range all {
			if f.Path == rulesPath {
				write(t, file, f.Text)
			}
		}
		if out, err := exec.CommandContext(t.Context(), udevadm, "verify", file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
