// SPDX-License-Identifier: Apache-2.0

package install

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/profiles"
)

// load is a profile with overrides.
func load(t *testing.T, name string, sets ...string) *profiles.Profile {
	t.Helper()
	p, err := profiles.Load(profiles.Options{Name: name, Sets: sets})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// withFlows gives the bridge of vm-host a rule.
const withFlows = `ovs.bridges.br-nic.flows=[{"name": "no-tags", "match": "vlan_tci=0x1000/0x1000", "actions": "drop"}]`

// card is that of the built-in profiles.
func card() []profiles.CardInfo {
	return []profiles.CardInfo{{Model: "ConnectX-6 Dx", VendorID: "15b3", DeviceID: "101d", Ports: []profiles.PortInfo{
		{Address: "0000:3b:00.0", Number: 0, NumVFs: 3}, {Address: "0000:3b:00.1", Number: 1},
	}}}
}

// options are those of a Debian 13 with everybody on it.
func options(t *testing.T, p *profiles.Profile) Options {
	t.Helper()
	ports, err := PortsOf(p, card())
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Binary: "/usr/local/bin/nicwright", Wait: time.Minute, Limit: 10 * time.Minute, Systemd: 257,
		Ports: ports, Managers: Managers{NetworkManager: true, Networkd: true, CloudInit: true},
	}
}

// dump is files as text, for golden files.
func dump(files []File) string {
	var b strings.Builder
	for _, f := range files {
		if f.Link != "" {
			b.WriteString("==> " + f.Path + " -> " + f.Link + "\n")
			continue
		}
		b.WriteString("==> " + f.Path + " " + f.Mode.String() + "\n" + f.Text + "\n")
	}
	return b.String()
}

func TestFilesAreTheGoldenOnes(t *testing.T) {
	for name, tt := range map[string]struct {
		profile string
		sets    []string
		change  func(*Options)
	}{
		"vm-host":    {"vm-host", nil, func(*Options) {}},
		"tls-server": {"tls-server", nil, func(*Options) {}},
		"flows":      {"vm-host", []string{withFlows}, func(o *Options) { o.Managers = Managers{} }},
		"watch":      {"vm-host", nil, func(o *Options) { o.Watch, o.StateDir = true, "/srv/nicwright" }},
		"debian12":   {"tls-server", nil, func(o *Options) { o.Systemd = 252; o.Managers = Managers{} }},
		"no-card":    {"vm-host", nil, func(o *Options) { o.Ports = nil; o.Systemd = 0 }},
		"names": {"vm-host", []string{"cards.nic0.ports.p1.vfs=0", "ovs=null", "bonds=null", "verify=null"}, func(o *Options) {
			o.Names, o.Managers = "{card}{port}", Managers{}
		}},
		"dirs": {"tls-server", nil, func(o *Options) {
			o.ConfigDir, o.StateDir, o.RunDir = "/opt/etc/nicwright", "/srv/nicwright", "/run/other"
			o.Managers = Managers{}
		}},
		"kernel-checks": {"tls-server", nil, func(o *Options) {
			o.Kernels, o.Managers = Kernels{Check: true, Hooks: Hooks{Dpkg: true, Greenboot: true}}, Managers{}
		}},
		"kernel-checks-fedora": {"tls-server", nil, func(o *Options) {
			o.Kernels, o.Managers = Kernels{Check: true, FallBack: true, Hooks: Hooks{KernelInstall: true}}, Managers{}
			o.ConfigDir, o.StateDir, o.RunDir = "/opt/etc/nicwright", "/srv/nicwright", "/run/other"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p := load(t, tt.profile, tt.sets...)
			o := options(t, p)
			tt.change(&o)
			files, err := Files(p, o)
			if err != nil {
				t.Fatal(err)
			}
			golden.Text(t, filepath.Join("testdata", name+".txt"), dump(files))
			for _, f := range files {
				if f.Link == "" && !marked([]byte(f.Text)) {
					t.Errorf("%s does not begin with our mark", f.Path)
				}
			}
		})
	}
}

// What boots is what was installed: the one document wants the same as the profile
// with its layers did, and what is laid over it afterwards changes nothing.
func TestTheInstalledProfileWantsTheSame(t *testing.T) {
	p := load(t, "vm-host", "cards.nic0.ports.p0.vfs=8", "bonds.bond0.mtu=9000")
	files, err := Files(p, options(t, p))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, profileFile)
	if err := os.WriteFile(file, []byte(files[0].Text), 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := profiles.Load(profiles.Options{Name: file, ConfigDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	a, err := profiles.Resolve(p, card())
	if err != nil {
		t.Fatal(err)
	}
	b, err := profiles.Resolve(again, card())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(asJSON(t, a), asJSON(t, b)); d != "" || again.Name != "vm-host" {
		t.Errorf("%s wants otherwise:\n%s", again.Name, d)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWhatAUnitCannotSayIsRefused(t *testing.T) {
	p := load(t, "tls-server")
	for name, tt := range map[string]struct {
		change func(*Options)
		says   string
	}{
		"relative":           {func(o *Options) { o.Binary = "bin/nicwright" }, "absolute path"},
		"blank":              {func(o *Options) { o.Binary = "/opt/nic wright" }, "absolute path"},
		"specifier":          {func(o *Options) { o.StateDir = "/srv/%n" }, "--state-dir"},
		"not clean":          {func(o *Options) { o.RunDir = "/run/../tmp" }, "--run-dir"},
		"of a user":          {func(o *Options) { o.Binary = "/home/x/bin/nicwright" }, "make install"},
		"of root":            {func(o *Options) { o.Binary = "/root/nicwright" }, "make install"},
		"temporary":          {func(o *Options) { o.Binary = "/tmp/go-build1/nicwright" }, "make install"},
		"no wait":            {func(o *Options) { o.Wait = 0 }, "more than 0"},
		"no time after it":   {func(o *Options) { o.Limit = o.Wait }, "more than the first"},
		"names without card": {func(o *Options) { o.Names, o.Ports = "{card}{port}", nil }, "not on this host"},
	} {
		o := options(t, p)
		tt.change(&o)
		if _, err := Files(p, o); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want an error with %q", name, err, tt.says)
		}
	}
	o := options(t, p)
	o.Names, o.Ports = "x", nil
	if _, err := Files(p, o); !errors.Is(err, ErrNoCard) {
		t.Errorf("got %v, want ErrNoCard", err)
	}
}

func TestPortsAreFoundByTheProfilesSelectors(t *testing.T) {
	p := load(t, "vm-host", "cards.nic0.ports.p0.vfs=null", "ovs=null", "verify=null")
	got, err := PortsOf(p, card())
	if err != nil {
		t.Fatal(err)
	}
	want := []Port{
		{Card: "nic0", Port: "p0", PF: "0000:3b:00.0", Number: 0, VFs: 3, Bonded: true}, // those that there are
		{Card: "nic0", Port: "p1", PF: "0000:3b:00.1", Number: 1, VFs: 4, Bonded: true},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	var missing profiles.Errors
	if _, err := PortsOf(p, nil); !errors.As(err, &missing) || !strings.Contains(err.Error(), "no card of this host matches model ConnectX-6 Dx") {
		t.Errorf("without a card: %v", err)
	}
	one := card()
	one[0].Ports = one[0].Ports[:1]
	if _, err := PortsOf(p, one); err == nil || !strings.Contains(err.Error(), "no port 1") {
		t.Errorf("with half a card: %v", err)
	}
}

func TestOfManagersThereAreThoseThatAreInstalled(t *testing.T) {
	root := t.TempDir()
	if got := FindManagers(root); got != (Managers{}) {
		t.Errorf("of nothing: %+v", got)
	}
	if got := SystemdVersion(root); got != 0 {
		t.Errorf("systemd %d of nothing", got)
	}
	for _, f := range []string{"/usr/sbin/NetworkManager", "/usr/lib/systemd/systemd-networkd", "/usr/bin/cloud-init", "/usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-257.9-1~deb13u1.so"} {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(f)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, f), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if got := FindManagers(root); got != (Managers{true, true, true}) {
		t.Errorf("of all: %+v", got)
	}
	if got := SystemdVersion(root); got != 257 {
		t.Errorf("systemd %d, want 257", got)
	}
}

func TestTemplatesNameEveryNetdevOnce(t *testing.T) {
	ports := func(vfs int) []Port {
		return []Port{{Card: "nic0", Port: "p0", PF: "0000:3b:00.0", VFs: vfs}, {Card: "nic0", Port: "p1", PF: "0000:3b:00.1", Number: 1, VFs: vfs}}
	}
	for _, tt := range []struct {
		template string
		vfs      int
		says     string // of the error; "": none
	}{
		{"{card}{port}", 127, ""},
		{"{card}-{port}{vf}", 127, ""},
		{"{vf}{card}{port}", 2, ""},
		{"{port}", 0, ""},
		{"{card}", 0, "nic0/p0 and of one of nic0/p1"},
		{"uplink-of-{card}-{port}", 0, "allows 15"},
		{"{card}{port}-longer{vf}", 127, "allows 15"},
		{"{card}/{port}", 0, "cannot name a netdev"},
		{"{card} {port}", 0, "cannot name a netdev"},
		{`{card}"{port}`, 0, "cannot name a netdev"},
		{"{card}%d{port}", 0, "cannot name a netdev"},
		{"{serial}{port}", 0, "{serial}"},
		{"{card}{port", 0, "cannot name a netdev"},
	} {
		_, err := Options{Names: tt.template, Ports: ports(tt.vfs)}.template()
		if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%q with %d VFs: %v, want %q", tt.template, tt.vfs, err, tt.says)
		}
	}
	// A number alone, or a name of the kernel's, by what the profile calls its things.
	for _, p := range []Port{{Card: "0", Port: "1", PF: "0000:3b:00.0"}, {Card: "l", Port: "o", PF: "0000:3b:00.0"}} {
		if _, err := (Options{Names: "{card}{port}", Ports: []Port{p}}).template(); err == nil {
			t.Errorf("%s and %s make a name", p.Card, p.Port)
		}
	}
}

// Whatever the template, what it makes is a name that the kernel takes, and nothing
// that udev would read as more than a name.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"{card}{port}", "{vf}", "a\",RUN+=\"x", "{{card}}", ""} {
		f.Add(s, "nic0", "p0", 3)
	}
	f.Fuzz(func(t *testing.T, text, card, port string, vfs int) {
		o := Options{Names: text, Ports: []Port{{Card: card, Port: port, PF: pci.Address("0000:3b:00.0"), VFs: vfs & 127}}}
		parsed, err := o.template()
		if err != nil {
			return
		}
		for _, d := range o.Ports[0].netdevs() {
			name, err := parsed.name(card, port, d.text())
			if err != nil || name == "" || len(name) > 15 || strings.ContainsAny(name, "\"'\\/ \t\n:%$,{}*?[]") {
				t.Errorf("%q makes %q: %v", text, name, err)
			}
		}
	})
}
