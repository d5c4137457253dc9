// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"context"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/kconfig"
	"github.com/nicwright/nicwright/internal/kconfig/kconfigtest"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/probe"
	"github.com/nicwright/nicwright/internal/snapshot"
)

const (
	rhel9    = "5.14.0-570.12.1.el9_6.x86_64" // whose mlx5 and devlink are of Linux 6.6 and later
	mainline = "7.3.0-amd64"
	kallsyms = "/proc/kallsyms"
	own      = "/sys/module/mlx5_core/taint"
	vmlinux  = "/sys/kernel/btf/vmlinux"
	module   = "/sys/kernel/btf/mlx5_core"
)

func told(t *testing.T, got probe.Answer, known, yes bool, source string) {
	t.Helper()
	if got.Known != known || got.Yes != yes || !strings.Contains(got.Source, source) {
		t.Errorf("got %+v, want known %t, yes %t, %q", got, known, yes, source)
	}
}

// What is there counts, whatever the kernel calls itself: 5.14 with the driver of
// 6.14, and 7.3 with one of 6.12.
func TestSteersHMFS(t *testing.T) {
	symbols := func(names ...string) string {
		s := "0 T start\n0 t mlx5_load\t[mlx5_core]\n"
		for _, n := range names {
			s += "0 t " + n + "\t[mlx5_core]\n"
		}
		return s
	}
	modes := func(more ...string) string {
		return kconfigtest.ModuleBTF(t, kconfigtest.Enum("mlx5_flow_steering_mode", append([]string{"MLX5_FLOW_STEERING_MODE_DMFS", "MLX5_FLOW_STEERING_MODE_SMFS"}, more...)...))
	}
	none := kconfigtest.BTF(t)
	inIt := []snapshot.PF{{Address: "0000:3b:00.0", Params: map[string]devlink.Param{SteeringParam: {Values: map[devlink.Cmode]string{devlink.Runtime: "hmfs"}}}}}
	for _, tt := range []struct {
		name       string
		release    string
		files      map[string]string
		ports      []snapshot.PF
		known, yes bool
		source     string
	}{
		{"a port is in it", rhel9, nil, inIt, true, true, "pci/0000:3b:00.0 is in hmfs"},
		{"5.14 that has it", rhel9, map[string]string{kallsyms: symbols(symHMFS), own: "\n"}, nil, true, true, "mlx5_core has mlx5_fs_hws_is_supported"},
		{"7.3 that has it not", mainline, map[string]string{kallsyms: symbols(), own: "\n"}, nil, true, false, "no mlx5_fs_hws_is_supported"},
		{"a driver from elsewhere that has it", rhel9, map[string]string{kallsyms: symbols(), own: "OE\n", vmlinux: none, module: modes("MLX5_FLOW_STEERING_MODE_HMFS")}, nil, true, true, "has MLX5_FLOW_STEERING_MODE_HMFS (BTF)"},
		{"a driver from elsewhere that has it not", mainline, map[string]string{kallsyms: symbols(), own: "OE\n", vmlinux: none, module: modes()}, nil, true, false, "without MLX5_FLOW_STEERING_MODE_HMFS (BTF)"},
		{"a driver from elsewhere that shows nothing", rhel9, map[string]string{kallsyms: symbols(), own: "OE\n"}, nil, false, false, "not the kernel's own; the types in /sys/kernel/btf/mlx5_core"},
		{"nothing is shown", rhel9, nil, nil, false, false, "mainline has it from Linux 6.14 on, and this is 5.14.0-570"},
		{"nothing is shown, on a newer kernel", mainline, nil, nil, true, true, "from 6.14 on, and this is 7.3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			told(t, SteersHMFS(kconfigtest.Host(t, tt.release, tt.files).Ask(), tt.ports), tt.known, tt.yes, tt.source)
		})
	}
}

func TestSwitchdevWithoutVFs(t *testing.T) {
	pf := func(change func(*snapshot.PF)) snapshot.PF {
		p := snapshot.PF{Address: "0000:3b:00.0", Driver: mlx5, HasDevlink: true, Eswitch: devlink.Eswitch{Mode: "legacy"}}
		change(&p)
		return p
	}
	for _, tt := range []struct {
		name       string
		release    string
		pf         snapshot.PF
		known, yes bool
		source     string
	}{
		{"an old version, and it can", "4.18.0-553.el8", pf(func(*snapshot.PF) {}), true, true, "devlink has the eswitch of pci/0000:3b:00.0 in legacy, without VFs"},
		{"a new version, and it cannot", mainline, pf(func(p *snapshot.PF) { p.Eswitch.Mode = "" }), true, false, "devlink has no eswitch of pci/0000:3b:00.0 while it has no VFs"},
		{"it has VFs, on an old version", "4.18.0-553.el8", pf(func(p *snapshot.PF) { p.NumVFs = 2 }), false, false, "has VFs now; mainline has it from Linux 5.9 on"},
		{"it has VFs, on a new version", mainline, pf(func(p *snapshot.PF) { p.NumVFs = 2 }), true, true, "from 5.9 on"},
		{"another driver", "4.18.0", pf(func(p *snapshot.PF) { p.Driver = "igb" }), false, false, "devlink says nothing of"},
		{"another namespace", "4.18.0", pf(func(p *snapshot.PF) { p.HasDevlink = false }), false, false, "devlink says nothing of"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			told(t, SwitchdevWithoutVFs(kconfigtest.Host(t, tt.release, nil).Ask(), tt.pf), tt.known, tt.yes, tt.source)
		})
	}
}

func TestGrantsIPsec(t *testing.T) {
	port := func(index uint32, caps map[string]bool) devlink.Port {
		return devlink.Port{Device: devlink.Device{Bus: "pci", Name: "0000:3b:00.0"}, Index: index, Flavour: devlink.FlavourPCIVF, Caps: caps}
	}
	roce := map[string]bool{"roce": true, "migratable": false}
	told(t, grantsNow(&snapshot.Snapshot{}), false, false, "")
	told(t, grantsNow(&snapshot.Snapshot{Ports: []devlink.Port{port(1, nil)}}), false, false, "")
	told(t, grantsNow(&snapshot.Snapshot{Ports: []devlink.Port{port(1, roce)}}), true, false, "port function of pci/0000:3b:00.0/1 has no ipsec_crypto: the driver or the card")
	told(t, grantsNow(&snapshot.Snapshot{Ports: []devlink.Port{port(1, roce), port(2, map[string]bool{"ipsec_crypto": false})}}), true, true, "port function of pci/0000:3b:00.0/2 has ipsec_crypto")
	told(t, takes([]string{"roce", "migratable", "ipsec_crypto", "ipsec_packet"}, true), true, true, "the kernel's devlink takes ipsec_crypto")
	told(t, takes([]string{"roce"}, true), true, false, "takes no ipsec_crypto")
	told(t, takes(nil, false), false, false, "does not describe")

	// By the kernel's types, where a kernel describes nothing.
	for _, tt := range []struct {
		name, release string
		structure     string
		ops           []string
		known, yes    bool
		source        string
	}{
		{"5.14 that has them", rhel9, "devlink_port_ops", []string{"port_fn_roce_get", "port_fn_ipsec_crypto_get"}, true, true, "devlink_port_ops.port_fn_ipsec_crypto_get (BTF)"},
		{"6.1, where a port's are the device's", "6.1.0-50-amd64", "devlink_ops", []string{"eswitch_mode_get"}, true, false, "without port_fn_ipsec_crypto_get (BTF)"},
		{"7.3 that has them not", mainline, "devlink_port_ops", []string{"port_fn_roce_get"}, true, false, "without port_fn_ipsec_crypto_get (BTF)"},
		{"nothing is shown", rhel9, "", nil, false, false, "mainline has it from Linux 6.6 on"},
		{"nothing is shown, on a newer kernel", mainline, "", nil, true, true, "from 6.6 on"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{}
			if tt.ops != nil {
				files[vmlinux] = kconfigtest.BTF(t, kconfigtest.Struct(tt.structure, tt.ops...))
			}
			told(t, grantsByKernel(kconfigtest.Host(t, tt.release, files).Ask()), tt.known, tt.yes, tt.source)
		})
	}
	// With the ports, nobody else is asked.
	s := &snapshot.Snapshot{Ports: []devlink.Port{port(1, roce)}}
	told(t, GrantsIPsec(context.Background(), kconfig.At(t.TempDir()).Ask(), s), true, false, "port function of")
}

func TestOffloadsTunnels(t *testing.T) {
	const name = "mlx5_eswitch_block_encap"
	for _, tt := range []struct {
		name, release string
		parameters    []string
		known, yes    bool
		source        string
	}{
		{"5.14 with a driver that takes them no more", rhel9, []string{"dev", "from_fdb"}, true, false, "takes 2 parameters"},
		{"7.3 with a driver that takes them", mainline, []string{"dev"}, true, true, "takes 1 parameters"},
		{"nothing is shown", mainline, nil, false, false, "ended it with Linux 6.18, and this is 7.3.0-amd64"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{}
			if tt.parameters != nil {
				files[vmlinux], files[module] = kconfigtest.BTF(t), kconfigtest.ModuleBTF(t, kconfigtest.Func(name, tt.parameters...))
			}
			told(t, OffloadsTunnels(kconfigtest.Host(t, tt.release, files).Ask()), tt.known, tt.yes, tt.source)
		})
	}
}

// The link asks the driver before the encap-mode: no encap-mode mends it.
func TestEncapLink(t *testing.T) {
	p := Port{Address: "0000:3b:00.0", Mode: switchdev, EncapMode: "none"}
	never := probe.Lazy(func() probe.Answer { t.Error("asked where it does not matter"); return probe.Answer{} })
	fn := pci.PF(p.Address)
	if l := p.EncapLink(fn, false, never); l.Status != "ok" {
		t.Errorf("transport: %+v", l)
	}
	for name, tt := range map[string]struct {
		encap  string
		takes  probe.Answer
		status string
		found  string
	}{
		"taken":                     {"none", probe.Yes("it does"), "ok", "it is none, in switchdev mode"},
		"taken, with encap-mode":    {"basic", probe.Yes("it does"), "broken", "it is basic in switchdev"},
		"ended":                     {"none", probe.No("2 parameters"), "broken", "takes no tunnels in packet mode on a PF in switchdev, as mainline since Linux 6.18: 2 parameters"},
		"not known":                 {"none", probe.Unknown("no BTF"), "unknown", "takes tunnels in switchdev at all: no BTF"},
		"not known, but encap-mode": {"basic", probe.Unknown("no BTF"), "broken", "it is basic in switchdev"},
	} {
		p.EncapMode = tt.encap
		if l := p.EncapLink(fn, true, probe.Told(tt.takes)); string(l.Status) != tt.status || !strings.Contains(l.Found, tt.found) || (tt.status == "broken") != (l.Mend != nil) {
			t.Errorf("%s: %+v", name, l)
		}
	}
}
