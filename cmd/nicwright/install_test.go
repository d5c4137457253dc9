// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision"
	"github.com/nicwright/nicwright/provision/install"
)

// below runs a command line on a root directory of its own.
func below(t *testing.T, root string, args ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	c := newRoot()
	c.SetOut(&out)
	c.SetArgs(append(args, "--root", root))
	err := c.ExecuteContext(t.Context())
	return out.String(), err
}

func TestInstallAndUninstallSayWhatTheyDid(t *testing.T) {
	root := t.TempDir()
	vmHost := []string{"install", "-p", "vm-host", "--binary", "/usr/bin/nicwright"}
	out, err := below(t, root, append(vmHost, "--print")...)
	if err != nil || !strings.Contains(out, "==> /etc/systemd/system/nicwright.service (0644)\n"+install.Mark+"\n") || !strings.Contains(out, "multi-user.target.wants/nicwright.service -> ") {
		t.Errorf("--print: %v\n%s", err, out)
	}
	if entries, err := os.ReadDir(root); err != nil || len(entries) != 0 {
		t.Errorf("--print wrote %v, %v", entries, err)
	}
	out, err = below(t, root, vmHost...)
	if err != nil || !strings.Contains(out, "written: /etc/nicwright/boot/profile.yaml\n") || !strings.Contains(out, "vm-host comes up with the next boot") {
		t.Errorf("the first: %v\n%s", err, out)
	}
	out, err = below(t, root, vmHost...)
	if err != nil || !strings.Contains(out, "nothing to do: vm-host is installed\n") || strings.Contains(out, "written") {
		t.Errorf("the second: %v\n%s", err, out)
	}
	if _, err = below(t, root, "install", "-p", "tls-server", "--binary", "/usr/bin/nicwright"); err == nil || !strings.Contains(err.Error(), "profile vm-host is installed here") {
		t.Errorf("another profile: %v", err)
	}
	out, err = below(t, root, "uninstall")
	if err != nil || strings.Count(out, "taken away: ") != 4 {
		t.Errorf("uninstall: %v\n%s", err, out)
	}
	if out, err = below(t, root, "uninstall"); err != nil || out != "nothing to do: nothing is installed\n" {
		t.Errorf("once more: %v\n%s", err, out)
	}
}

func TestInstallRefuses(t *testing.T) {
	taken := t.TempDir()
	file := filepath.Join(taken, "etc/systemd/system/nicwright.service")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("[Unit]\nDescription=mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		root string
		args []string
		says string
	}{
		"no profile":      {t.TempDir(), nil, "no profile is named"},
		"somebody's unit": {taken, []string{"-p", "vm-host"}, "is somebody else's"},
		"names unseen":    {t.TempDir(), []string{"-p", "vm-host", "--names", "{card}{port}"}, "not on this host"},
		"no time":         {t.TempDir(), []string{"-p", "vm-host", "--time-limit", "30s"}, "more than the first"},
	} {
		if _, err := below(t, tt.root, append([]string{"install", "--binary", "/usr/bin/nicwright"}, tt.args...)...); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "[Unit]\nDescription=mine\n" {
		t.Errorf("somebody's unit is %q, %v", text, err)
	}
}

func TestSystemdIsToldOfChangesAlone(t *testing.T) {
	written := []install.Change{{Path: "a", Did: install.Unchanged}, {Path: "b", Did: install.Written}}
	told := 0
	reload := func(err error) func(context.Context) error {
		return func(context.Context) error { told++; return err }
	}
	if got := reloaded(t.Context(), written[:1], reload(nil)); got != nil || told != 0 {
		t.Errorf("of no change: %v, told %d times", got, told)
	}
	if got := reloaded(t.Context(), written, reload(nil)); got != nil || told != 1 {
		t.Errorf("of a change: %v, told %d times", got, told)
	}
	if got := reloaded(t.Context(), written, reload(errors.New("no bus"))); len(got) != 1 || !strings.Contains(got[0], "systemctl daemon-reload") {
		t.Errorf("without a bus: %v", got)
	}
	if got := reloaded(t.Context(), written, reload(install.ErrNoSystemd)); len(got) != 1 || strings.Contains(got[0], "daemon-reload") {
		t.Errorf("without systemd: %v", got)
	}
}

// growing is a host to which a card comes piece by piece.
func growing(t *testing.T) (*profiles.Profile, []provision.Host) {
	t.Helper()
	p, err := profiles.Load(profiles.Options{Name: "tls-server"})
	if err != nil {
		t.Fatal(err)
	}
	host := func(ports ...eswitch.Port) provision.Host {
		return provision.Host{Cards: []eswitch.Card{{Model: "ConnectX-6 Dx", VendorID: "15b3", DeviceID: "101d", Ports: ports}}}
	}
	p0 := eswitch.Port{Address: "0000:3b:00.0", Driver: "mlx5_core", Netdev: "eth0"}
	p1 := eswitch.Port{Address: "0000:3b:00.1", Number: 1}
	bound := p1
	bound.Driver = "mlx5_core"
	whole := bound
	whole.NetdevIn = "the network namespace tenant"
	return p, []provision.Host{{}, host(p0), host(p0, p1), host(p0, bound), host(p0, whole)}
}

func TestApplyWaitsUntilAllOfTheCardIsThere(t *testing.T) {
	p, hosts := growing(t)
	events := make(chan struct{}, 1)
	looks := 0
	err := untilReady(t.Context(), p, events, func(context.Context) (provision.Host, error) {
		looks++
		if looks == 2 {
			events <- struct{}{}
			return provision.Host{}, errors.New("it changes")
		}
		h := hosts[0]
		hosts = hosts[1:]
		events <- struct{}{}
		return h, nil
	})
	if err != nil || len(hosts) != 0 || looks != 6 {
		t.Errorf("%v after %d looks, %d hosts to come", err, looks, len(hosts))
	}
}

func TestACardThatDoesNotComeIsNamed(t *testing.T) {
	p, hosts := growing(t)
	for i, says := range []string{"no card of this host matches model ConnectX-6 Dx", "no port 1", "no driver is bound to pci/0000:3b:00.1", "has not made the netdev of pci/0000:3b:00.1 yet"} {
		ctx, stop := context.WithTimeoutCause(t.Context(), time.Millisecond, errors.New("1ms is over"))
		err := untilReady(ctx, p, nil, func(context.Context) (provision.Host, error) { return hosts[i], nil })
		stop()
		first, _, _ := strings.Cut(err.Error(), "\n")
		if !strings.Contains(first, says) || !strings.Contains(first, "1ms is over") {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

func TestInstallAsJSON(t *testing.T) {
	out, err := below(t, t.TempDir(), "install", "-p", "tls-server", "--binary", "/usr/bin/nicwright", "--print", "--json")
	var got installed
	if err != nil || json.Unmarshal([]byte(out), &got) != nil || got.Profile != "tls-server" || len(got.Files) != 4 || got.Files[0].Mode != 0o644 || !strings.Contains(out, `"mode": "0644"`) || len(got.Notes) != 1 {
		t.Errorf("%v\n%s", err, out)
	}
}
