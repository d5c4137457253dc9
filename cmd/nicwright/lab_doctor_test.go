// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/chain"
	"github.com/nicwright/nicwright/provision/doctor"
)

const (
	tlsTx, tlsRx  = "TLS transmit", "TLS receive"
	espCr, espPkt = "IPsec crypto", "IPsec packet"
)

// diagnosis asks the doctor about one function.
func diagnosis(t *testing.T, args ...string) map[string]chain.Chain {
	t.Helper()
	var d doctor.Diagnosis
	r := expect(t, exitDone, append([]string{"doctor", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(r.stdout), &d); err != nil {
		t.Fatalf("doctor printed no JSON: %v\n%s", err, r.stdout)
	}
	if len(d.Devices) != 1 || len(d.Devices[0].Chains) == 0 {
		t.Fatalf("doctor %v has %d devices:\n%s", args, len(d.Devices), r.stdout)
	}
	chains := map[string]chain.Chain{}
	for _, c := range d.Devices[0].Chains {
		chains[c.Offload] = c
	}
	return chains
}

// broken expects a chain to break at a link, for this reason, and gives the link.
func broken(t *testing.T, c chain.Chain, link, why string) chain.Link {
	t.Helper()
	l := c.Broken()
	if l == nil || l.Name != link || !strings.Contains(l.Found, why) {
		t.Fatalf("%s: %s because %q, broken %+v, want %s broken: %s", c.Offload, c.Verdict, c.Because, l, link, why)
	}
	return *l
}

func healthy(t *testing.T, c chain.Chain) {
	t.Helper()
	if c.Verdict != chain.CanOffload {
		t.Errorf("%s: %s because %s", c.Offload, c.Verdict, c.Because)
	}
}

// mend runs the first command that the doctor gives.
func mend(t *testing.T, l chain.Link) {
	t.Helper()
	if len(l.Mend) == 0 {
		t.Fatalf("nothing mends %+v", l)
	}
	words := strings.Fields(l.Mend[0])
	witness(t, words[0], words[1:]...)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o200); err != nil {
		t.Fatal(err)
	}
}

func netOf(t *testing.T, dir string) string {
	t.Helper()
	nets, err := filepath.Glob(dir + "/net/*")
	if err != nil || len(nets) != 1 {
		t.Fatalf("%s has the netdevs %v, %v", dir, nets, err)
	}
	return filepath.Base(nets[0])
}

func feature(t *testing.T, netdev, line string) {
	t.Helper()
	if out := witness(t, "ethtool", "-k", netdev); !strings.Contains(out, line) {
		t.Errorf("ethtool does not say %q of %s:\n%s", line, netdev, out)
	}
}

// Each broken link is made, named, witnessed, mended by the doctor's own words, and the next one appears.
func TestDoctorOnTheCard(t *testing.T) {
	needLab(t)
	dir := "/sys/bus/pci/devices/" + pfs[0]
	write(t, dir+"/sriov_numvfs", "1")
	defer write(t, dir+"/sriov_numvfs", "0")
	vf := netOf(t, dir+"/virtfn0")
	const fn = "/vf/0"
	ask := func(args ...string) map[string]chain.Chain {
		t.Helper()
		return diagnosis(t, append([]string{"pci/" + pfs[0] + fn}, args...)...)
	}

	c := ask()
	mend(t, broken(t, c[tlsTx], "interface", vf+" is down"))
	rx := broken(t, c[tlsRx], "switch", "off, as it is by default")
	feature(t, vf, "tls-hw-rx-offload: off\n")
	c = ask()
	healthy(t, c[tlsTx])
	mend(t, rx)
	feature(t, vf, "tls-hw-rx-offload: on\n")
	healthy(t, ask()[tlsRx])

	witness(t, "ethtool", "-K", vf, "tls-hw-tx-offload", "off")
	mend(t, broken(t, ask()[tlsTx], "switch", "tls-hw-tx-offload is off"))
	feature(t, vf, "tls-hw-tx-offload: on\n")

	witness(t, "ethtool", "-K", vf, "tx", "off", "rx", "off")
	feature(t, vf, "tls-hw-tx-offload: off") // the kernel dropped it: the doctor names the cause
	c = ask()
	rx = broken(t, c[tlsRx], "checksum", "receive checksum offload is off")
	mend(t, broken(t, c[tlsTx], "checksum", "transmit checksum offload is off"))
	mend(t, rx)
	c = ask()
	healthy(t, c[tlsTx])
	healthy(t, c[tlsRx])

	broken(t, ask("--tls-version", "1.3")[tlsTx], "version", "TLS 1.3")
	broken(t, ask("--cipher", "ChaCha20-Poly1305")[tlsRx], "cipher", "ChaCha20-Poly1305")
	healthy(t, ask("--cipher", "AES-256-GCM")[tlsTx])

	// In a namespace of its own it is not here.
	witness(t, "ip", "netns", "add", "elsewhere")
	witness(t, "ip", "link", "set", vf, "netns", "elsewhere")
	r := expect(t, exitDone, "doctor", "pci/"+pfs[0]+fn)
	if !strings.Contains(r.stdout, "its netdev is in another network namespace") {
		t.Errorf("of a VF that is elsewhere the doctor says:\n%s", r.stdout)
	}
	witness(t, "ip", "-n", "elsewhere", "link", "set", vf, "netns", "1")
	witness(t, "ip", "netns", "del", "elsewhere")
	if r := expect(t, exitError, "doctor", "eth77"); !strings.Contains(r.stderr, "no card here has eth77") {
		t.Errorf("of a netdev that is not here the doctor says: %s", r.stderr)
	}
	expect(t, exitUsage, "doctor", "--cipher", "RC4")
}

func TestDoctorOnAnUplink(t *testing.T) {
	needLab(t)
	dir := "/sys/bus/pci/devices/" + pfs[0]
	pf := netOf(t, dir)
	witness(t, "ip", "link", "set", pf, "up")
	c := diagnosis(t, pf)
	healthy(t, c[tlsTx])
	healthy(t, c[espCr])
	if c[espPkt].Verdict == chain.CanOffload {
		t.Errorf("packet offload, of which nothing tells, is %s", c[espPkt].Verdict)
	}

	// The modules of ESP need not be loaded, for the first state loads them.
	witness(t, "ip", "xfrm", "state", "add", "src", "192.0.2.1", "dst", "192.0.2.2", "proto", "esp", "spi", "1", "reqid", "1", "mode", "transport",
		"aead", "rfc4106(gcm(aes))", "0x0102030405060708090a0b0c0d0e0f1011121314", "128", "offload", "dev", pf, "dir", "out")
	if out := witness(t, "lsmod"); !strings.Contains(out, "esp4_offload") {
		t.Errorf("the first state has not loaded esp4_offload:\n%s", out)
	}
	if out := witness(t, "ip", "xfrm", "state"); !strings.Contains(out, "dev "+pf) {
		t.Errorf("ip does not say that the state is offloaded:\n%s", out)
	}
	healthy(t, diagnosis(t, pf)[espCr])
	// With it, the mode cannot change, and check says so where the profile asks for it.
	if r := expect(t, exitError, "check", "vm-host"); !strings.Contains(r.stdout, "NW158: eswitch-mode of nic0/p0 is to be switchdev and is legacy, and 1 IPsec states are on it") {
		t.Errorf("check says:\n%s", r.stdout)
	}
	witness(t, "ip", "xfrm", "state", "flush")

	// In a bond by layer2; in 802.3ad, IPsec goes nowhere.
	witness(t, "ip", "link", "set", pf, "down")
	witness(t, "ip", "link", "add", "bond7", "type", "bond", "mode", "802.3ad", "xmit_hash_policy", "layer2", "miimon", "100")
	witness(t, "ip", "link", "set", pf, "master", "bond7")
	witness(t, "ip", "link", "set", "bond7", "up")
	c = diagnosis(t, pf)
	hash := broken(t, c[tlsTx], "bond", "bond7 chooses its member by layer2")
	broken(t, c[espCr], "bond", "bond7 is in mode 802.3ad")
	broken(t, c[espPkt], "bond", "bond7 is in mode 802.3ad")
	mend(t, hash)
	healthy(t, diagnosis(t, pf)[tlsTx])
	witness(t, "ip", "link", "del", "bond7")

	// In switchdev; smfs is what the emulated card has not got, so that packet mode is refused by nothing yet.
	witness(t, "devlink", "dev", "eswitch", "set", "pci/"+pfs[0], "mode", "switchdev")
	defer witness(t, "devlink", "dev", "eswitch", "set", "pci/"+pfs[0], "mode", "legacy")
	c = diagnosis(t, "pci/"+pfs[0])
	broken(t, c[tlsTx], "uplink", "uplink of an eswitch in switchdev")
	broken(t, c[tlsRx], "uplink", "uplink of an eswitch in switchdev")
	var links []struct {
		Ifname, ParentDev string
		PhysPortName      string `json:"phys_port_name"`
	}
	witnessJSON(t, &links, "ip", "-d", "-j", "link", "show")
	for _, l := range links {
		if l.ParentDev == pfs[0] && physical.MatchString(l.PhysPortName) {
			feature(t, l.Ifname, "tls-hw-tx-offload: off")
		}
	}
}

// A VF has IPsec only after the PF has granted it, while the VF has no driver; and then the PF has none.
func TestDoctorOnGrants(t *testing.T) {
	needLab(t)
	dir := "/sys/bus/pci/devices/" + pfs[0]
	write(t, dir+"/sriov_numvfs", "1")
	defer write(t, dir+"/sriov_numvfs", "0")
	witness(t, "devlink", "dev", "eswitch", "set", "pci/"+pfs[0], "mode", "switchdev")
	defer witness(t, "devlink", "dev", "eswitch", "set", "pci/"+pfs[0], "mode", "legacy")
	vf := "pci/" + pfs[0] + "/vf/0"
	l := broken(t, diagnosis(t, vf)[espCr], "port function", "ipsec_crypto is disabled")
	feature(t, netOf(t, dir+"/virtfn0"), "esp-hw-offload: off [fixed]")
	address, err := os.Readlink(dir + "/virtfn0")
	if err != nil {
		t.Fatal(err)
	}
	const driver = "/sys/bus/pci/drivers/mlx5_core/"
	write(t, driver+"unbind", filepath.Base(address))
	if r := expect(t, exitDone, "doctor", vf); !strings.Contains(r.stdout, "no driver is bound to it") {
		t.Errorf("of a VF without a driver the doctor says:\n%s", r.stdout)
	}
	command, _, _ := strings.Cut(l.Mend[1], ",")
	words := strings.Fields(command)
	witness(t, words[0], words[1:]...)
	write(t, driver+"bind", filepath.Base(address))
	witness(t, "ip", "link", "set", netOf(t, dir+"/virtfn0"), "up")
	healthy(t, diagnosis(t, vf)[espCr])
	feature(t, netOf(t, dir+"/virtfn0"), "esp-hw-offload: on [fixed]")
	broken(t, diagnosis(t, "pci/"+pfs[0])[espCr], "VFs", "VF 0 has IPsec")
}

// netdevsim has IPsec and no TLS, and says so.
func TestDoctorOnNetdevsim(t *testing.T) {
	needLab(t)
	write(t, "/sys/bus/netdevsim/new_device", "10 1")
	defer write(t, "/sys/bus/netdevsim/del_device", "10")
	c := diagnosis(t, "netdevsim/netdevsim10")
	broken(t, c[tlsTx], "card", "the driver netdevsim has no TLS offload")
	feature(t, netOf(t, "/sys/bus/netdevsim/devices/netdevsim10"), "tls-hw-tx-offload: off [fixed]")
	broken(t, c[espCr], "interface", "is down")
}

// Debian's own driver has neither TLS nor IPsec, nor TC, and the card is not to blame: doctor and check say so.
func TestDoctorOnDebiansDriver(t *testing.T) {
	needLab(t)
	const modules = "/lab/modules/"
	witness(t, "rmmod", "connectx_emu", "mlx5_core")
	witness(t, "modprobe", "mlx5_core")
	witness(t, "insmod", modules+"connectx_emu.ko", "ports=2", "vfs=8")
	defer func() {
		witness(t, "rmmod", "connectx_emu", "mlx5_core")
		witness(t, "insmod", modules+"mlx5_core.ko")
		witness(t, "insmod", modules+"connectx_emu.ko", "ports=2", "vfs=8")
	}()
	pf := netOf(t, "/sys/bus/pci/devices/"+pfs[0])
	feature(t, pf, "tls-hw-tx-offload: off [fixed]")
	c := diagnosis(t, pf)
	for _, name := range []string{tlsTx, tlsRx} {
		broken(t, c[name], "driver", "built without MLX5_EN_TLS")
	}
	for _, name := range []string{espCr, espPkt} {
		broken(t, c[name], "driver", "built without MLX5_EN_IPSEC")
	}
	r := expect(t, exitError, "check", "vm-host")
	for _, want := range []string{"builtin:vm-host.yaml:", "NW153: tls-hw-tx-offload is wanted on the VFs of nic0/p0", "NW155: hw-offload is wanted"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("check does not say %q:\n%s", want, r.stdout)
		}
	}
	if strings.Contains(r.stdout, "NW154") {
		t.Errorf("check misses IPsec, which the profile does not ask for:\n%s", r.stdout)
	}
	expect(t, exitDone, "check", "vm-host", "--no-host")
}

// The card without crypto: the driver has it, and the card does not.
func TestDoctorOnACardWithoutCrypto(t *testing.T) {
	needLab(t)
	const module = "/lab/modules/connectx_emu.ko"
	witness(t, "rmmod", "connectx_emu")
	witness(t, "insmod", module, "ports=2", "vfs=8", "crypto=0")
	defer func() {
		witness(t, "rmmod", "connectx_emu")
		witness(t, "insmod", module, "ports=2", "vfs=8")
	}()
	c := diagnosis(t, netOf(t, "/sys/bus/pci/devices/"+pfs[0]))
	for _, name := range []string{tlsTx, tlsRx, espCr, espPkt} {
		broken(t, c[name], "card", "the card has no crypto, or it is fused off")
	}
	r := expect(t, exitError, "check", "tls-server")
	if !strings.Contains(r.stdout, "NW161: tls-hw-tx-offload is to be on on nic0/p0, and is fixed off on pci/"+pfs[0]) {
		t.Errorf("check says:\n%s", r.stdout)
	}
}

// On the host as it is: the built-in profile goes; a profile with too many VFs does not, and plan refuses it in the same words.
func TestCheckOnTheHost(t *testing.T) {
	needLab(t)
	if r := expect(t, exitDone, "check", "vm-host"); !strings.Contains(r.stdout, "vm-host: 0 errors, 0 warnings\n") {
		t.Errorf("check says:\n%s", r.stdout)
	}
	many := []string{"-p", "vm-host", "--set", "cards.nic0.ports.p0.vfs=60"}
	const words = "NW151: 60 VFs on nic0/p0, whose device (0001:3b:00.0) offers 8"
	if r := expect(t, exitError, append([]string{"check"}, many...)...); !strings.Contains(r.stdout, words) {
		t.Errorf("check says:\n%s", r.stdout)
	}
	if r := expect(t, exitError, append([]string{"plan"}, many...)...); !strings.Contains(r.stderr, words) {
		t.Errorf("plan says:\n%s", r.stderr)
	}
	// Warnings do not change the status.
	r := expect(t, exitDone, "check", "vm-host", "--json", "--set", "bonds.bond0.miimon=0")
	var out checked
	if err := json.Unmarshal([]byte(r.stdout), &out); err != nil {
		t.Fatal(err)
	}
	if !out.OK || !out.Host || len(out.Findings) != 1 || out.Findings[0].Rule != "NW112" || out.Findings[0].Source == "" {
		t.Errorf("check --json says:\n%s", r.stdout)
	}
}
