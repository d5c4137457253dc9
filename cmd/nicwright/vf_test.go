// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/provision/lease"
)

func TestVFUsage(t *testing.T) {
	for want, args := range map[string][]string{
		"which network?":            {"vf", "lease"},
		"exclude each other":        {"vf", "lease", "--network", "n", "--json", "--format", "qemu"},
		"there is no format":        {"vf", "lease", "--network", "n", "--format", "xen"},
		"of the VFs of one network": {"vf", "list", "--format", "nova"},
		"there is no format \"qemu": {"vf", "list", "--network", "n", "--format", "qemu"}, // of one VF
		"accepts 1 arg(s)":          {"vf", "release"},
		"unknown command":           {"vf", "release", "--stale", "web1"},
		"accepts between 3 and 4":   {"vf", "hook", "web1"},
		"and --remove exclude":      {"vf", "hook", "--write", "--remove"},
	} {
		_, err := ran(t, args...)
		var status exitStatus
		if !errors.As(err, &status) || status.code != exitUsage || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v; want %q", args, err, want)
		}
	}
}

func TestVFSchema(t *testing.T) {
	out, err := ran(t, "vf", "schema")
	var doc map[string]any
	if err == nil {
		err = json.Unmarshal([]byte(out), &doc)
	}
	if err != nil || out != string(lease.JSONSchema()) {
		t.Errorf("%v\n%s", err, out)
	}
}

// The hook is written and taken away; what libvirt says that is not of a start, a stop or a migration asks nothing.
func TestVFHook(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "qemu.d")
	for _, flag := range []string{"--write", "--remove"} {
		if out, err := ran(t, "vf", "hook", flag, "--hook-dir", dir); err != nil || !strings.Contains(out, filepath.Join(dir, "nicwright")) {
			t.Errorf("%s: %v %s", flag, err, out)
		}
	}
	hook := func(text string, args ...string) (string, error) {
		root := newRoot()
		var out strings.Builder
		root.SetOut(&out)
		root.SetIn(strings.NewReader(text))
		root.SetArgs(append(append([]string{"vf", "hook"}, args...), "--state-dir", t.TempDir(), "--run-dir", t.TempDir(), "--config-dir", t.TempDir()))
		err := root.ExecuteContext(t.Context())
		return out.String(), err
	}
	for _, args := range [][]string{{"web1", "started", "begin", "-"}, {"web1", "stopped", "end", "-"}, {"web1", "reconnect", "begin", "-"}} {
		if out, err := hook("<domain", args...); err != nil || out != "" {
			t.Errorf("%v: %v %s", args, err, out)
		}
	}
	if out, err := hook("<domain><name>web1</name></domain>", "web1", "prepare", "begin", "-"); err != nil || out != "" {
		t.Errorf("a machine without a VF: %v %s", err, out)
	}
	for text, want := range map[string]string{"<domain>": "unexpected EOF", "<domain><name>db1</name></domain>": `is of "db1"`} {
		if _, err := hook(text, "web1", "prepare", "begin", "-"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
