// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// Dir is the journal's directory, /var/lib/nicwright by default.
type Dir string

func (d Dir) file() string { return filepath.Join(string(d), "trial.json") }

// Load reads the document; one that is not there yet is empty.
func (d Dir) Load() (*State, error) {
	text, err := os.ReadFile(d.file())
	if errors.Is(err, fs.ErrNotExist) {
		return &State{Version: Version, Trials: []*Trial{}}, nil
	}
	var s *State
	if err == nil {
		s, err = Decode(text)
	}
	if err != nil {
		return nil, fmt.Errorf("reading which kernels are on trial, %s: %w; take it away to begin anew", d.file(), err)
	}
	return s, nil
}

// Update reads the document, has it changed, and writes it whole, while nobody else does:
// hooks, the rehearsal in the background and the trial may come at the same time. It is
// on the disk when Update returns: a reboot may follow.
func (d Dir) Update(change func(*State) error) (err error) {
	fail := func(err error) error {
		return fmt.Errorf("keeping which kernels are on trial in %s: %w", d.file(), err)
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fail(err)
	}
	dir, err := os.Open(string(d))
	if err != nil {
		return fail(err)
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	// It is held for as long as two files take: whoever waits does not wait for a person.
	for err = unix.Flock(int(dir.Fd()), unix.LOCK_EX); errors.Is(err, unix.EINTR); {
		err = unix.Flock(int(dir.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		return fail(err)
	}
	s, err := d.Load()
	if err != nil {
		return err
	}
	if err := change(s); err != nil {
		return err
	}
	text, err := Encode(s)
	if err != nil {
		return err
	}
	if err := replace(d.file(), text); err != nil {
		return fail(err)
	}
	if err := dir.Sync(); err != nil {
		return fail(err)
	}
	return nil
}

// Report writes what a trial or a rehearsal of a kernel said; kind is the ending of its
// name. It returns the file.
func (d Dir) Report(kernel, kind string, text []byte) (string, error) {
	if kernel == "" || strings.ContainsAny(kernel, "/\x00") {
		return "", fmt.Errorf("keeping the report of kernel %q: that is no kernel's release", kernel)
	}
	dir := filepath.Join(string(d), "trials")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("keeping the report of kernel %s: %w", kernel, err)
	}
	file := filepath.Join(dir, kernel+"."+kind)
	if err := replace(file, text); err != nil {
		return "", fmt.Errorf("keeping the report of kernel %s: %w", kernel, err)
	}
	return file, nil
}

func replace(file string, text []byte) error {
	return renameio.WriteFile(file, text, 0o600, renameio.WithStaticPermissions(0o600), renameio.WithTempDir(filepath.Dir(file)))
}
