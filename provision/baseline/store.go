// SPDX-License-Identifier: Apache-2.0

package baseline

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
)

// Dir is the directory with a host's baselines, /var/lib/nicwright/baselines by
// default. Files are replaced whole, mode 0600.
type Dir string

// maxSize is more than a baseline of any host has, in bytes.
const maxSize = 64 << 20

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~-]{0,127}$`)

// CheckName says what is wrong with a baseline's name.
func CheckName(name string) error {
	if !namePattern.MatchString(name) || strings.HasSuffix(name, suffix) {
		return fmt.Errorf("%q cannot name a baseline: letters, digits, and . _ + ~ - behind the first, 128 at most, and not %s at the end", name, suffix)
	}
	return nil
}

const suffix = ".json"

func (d Dir) path(name string) string { return filepath.Join(string(d), name+suffix) }

// Save writes a baseline by its name, in place of one that was there.
func (d Dir) Save(b *Baseline) error {
	if err := CheckName(b.Name); err != nil {
		return err
	}
	text, err := Encode(b)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("making the directory of the baselines: %w; make room, or name another directory with --state-dir", err)
	}
	if err := renameio.WriteFile(d.path(b.Name), text, 0o600, renameio.WithStaticPermissions(0o600), renameio.WithTempDir(string(d))); err != nil {
		return fmt.Errorf("writing the baseline %s: %w; make room, or name another directory with --state-dir", d.path(b.Name), err)
	}
	return nil
}

// ErrNone is what errors.Is finds where there is no such baseline.
var ErrNone = errors.New("there is no such baseline: `nicwright baseline list` says which there are, `nicwright baseline save` records one")

// Load reads a baseline by its name, or from a file: what has a slash in it or ends in
// .json. errors.Is(err, ErrNone).
func (d Dir) Load(name string) (*Baseline, error) {
	path := name
	if !strings.ContainsRune(name, '/') && !strings.HasSuffix(name, suffix) {
		if err := CheckName(name); err != nil {
			return nil, err
		}
		path = d.path(name)
	}
	text, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the baseline %s: %w", name, ErrNone)
	}
	var b *Baseline
	if err == nil {
		b, err = Decode(text)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the baseline %s: %w", path, err)
	}
	return b, nil
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err == nil && len(text) > maxSize {
		err = fmt.Errorf("it is larger than %d MB: that is no baseline", maxSize>>20)
	}
	return text, err
}

// List reads all baselines, oldest first. One that cannot be read is in the error, and
// the others are there all the same.
func (d Dir) List() ([]*Baseline, error) {
	entries, err := os.ReadDir(string(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing the baselines: %w", err)
	}
	var all []*Baseline
	var errs []error
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok || CheckName(name) != nil {
			continue // the temporary file of a write that was cut off, or not ours
		}
		b, err := d.Load(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		b.Name = name // a file that was copied is the one that it is called
		all = append(all, b)
	}
	slices.SortStableFunc(all, func(a, b *Baseline) int {
		return cmp.Or(a.Taken.Compare(b.Taken), strings.Compare(a.Name, b.Name))
	})
	return all, errors.Join(errs...)
}

// Delete takes a baseline away. errors.Is(err, ErrNone).
func (d Dir) Delete(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	err := os.Remove(d.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting the baseline %s: %w", name, ErrNone)
	}
	if err != nil {
		return fmt.Errorf("deleting the baseline %s: %w", name, err)
	}
	return nil
}

// Encode is the document's text.
func Encode(b *Baseline) ([]byte, error) {
	text, err := json.MarshalIndent(b, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encoding the baseline %s: %w", b.Name, err)
	}
	return append(text, '\n'), nil
}

// Write writes the document's text.
func Write(w io.Writer, b *Baseline) error {
	text, err := Encode(b)
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return fmt.Errorf("writing the baseline %s: %w", b.Name, err)
	}
	return nil
}

// Decode reads a document of any version up to Version. Fields that it does not know
// mean nothing to it: what is there of a later one cannot be compared.
func Decode(text []byte) (*Baseline, error) {
	b := new(Baseline)
	dec := json.NewDecoder(bytes.NewReader(text))
	switch err := dec.Decode(b); {
	case err != nil:
		return nil, fmt.Errorf("that is no baseline: %w", err)
	case dec.More():
		return nil, errors.New("that is no baseline: more follows it")
	case b.Version < 1:
		return nil, errors.New("that is no baseline: it has no version")
	case b.Version > Version:
		return nil, fmt.Errorf("it is of version %d, and this nicwright reads up to %d: it was recorded by a later one (%s)", b.Version, Version, cmp.Or(b.Tool, "which it does not say"))
	case b.Name == "" || b.Taken.IsZero() || b.Software == nil || b.Cards == nil || b.Shown == nil:
		return nil, errors.New("that is no baseline: it says not what of, or when")
	}
	for _, r := range b.Runs {
		for _, p := range r.Proofs {
			if p.Kind == "" || p.Verdict == "" || p.Seconds < 0 || p.CPU < 0 || p.Bytes < 0 {
				return nil, fmt.Errorf("that is no baseline: a proof of %q has the verdict %q, %d bytes in %g s", p.Kind, p.Verdict, p.Bytes, p.Seconds)
			}
		}
	}
	return b, nil
}
