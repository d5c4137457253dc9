// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"github.com/nicwright/nicwright/profiles"
)

// StateDir holds what nicwright remembers between runs: the checkpoint of an
// apply that has not ended, the host before the last apply that did, and what
// that one wanted. Files are replaced whole, mode 0600; no key is ever in them.
type StateDir string

const (
	checkpointFile = "checkpoint.json" // present: an apply has begun and not ended
	previousFile   = "previous.json"   // the host before the last apply that ended
	appliedFile    = "applied.json"    // what the last apply that ended wanted
)

// Checkpoint is the host as it was before an apply touched it.
type Checkpoint struct {
	Version int       `json:"version"` // 1
	Taken   time.Time `json:"taken"`
	Profile string    `json:"profile"` // the profile whose apply it precedes
	Host    Host      `json:"host"`
}

// Applied is what the last finished apply wanted.
type Applied struct {
	Version int            `json:"version"` // 1
	Ended   time.Time      `json:"ended"`
	Want    *profiles.Want `json:"want"`
}

// Begin writes the checkpoint of an apply that is about to begin, unless an
// unfinished one left its own: what was before that one is what counts.
func (d StateDir) Begin(profile string, host Host) error {
	if c, err := d.Unfinished(); err != nil || c != nil {
		return err
	}
	return d.write(checkpointFile, Checkpoint{Version: 1, Taken: time.Now().UTC(), Profile: profile, Host: host})
}

// Unfinished is the checkpoint of an apply that has begun and not ended, or nil.
func (d StateDir) Unfinished() (*Checkpoint, error) {
	return readState[Checkpoint](d, checkpointFile)
}

// End records that the host is as want says: the checkpoint becomes the one to
// roll back to. If that is recorded already it writes nothing.
func (d StateDir) End(want *profiles.Want) error {
	recorded, err := d.recorded(want)
	if err != nil || recorded {
		return err
	}
	if err := d.write(appliedFile, Applied{Version: 1, Ended: time.Now().UTC(), Want: want}); err != nil {
		return err
	}
	from, to := filepath.Join(string(d), checkpointFile), filepath.Join(string(d), previousFile)
	if err := os.Rename(from, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keeping the checkpoint for a rollback: %w", err)
	}
	return d.sync()
}

// recorded tells whether an apply of the same want has ended and none begun since.
func (d StateDir) recorded(want *profiles.Want) (bool, error) {
	if c, err := d.Unfinished(); err != nil || c != nil {
		return false, err
	}
	a, err := d.Applied()
	if err != nil || a == nil {
		return false, err
	}
	was, err := json.Marshal(a.Want)
	if err != nil {
		return false, fmt.Errorf("encoding what was applied: %w", err)
	}
	is, err := json.Marshal(want)
	if err != nil {
		return false, fmt.Errorf("encoding what is wanted: %w", err)
	}
	return bytes.Equal(was, is), nil
}

// Previous is the host before the last apply that ended, or nil.
func (d StateDir) Previous() (*Checkpoint, error) {
	return readState[Checkpoint](d, previousFile)
}

// Applied is what the last apply that ended wanted, or nil.
func (d StateDir) Applied() (*Applied, error) {
	return readState[Applied](d, appliedFile)
}

func (d StateDir) write(name string, v any) error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("making the state directory: %w; it has to be on a file system that can be written", err)
	}
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding %s: %w", name, err)
	}
	path := filepath.Join(string(d), name)
	if err := renameio.WriteFile(path, append(b, '\n'), 0o600, renameio.WithTempDir(string(d))); err != nil {
		return fmt.Errorf("writing %s: %w; nothing on the host was changed for it: make room, or name another state directory with --state-dir", path, err)
	}
	return d.sync()
}

// sync makes the directory's entries survive a power cut.
func (d StateDir) sync() error {
	f, err := os.Open(string(d))
	if err != nil {
		return fmt.Errorf("opening the state directory to sync it: %w", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("syncing the state directory %s: %w", d, err)
	}
	return nil
}

func readState[T any](d StateDir, name string) (*T, error) {
	path := filepath.Join(string(d), name)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the state file %s: %w", path, err)
	}
	v, err := decodeState[T](b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; move it away if it is not nicwright's", path, err)
	}
	return v, nil
}

// decodeState reads one JSON document of version 1, strictly.
func decodeState[T any](b []byte) (*T, error) {
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("not a nicwright state document: %w", err)
	}
	if head.Version != 1 {
		return nil, fmt.Errorf("its version is %d, this nicwright reads version 1", head.Version)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	v := new(T)
	if err := dec.Decode(v); err != nil {
		return nil, fmt.Errorf("not a nicwright state document: %w", err)
	}
	if dec.More() {
		return nil, errors.New("more follows the document")
	}
	return v, nil
}
