// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
)

// Dir is the directory that holds the journal, /var/lib/nicwright by default.
// Files are replaced whole, mode 0600; no key is ever in them.
type Dir string

// operations is where the documents are.
func (d Dir) operations() string { return filepath.Join(string(d), "operations") }

var idPattern = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}\.[0-9]{3}Z-[a-z]+(-[0-9]+)?$`)

func validID(id string) bool { return idPattern.MatchString(id) }

// newID is one that no operation of the list has.
func newID(at time.Time, kind Kind, have []*Operation) string {
	base := at.UTC().Format("20060102T150405.000Z") + "-" + string(kind)
	id := base
	for n := 2; slices.ContainsFunc(have, func(o *Operation) bool { return o.ID == id }); n++ {
		id = fmt.Sprintf("%s-%d", base, n)
	}
	return id
}

// List reads all operations, oldest first. A document that cannot be read is an
// error that names it: going on without it could mean going back to the wrong host.
func (d Dir) List() ([]*Operation, error) {
	entries, err := os.ReadDir(d.operations())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the journal: %w", err)
	}
	var all []*Operation
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok || !validID(id) {
			continue // the temporary file of a write that was cut off, or not ours
		}
		path := filepath.Join(d.operations(), e.Name())
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("reading the journal: %w", err)
		}
		o, err := Decode(b)
		if err == nil && o.ID != id {
			err = fmt.Errorf("its id is %s", o.ID)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w; move it away if it is not nicwright's", path, err)
		}
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b *Operation) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

// Write writes the document of an operation.
func (d Dir) Write(o *Operation) error {
	if err := os.MkdirAll(d.operations(), 0o700); err != nil {
		return fmt.Errorf("making the journal's directory: %w; %s, or name another directory with --state-dir", err, writable(err))
	}
	b, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("encoding operation %s: %w", o.ID, err)
	}
	var text bytes.Buffer
	if err := json.Indent(&text, b, "", "  "); err != nil {
		return fmt.Errorf("encoding operation %s: %w", o.ID, err)
	}
	text.WriteByte('\n')
	path := filepath.Join(d.operations(), o.ID+".json")
	if err := renameio.WriteFile(path, text.Bytes(), 0o600, renameio.WithTempDir(d.operations())); err != nil {
		return fmt.Errorf("writing %s: %w; %s, or name another directory with --state-dir", path, err, writable(err))
	}
	return d.sync()
}

// writable is what to do about a file that could not be written.
func writable(err error) string {
	if errors.Is(err, syscall.EROFS) {
		return "mount its file system so that it can be written (dmesg says why it is not, if a disk failed)"
	}
	return "make room"
}

// sync makes the directory's entries survive a power cut.
func (d Dir) sync() error {
	f, err := os.Open(d.operations())
	if err != nil {
		return fmt.Errorf("opening the journal to sync it: %w", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("syncing the journal %s: %w", d, err)
	}
	return nil
}

// Begin writes the operation that is about to begin: a new one gets its ID and
// time, one that is resumed another attempt. Those that it resumes are marked
// thereafter; a cut in between leaves two that are open, of which the later
// counts (Journal.Open).
func (d Dir) Begin(o *Operation, have []*Operation) error {
	now := time.Now().UTC()
	if o.ID == "" {
		o.ID, o.Begun = newID(now, o.Kind, have), now
	}
	o.Version, o.Outcome, o.Error, o.Ended = Version, "", "", nil
	o.Attempts++
	if o.Confirm != nil { // the deadline does not run while the apply works
		o.Confirm.Deadline, o.Confirm.Confirmed = nil, nil
	}
	if err := d.Write(o); err != nil {
		return fmt.Errorf("%w (nothing on the host was changed)", err)
	}
	for _, id := range o.Resumes {
		r := Find(have, id)
		if r == nil || r.Outcome == Superseded {
			continue
		}
		r.Outcome = Superseded
		if err := d.Write(r); err != nil {
			return err
		}
	}
	return nil
}

// End writes how the operation ended; when it is done, those that it took back
// are marked.
func (d Dir) End(o *Operation, outcome error, have []*Operation) error {
	now := time.Now().UTC()
	o.Ended, o.Outcome, o.Error = &now, Done, ""
	if outcome != nil {
		o.Outcome, o.Error = Failed, outcome.Error()
	}
	o.runFrom(now)
	if outcome != nil {
		return d.Write(o)
	}
	// First those, then itself: a cut in between leaves an open rollback, which is done once more.
	for _, id := range o.Undoes {
		if u := Find(have, id); u != nil && u.UndoneBy == "" {
			u.UndoneBy = o.ID
			if err := d.Write(u); err != nil {
				return err
			}
		}
	}
	return d.Write(o)
}

// Find is the operation of that ID, or the only one whose ID begins so, or nil.
func Find(all []*Operation, id string) *Operation {
	var found []*Operation
	for _, o := range all {
		if o.ID == id {
			return o
		}
		if id != "" && strings.HasPrefix(o.ID, id) {
			found = append(found, o)
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	return nil
}

// OpenOne is the operation that has begun and not come to its end, or nil. Of
// several, as a cut while one took another's place leaves them, it is the last.
func OpenOne(all []*Operation) *Operation {
	for _, o := range slices.Backward(all) {
		if o.Open() {
			return o
		}
	}
	return nil
}

// InForce are the applies that came to their end and were not taken back, oldest
// first; of one profile, or of all for "".
func InForce(all []*Operation, profile string) []*Operation {
	var out []*Operation
	for _, o := range all {
		if o.InForce() && (profile == "" || o.Profile.Name == profile) {
			out = append(out, o)
		}
	}
	return out
}

// Limits of Prune.
const (
	KeepNumber = 64
	KeepAge    = 180 * 24 * time.Hour
)

// Prune deletes operations beyond KeepNumber or older than KeepAge that nothing
// needs any more. Kept are: what is open, the last that ended well, the applies in
// force that a rollback or a remove would take back, and what those refer to.
func (d Dir) Prune(now time.Time) error {
	all, err := d.List()
	if err != nil {
		return err
	}
	deleted := false
	for i, o := range all {
		if len(all)-i <= KeepNumber && now.Sub(o.Begun) <= KeepAge || needed(all, o) {
			continue
		}
		if err := os.Remove(filepath.Join(d.operations(), o.ID+".json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("pruning the journal: %w", err)
		}
		deleted = true
	}
	if !deleted {
		return nil
	}
	return d.sync()
}

// needed tells what Prune keeps whatever its age.
func needed(all []*Operation, o *Operation) bool {
	if o.Open() || o.InForce() {
		return true
	}
	for _, later := range slices.Backward(all) {
		if later.Outcome == Done {
			return later == o
		}
	}
	return false
}
