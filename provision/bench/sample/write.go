// SPDX-License-Identifier: Apache-2.0

package sample

import (
	"encoding/json"
	"fmt"
	"io"
)

// Writer writes a document, a line at once: what is written before a run is stopped can be read.
type Writer struct{ w io.Writer }

// NewWriter writes the header, whose Schema it sets. It refuses what Read would refuse.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	h.Schema = Schema
	if err := h.Check(); err != nil {
		return nil, fmt.Errorf("writing the header of the samples: %w", err)
	}
	out := &Writer{w}
	return out, out.line(h)
}

// Write writes one sample. It refuses what Read would refuse.
func (w *Writer) Write(s Sample) error {
	if err := s.Check(); err != nil {
		return fmt.Errorf("writing a sample of %s, turn %d: %w", s.Cell.Mode, s.Turn, err)
	}
	return w.line(s)
}

func (w *Writer) line(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing samples: %w", err)
	}
	if len(text) >= maxLine {
		return fmt.Errorf("writing samples: a line of %d bytes, at most %d are allowed", len(text)+1, maxLine)
	}
	if _, err := w.w.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("writing samples: %w", err)
	}
	return nil
}
