// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/lab/internal/wire"
)

func parseAll(t *testing.T, env string, args ...string) (flags, []string, error) {
	t.Helper()
	t.Setenv("LAB_FLAGS", env)
	f := flags{timeLimit: time.Minute}
	fs := newFlags("run", "", &f)
	machineFlags(fs, &f)
	rest, err := parse(fs, args)
	return f, rest, err
}

func TestFlags(t *testing.T) {
	f, rest, err := parseAll(t, "--time-limit 2m --ovs --card ports=1,vfs=2", "--mem", "4G", "--env", "A=b=c", "--", "cmd", "--mem", "1")
	if err != nil {
		t.Fatal(err)
	}
	if f.timeLimit != 2*time.Minute || !f.ovs || f.memory != 4096 || !reflect.DeepEqual(f.env, []string{"A=b=c"}) {
		t.Errorf("got %+v", f)
	}
	if !reflect.DeepEqual(f.card, &wire.Card{Ports: 1, VFs: 2}) {
		t.Errorf("the card is %+v", f.card)
	}
	if !reflect.DeepEqual(rest, []string{"cmd", "--mem", "1"}) {
		t.Errorf("the command is %q", rest)
	}
	if f, _, err = parseAll(t, "--card ports=2", "--no-card", "cmd"); err != nil || f.card != nil {
		t.Errorf("--no-card left %+v, %v", f.card, err)
	}
	if _, _, err = parseAll(t, "", "--help"); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("--help gives %v", err)
	}
}

func TestWrongFlagsSayWhatIsAllowed(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"--card ports=3", "1 to 2"},
		{"--card vfs=-1", "0 to 127"},
		{"--card vfs", "name=value"},
		{"--card load=maybe", "yes or no"},
		{"--mem 12X", "MiB"},
		{"--mem 4GG", "MiB"},
		{"--mem 1M", "256M"},
		{"--time-limit soon", "soon"},
		{"--nonesuch", "nonesuch"},
	} {
		_, _, err := parseAll(t, "", strings.Fields(tt.args)...)
		var u usageError
		if !errors.As(err, &u) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, which does not say %q", tt.args, err, tt.want)
		}
	}
}

func TestFlagsThatDoNotGoTogether(t *testing.T) {
	for _, f := range []flags{{selftests: true, bench: true}, {selftests: true, systemd: true}, {systemd: true, bench: true}, {iommu: true}, {early: true}} {
		var u usageError
		if err := f.checkTogether(); !errors.As(err, &u) {
			t.Errorf("%+v: %v", f, err)
		}
	}
	if err := (&flags{selftests: true}).checkTogether(); err != nil {
		t.Error(err)
	}
}

func TestParseCardPassesOtherParametersOn(t *testing.T) {
	got, err := parseCard("ports=2,vfs=64,domain=2,load=no")
	want := &wire.Card{Ports: 2, VFs: 64, Params: []string{"domain=2"}, NoLoad: true}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestParseShare(t *testing.T) {
	dir := t.TempDir()
	for in, want := range map[string]share{
		dir:               {dir, "/lab/share", false},
		dir + ":/x":       {dir, "/x", false},
		dir + ":/x:ro":    {dir, "/x", true},
		dir + "::ro":      {dir, "/lab/share", true},
		dir + "/../" + "": {dir + "/..", "/lab/share", false},
	} {
		got, err := parseShare(in)
		if err != nil || got.guest != want.guest || got.readOnly != want.readOnly || !within(got.host, dir) {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{dir + "/none", dir + ":relative", dir + ":/x:rw", dir + ":/x:ro:more"} {
		if got, err := parseShare(in); err == nil {
			t.Errorf("%s was taken as %+v", in, got)
		}
	}
}

func TestTestTimeout(t *testing.T) {
	for _, tt := range []struct {
		arg  string
		want time.Duration
		ok   bool
	}{
		{"-test.timeout=10m0s", 10*time.Minute + exitGrace, true},
		{"--test.timeout=1s", time.Second + exitGrace, true},
		{"-test.timeout=0s", 0, true},
		{"-test.timeout=x", 0, false},
		{"-test.v=true", 0, false},
	} {
		if got, ok := testTimeout([]string{"-test.paniconexit0", tt.arg}); got != tt.want || ok != tt.ok {
			t.Errorf("%s: %s, %t", tt.arg, got, ok)
		}
	}
}

func TestForMachine(t *testing.T) {
	for kv, want := range map[string]bool{
		"FOO=1": true, "NICWRIGHT_X=1": true, "GODEBUG=x": true, "NO_COLOR=": true,
		"PATH=/bin": false, "HOME=/root": false, "XDG_CACHE_HOME=/x": false, "GITHUB_TOKEN=x": false, "https_proxy=x": false,
		"AWS_SECRET_ACCESS_KEY=x": false, "TMPDIR=/x": false, "MAKEFLAGS=-j": false, "LC_ALL=de_DE": false,
	} {
		if got := forMachine(kv); got != want {
			t.Errorf("%s: %t", kv, got)
		}
	}
}
