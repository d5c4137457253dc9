// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/profiles"
)

var vf3 = pci.VF("0000:3b:00.0", 3)

func leaseOf(driver string) *Lease {
	mac := "02:00:5e:10:00:06"
	tag := 100
	return &Lease{
		Name: "web1.tenants", VM: "web1", Network: "tenants", Profile: "p", VF: vf3, State: Leased,
		Function: eswitch.FunctionSpec{Driver: &driver, MAC: &mac}, Bridge: "br-vm", Port: &ovs.Port{Name: "lease web1.tenants", VF: vf3.String(), Tag: &tag},
	}
}

// One machine, card and VF give one address, others another; it is one that a machine may have, and the machine's ID is not in it.
func TestDerivedAddresses(t *testing.T) {
	machine, err := parseMachineID("0123456789abcdef0123456789abcdef\n")
	if err != nil {
		t.Fatal(err)
	}
	other, err := parseMachineID("1123456789abcdef0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	none := func(string) bool { return false }
	first := DeriveMAC(machine, "MT1", vf3, none)
	// It stays what it is from one version to the next: machines have it in their settings.
	if first != "fe:19:37:30:e9:8b" {
		t.Errorf("the address is %s", first)
	}
	seen := map[string]bool{}
	add := func(mac string) {
		hw, err := net.ParseMAC(mac)
		if err != nil || hw[0]&3 != 2 || seen[mac] {
			t.Errorf("%s is no address of a machine's own, or is given twice: %v", mac, err)
		}
		seen[mac] = true
	}
	for n := range 127 {
		add(DeriveMAC(machine, "MT1", pci.VF(vf3.PF, n), none))
	}
	add(DeriveMAC(other, "MT1", vf3, none))
	add(DeriveMAC(machine, "MT2", vf3, none))
	add(DeriveMAC(machine, "MT1", pci.VF("0000:3b:00.1", 3), none))
	add(DeriveMAC(machine, "MT1", vf3, func(mac string) bool { return mac == first }))
	if DeriveMAC(machine, "MT1", vf3, none) != first {
		t.Error("it is another the second time")
	}
	for _, bad := range []string{"", "0123", strings.Repeat("0", 32), strings.Repeat("g", 32), "uninitialized"} {
		if _, err := parseMachineID(bad); err == nil {
			t.Errorf("%q is a machine's ID", bad)
		}
	}
	for bad, why := range map[string]string{"": "no MAC", "02:00:5e:10:00": "no MAC", "01:00:5e:00:00:01": "a group's", "00:00:00:00:00:00": "zero", "02:00:5e:10:00:06:00:01": "no MAC"} {
		if mac, err := CheckMAC(bad); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q is %q, %v", bad, mac, err)
		}
	}
	if mac, err := CheckMAC("02-00-5E-10-00-06"); err != nil || mac != "02:00:5e:10:00:06" {
		t.Errorf("%s, %v", mac, err)
	}
}

func TestStaleLeases(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "sleep", "infinity")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := ProcessOf(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	l := leaseOf("none")
	l.Boot = "b"
	if l.Stale("b") {
		t.Error("a lease without a process is stale")
	}
	l.Process = p
	if l.Stale("b") {
		t.Error("it is stale while its process runs")
	}
	if !l.Stale("c") {
		t.Error("a process outlives a boot")
	}
	l.Process = &Process{PID: p.PID, Start: p.Start + 1}
	if !l.Stale("b") {
		t.Error("another process with its number is taken for it")
	}
	l.Process = p
	_ = cmd.Process.Kill()
	if state, err := cmd.Process.Wait(); err != nil { // until then it is a zombie
		t.Fatal(state, err)
	}
	if !l.Stale("b") {
		t.Error("it is not stale when its process has ended")
	}
	if _, err := ProcessOf(cmd.Process.Pid); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a process that has ended: %v", err)
	}
}

func TestDocument(t *testing.T) {
	dir := Dir(filepath.Join(t.TempDir(), "state"))
	d, err := dir.Read()
	if err != nil || len(d.Leases) > 0 {
		t.Fatalf("where there is no document: %+v, %v", d, err)
	}
	d.Leases = append(d.Leases, leaseOf("vfio-pci"))
	if err := dir.Write(d); err != nil {
		t.Fatal(err)
	}
	back, err := dir.Read()
	if err != nil || cmp.Diff(d, back, cmpopts.IgnoreUnexported(ovs.Port{})) != "" {
		t.Errorf("%v: %+v is read back as %+v", err, d, back)
	}
	if info, err := os.Stat(dir.Path()); err != nil || info.Mode() != 0o600 {
		t.Errorf("the document is %v, %v", info, err)
	}
	// What lies in its place is not followed.
	victim := filepath.Join(t.TempDir(), "victim")
	if err := errors.Join(os.WriteFile(victim, []byte("mine"), 0o600), os.Remove(dir.Path()), os.Symlink(victim, dir.Path()), dir.Write(d)); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(victim); err != nil || string(b) != "mine" {
		t.Errorf("what the link named is now %q, %v", b, err)
	}
	for name, want := range map[string]int{"web1.tenants": 1, "web1": 1, vf3.String(): 1, "web": 0} {
		if got := back.Meant(name); len(got) != want {
			t.Errorf("%q means %d leases, not %d", name, len(got), want)
		}
	}
	back.Drop("web1.tenants")
	if len(back.Leases) > 0 || back.Of(vf3) != nil {
		t.Error("it is not dropped")
	}
}

// A document that is not understood gives no VF out.
func TestDocumentsThatAreNone(t *testing.T) {
	const one = `{"name": "a", "network": "n", "vf": "pci/0000:3b:00.0/vf/3", "state": "leased", "function": {"driver": "none"}}`
	if d, err := Decode([]byte(`{"version": 9, "min_version": 1, "leases": [` + one + `]}`)); err != nil || d.Leases[0].Name != "a" {
		t.Errorf("a later one that can be read: %v", err)
	}
	replace := func(old, now string) string {
		return `{"version": 1, "leases": [` + strings.Replace(one, old, now, 1) + `]}`
	}
	for text, want := range map[string]string{
		"":                                             "no document",
		"{}":                                           "version is 0",
		`{"version": 2, "leases": []}`:                 "version is 2",
		`{"version": 1, "leases": [null]}`:             "is none",
		replace("leased", "lost"):                      `its state is "lost"`,
		replace("/vf/3", ""):                           "is no VF",
		replace(`"network": "n"`, `"x": 1`):            "no network",
		replace(`{"driver": "none"}`, "{}"):            "no driver",
		replace(`"a"`, `"../a"`):                       "cannot name a lease",
		replace(`"state"`, `"vm": "\n", "state"`):      "cannot name a machine",
		replace(`"state"`, `"bridge": "br0", "state"`): "without a port",
		`{"version": 1, "leases": [` + one + `, ` + one + `]}`:                                   "leased twice",
		`{"version": 1, "leases": [` + one + `, ` + strings.Replace(one, `"a"`, `"b"`, 1) + `]}`: "leased twice",
	} {
		if d, err := Decode([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is %+v, %v; want %q", text, d, err, want)
		}
	}
	dir := Dir(t.TempDir())
	if err := os.WriteFile(dir.Path(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Read(); err == nil || !strings.Contains(err.Error(), "nobody knows which VFs are leased") {
		t.Errorf("a broken document: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version": 1, "leases": [{"name": "a", "network": "n", "vf": "pci/0000:3b:00.0/vf/3", "state": "leased", "function": {"driver": "none"}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Decode(b)
		if err != nil {
			return
		}
		dir := Dir(t.TempDir())
		if err := dir.Write(d); err != nil {
			t.Fatal(err)
		}
		back, err := dir.Read()
		if err != nil || len(back.Leases) != len(d.Leases) {
			t.Errorf("it is read back as %+v, %v", back, err)
		}
		Over(&profiles.Want{Ports: map[pci.Address]eswitch.PortSpec{vf3.PF: {}}}, d.Leases)
	})
}

func TestNames(t *testing.T) {
	long := strings.Repeat("a", 128)
	seen := map[string]bool{}
	for _, c := range [][3]string{
		{"web1", "tenants", "web1.tenants"},
		{"web 1/ä", "tenants", "vm_web_1__.tenants-"},
		{"web 1 ä", "tenants", "vm_web_1__.tenants-"},
		{"-x", "n", "vm_-x.n-"},
		{long, "n", "vm_aaaa"},
		{long, "m", "vm_aaaa"},
	} {
		got := NameOf(c[0], c[1])
		if !strings.HasPrefix(got, c[2]) || CheckName(got) != nil || seen[got] {
			t.Errorf("the lease of %q in %s is %q, want %q", c[0], c[1], got, c[2])
		}
		seen[got] = true
	}
}

// Leases are laid over a want without changing it, where their VFs will be.
func TestOver(t *testing.T) {
	eight, driver, tls, tag := 8, "mlx5_core", true, 300
	w := &profiles.Want{
		Ports:   map[pci.Address]eswitch.PortSpec{vf3.PF: {VFs: &eight, Functions: map[int]eswitch.FunctionSpec{3: {Driver: &driver, RepresentorUp: &tls}}}},
		Offload: map[pci.Function]crypto.Spec{vf3: {}},
		OVS:     &ovs.Spec{Bridges: []ovs.Bridge{{Name: "br0", Ports: []ovs.Port{{Name: "own", VF: vf3.String(), Tag: &tag}}}, {Name: "br-vm"}}},
	}
	over := Over(w, []*Lease{leaseOf("vfio-pci")})
	f := over.Ports[vf3.PF].Functions[3]
	if *f.Driver != "vfio-pci" || *f.MAC != "02:00:5e:10:00:06" || !*f.RepresentorUp {
		t.Errorf("the VF is %+v", f)
	}
	if _, has := over.Offload[vf3]; has {
		t.Error("a VF of vfio-pci has offload switches here")
	}
	if b := over.OVS.Bridges; len(b) != 2 || len(b[0].Ports) != 0 || len(b[1].Ports) != 1 || *b[1].Ports[0].Tag != 100 {
		t.Errorf("the switch is %+v", b)
	}
	if *w.Ports[vf3.PF].Functions[3].Driver != "mlx5_core" || len(w.OVS.Bridges[0].Ports) != 1 || len(w.OVS.Bridges[1].Ports) != 0 || len(w.Offload) != 1 {
		t.Errorf("what it is laid over has become %+v", w)
	}
	if _, has := Over(w, []*Lease{leaseOf("mlx5_core")}).Offload[vf3]; !has {
		t.Error("a VF of mlx5_core has lost its offload switches")
	}
	two, half, elsewhere := 2, leaseOf("none"), leaseOf("none")
	half.State, elsewhere.VF = Setting, pci.VF("0000:5e:00.0", 3)
	for what, got := range map[string]*profiles.Want{
		"half":         Over(w, []*Lease{half}),
		"another card": Over(w, []*Lease{elsewhere}),
		"no such VF":   Over(&profiles.Want{Ports: map[pci.Address]eswitch.PortSpec{vf3.PF: {VFs: &two}}}, []*Lease{leaseOf("none")}),
	} {
		if f := got.Ports[vf3.PF].Functions[3]; f.MAC != nil {
			t.Errorf("%s: the VF is %+v", what, f)
		}
	}
	// A bridge that the profile has no more is the lease's.
	if b := Over(&profiles.Want{Ports: map[pci.Address]eswitch.PortSpec{vf3.PF: {}}}, []*Lease{leaseOf("none")}).OVS.Bridges; len(b) != 1 || b[0].Name != "br-vm" {
		t.Errorf("the switch is %+v", b)
	}
	if only := Only(w, vf3); len(only.Ports) != 1 || len(only.OVS.Bridges) != 1 || only.OVS.Bridges[0].Name != "br0" || len(only.Offload) != 1 || only.Ports[vf3.PF].VFs != nil {
		t.Errorf("of one VF it is %+v", only)
	}
}
