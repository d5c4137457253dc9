// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/provision/settings"
)

func TestSettingsArePrinted(t *testing.T) {
	out, err := ran(t, "settings", "nginx", "-p", "tls-server")
	if err != nil || !strings.HasPrefix(out, settings.Mark+"\n") || !strings.Contains(out, "\nssl_conf_command Options KTLS;\n") || strings.Contains(out, "\nssl_protocols") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = ran(t, "settings", "nginx", "-p", "vm-host", "--tls12", "--two-addresses", "192.0.2.10,192.0.2.11")
	if err != nil || !strings.Contains(out, "listen 192.0.2.10:443 ssl;") || !strings.Contains(out, "listen 192.0.2.11:443 ssl;") || strings.Count(out, "\nssl_protocols TLSv1.2;") != 1 {
		t.Errorf("%v\n%s", err, out)
	}
	// A layer over the profile counts: what is off needs nothing.
	config := t.TempDir()
	if err := errors.Join(os.MkdirAll(filepath.Join(config, "profiles.d", "tls-server"), 0o755), os.WriteFile(filepath.Join(config, "profiles.d", "tls-server", adviceDropIn),
		[]byte("version: 1\ncards:\n  - name: nic0\n    ports:\n      - {name: p0, offload: {tls-hw-tx-offload: false, tls-hw-rx-offload: false}}\n      - {name: p1, offload: {tls-hw-tx-offload: false, tls-hw-rx-offload: false}}\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if out, err := in(t, config, "settings", "nginx", "-p", "tls-server"); !errors.Is(err, settings.ErrNothing) || out != "" {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestSettingsAreWrittenAndTakenAway(t *testing.T) {
	config := t.TempDir()
	file := filepath.Join(config, "openssl.cnf")
	said := func(want string, args ...string) {
		t.Helper()
		out, err := in(t, config, append([]string{"settings", "openssl", "-p", "tls-server"}, args...)...)
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("%v: %v\n%s\nwant %q", args, err, out, want)
		}
	}
	said("nothing to do", "--remove")
	said("written: "+file+"\nnext: start the program with OPENSSL_CONF="+file, "--write")
	said("nothing to do: "+file+" is so already", "--write")
	said("written", "--write", "--tls12")
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), "MaxProtocol = TLSv1.2") {
		t.Errorf("%v\n%s", err, text)
	}
	said("taken away: "+file, "--remove")
	other := filepath.Join(t.TempDir(), "other.cnf")
	said("OPENSSL_CONF="+other, "--write", "--file", other)
	out, err := in(t, config, "settings", "openssl", "--remove", "--file", other, "--json") // no profile is needed for that
	var doc struct {
		File    string
		Changed bool
	}
	if jsonErr := json.Unmarshal([]byte(out), &doc); err != nil || jsonErr != nil || doc.File != other || !doc.Changed {
		t.Errorf("%v, %v\n%s", err, jsonErr, out)
	}
	if err := os.WriteFile(file, []byte("openssl_conf = mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var foreign *settings.ForeignError
	for _, do := range []string{"--write", "--remove"} {
		if _, err := in(t, config, "settings", "openssl", "-p", "tls-server", do); !errors.As(err, &foreign) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", do, err)
		}
	}
}

func TestSettingsThatAreAskedWrongly(t *testing.T) {
	for _, args := range [][]string{
		{"settings"},
		{"settings", "apache", "-p", "tls-server"},
		{"settings", "nginx"},
		{"settings", "nginx", "-p", "tls-server", "--file", "x"},
		{"settings", "nginx", "-p", "tls-server", "--two-addresses", "192.0.2.1"},
		{"settings", "nginx", "-p", "tls-server", "--two-addresses", "one,two"},
	} {
		_, err := ran(t, args...)
		var status exitStatus
		if !errors.As(err, &status) || status.code != exitUsage {
			t.Errorf("%v gave %v, want exit status %d", args, err, exitUsage)
		}
	}
	for want, args := range map[string][]string{
		"none of the others can be":  {"settings", "nginx", "-p", "tls-server", "--write", "--remove"},
		"nothing to write for tlshd": {"settings", "tlshd", "-p", "tls-server", "--write"},
		"nothing is ever written":    {"settings", "tlshd", "--remove"},
		"make it first":              {"settings", "nginx", "-p", "tls-server", "--write", "--file", "/nowhere/nicwright.conf"},
		"for nginx alone":            {"settings", "openssl", "-p", "vm-host", "--two-addresses", "192.0.2.1,192.0.2.2"},
	} {
		if _, err := ran(t, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v gave %v, want %q", args, err, want)
		}
	}
}
