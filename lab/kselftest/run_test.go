// SPDX-License-Identifier: Apache-2.0

package kselftest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/lab/internal/sandbox"
)

func TestCommand(t *testing.T) {
	run := func(limit time.Duration, env []string, args ...string) (record, string) {
		said, err := os.Create(filepath.Join(t.TempDir(), "said"))
		if err != nil {
			t.Fatal(err)
		}
		rec := command(t.Context(), limit, t.TempDir(), env, said, args...)
		if err := said.Close(); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(said.Name())
		if err != nil {
			t.Fatal(err)
		}
		return rec, string(b)
	}
	rec, said := run(time.Minute, []string{"WORD=said"}, "sh", "-c", `echo "$WORD in $NETIF"; echo more >&2; exit 3`)
	if !rec.Ended || rec.Status != 3 || said != "said in p0\nmore\n" {
		t.Errorf("%+v, %q", rec, said)
	}
	rec, said = run(time.Second, nil, "sh", "-c", "echo begun; exec sleep 1000")
	if rec.Ended || rec.Problem != "it was ended at its limit of 1s" || said != "begun\n" {
		t.Errorf("one that does not end: %+v, %q", rec, said)
	}
	if rec, _ = run(time.Minute, nil, "/no/such/test"); rec.Ended || !strings.Contains(rec.Problem, "/no/such/test") {
		t.Errorf("one that cannot be run: %+v", rec)
	}
}

// TestEditsAreMadeOnce: two tests share an edit of a file; one of another kernel is not made; one that no longer fits is told.
func TestEditsAreMadeOnce(t *testing.T) {
	tree := t.TempDir()
	path := filepath.Join(tree, testsDir, "net/lib.py")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("timeout=5\nwait=1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	slow := Edit{File: "net/lib.py", From: `timeout=5$`, To: "timeout=55", Why: "slow"}
	other := Edit{File: "net/lib.py", From: `wait=1`, To: "wait=2", Kernels: []string{"7.3"}, Why: "slow"}
	edited := map[string]bool{}
	for range 2 {
		test := Test{Edits: []Edit{slow, other}}
		if err := test.prepare(t.Context(), sandbox.Box{}, "6.12", tree, edited); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "timeout=55\nwait=1\n" {
		t.Errorf("%q, %v", b, err)
	}
	for _, e := range []Edit{{File: "net/lib.py", From: "gone", Why: "x"}, {File: "net/gone.py", From: "x", Why: "x"}} {
		test := Test{Edits: []Edit{e}}
		if err := test.prepare(t.Context(), sandbox.Box{}, "6.12", tree, edited); err == nil || !strings.Contains(err.Error(), "edit "+e.File) {
			t.Errorf("the edit %+v: %v", e, err)
		}
	}
}
