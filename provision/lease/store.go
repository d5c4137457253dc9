// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// Dir is the state directory, /var/lib/nicwright by default.
type Dir string

// Path is the document's.
func (d Dir) Path() string { return filepath.Join(string(d), "leases.json") }

// Read reads the leases; where there is no document, there are none. One that cannot
// be read is an error: going on without it would give VFs out twice.
func (d Dir) Read() (*Document, error) {
	b, err := os.ReadFile(d.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return &Document{Version: Version}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading which VFs are leased: %w", err)
	}
	doc, err := Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; without it nobody knows which VFs are leased: mend it, or move it away when no machine has a VF", d.Path(), err)
	}
	return doc, nil
}

// Write replaces the document, mode 0600, and makes it survive a power cut. Who calls
// it has the lock.
func (d Dir) Write(doc *Document) error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("making the directory of the leases: %w; make room, or name another directory with --state-dir", err)
	}
	doc.Version = Version
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the leases: %w", err)
	}
	if err := renameio.WriteFile(d.Path(), append(b, '\n'), 0o600, renameio.WithStaticPermissions(0o600), renameio.WithTempDir(string(d))); err != nil {
		return fmt.Errorf("writing %s: %w; make room, or name another directory with --state-dir", d.Path(), err)
	}
	f, err := os.Open(string(d))
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err != nil {
		return fmt.Errorf("syncing the directory of the leases: %w", err)
	}
	return nil
}
