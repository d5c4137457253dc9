// SPDX-License-Identifier: Apache-2.0

package install

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestHooksAreThoseThatTheHostHas(t *testing.T) {
	for name, tt := range map[string]struct {
		there []string
		want  Hooks
	}{
		"nothing":                     {nil, Hooks{}},
		"Debian":                      {[]string{"/usr/bin/dpkg"}, Hooks{Dpkg: true}},
		"Debian, with kernel-install": {[]string{"/usr/bin/dpkg", "/usr/bin/kernel-install"}, Hooks{Dpkg: true}},
		"Fedora":                      {[]string{"/usr/bin/kernel-install"}, Hooks{KernelInstall: true}},
		"Fedora IoT":                  {[]string{"/usr/bin/kernel-install", "/usr/libexec/greenboot/greenboot"}, Hooks{KernelInstall: true, Greenboot: true}},
	} {
		root := t.TempDir()
		for _, f := range tt.there {
			program(t, filepath.Join(root, f), "")
		}
		if got := FindHooks(root); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}

func program(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// No hook keeps a kernel from being installed: not where the tool fails, nor where it is gone. And what it is called with
// is one argument, whatever is in it.
func TestHooksNeverFail(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh here")
	}
	p := load(t, "tls-server")
	root := t.TempDir()
	o := options(t, p)
	o.Binary = "/usr/bin/nicwright"
	for _, hooks := range []Hooks{{Dpkg: true}, {KernelInstall: true}} {
		o.Kernels = Kernels{Check: true, Hooks: hooks}
		files, err := Files(p, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if f.Mode != 0o755 {
				continue
			}
			args := []string{"7.3; touch x"}
			if hooks.KernelInstall {
				args = []string{"add", "7.3; touch x"}
			}
			for name, tool := range map[string]string{"it fails": "#!/bin/sh\nprintf '%s|' \"$@\" >\"$0.said\"\nexit 3\n", "it is gone": ""} {
				binary := filepath.Join(root, "nicwright")
				_ = os.Remove(binary)
				_ = os.Remove(binary + ".said")
				if tool != "" {
					program(t, binary, tool)
				}
				hook := filepath.Join(root, "hook")
				program(t, hook, strings.ReplaceAll(f.Text, o.Binary, binary))
				if out, err := exec.CommandContext(t.Context(), "sh", append([]string{hook}, args...)...).CombinedOutput(); err != nil {
					t.Errorf("%s: %s: %v: %s", f.Path, name, err, out)
				}
				said, _ := os.ReadFile(binary + ".said")
				when := "after"
				if f.Path == preinstPath || f.Path == addBeforePath {
					when = "before"
				}
				if want := "kernel-check|" + when + "|--|7.3; touch x|"; tool != "" && string(said) != want {
					t.Errorf("%s: it was called with %q, want %q", f.Path, said, want)
				}
			}
			if hooks.KernelInstall { // and nothing is done when a kernel goes
				binary := filepath.Join(root, "nicwright")
				program(t, binary, "#!/bin/sh\ntouch \"$0.said\"\n")
				_ = os.Remove(binary + ".said")
				out, err := exec.CommandContext(t.Context(), "sh", filepath.Join(root, "hook"), "remove", "7.3").CombinedOutput()
				if _, there := os.Stat(binary + ".said"); err != nil || there == nil {
					t.Errorf("%s: remove: %v: %s", f.Path, err, out)
				}
			}
		}
	}
}

// A script of somebody else's is not ours because it is a script.
func TestTheMarkOfAScript(t *testing.T) {
	for text, want := range map[string]bool{
		"#!/bin/sh\n" + Mark + "\n":            true,
		Mark + "\n":                            true,
		"#!/bin/sh\n":                          false,
		"#!/bin/sh\n#!/bin/sh\n" + Mark + "\n": false,
		"#\n" + Mark + "\n":                    false,
		"":                                     false,
	} {
		if got := marked([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
