// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/provision/lease"
)

// manager is a program that reads what is written for it; make test-formats brings them.
func manager(t *testing.T, name string) string {
	t.Helper()
	if os.Getenv("NICWRIGHT_SCHEMAS") == "" {
		t.Skip("needs libvirt's schemas and QEMU: make test-formats")
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// valid asks xmllint whether a document is as a schema of libvirt's says, as virt-xml-validate does.
func valid(t *testing.T, schema string, document []byte) error {
	t.Helper()
	file := filepath.Join(t.TempDir(), "document.xml")
	if err := os.WriteFile(file, document, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), manager(t, "xmllint"), "--noout", "--relaxng", filepath.Join(os.Getenv("NICWRIGHT_SCHEMAS"), schema), file).CombinedOutput()
	if err != nil {
		t.Logf("%s\n%s", out, document)
	}
	return err
}

// inDomain is a machine with devices.
func inDomain(devices []byte) []byte {
	if !bytes.Contains(devices, []byte("<devices>")) {
		devices = append(append([]byte("<devices>"), devices...), "</devices>"...)
	}
	return append(append([]byte("<domain type='kvm'><name>web1</name><memory>1</memory><os><type>hvm</type></os>"), devices...), "</domain>"...)
}

func TestManagersTakeItLibvirt(t *testing.T) {
	manager(t, "xmllint")
	for name, all := range cases() {
		for format, schema := range map[string]string{"libvirt": "domain.rng", "libvirt-teaming": "domain.rng", "libvirt-network": "network.rng"} {
			b, err := Write(format, all, Options{Network: "tenants", Host: "host1"})
			if err != nil {
				continue // TestFormats has why
			}
			if schema == "domain.rng" {
				b = inDomain(b)
			}
			if err := valid(t, schema, b); err != nil {
				t.Errorf("%s of %s is not as libvirt has it: %v", format, name, err)
			}
			// It is this document that is judged.
			if err := valid(t, schema, bytes.ReplaceAll(b, []byte("hostdev"), []byte("hostdew"))); err == nil {
				t.Errorf("%s of %s: what is wrong is valid", format, name)
			}
		}
	}
}

// QEMU reads the options, and fails for there is no such device here.
func TestManagersTakeItQEMU(t *testing.T) {
	qemu := manager(t, "qemu-system-x86_64")
	run := func(options []byte) string {
		sh := "exec " + qemu + " -machine q35,accel=tcg -nodefaults -display none " + strings.ReplaceAll(string(options), "\n", " ")
		out, err := exec.CommandContext(t.Context(), "sh", "-c", sh).CombinedOutput()
		if err == nil {
			t.Errorf("QEMU has such a device: %s", out)
		}
		return string(out)
	}
	for _, name := range []string{"switchdev", "odd"} {
		s := cases()[name][0]
		b, err := Write("qemu", []lease.Shown{s}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if out := run(b); !strings.Contains(out, s.Address) || !strings.Contains(out, "No such file") && !strings.Contains(out, "no such host device") {
			t.Errorf("QEMU says %s to %s", out, b)
		}
	}
	if out := run([]byte(`-device '{"driver":"vfio-pci","hots":"0000:3b:00.2"}'`)); !strings.Contains(out, "hots") {
		t.Errorf("QEMU takes an option that there is none of: %s", out)
	}
}
