// SPDX-License-Identifier: Apache-2.0

package baseline

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/kconfig"
)

// symbols are the options of the kernel's configuration on which offloads hang.
var symbols = []string{
	"BONDING", "INET_ESP_OFFLOAD", "INET6_ESP_OFFLOAD", "IOMMUFD", "MLX5_BRIDGE", "MLX5_CLS_ACT", "MLX5_CORE", "MLX5_CORE_EN", "MLX5_EN_IPSEC", "MLX5_EN_TLS", "MLX5_ESWITCH",
	"MLX5_MACSEC", "MLX5_SF", "MLX5_SW_STEERING", "MLX5_TC_CT", "MLX5_TC_SAMPLE", "MLX5_VFIO_PCI", "NET_ACT_CT", "NET_ACT_MIRRED", "NET_CLS_FLOWER", "NET_DEVLINK", "NET_SWITCHDEV",
	"NET_TC_SKB_EXT", "OPENVSWITCH", "TLS", "TLS_DEVICE", "VFIO_PCI", "XFRM", "XFRM_OFFLOAD",
}

// modules are those on which offloads hang.
var modules = []string{"bonding", "esp4_offload", "esp6_offload", "ib_core", "mlx5_core", "mlx5_ib", "openvswitch", "tls", "vfio_pci", "xfrm_interface"}

// packages are Debian's, and of the vendor, whose versions are recorded.
var packages = []string{
	"charon-systemd", "dkms", "doca-ofed", "ethtool", "iproute2", "ktls-utils", "libreswan", "libssl3", "libssl3t64", "linux-firmware", "mlnx-ofed-kernel-dkms", "mstflint", "nginx", "openssl",
	"openvswitch-common", "openvswitch-switch", "strongswan-charon", "strongswan-starter",
}

// software reads what runs below a root directory, "" for this host. errs are what could
// not be read; the facts are what could.
func software(root string) (Facts, []error) {
	f := Facts{}
	var errs []error
	host := kconfig.At(root)
	k := host.Ask()
	release := k.Release()
	f["kernel.release"] = release
	// file sets a fact to the first line of a file, which not every kernel has.
	file := func(name, path string) {
		switch b, err := os.ReadFile(filepath.Join(root, "/", path)); {
		case err == nil:
			f[name] = firstLine(b)
		case !errors.Is(err, fs.ErrNotExist):
			errs = append(errs, fmt.Errorf("reading %s: %w", path, err))
		}
	}
	file("kernel.version", "/proc/sys/kernel/version")
	file("kernel.command_line", "/proc/cmdline")
	file("kernel.tainted", "/proc/sys/kernel/tainted")
	file("kernel.lockdown", "/sys/kernel/security/lockdown")
	file("kernel.modules_disabled", "/proc/sys/kernel/modules_disabled")
	file("microcode", "/sys/devices/system/cpu/cpu0/microcode/version")
	for _, name := range symbols {
		if a := k.Option(name); a.Known {
			f["config."+name] = map[bool]string{true: "set", false: "not set"}[a.Yes]
		}
	}
	states, err := k.Modules(modules...)
	errs = append(errs, err)
	for name, state := range states {
		f["module."+name] = string(state)
		file("module."+name+".srcversion", "/sys/module/"+name+"/srcversion")
		file("module."+name+".version", "/sys/module/"+name+"/version")
		// O: not of the kernel's tree (Documentation/admin-guide/tainted-kernels.rst).
		if b, err := os.ReadFile(filepath.Join(root, "/sys/module", name, "taint")); err == nil {
			f["module."+name+".in_tree"] = fmt.Sprint(!bytes.ContainsRune(b, 'O'))
		}
	}
	versions, err := installed(root, append([]string{"linux-image-" + release}, packages...))
	errs = append(errs, err)
	for name, version := range versions {
		if name == "linux-image-"+release {
			name = "linux-image"
		}
		f["package."+name] = version
	}
	return f, slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(line)
}

// installed are the versions of those of the packages that are installed, by dpkg's
// database (dpkg(1), /var/lib/dpkg/status). A host without it has none, and a host
// with rpm's has an error: that database is not read.
func installed(root string, names []string) (map[string]string, error) {
	f, err := os.Open(filepath.Join(root, "/var/lib/dpkg/status"))
	if errors.Is(err, fs.ErrNotExist) {
		for _, dir := range []string{"/usr/lib/sysimage/rpm", "/var/lib/rpm"} {
			if _, err := os.Stat(filepath.Join(root, dir)); err == nil {
				return nil, errors.New("versions of packages: rpm's database is not read")
			}
		}
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading which packages are installed: %w", err)
	}
	defer f.Close()
	found := map[string]string{}
	var name, version string
	var ok bool
	end := func() {
		if ok && version != "" && slices.Contains(names, name) {
			found[name] = version
		}
		name, version, ok = "", "", false
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ": ")
		switch key {
		case "":
			end()
		case "Package":
			name = value
		case "Version":
			version = value
		case "Status":
			ok = strings.HasSuffix(value, " installed")
		}
	}
	end()
	if err := lines.Err(); err != nil {
		return found, fmt.Errorf("reading which packages are installed: %w", err)
	}
	return found, nil
}
