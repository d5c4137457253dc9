// SPDX-License-Identifier: Apache-2.0

// Package kernels knows the lab's kernels by name and fetches them: stock
// Debian packages, unpacked, never installed.
package kernels

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/nicwright/nicwright/internal/hostkernel"
)

// Row is a kernel of the lab. Another kernel is another row.
type Row struct {
	// Name is what people call it, the beginning of its version: "6.12".
	Name string
	// Suite is the Debian suite whose packages it is taken from.
	Suite string
	// Compiler is the package of the compiler that its modules are built with.
	Compiler string
}

// Default is the name of the kernel that is used when none is named.
const Default = "6.12"

// Table is every kernel of the lab.
func Table() []Row {
	return []Row{
		{Name: "6.1", Suite: "bookworm", Compiler: "gcc-12"},
		{Name: "6.12", Suite: "trixie", Compiler: "gcc-14"},
		{Name: "7.3", Suite: "trixie-backports", Compiler: "gcc-14"},
	}
}

// Find returns the row of the name.
func Find(name string) (Row, error) {
	var names []string
	for _, r := range Table() {
		if r.Name == name {
			return r, nil
		}
		names = append(names, r.Name)
	}
	return Row{}, fmt.Errorf("no kernel %q; there is: %s", name, strings.Join(names, ", "))
}

// release is a kernel release of Debian's for amd64 as package names have it:
// "6.12.117+deb13-amd64", "6.1.0-40-amd64".
var release = regexp.MustCompile(`^linux-image-(\d+\.\d+[0-9.+a-z~]*(?:-\d+)?(?:\+[0-9a-z.~]+)?-amd64)$`)

// Newest returns the newest release of the row among the names of packages,
// or "" if there is none. Flavours (cloud, rt) and unsigned and debug
// packages are not taken.
func (r Row) Newest(packages []string) string {
	best := ""
	for _, p := range packages {
		m := release.FindStringSubmatch(p)
		if m == nil {
			continue
		}
		rest, ok := strings.CutPrefix(m[1], r.Name)
		if !ok || (rest[0] >= '0' && rest[0] <= '9') {
			continue
		}
		if best == "" || hostkernel.Compare(best, m[1]) < 0 {
			best = m[1]
		}
	}
	return best
}
