// SPDX-License-Identifier: Apache-2.0

package program

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTailKeepsTheLast(t *testing.T) {
	var tl tail
	for range 3 {
		_, _ = tl.Write([]byte(strings.Repeat("x", tailSize-10)))
	}
	if n, err := tl.Write([]byte("the reason\n")); n != 11 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if s := tl.String(); len(s) > tailSize || !strings.HasSuffix(s, "xthe reason") {
		t.Errorf("%d bytes, %q", len(s), s[max(0, len(s)-20):])
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	name := "nicwright-test-program"
	if path, err := Find(name); err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("found %q, %v", path, err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), nil, 0o755); err != nil { //nolint:gosec // it is to be run
		t.Fatal(err)
	}
	if path, err := Find(name); path != filepath.Join(dir, name) || err != nil {
		t.Errorf("found %q, %v", path, err)
	}
	// Of PATH a relative directory is not taken: whoever owns the present one would choose what is run.
	t.Chdir(dir)
	t.Setenv("PATH", ".")
	if path, err := Find(name); err == nil {
		t.Errorf("found %q", path)
	}
}
