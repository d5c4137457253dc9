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
	rec, output := command(t.Context(), time.Minute, t.TempDir(), []string{"WORD=said"}, "sh", "-c", `echo "$WORD in $NETIF"; echo more >&2; exit 3`)
	if !rec.Ended || rec.Status != 3 || string(output) != "said in p0\nmore\n" {
		t.Errorf("%+v, %q", rec, output)
	}
	rec, output = command(t.Context(), time.Second, t.TempDir(), nil, "sh", "-c", "echo begun; exec sleep 1000")
	if rec.Ended || rec.Problem != "it was ended at its limit of 1s" || string(output) != "begun\n" {
		t.Errorf("one that does not end: %+v, %q", rec, output)
	}
	if rec, _ = command(t.Context(), time.Minute, t.TempDir(), nil, "/no/such/test"); rec.Ended || !strings.Contains(rec.Problem, "/no/such/test") {
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
