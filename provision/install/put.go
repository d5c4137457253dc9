// SPDX-License-Identifier: Apache-2.0

package install

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
)

// Host is the file system in which files are put: "" or "/" is this host's, else the
// root directory of another, as of an image.
type Host string

// Change is what was done about one file.
type Change struct {
	Path string `json:"path"`
	Did  Did    `json:"did"`
}

// Did is what was done.
type Did string

// What can be done about a file.
const (
	Written   Did = "written"
	Unchanged Did = "unchanged"
	TakenAway Did = "taken away"
	Left      Did = "left, for it is not ours"
)

// ForeignError is returned for a file that is not ours and is in the way.
type ForeignError struct {
	Path string
	What string // what it is, in words
}

func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s %s: move it away, and install again (nothing was written)", e.Path, e.What)
}

func (h Host) at(path string) string { return filepath.Join("/", string(h), path) }

// state is what is at a path now.
type state int

const (
	absent  state = iota
	ours          // with our mark, of any content
	foreign       // somebody else's
)

// look tells what is at a path, and what a foreign one is. Links are not followed,
// neither the file's nor those of the directories on the way.
func (h Host) look(path string) (state, string, error) {
	if what, err := h.way(path); err != nil || what != "" {
		return foreign, what, err
	}
	info, err := os.Lstat(h.at(path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return absent, "", nil
	case err != nil:
		return foreign, "", fmt.Errorf("looking at what is there: %w", err)
	case info.Mode().Type() == fs.ModeSymlink:
		to, err := os.Readlink(h.at(path))
		if err != nil {
			return foreign, "", fmt.Errorf("looking at what is there: %w", err)
		}
		if of := linked(path); of != "" && to == of {
			return ours, "", nil
		}
		return foreign, "is a symbolic link (to " + to + "), and nothing is written through links", nil
	case !info.Mode().IsRegular() || linked(path) != "":
		return foreign, "is there, and is not what `nicwright install` makes", nil
	}
	text, err := os.ReadFile(h.at(path))
	if err != nil {
		return foreign, "", fmt.Errorf("looking at what is there: %w", err)
	}
	if !marked(text) {
		return foreign, "is somebody else's (its first line is not ours)", nil
	}
	return ours, "", nil
}

// marked tells whether a file has install's mark in its first line, or below the one by which
// a script says who reads it.
func marked(text []byte) bool {
	line, rest, _ := bytes.Cut(text, []byte("\n"))
	if bytes.HasPrefix(line, []byte("#!")) {
		line, _, _ = bytes.Cut(rest, []byte("\n"))
	}
	return string(line) == Mark
}

// linked is where a path of ours points that is a link, else "".
func linked(path string) string {
	switch path {
	case wantsPath, switchWants:
		return unitPath
	case watchWants:
		return watchPath
	case trialWants, trialNeeds:
		return trialPath
	}
	return ""
}

// way says which directory on the way to a path is none.
func (h Host) way(path string) (string, error) {
	dir := "/"
	for _, part := range strings.Split(strings.Trim(filepath.Dir(path), "/"), "/") {
		dir = filepath.Join(dir, part)
		info, err := os.Lstat(h.at(dir))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "", nil
		case err != nil:
			return "", fmt.Errorf("looking at what is there: %w", err)
		case info.Mode().Type() == fs.ModeSymlink:
			return "is behind the symbolic link " + dir + ", and nothing is written through links", nil
		case !info.IsDir():
			return "cannot be there: " + dir + " is no directory", nil
		}
	}
	return "", nil
}

// same tells whether what is there is the file already.
func (h Host) same(f File) bool {
	if f.Link != "" {
		return true // a link that is ours points where it shall
	}
	info, err := os.Lstat(h.at(f.Path))
	if err != nil || info.Mode().Perm() != fs.FileMode(f.Mode) {
		return false
	}
	text, err := os.ReadFile(h.at(f.Path))
	return err == nil && string(text) == f.Text
}

// Put puts files in place, each whole or not at all, in their order, and takes away
// those of ours that are not among them. What is so already is not written. If
// anything is in the way (*ForeignError), nothing is done. A Put that was killed is
// finished by the next.
func (h Host) Put(files []File, configDir string) ([]Change, error) {
	known := Known(configDir)
	states := map[string]state{}
	var errs []error
	for _, path := range known {
		s, what, err := h.look(path)
		wanted := slices.ContainsFunc(files, func(f File) bool { return f.Path == path })
		switch {
		case err != nil:
			errs = append(errs, err)
		case s == foreign && wanted:
			errs = append(errs, &ForeignError{path, what})
		}
		states[path] = s
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	var changes []Change
	for _, f := range files {
		if err := h.sweep(f.Path); err != nil {
			return changes, err
		}
		if states[f.Path] == ours && h.same(f) {
			changes = append(changes, Change{f.Path, Unchanged})
			continue
		}
		if err := h.write(f); err != nil {
			return changes, err
		}
		changes = append(changes, Change{f.Path, Written})
	}
	for _, path := range slices.Backward(known) {
		if states[path] != ours || slices.ContainsFunc(files, func(f File) bool { return f.Path == path }) {
			continue
		}
		if err := h.remove(path); err != nil {
			return changes, err
		}
		changes = append(changes, Change{path, TakenAway})
	}
	return changes, nil
}

func (h Host) write(f File) error {
	dir := filepath.Dir(h.at(f.Path))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the directory of %s: %w", f.Path, err)
	}
	var err error
	if f.Link != "" {
		err = renameio.Symlink(f.Link, h.at(f.Path))
	} else {
		err = replace(h.at(f.Path), f)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w; install again when that is mended", f.Path, err)
	}
	return sync(dir)
}

// replace is renameio.WriteFile, which would keep the mode of the file that is there.
func replace(path string, f File) error {
	t, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(fs.FileMode(f.Mode)))
	if err != nil {
		return err
	}
	defer func() { _ = t.Cleanup() }() // of what did not come to its end
	if _, err := t.WriteString(f.Text); err != nil {
		return err
	}
	return t.CloseAtomicallyReplace()
}

func (h Host) remove(path string) error {
	if err := os.Remove(h.at(path)); err != nil {
		return fmt.Errorf("taking %s away: %w", path, err)
	}
	return sync(filepath.Dir(h.at(path)))
}

// sync makes a directory's entries survive a power cut.
func sync(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("opening %s to sync it: %w", dir, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("syncing %s: %w", dir, err)
	}
	return nil
}

// temporary is a name that renameio gives a file that is not whole yet.
var temporary = regexp.MustCompile(`^\.(.+?)[0-9]+$`)

// sweep takes away what a write of this path that was killed left beside it.
func (h Host) sweep(path string) error {
	if what, err := h.way(path); err != nil || what != "" {
		return err // behind a link: nothing was written there
	}
	entries, err := os.ReadDir(filepath.Dir(h.at(path)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for what a killed install left: %w", err)
	}
	for _, e := range entries {
		m := temporary.FindStringSubmatch(e.Name())
		if m == nil || m[1] != filepath.Base(path) || !e.Type().IsRegular() {
			continue
		}
		if err := os.Remove(filepath.Join(filepath.Dir(h.at(path)), e.Name())); err != nil {
			return fmt.Errorf("taking away what a killed install left: %w", err)
		}
	}
	return nil
}

// Remove takes all files of ours away, the link that makes the unit start at boot
// first, and leaves those of others.
func (h Host) Remove(configDir string) ([]Change, error) {
	var changes []Change
	for _, path := range slices.Backward(Known(configDir)) {
		s, _, err := h.look(path)
		if err != nil {
			return changes, err
		}
		if err := h.sweep(path); err != nil {
			return changes, err
		}
		switch s {
		case foreign:
			changes = append(changes, Change{path, Left})
		case ours:
			if err := h.remove(path); err != nil {
				return changes, err
			}
			changes = append(changes, Change{path, TakenAway})
		case absent:
		}
	}
	// Only if it is empty: what is in it else is not ours.
	_ = os.Remove(filepath.Dir(h.at(ProfilePath(configDir))))
	return changes, nil
}

// Installed are the files of ours that are there.
func (h Host) Installed(configDir string) ([]string, error) {
	var all []string
	for _, path := range Known(configDir) {
		s, _, err := h.look(path)
		if err != nil {
			return nil, err
		}
		if s == ours {
			all = append(all, path)
		}
	}
	return all, nil
}
