// SPDX-License-Identifier: Apache-2.0

// Package hostkernel finds the kernels that a host has installed: an image and the
// directory of its modules. It opens neither.
package hostkernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Kernel is an installed kernel. Its paths are those of this process, below the root
// that was asked for.
type Kernel struct {
	Release string // as uname -r will say
	Image   string
	Modules string
}

// The words that name a kernel by what it is.
const (
	Latest    = "latest"    // the newest of all
	Installed = "installed" // each but the one that it is compared with
)

// Find gives the kernels below a root directory, oldest first. One without an image, as
// a removal leaves it, is not among them. A host without any has none, and no error.
func Find(root string) ([]Kernel, error) {
	dir := filepath.Join(root, "lib/modules")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the kernels that are installed: %w", err)
	}
	var found []Kernel
	for _, e := range entries {
		k := Kernel{Release: e.Name(), Modules: filepath.Join(dir, e.Name())}
		// Debian has the image beside the modules since 7.3, Fedora both; in /boot it is called after the release.
		for _, image := range []string{filepath.Join(root, "boot/vmlinuz-"+k.Release), filepath.Join(k.Modules, "vmlinuz")} {
			if info, err := os.Stat(image); err == nil && info.Mode().IsRegular() {
				k.Image = image
				found = append(found, k)
				break
			}
		}
	}
	slices.SortFunc(found, func(a, b Kernel) int { return Compare(a.Release, b.Release) })
	return found, nil
}

// Errors by which a choice is refused; errors.Is finds them.
var (
	ErrNone = errors.New("no such kernel is installed")
	ErrOnly = errors.New("there is nothing to rehearse")
)

// Choose gives the kernels that what names, Latest, Installed or a release, of those
// that there are; against is the release of the one that they are compared with.
// errors.Is(err, ErrNone) and ErrOnly.
func Choose(all []Kernel, what, against string) ([]Kernel, error) {
	var names []string
	others := slices.DeleteFunc(slices.Clone(all), func(k Kernel) bool { return k.Release == against })
	for _, k := range all {
		names = append(names, k.Release)
	}
	list := strings.Join(names, ", ")
	if list == "" {
		list = "none, with an image in /boot or beside its modules"
	}
	switch what {
	case Latest:
		if len(all) == 0 {
			return nil, fmt.Errorf("%w: there is %s; install its package, or name the package's file", ErrNone, list)
		}
		if newest := all[len(all)-1]; newest.Release != against {
			return []Kernel{newest}, nil
		}
		return nil, fmt.Errorf("%w: the newest kernel that is installed, %s, is the one to compare with; name another one, or a package's file", ErrOnly, against)
	case Installed:
		if len(others) == 0 {
			return nil, fmt.Errorf("%w: no kernel but %s is installed (there is %s); name a package's file", ErrOnly, against, list)
		}
		return others, nil
	}
	for _, k := range all {
		if k.Release == what {
			return []Kernel{k}, nil
		}
	}
	// What people say is the beginning: 7.3 is 7.3.4+deb13-amd64. Where several begin so, the newest is meant.
	for _, k := range slices.Backward(all) {
		if rest, ok := strings.CutPrefix(k.Release, what); ok && what != "" && !digit(rest[0]) {
			return []Kernel{k}, nil
		}
	}
	return nil, fmt.Errorf("%w: %q; there is %s", ErrNone, what, list)
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

var parts = regexp.MustCompile(`\d+|\D+`)

// Compare orders releases, runs of digits as numbers: 6.9 is before 6.12.
func Compare(a, b string) int {
	as, bs := parts.FindAllString(a, -1), parts.FindAllString(b, -1)
	for i := range min(len(as), len(bs)) {
		x, errX := strconv.ParseUint(as[i], 10, 64)
		y, errY := strconv.ParseUint(bs[i], 10, 64)
		switch {
		case errX == nil && errY == nil && x != y:
			if x < y {
				return -1
			}
			return 1
		case (errX != nil || errY != nil) && as[i] != bs[i]:
			return strings.Compare(as[i], bs[i])
		}
	}
	return len(as) - len(bs)
}
