// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// writes are the calls by which a program makes, changes or takes away files.
var writes = regexp.MustCompile(`\b(os\.(WriteFile|Create|CreateTemp|OpenFile|Mkdir|MkdirAll|MkdirTemp|Remove|RemoveAll|Rename|Symlink|Link|Chmod|Chown|Truncate)|renameio\.\w+|unix\.(Openat|Renameat|Unlinkat|Mkdirat|Mknod|Symlink|Fchmod))\(`)

// What root writes is reviewed in docs/security.md, by source file: one that begins
// to write, or has ceased to, is told here.
func TestEveryFileThatIsWrittenIsReviewed(t *testing.T) {
	text, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "## Every file that is written")
	table, _, ended := strings.Cut(table, "###")
	if !found || !ended {
		t.Fatal("docs/security.md has no table of the files that are written")
	}
	reviewed := map[string]bool{}
	for _, m := range regexp.MustCompile("`([a-z0-9_/]+\\.go)`").FindAllStringSubmatch(table, -1) {
		reviewed[m[1]] = false
	}
	err = filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(path, "../"))
		switch {
		case d.IsDir() && (name == "lab" || name == "bin" || name == "tools" || strings.HasPrefix(d.Name(), ".") && path != ".."):
			return fs.SkipDir // none of it is in the product
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		case strings.HasPrefix(name, "internal/golden/") || strings.HasPrefix(name, "internal/kconfig/kconfigtest/"):
			return nil // used by tests alone
		}
		source, err := os.ReadFile(path)
		if err != nil || !writes.Match(source) {
			return err
		}
		if _, there := reviewed[name]; !there {
			t.Errorf("%s writes files (%s), and docs/security.md does not say how", name, writes.Find(source))
		}
		reviewed[name] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, writing := range reviewed {
		if !writing {
			t.Errorf("docs/security.md has %s, which writes nothing", name)
		}
	}
}
