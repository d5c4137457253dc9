// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/proof"
)

func verified() *Verified {
	cell := []proof.Field{{Name: "version", Value: "TLSv1.2"}, {Name: "cipher", Value: "AES-128-GCM"}, {Name: "direction", Value: "tx"}}
	return &Verified{
		Version: VerifiedVersion, Ended: time.Date(2026, 11, 28, 4, 1, 2, 0, time.UTC), Kernel: "6.12.0-amd64", Tool: "v0.4.0", Profile: "vm-host", Operation: "20261128T035512.123Z-apply",
		Quick: true, Drift: 1, Status: 3, Error: "stopped",
		Proofs: []Proved{
			{Kind: "ktls", Cell: cell, Verdict: proof.Offloaded, OK: true},
			{Kind: "ktls", Cell: cell, Verdict: proof.Software},
			{Kind: "ktls", Cell: cell, Verdict: proof.Offloaded, OK: true},
			{Kind: "vlan", Verdict: proof.Holds, OK: true},
		},
	}
}

// The document of today is what is written; a later version reads it, or has another number.
func TestTheGoldenDocumentOfAVerification(t *testing.T) {
	d := Dir(filepath.Join(t.TempDir(), "state"))
	if v, err := d.LastVerified(); v != nil || err != nil {
		t.Fatalf("where there was none: %+v, %v", v, err)
	}
	if err := d.KeepVerified(verified()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(d.verified())
	if err != nil {
		t.Fatal(err)
	}
	golden.Text(t, "testdata/verified-v1.json", string(text))
	if info, err := os.Stat(d.verified()); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	got, err := d.LastVerified()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(verified(), got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]bool{"ktls": false, "vlan": true}, got.Kinds()); diff != "" || got.OK() {
		t.Errorf("%s, all as required: %v", diff, got.OK())
	}
	if all, err := d.List(); err != nil || len(all) != 0 {
		t.Errorf("it is taken for an operation: %v, %v", all, err)
	}
}

func TestAVerificationReplacesALink(t *testing.T) {
	d := Dir(t.TempDir())
	victim := filepath.Join(t.TempDir(), "victim")
	if err := errors.Join(os.WriteFile(victim, []byte("mine"), 0o644), os.Symlink(victim, d.verified())); err != nil {
		t.Fatal(err)
	}
	if err := d.KeepVerified(verified()); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(victim); err != nil || string(b) != "mine" {
		t.Errorf("what the link named is now %q, %v", b, err)
	}
	if info, err := os.Lstat(d.verified()); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestAVerificationThatCannotBe(t *testing.T) {
	whole, err := os.ReadFile("testdata/verified-v1.json")
	if err != nil {
		t.Fatal(err)
	}
	d := Dir(t.TempDir())
	for name, text := range map[string]string{
		"torn": string(whole[:len(whole)/2]), "empty": "", "zeros": strings.Repeat("\x00", 100), "two": string(whole) + string(whole),
		"tomorrow's": strings.Replace(string(whole), `"version": 1`, `"version": 2`, 1), "another": `{"version": 1}`, "a list": `[]`,
	} {
		if err := os.WriteFile(d.verified(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if v, err := d.LastVerified(); err == nil || v != nil || !strings.Contains(err.Error(), d.verified()) || !strings.Contains(err.Error(), "nicwright verify writes it anew") {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var path *fs.PathError
	if err := Dir(filepath.Join(file, "state")).KeepVerified(verified()); !errors.As(err, &path) || !strings.Contains(err.Error(), "verified.json") {
		t.Errorf("a directory in a file: %v", err)
	}
}

func FuzzDecodeVerified(f *testing.F) {
	whole, err := os.ReadFile("testdata/verified-v1.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"version":1,"ended":"2026-11-28T04:01:02Z","profile":"a","operation":"b","proofs":[{"cell":null}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := DecodeVerified(text)
		if err != nil {
			return
		}
		v.Kinds()
		if v.Profile == "" || v.Ended.IsZero() {
			t.Errorf("%+v", v)
		}
	})
}
