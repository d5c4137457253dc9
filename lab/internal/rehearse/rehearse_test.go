// SPDX-License-Identifier: Apache-2.0

package rehearse

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/rehearsal"
	"github.com/nicwright/nicwright/lab/internal/cache"
)

// put writes files below a directory.
func put(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// says fails unless err is a refusal with these words.
func says(t *testing.T, err error, words ...string) {
	t.Helper()
	var r refusal
	if !errors.As(err, &r) {
		t.Errorf("%v is no refusal", err)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

// deps is modules.dep of a kernel with all that a machine needs in modules but virtio_pci.
const deps = `kernel/net/9p/9pnet_virtio.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz
kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz
kernel/fs/overlayfs/overlay.ko.xz:
kernel/drivers/char/virtio_console.ko.xz:
`

func TestBootModules(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"modules.dep": deps, "modules.builtin": "kernel/drivers/virtio/virtio-pci.ko\n"})
	got, err := bootModules(dir, "7.3")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"kernel/drivers/char/virtio_console.ko.xz", "kernel/fs/netfs/netfs.ko.xz", "kernel/net/9p/9pnet.ko.xz",
		"kernel/net/9p/9pnet_virtio.ko.xz", "kernel/fs/9p/9p.ko.xz", "kernel/fs/overlayfs/overlay.ko.xz",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("order %q", got)
	}
}

func TestKernelsThatCannotBeRehearsed(t *testing.T) {
	for _, c := range []struct{ gone, option string }{
		{"kernel/fs/9p/9p.ko", "CONFIG_9P_FS"}, {"kernel/fs/overlayfs", "CONFIG_OVERLAY_FS"}, {"9pnet_virtio.ko.xz:", "CONFIG_NET_9P_VIRTIO"}, {"virtio_console", "CONFIG_VIRTIO_CONSOLE"},
	} {
		var rest strings.Builder
		for line := range strings.Lines(deps) {
			if !strings.Contains(line, c.gone) {
				rest.WriteString(line)
			}
		}
		dir := t.TempDir()
		put(t, dir, map[string]string{"modules.dep": rest.String(), "modules.builtin": "kernel/drivers/virtio/virtio_pci.ko\n"})
		_, err := bootModules(dir, "5.14.0-570.el9")
		says(t, err, "5.14.0-570.el9", c.option)
	}
	dir := t.TempDir()
	put(t, dir, map[string]string{"modules.dep": deps})
	_, err := bootModules(dir, "7.3")
	says(t, err, "CONFIG_VIRTIO_PCI")
	if _, err := bootModules(t.TempDir(), "7.3"); err == nil || !strings.Contains(err.Error(), "depmod") {
		t.Errorf("without modules.dep: %v", err)
	}
}

func FuzzDependencies(f *testing.F) {
	f.Add(deps)
	f.Add("a.ko: a.ko\n:\nb")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := readDependencies(strings.NewReader(text))
		for name, files := range all {
			if err == nil && (len(files) == 0 || moduleName(files[len(files)-1]) != name) {
				t.Errorf("%q is loaded by %q", name, files)
			}
		}
	})
}

func TestHostsWithoutAMachine(t *testing.T) {
	found := func(string) (string, error) { return "/usr/bin/x", nil }
	if err := noMachine(found, "amd64"); err != nil {
		t.Error(err)
	}
	says(t, noMachine(func(string) (string, error) { return "", exec.ErrNotFound }, "amd64"), "qemu-system-x86_64", "install")
	says(t, noMachine(found, "arm64"), "arm64")
}

func TestNoSuchKernel(t *testing.T) {
	root := t.TempDir()
	put(t, root, map[string]string{"lib/modules/6.1/modules.dep": "", "boot/vmlinuz-6.1": "x"})
	r := &rehearsal.Request{Root: root, Release: "6.1"}
	if k, err := kernelOf(t.Context(), nil, r); err != nil || k.image != filepath.Join(root, "boot/vmlinuz-6.1") {
		t.Errorf("%+v, %v", k, err)
	}
	r.Release = "7.3"
	_, err := kernelOf(t.Context(), nil, r)
	says(t, err, "7.3", "boot")
}

func TestHeaders(t *testing.T) {
	root := t.TempDir()
	k := kernelDir{release: "7.3", modules: filepath.Join(root, "usr/lib/modules/7.3")}
	put(t, root, map[string]string{"usr/lib/modules/7.3/modules.dep": ""})
	_, err := headersOf(root, k)
	says(t, err, "headers", "7.3", "install")
	for _, to := range []string{"../../../src/linux-headers-7.3", "/usr/src/linux-headers-7.3"} {
		link := filepath.Join(k.modules, "build")
		_ = os.Remove(link)
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
		_, err := headersOf(root, k)
		says(t, err, "headers") // a link to nothing
		put(t, root, map[string]string{"usr/src/linux-headers-7.3/Makefile": "x"})
		if got, err := headersOf(root, k); err != nil || got != filepath.Join(root, "usr/src/linux-headers-7.3") {
			t.Errorf("%s: %s, %v", to, got, err)
		}
		if err := os.RemoveAll(filepath.Join(root, "usr/src")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheCardIsBuiltOrFound(t *testing.T) {
	root, scratch := t.TempDir(), t.TempDir()
	c, err := cache.Open(t.TempDir(), func(string, ...any) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	k := kernelDir{release: "7.3", modules: filepath.Join(root, "lib/modules/7.3")}
	log := func(string, ...any) {}
	put(t, root, map[string]string{"lib/modules/7.3/build/Makefile": "x"})
	_, err = card(t.Context(), c, root, k, scratch, log)
	says(t, err, "sources", "nicwright-rehearse")
	put(t, root, map[string]string{"usr/share/nicwright/rehearse/connectx/Kbuild": "x"})
	_, err = card(t.Context(), c, root, k, scratch, log)
	says(t, err, "Module.symvers")

	for i, place := range []string{"usr/lib/nicwright/rehearse/7.3/connectx_emu.ko", "lib/modules/7.3/updates/dkms/connectx_emu.ko.gz"} {
		var text bytes.Buffer
		z := gzip.NewWriter(&text)
		if _, err := z.Write([]byte(place)); err != nil || z.Close() != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(place, ".gz") {
			text.Reset()
			text.WriteString(place)
		}
		put(t, root, map[string]string{place: text.String()})
		dir := filepath.Join(scratch, string(rune('a'+i)))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		file, err := card(t.Context(), c, root, k, dir, log)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(file); err != nil || string(b) != place {
			t.Errorf("%s: %q, %v", place, b, err)
		}
	}
}

func TestUnpackModule(t *testing.T) {
	dir := t.TempDir()
	for _, ext := range []string{".xz", ".zst"} {
		program := decompressors[ext]
		at, err := exec.LookPath(program)
		if err != nil {
			t.Skipf("no %s here", program)
		}
		put(t, dir, map[string]string{"m.ko": "module"})
		packed, err := exec.Command(at, "-c", filepath.Join(dir, "m.ko")).Output()
		if err != nil {
			t.Fatal(err)
		}
		put(t, dir, map[string]string{"m.ko" + ext: string(packed), "broken.ko" + ext: "no module"})
		to := filepath.Join(dir, "out"+ext)
		if err := unpackModule(t.Context(), filepath.Join(dir, "m.ko"+ext), to); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(to); err != nil || string(b) != "module" {
			t.Errorf("%s: %q, %v", ext, b, err)
		}
		if err := unpackModule(t.Context(), filepath.Join(dir, "broken.ko"+ext), to+"2"); err == nil {
			t.Errorf("%s: a broken module was unpacked", ext)
		}
		t.Setenv("PATH", t.TempDir())
		says(t, unpackModule(t.Context(), filepath.Join(dir, "m.ko"+ext), to+"3"), program, "install")
		t.Setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
	}
}

func TestPackagesThatAreNone(t *testing.T) {
	c, err := cache.Open(t.TempDir(), func(string, ...any) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_, err = unpack(t.Context(), c, "/", []string{"/x/kernel-core-6.12.rpm"})
	says(t, err, "kernel-core-6.12.rpm", ".deb")
	dir := t.TempDir()
	_, err = inTree(dir)
	says(t, err, "no kernel")
	put(t, dir, map[string]string{"boot/vmlinuz-7.1": "x", "usr/lib/modules/7.1/modules.order": ""})
	if k, err := inTree(dir); err != nil || k.release != "7.1" || k.tree != dir {
		t.Errorf("%+v, %v", k, err)
	}
	put(t, dir, map[string]string{"boot/vmlinuz-7.2": "x", "usr/lib/modules/7.2/modules.order": ""})
	_, err = inTree(dir)
	says(t, err, "several")
}

func TestMemory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "meminfo")
	put(t, filepath.Dir(file), map[string]string{"meminfo": "MemTotal:       8000000 kB\nMemAvailable:   2621440 kB\n"})
	if err := enoughMemory(file, 2048); err != nil {
		t.Error(err)
	}
	says(t, enoughMemory(file, 2049), "2049 MiB", "2560 MiB")
}

func TestUsable(t *testing.T) {
	if usable(filepath.Join(t.TempDir(), "kvm")) {
		t.Error("a device that is not there is usable")
	}
}

func TestAnotherVersion(t *testing.T) {
	if _, err := Run(context.Background(), &rehearsal.Request{Version: rehearsal.Version + 1}, t.Logf); err == nil || !strings.Contains(err.Error(), "one version") {
		t.Errorf("%v", err)
	}
}

func TestCardParams(t *testing.T) {
	module := filepath.Join(t.TempDir(), "connectx_emu.ko")
	put(t, filepath.Dir(module), map[string]string{"connectx_emu.ko": "parmtype=cards:int\x00parmtype=domain:int\x00parmtype=busnr:int\x00parmtype=crypto:bool\x00parmtype=serial:charp\x00"})
	params, ignored, err := cardParams(rehearsal.Card{Cards: 1, Domain: 0, Bus: 0x5e, Serial: "MT2034X", Firmware: "22.39.1002", Crypto: true}, module)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(params, " "); got != "cards=1 domain=0 busnr=94 crypto=1 serial=MT2034X" {
		t.Errorf("parameters %s", got)
	}
	if got := strings.Join(ignored, " "); got != "firmware" {
		t.Errorf("ignored %s", got)
	}
}

func TestHasOVS(t *testing.T) {
	root := t.TempDir()
	if hasOVS(root) {
		t.Error("an empty root has Open vSwitch")
	}
	put(t, root, map[string]string{"usr/sbin/x": ""})
	if err := os.Symlink("/etc/alternatives/ovs-vswitchd", filepath.Join(root, "usr/sbin/ovs-vswitchd")); err != nil {
		t.Fatal(err)
	}
	if !hasOVS(root) {
		t.Error("Debian's link is not seen")
	}
}
