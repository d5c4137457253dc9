// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/nicwright/nicwright/provision/report"
)

// ForeignError is returned for a file that is not ours: it is left.
type ForeignError struct {
	Path string
	What string // why it is not ours, in words
}

func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s %s: it is left as it is; move it away, or name another file (--file)", e.Path, e.What)
}

// read gives what a file of ours has in it, ok false where there is none. A file that is
// not ours, a link among them, is a *ForeignError.
func read(path string) (text []byte, ok bool, err error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("looking at what is there: %w", err)
	case !info.Mode().IsRegular():
		return nil, false, &ForeignError{path, "is there, and is no file"}
	}
	if text, err = os.ReadFile(path); err != nil {
		return nil, false, fmt.Errorf("looking at what is there: %w", err)
	}
	if line, _, _ := bytes.Cut(text, []byte("\n")); string(line) != Mark {
		return nil, false, &ForeignError{path, "is somebody else's (its first line is not ours)"}
	}
	return text, true, nil
}

// Write puts the text of settings into a file, mode 0644, whole or not at all; its
// directory has to be there. changed is false where the file has the text already. A
// file that is not ours is left, and told (*ForeignError).
func Write(ctx context.Context, path string, s *Settings) (changed bool, err error) {
	there, ok, err := read(path)
	if err != nil || ok && string(there) == s.Text {
		return false, err
	}
	return true, report.WriteFile(ctx, path, []byte(s.Text))
}

// Remove takes a file of ours away. removed is false where there is none; a file that
// is not ours is left, and told (*ForeignError).
func Remove(path string) (removed bool, err error) {
	if _, ok, err := read(path); err != nil || !ok {
		return false, err
	}
	if err := os.Remove(path); err != nil {
		return false, fmt.Errorf("taking %s away: %w", path, err)
	}
	return true, nil
}
