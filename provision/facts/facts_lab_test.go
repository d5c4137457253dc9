// SPDX-License-Identifier: Apache-2.0

package facts

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/probe"
	"github.com/nicwright/nicwright/internal/snapshot"
)

func needLab(t *testing.T) {
	t.Helper()
	if os.Getenv("NICWRIGHT_LAB") == "" {
		t.Skip("needs the lab: lab exec")
	}
}

func witness(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func here(t *testing.T) Facts {
	t.Helper()
	s, err := snapshot.Read(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return Of(context.Background(), s, Host{Cards: eswitch.Observe(s), Bonds: bond.Observe(s), Switch: ovs.Observe(s)})
}

// asked is an answer, and what it costs to have it.
func asked(t *testing.T, name string, f probe.Fact) probe.Answer {
	t.Helper()
	began := time.Now()
	a := f.Ask()
	t.Logf("%-16s known %-5t yes %-5t %4d ms  %s", name, a.Known, a.Yes, time.Since(began).Milliseconds(), a.Source)
	return a
}

// The probes on the running kernel and driver, with the kernel's own tools as
// witnesses.
func TestProbesOnTheCard(t *testing.T) {
	needLab(t)
	const p0 = "0001:3b:00.0"
	f := here(t)
	for name, fact := range map[string]probe.Fact{"LAG": f.ShowsLAG[p0], "without VFs": f.WithoutVFs[p0]} {
		if a := asked(t, name, fact); !a.Yes {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if _, err := os.Stat("/sys/kernel/debug/mlx5/" + p0 + "/lag/state"); err != nil {
		t.Error(err)
	}
	// The driver shows the LAG, and the eswitch goes to switchdev without VFs.
	witness(t, "devlink", "dev", "eswitch", "set", "pci/"+p0, "mode", "switchdev")
	witness(t, "devlink", "dev", "eswitch", "set", "pci/"+p0, "mode", "legacy")

	// By the kernel's own description first, and, with a VF to be looked at, by its port.
	before := asked(t, "IPsec of VFs", f.GrantsIPsec)
	if err := os.WriteFile("/sys/bus/pci/devices/"+p0+"/sriov_numvfs", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	witness(t, "devlink", "dev", "eswitch", "set", "pci/"+p0, "mode", "switchdev")
	with := asked(t, "with a VF", here(t).GrantsIPsec)
	shown := strings.Contains(witness(t, "devlink", "port", "show"), "ipsec_crypto")
	witness(t, "devlink", "dev", "eswitch", "set", "pci/"+p0, "mode", "legacy")
	if err := os.WriteFile("/sys/bus/pci/devices/"+p0+"/sriov_numvfs", []byte("0"), 0); err != nil {
		t.Fatal(err)
	}
	if !with.Known || with.Yes != shown || shown && before.Denied() {
		t.Errorf("devlink shows ipsec_crypto: %t; without VFs %+v, with one %+v", shown, before, with)
	}

	asked(t, "TLS in the kernel", f.Build.TLSDevice)
	if a := asked(t, "driver's TLS", f.Build.DriverTLS); !a.Yes {
		t.Errorf("%+v", a)
	}
	if a := asked(t, "packet mode", f.Build.PacketOffload); !a.Known {
		t.Errorf("%+v", a)
	}
	if a := asked(t, "AES-256", f.Build.AES256); a.Denied() {
		t.Errorf("the driver has it since 6.1, the oldest of the lab: %+v", a)
	}
	hmfs := asked(t, "hmfs", f.HMFS)
	out, err := exec.Command("devlink", "dev", "param", "set", "pci/"+p0, "name", "flow_steering_mode", "value", "hmfs", "cmode", "runtime").CombinedOutput()
	if taken := err == nil || !strings.Contains(string(out), "Bad parameter"); hmfs.Known && hmfs.Yes != taken {
		t.Errorf("devlink: %v %s; the probe: %+v", err, out, hmfs)
	}
	asked(t, "tunnels", f.Tunnels)
}

// Debian's own driver has its types in BTF, as the kernels of all distributions do:
// the probes that go by them tell what its version has.
func TestProbesOnDebiansDriver(t *testing.T) {
	needLab(t)
	witness(t, "rmmod", "connectx_emu", "mlx5_core")
	witness(t, "modprobe", "mlx5_core")
	defer func() {
		witness(t, "rmmod", "mlx5_core")
		witness(t, "insmod", "/lab/modules/mlx5_core.ko")
		witness(t, "insmod", "/lab/modules/connectx_emu.ko", "ports=2", "vfs=8")
	}()
	if _, err := os.Stat("/sys/kernel/btf/mlx5_core"); err != nil {
		t.Skip(err)
	}
	f := here(t)
	v := f.Kernel.Version()
	for name, tt := range map[string]struct {
		fact probe.Fact
		want bool
	}{
		// HW_STEERING is not in Debian's configuration, whatever the version; BTF says so as well.
		"tunnels": {f.Tunnels, v.Before(6, 18)},
		"AES-256": {f.Build.AES256, true},
	} {
		if a := asked(t, name, tt.fact); !a.Known || a.Yes != tt.want {
			t.Errorf("%s on %s: %+v", name, v, a)
		}
	}
	asked(t, "hmfs", f.HMFS)
	for name, a := range map[string]probe.Answer{
		"a field":      f.Kernel.Field("", "devlink_port_ops", "port_fn_ipsec_crypto_get"),
		"an enum":      f.Kernel.EnumValue("mlx5_core", "mlx5_flow_steering_mode", "MLX5_FLOW_STEERING_MODE_SMFS"),
		"a type":       f.Kernel.Type("mlx5_core", "mlx5e_crypto_info", "mlx5e_ktls_offload_context_tx"),
		"a function":   f.Kernel.Parameters("mlx5_core", "mlx5_eswitch_block_encap", 1),
		"a value less": f.Kernel.EnumValue("mlx5_core", "mlx5_flow_steering_mode", "MLX5_FLOW_STEERING_MODE_OF_LATER"),
	} {
		t.Logf("%-14s %+v", name, a)
	}
}
