// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/chain"
	"github.com/nicwright/nicwright/internal/kconfig"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/probe"
	"github.com/nicwright/nicwright/provision/facts"
)

const (
	testPF = pci.Address("0000:3b:00.0")
	mlx5   = "mlx5_core"
)

// device is a netdev on which everything is on.
func device(fn pci.Function, name string, index int) crypto.Device {
	on := crypto.Feature{Hardware: true, Wanted: true, Active: true}
	return crypto.Device{
		Function: fn, Netdev: name, Index: index, Driver: mlx5, Up: true, Carrier: true, Packet: 1,
		Features: map[string]crypto.Feature{
			"tls-hw-tx-offload": on, "tls-hw-rx-offload": on, "rx-checksum": on, "tx-checksum-ip-generic": on,
			"esp-hw-offload": {Active: true, Fixed: true},
		},
	}
}

// healthy is a host whose PF and VF can offload everything.
func healthy() *examination {
	yes := probe.Told(probe.Yes("it has it"))
	vf := eswitch.VF{Index: 0, Address: "0000:3b:00.2", Driver: mlx5, Netdev: "vf0"}
	port := eswitch.Port{Address: testPF, Driver: mlx5, Netdev: "pf0", Mode: "legacy", EncapMode: "basic", Steering: "smfs", VFs: []eswitch.VF{vf}}
	return &examination{
		ask: usual, contexts: func(string) (map[string]uint64, error) { return nil, nil },
		Facts: facts.Facts{
			Host: facts.Host{Cards: []eswitch.Card{{Model: "ConnectX-6 Dx", Ports: []eswitch.Port{port}}}},
			Build: crypto.Build{
				Release: "6.12.0-x", Kernel: kconfig.Version{Major: 6, Minor: 12}, TLSDevice: yes, XFRMOffload: yes, PacketOffload: yes,
				DriverTLS: yes, DriverIPsec: yes, DriverTC: yes, AES256: yes,
				Modules: map[string]kconfig.ModuleState{"tls": kconfig.Loaded, "esp4_offload": kconfig.Loaded, "esp6_offload": kconfig.Loaded},
			},
			Tunnels: yes,
			Devices: []crypto.Device{device(pci.PF(testPF), "pf0", 2), device(pci.VF(testPF, 0), "vf0", 3)},
			Grants: map[pci.Function]eswitch.Grant{
				pci.VF(testPF, 0): {Port: "pci/0000:3b:00.0/1", Caps: map[string]bool{"ipsec_crypto": true, "ipsec_packet": true}},
			},
		},
	}
}

var usual = crypto.Ask{TLSVersion: "1.2", Cipher: "AES-128-GCM", IPsecMode: "transport"}

// Every link of every chain is broken once, and named.
func TestDoctorNamesTheBrokenLink(t *testing.T) {
	const tx, rx, esp, packet = "TLS transmit", "TLS receive", "IPsec crypto", "IPsec packet"
	port := func(c *examination) *eswitch.Port { return &c.Cards[0].Ports[0] }
	off := func(name string) func(*examination, *crypto.Ask) {
		return func(c *examination, _ *crypto.Ask) {
			for i := range c.Devices {
				c.Devices[i].Features[name] = crypto.Feature{Hardware: true}
			}
		}
	}
	fixed := func(name string) func(*examination, *crypto.Ask) {
		return func(c *examination, _ *crypto.Ask) {
			for i := range c.Devices {
				c.Devices[i].Features[name] = crypto.Feature{Fixed: true}
			}
		}
	}
	bonded := func(mode, hash string) func(*examination, *crypto.Ask) {
		return func(c *examination, _ *crypto.Ask) {
			c.Bonds.Bonds = []bond.Bond{{Name: "bond0", Mode: mode, XmitHashPolicy: hash, Members: []bond.Member{{ID: string(testPF), Netdev: "pf0"}, {Netdev: "vf0"}}}}
		}
	}
	module := func(name string, state kconfig.ModuleState, locked bool) func(*examination, *crypto.Ask) {
		return func(c *examination, _ *crypto.Ask) { c.Build.Modules[name], c.Build.Locked = state, locked }
	}
	for _, tt := range []struct {
		name    string
		disease func(*examination, *crypto.Ask)
		netdev  string
		offload string
		verdict chain.Verdict
		link    string // that is broken or unknown
		found   string // in what it found
		mend    string // in one of what mends it, "" for nothing
	}{
		{"kernel without TLS_DEVICE", func(c *examination, _ *crypto.Ask) {
			c.Build.TLSDevice = probe.Told(probe.No("CONFIG_TLS_DEVICE is not set"))
		}, "vf0", tx, chain.Software, "kernel", "the running kernel (6.12.0-x) was built without TLS_DEVICE", ""},
		{"kernel's configuration is unreadable", func(c *examination, _ *crypto.Ask) { c.Build.TLSDevice = probe.Told(probe.Unknown("none is readable")) }, "vf0", rx, chain.NotTold, "kernel", "none is readable", ""},
		{"driver without TLS", func(c *examination, _ *crypto.Ask) { c.Build.DriverTLS = probe.Told(probe.No("no such symbol")) }, "vf0", rx, chain.Software, "driver", "built without MLX5_EN_TLS, as Debian's is", ""},
		{"nobody knows of the driver's TLS", func(c *examination, _ *crypto.Ask) { c.Build.DriverTLS = probe.Told(probe.Unknown("no symbols")) }, "vf0", tx, chain.NotTold, "driver", "no symbols", ""},
		{"tls is not loaded", module("tls", kconfig.Available, false), "vf0", tx, chain.Software, "module", "tls is not loaded", "modprobe tls"},
		{"tls is not loaded and cannot be", module("tls", kconfig.Available, true), "vf0", tx, chain.Software, "module", "kernel.modules_disabled", "/etc/modules-load.d"},
		{"there is no tls", module("tls", kconfig.Missing, false), "vf0", tx, chain.Software, "module", "no module tls", ""},
		{"nobody knows of tls", module("tls", kconfig.Uncertain, false), "vf0", tx, chain.NotTold, "module", "/lib/modules/6.12.0-x do not say", ""},
		{"uplink in switchdev", func(c *examination, _ *crypto.Ask) { port(c).Mode = "switchdev" }, "pf0", tx, chain.Software, "uplink", "uplink of an eswitch in switchdev", "profile: vf: {offload:"},
		{"no TLS on the card", fixed("tls-hw-tx-offload"), "pf0", tx, chain.Software, "card", "the card has no crypto, or it is fused off", ""},
		{"no TLS on the VF", fixed("tls-hw-rx-offload"), "vf0", rx, chain.Software, "card", "not to this VF", ""},
		{"another driver", func(c *examination, a *crypto.Ask) {
			fixed("tls-hw-tx-offload")(c, a)
			c.Devices[0].Driver = "igb"
		}, "pf0", tx, chain.Software, "card", "the driver igb has no TLS offload", ""},
		{"a kernel without the feature", func(c *examination, _ *crypto.Ask) { delete(c.Devices[1].Features, "tls-hw-tx-offload") }, "vf0", tx, chain.Software, "card", "no feature tls-hw-tx-offload", ""},
		{"transmit checksums off", off("tx-checksum-ip-generic"), "vf0", tx, chain.Software, "checksum", "transmit checksum offload is off", "ethtool -K vf0 tx on"},
		{"receive checksums off", off("rx-checksum"), "vf0", rx, chain.Software, "checksum", "receive checksum offload is off", "ethtool -K vf0 rx on"},
		{"transmit off", off("tls-hw-tx-offload"), "vf0", tx, chain.Software, "switch", "tls-hw-tx-offload is off", "ethtool -K vf0 tls-hw-tx-offload on"},
		{"receive off", off("tls-hw-rx-offload"), "pf0", rx, chain.Software, "switch", "off, as it is by default", "profile: offload: {tls-hw-rx-offload: true}"},
		{"asked for in vain", func(c *examination, _ *crypto.Ask) {
			c.Devices[1].Features["tls-hw-tx-offload"] = crypto.Feature{Hardware: true, Wanted: true}
		}, "vf0", tx, chain.Software, "switch", "does not keep it on", ""},
		{"bond by another hash", bonded("802.3ad", "layer2"), "pf0", tx, chain.Software, "bond", "chooses its member by layer2", "ip link set bond0 type bond xmit_hash_policy layer3+4"},
		{"bond in another mode", bonded("active-backup", "layer3+4"), "pf0", rx, chain.Software, "bond", "bond0 is in mode active-backup", "profile: mode: 802.3ad"},
		{"interface down", func(c *examination, _ *crypto.Ask) { c.Devices[0].Up = false }, "pf0", tx, chain.Software, "interface", "pf0 is down", "ip link set pf0 up"},
		{"TLS 1.3", func(_ *examination, a *crypto.Ask) { a.TLSVersion = "1.3" }, "vf0", tx, chain.Software, "version", "no mainline kernel up to 7.3", "offer TLS 1.2 only"},
		{"TLS 1.3 on a kernel to come", func(c *examination, a *crypto.Ask) {
			a.TLSVersion, c.Build.Kernel = "1.3", kconfig.Version{Major: 7, Minor: 4}
		}, "vf0", tx, chain.NotTold, "version", "nothing is known of 6.12.0-x", ""},
		{"ChaCha20", func(_ *examination, a *crypto.Ask) { a.Cipher = "ChaCha20-Poly1305" }, "vf0", rx, chain.Software, "cipher", "AES-GCM only", "offer AES-GCM"},
		{"a driver without 256 bits", func(c *examination, a *crypto.Ask) {
			a.Cipher, c.Build.AES256 = "AES-256-GCM", probe.Told(probe.No("no mlx5e_crypto_info"))
		}, "vf0", tx, chain.Software, "cipher", "gives no AES-256-GCM to the card: no mlx5e_crypto_info", "offer AES-128-GCM"},
		{"nobody knows of 256 bits", func(c *examination, a *crypto.Ask) {
			a.Cipher, c.Build.AES256 = "AES-256-GCM", probe.Told(probe.Unknown("this is 5.14"))
		}, "vf0", rx, chain.NotTold, "cipher", "gives AES-256-GCM to the card: this is 5.14", ""},

		{"kernel without XFRM_OFFLOAD", func(c *examination, _ *crypto.Ask) {
			c.Build.XFRMOffload = probe.Told(probe.No("CONFIG_XFRM_OFFLOAD is not set"))
		}, "vf0", esp, chain.Software, "kernel", "built without XFRM_OFFLOAD", ""},
		{"kernel without packet offload", func(c *examination, _ *crypto.Ask) {
			c.Build.PacketOffload = probe.Told(probe.No("no xfrm_dev_policy_add"))
		}, "vf0", packet, chain.Refused, "kernel", "has no packet offload, which is in mainline since Linux 6.2; crypto offload is older: no xfrm_dev_policy_add", ""},
		{"nobody knows of packet offload", func(c *examination, _ *crypto.Ask) { c.Build.PacketOffload = probe.Told(probe.Unknown("this is 5.14")) }, "vf0", packet, chain.NotTold, "kernel", "whether it has packet offload: this is 5.14", ""},
		{"driver without IPsec", func(c *examination, _ *crypto.Ask) { c.Build.DriverIPsec = probe.Told(probe.No("no such symbol")) }, "pf0", esp, chain.Software, "driver", "built without MLX5_EN_IPSEC, as Debian's is", ""},
		{"there is no esp4_offload", module("esp4_offload", kconfig.Missing, false), "pf0", esp, chain.Software, "module", "no module esp4_offload", ""},
		{"esp4_offload cannot be loaded", module("esp4_offload", kconfig.Available, true), "pf0", packet, chain.Refused, "module", "kernel.modules_disabled", "/etc/modules-load.d"},
		{"nobody knows of esp4_offload", module("esp4_offload", kconfig.Uncertain, false), "vf0", esp, chain.NotTold, "module", "do not say", ""},
		{"802.3ad", bonded("802.3ad", "layer3+4"), "pf0", esp, chain.Software, "bond", "a state on bond0 is refused with ENODEV", "profile: mode: active-backup"},
		{"smfs in switchdev", func(c *examination, _ *crypto.Ask) { port(c).Mode = "switchdev"; c.Grants = nil }, "pf0", packet, chain.Refused, "steering", "it is smfs in switchdev mode", "profile: flow_steering_mode: dmfs"},
		{"hmfs", func(c *examination, _ *crypto.Ask) { port(c).Steering = "hmfs"; c.Grants = nil }, "pf0", packet, chain.Refused, "steering", "it is hmfs in legacy mode", "devlink dev param set pci/0000:3b:00.0 name flow_steering_mode value dmfs cmode runtime"},
		{"a driver that does not say how it steers", func(c *examination, _ *crypto.Ask) { port(c).Steering = ""; c.Grants = nil }, "pf0", packet, chain.NotTold, "steering", "does not say", ""},
		{"tunnel with encapsulation", func(c *examination, a *crypto.Ask) {
			p := port(c)
			p.Mode, p.Steering, a.IPsecMode, c.Grants = "switchdev", "dmfs", "tunnel", nil
		}, "pf0", packet, chain.Refused, "encap-mode", "it is basic in switchdev", "profile: encap-mode: none"},
		{"tunnel with a driver that takes none", func(c *examination, a *crypto.Ask) {
			p := port(c)
			p.Mode, p.Steering, p.EncapMode, a.IPsecMode, c.Grants = "switchdev", "dmfs", "none", "tunnel", nil
			c.Tunnels = probe.Told(probe.No("2 parameters"))
		}, "pf0", packet, chain.Refused, "encap-mode", "takes no tunnels in packet mode on a PF in switchdev, as mainline since Linux 6.18: 2 parameters", "IPsec on the VFs"},
		{"tunnel with a driver of which nobody knows", func(c *examination, a *crypto.Ask) {
			p := port(c)
			p.Mode, p.Steering, p.EncapMode, a.IPsecMode, c.Grants = "switchdev", "dmfs", "none", "tunnel", nil
			c.Tunnels = probe.Told(probe.Unknown("no BTF"))
		}, "pf0", packet, chain.NotTold, "encap-mode", "takes tunnels in switchdev at all: no BTF", ""},
		{"the PF is elsewhere", func(c *examination, _ *crypto.Ask) {
			port(c).DevlinkIn, c.Grants = "the network namespace tenant", nil
		}, "vf0", esp, chain.NotTold, "port function", "its PF is in another network namespace, tenant: run the doctor there (ip netns exec tenant nicwright doctor)", ""},
		{"flows of Open vSwitch on the uplink's bond", func(c *examination, a *crypto.Ask) {
			bonded("active-backup", "layer2")(c, a)
			c.Grants = nil
			c.Switch = &ovs.State{Running: true, HWOffload: true, Bridges: []ovs.BridgeState{{Name: "br0", Ports: []ovs.PortState{{Name: "out", ID: "bond/bond0"}}}}}
		}, "pf0", packet, chain.Refused, "flows", "Open vSwitch offloads the flows of br0 over it (port out)", "use IPsec on the VFs"},
		{"a VF that has IPsec", func(*examination, *crypto.Ask) {}, "pf0", esp, chain.Software, "VFs", "VF 0 has IPsec", "devlink port function set pci/0000:3b:00.0/1 ipsec_packet disable"},
		{"a VF that is not granted", func(c *examination, _ *crypto.Ask) {
			c.Grants[pci.VF(testPF, 0)].Caps["ipsec_crypto"] = false
			c.Devices[1].Features["esp-hw-offload"] = crypto.Feature{Fixed: true}
		}, "vf0", esp, chain.Software, "port function", "ipsec_crypto is disabled", "devlink port function set pci/0000:3b:00.0/1 ipsec_crypto enable"},
		{"a VF that is not granted, and states on the PF", func(c *examination, _ *crypto.Ask) {
			c.Grants[pci.VF(testPF, 0)].Caps["ipsec_packet"] = false
			c.Devices[0].States = 2
		}, "vf0", packet, chain.Refused, "port function", "while the PF has IPsec states (2)", "remove the states of the PF"},
		{"a driver that grants nothing", func(c *examination, _ *crypto.Ask) { c.Grants = nil }, "vf0", packet, chain.NotTold, "port function", "says nothing of ipsec_packet", ""},
		{"no ESP on the card", func(c *examination, a *crypto.Ask) { fixed("esp-hw-offload")(c, a); c.Grants = nil }, "pf0", esp, chain.Software, "card", "the card has no crypto, or it is fused off", ""},
		{"no ESP on the VF", fixed("esp-hw-offload"), "vf0", esp, chain.Software, "card", "bound to its driver before it was granted", ""},
		{"no ESP in the driver", func(c *examination, a *crypto.Ask) {
			fixed("esp-hw-offload")(c, a)
			c.Devices[1].Driver = "igbvf"
		}, "vf0", esp, chain.Software, "card", "the driver igbvf has no IPsec offload", ""},
		{"ESP off, by a driver that lets it", off("esp-hw-offload"), "vf0", esp, chain.Software, "card", "esp-hw-offload is off", "ethtool -K vf0 esp-hw-offload on"},
		{"a kernel without ESP's feature", func(c *examination, _ *crypto.Ask) { delete(c.Devices[1].Features, "esp-hw-offload") }, "vf0", esp, chain.Software, "card", "no feature esp-hw-offload", ""},
		{"interface down, for IPsec", func(c *examination, _ *crypto.Ask) { c.Devices[1].Up = false }, "vf0", packet, chain.Refused, "interface", "vf0 is down", "ip link set vf0 up"},
		{"no state has been in packet mode", func(c *examination, _ *crypto.Ask) { c.Devices[1].Packet = 0 }, "vf0", packet, chain.NotTold, "packet", "the first state tells", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := healthy()
			tt.disease(c, &c.ask)
			got := chainOf(t, *c, tt.netdev, tt.offload)
			if got.Verdict != tt.verdict {
				t.Errorf("the verdict is %s because %s, want %s", got.Verdict, got.Because, tt.verdict)
			}
			reached := true
			for _, l := range got.Links {
				switch {
				case l.Name == tt.link:
					if l.Status == chain.OK || l.Status == chain.NotReached || !strings.Contains(l.Found, tt.found) || !strings.Contains(got.Because, tt.found) {
						t.Errorf("the link is %+v, want %q in it, and in %q", l, tt.found, got.Because)
					}
					if tt.mend != "" && !slices.ContainsFunc(l.Mend, func(m string) bool { return strings.Contains(m, tt.mend) }) || tt.mend == "" && l.Mend != nil {
						t.Errorf("it is mended by %q, want %q", l.Mend, tt.mend)
					}
					reached = l.Status != chain.Broken
				case reached && l.Status != chain.OK || !reached && l.Status != chain.NotReached:
					t.Errorf("another link is %+v", l)
				}
			}
		})
	}
}

func chainOf(t *testing.T, c examination, netdev, offload string) chain.Chain {
	t.Helper()
	d, unmatched := diagnose(c, netdev)
	if len(d.Devices) != 1 || unmatched != nil {
		t.Fatalf("%d devices are %s, unmatched %v", len(d.Devices), netdev, unmatched)
	}
	for _, ch := range d.Devices[0].Chains {
		if ch.Offload == offload {
			return ch
		}
	}
	t.Fatalf("no chain of %s", offload)
	return chain.Chain{}
}

func TestDoctorOnAHealthyHost(t *testing.T) {
	for _, tt := range []struct {
		name   string
		host   func(*examination)
		netdev string
	}{
		{"VF with IPsec", func(*examination) {}, "vf0"},
		{"PF, and no VF has IPsec", func(c *examination) { c.Grants = nil }, "pf0"},
		{"VF of a driver that grants nothing", func(c *examination) {
			c.Grants[pci.VF(testPF, 0)] = eswitch.Grant{Caps: map[string]bool{"ipsec_packet": true}}
		}, "vf0"},
		{"VF whose grant was taken back after it was bound", func(c *examination) { c.Grants[pci.VF(testPF, 0)].Caps["ipsec_crypto"] = false }, "vf0"},
		{"two kinds of checksum", func(c *examination) {
			on := c.Devices[1].Features["rx-checksum"]
			delete(c.Devices[1].Features, "tx-checksum-ip-generic")
			c.Devices[1].Features["tx-checksum-ipv4"], c.Devices[1].Features["tx-checksum-ipv6"] = on, on
		}, "vf0"},
		{"modules that will be loaded", func(c *examination) {
			c.Build.Modules["esp4_offload"], c.Build.Modules["esp6_offload"] = kconfig.Available, kconfig.Available
		}, "vf0"},
		{"dmfs in switchdev", func(c *examination) {
			c.Grants, c.Cards[0].Ports[0].Steering = nil, "dmfs"
		}, "pf0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := healthy()
			tt.host(c)
			d, _ := diagnose(*c, tt.netdev)
			for _, ch := range d.Devices[0].Chains {
				if ch.Verdict != chain.CanOffload || ch.Because != "" || ch.Broken() != nil {
					t.Errorf("%s: %s because %s", ch.Offload, ch.Verdict, ch.Because)
				}
			}
			if len(d.Devices[0].Chains) != 4 {
				t.Errorf("%d chains", len(d.Devices[0].Chains))
			}
		})
	}
}

// Why a function has no netdev here: the cause that is there, and where to go.
func TestDoctorOnFunctionsWithoutNetdevs(t *testing.T) {
	held := eswitch.Use{Kind: eswitch.Held, By: "the virtual machine web1, process 4711 (qemu-system-x86)"}
	in := func(where string) eswitch.Use { return eswitch.Use{Kind: eswitch.Elsewhere, By: where} }
	for _, tt := range []struct {
		name   string
		change func(pf *eswitch.Port, vf *eswitch.VF)
		of     string
		want   string
	}{
		{"no driver", func(_ *eswitch.Port, vf *eswitch.VF) { vf.Driver = "" }, "0000:3b:00.2", "no driver is bound to it: nicwright binds VFs"},
		{"no driver on the PF", func(p *eswitch.Port, _ *eswitch.VF) { p.Driver = "" }, "0000:3b:00.0", "no driver is bound to it: modprobe mlx5_core"},
		{"vfio-pci", func(_ *eswitch.Port, vf *eswitch.VF) { vf.Driver = "vfio-pci" }, "0000:3b:00.2", "it is bound to vfio-pci: look inside the machine"},
		{"vfio-pci, held", func(_ *eswitch.Port, vf *eswitch.VF) { vf.Driver, vf.Uses = "vfio-pci", []eswitch.Use{held} }, "0000:3b:00.2", "bound to vfio-pci, and the virtual machine web1, process 4711 (qemu-system-x86) holds it"},
		{"another driver", func(_ *eswitch.Port, vf *eswitch.VF) { vf.Driver = "pci-stub" }, "0000:3b:00.2", "its driver pci-stub has made no netdev, or it is in another network namespace"},
		{"a named namespace", func(_ *eswitch.Port, vf *eswitch.VF) { vf.Uses = []eswitch.Use{in("the network namespace pod1")} }, "0000:3b:00.2", "its netdev is in another network namespace, pod1: run the doctor there (ip netns exec pod1 nicwright doctor)"},
		{"a process's namespace", func(_ *eswitch.Port, vf *eswitch.VF) {
			vf.Uses = []eswitch.Use{in("the network namespace of process 815 (pause)")}
		}, "0000:3b:00.2", "its netdev is in another network namespace, that of process 815 (pause): run the doctor there (nsenter -t 815 -n nicwright doctor)"},
		{"a namespace out of reach", func(_ *eswitch.Port, vf *eswitch.VF) { vf.Uses = []eswitch.Use{in("another network namespace")} }, "0000:3b:00.2", "its netdev is in another network namespace: run the doctor there (ip netns exec NAME"},
		{"the PF's netdev elsewhere", func(p *eswitch.Port, _ *eswitch.VF) { p.NetdevIn = "the network namespace tenant" }, "0000:3b:00.0", "its netdev is in another network namespace, tenant: run"},
		{"the PF's devlink instance elsewhere", func(p *eswitch.Port, _ *eswitch.VF) {
			p.NetdevIn, p.DevlinkIn = "the network namespace tenant", "the network namespace tenant"
		}, "0000:3b:00.0", "its devlink instance and its netdev are in another network namespace, tenant: run"},
		{"netdevsim", func(p *eswitch.Port, _ *eswitch.VF) { p.Address = "netdevsim/netdevsim1" }, "netdevsim/netdevsim1/vf/0", "port of the simulated switch only"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := healthy()
			c.Devices = nil
			p := &c.Cards[0].Ports[0]
			tt.change(p, &p.VFs[0])
			d, _ := diagnose(*c, tt.of)
			if len(d.Devices) != 1 || !strings.Contains(d.Devices[0].Absent, tt.want) || d.Devices[0].Chains != nil {
				t.Errorf("got %+v", d.Devices)
			}
		})
	}
}

// A netdev is found by each of its names, a function by its address and its own.
func TestDoctorOfSome(t *testing.T) {
	c := healthy()
	c.AltNames = map[int][]string{2: {"sriov-a", "enp59s0f0np0"}, 9: {"other"}}
	for want, fn := range map[string]pci.Function{
		"pf0": pci.PF(testPF), "sriov-a": pci.PF(testPF), "enp59s0f0np0": pci.PF(testPF), "0000:3b:00.0": pci.PF(testPF),
		"vf0": pci.VF(testPF, 0), "0000:3b:00.2": pci.VF(testPF, 0), "pci/0000:3b:00.0/vf/0": pci.VF(testPF, 0),
	} {
		if d, unmatched := diagnose(*c, want); len(d.Devices) != 1 || d.Devices[0].Function != fn || unmatched != nil {
			t.Errorf("%s: %+v, unmatched %v", want, d.Devices, unmatched)
		}
	}
	if d, unmatched := diagnose(*c, "pci/0000:3b:00.0/vf/0", "eth9", "pf0", "sriov-a", "other"); len(d.Devices) != 2 || !slices.Equal(unmatched, []string{"eth9", "other"}) {
		t.Errorf("%d devices, unmatched %v", len(d.Devices), unmatched)
	}
}

// A sick device is that device's line.
func TestDoctorOnASickDevice(t *testing.T) {
	c := healthy()
	c.Cards[0].Ports[0].Err = "reading the eswitch: timed out"
	c.contexts = func(netdev string) (map[string]uint64, error) {
		if netdev == "pf0" {
			return nil, errors.New("reading the statistics of pf0: input/output error")
		}
		return map[string]uint64{"tx": 3}, nil
	}
	d, _ := diagnose(*c)
	var text bytes.Buffer
	if err := d.Print(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"not all of it can be read: reading the eswitch: timed out; reading the statistics of pf0: input/output error", "3 contexts are open"} {
		if strings.Count(text.String(), want) != 1 {
			t.Errorf("%q is not there once:\n%s", want, text.String())
		}
	}
	if len(d.Devices) != 2 || len(d.Devices[0].Chains) != 4 || d.Devices[1].Error != "" {
		t.Errorf("%+v", d.Devices)
	}
}

// What is printed has verdict, links and what mends them, and JSON has the same.
func TestDoctorPrints(t *testing.T) {
	c := healthy()
	c.Devices[1].Features["tls-hw-rx-offload"] = crypto.Feature{Hardware: true}
	c.Devices[1].Packet = 0
	d, _ := diagnose(*c, "vf0")
	var text bytes.Buffer
	if err := d.Print(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"pci/0000:3b:00.0/vf/0", "TLS transmit (TLS 1.2 AES-128-GCM): ", "can offload", "software", " because tls-hw-rx-offload is off",
		"mend: ethtool -K vf0 tls-hw-rx-offload on", "not reached: bond, interface, contexts, version, cipher", "nothing is found against it",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in:\n%s", want, text.String())
		}
	}
	if err := (Diagnosis{}).Print(&text); err != nil || !strings.Contains(text.String(), "no SmartNIC") {
		t.Errorf("without cards: %v\n%s", err, text.String())
	}
	b, err := json.Marshal(d)
	if err != nil || !strings.Contains(string(b), `"name":"switch","status":"broken"`) {
		t.Errorf("%v\n%s", err, b)
	}
}
