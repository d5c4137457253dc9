// SPDX-License-Identifier: Apache-2.0

package sample

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Run is a document that was read.
type Run struct {
	Header  Header
	Samples []Sample
	// Cut tells that the last line has no end: whoever wrote it was stopped. The lines before are whole.
	Cut bool
}

// Read reads a document, all of it. What is wrong is an error that names the line,
// counted from 1, and the field: a version that is not known, a field that the version
// does not have, a value out of its range, a document without a sample or beyond the
// limits (a line of 64 KiB, 200,000 samples).
func Read(r io.Reader) (*Run, error) {
	in := bufio.NewReaderSize(r, maxLine)
	run := &Run{}
	for n := 1; ; n++ {
		line, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("reading samples, line %d: longer than %d bytes: that is no file of nicwright bench", n, maxLine)
		case err != nil && !errors.Is(err, io.EOF):
			return nil, fmt.Errorf("reading samples, line %d: %w", n, err)
		case err != nil && len(line) > 0 && n > 1:
			run.Cut = true // also if it could be read: a number may lack digits
		case err == nil || len(line) > 0:
			if bad := run.line(n, line); bad != nil {
				return nil, fmt.Errorf("reading samples, line %d: %w", n, bad)
			}
		}
		if err != nil {
			break
		}
	}
	switch {
	case run.Header.Schema == "":
		return nil, errors.New("reading samples: the file is empty; `nicwright bench` writes one")
	case len(run.Samples) == 0:
		return nil, errors.New("reading samples: the file has a header and no sample: the bench was ended before its first; run it again")
	}
	return run, nil
}

func (r *Run) line(n int, line []byte) error {
	if n == 1 {
		// A later version may have fields that this one lacks: which version it is comes first.
		var version struct {
			Schema string `json:"schema"`
		}
		if err := json.Unmarshal(line, &version); err != nil {
			return fmt.Errorf("%w: that is no file of nicwright bench", err)
		}
		if version.Schema != Schema {
			return (&Header{Schema: version.Schema}).Check()
		}
		if err := strict(line, &r.Header); err != nil {
			return err
		}
		return r.Header.Check()
	}
	if len(r.Samples) == maxSamples {
		return fmt.Errorf("more than %d samples", maxSamples)
	}
	var s Sample
	if err := strict(line, &s); err != nil {
		return err
	}
	if err := s.Check(); err != nil {
		return err
	}
	r.Samples = append(r.Samples, s)
	return nil
}

// strict decodes one value that has no fields but those of v, and nothing behind it.
func strict(line []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err //nolint:wrapcheck // Read says which line it is
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something behind the object")
	}
	return nil
}
