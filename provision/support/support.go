// SPDX-License-Identifier: Apache-2.0

// Package support makes one archive for a bug report: what a host has to say of
// itself, without keys, and without addresses and names unless they are asked for.
// What cannot be gathered is named in it, with why.
package support

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// File is one file of an archive.
type File struct {
	Name string `json:"name"` // below the archive's directory, with / between
	Size int    `json:"bytes"`
	Text []byte `json:"-"`
}

// Missing is what could not be gathered.
type Missing struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Source gives some of the files. Those that it has are taken although it ends in an error.
type Source struct {
	Name string // of what is missing where it cannot be read
	Read func(context.Context) ([]File, error)
}

// Bundle is what goes into an archive.
type Bundle struct {
	Files   []File    `json:"files"` // in the order of the archive
	Missing []Missing `json:"missing,omitempty"`
	At      time.Time `json:"at"`
}

// directory is where an archive unpacks to.
const directory = "nicwright-support"

// maxFile is the size of a file in bytes at which it ends: the kernel's ring has less,
// and a journal that has more is one of a broken disk.
const maxFile = 4 << 20

// ErrNothing is that of a source that is there and has nothing.
var ErrNothing = errors.New("there is none")

// Gather asks all sources, one after the other, and takes out what the redactor takes
// out. It ends early only with the context; sources not asked by then are missing.
func Gather(ctx context.Context, tool string, at time.Time, sources []Source, r *Redactor) *Bundle {
	b := &Bundle{At: at.UTC().Truncate(time.Second)}
	for _, s := range sources {
		err := context.Cause(ctx)
		if err == nil {
			var files []File
			files, err = s.Read(ctx)
			b.Files = append(b.Files, files...)
		}
		if err != nil {
			b.Missing = append(b.Missing, Missing{s.Name, err.Error()})
		}
	}
	for _, f := range b.Files { // all, before any is redacted
		r.Learn(f.Text)
	}
	for i := range b.Files {
		f := &b.Files[i]
		cut := len(f.Text) > maxFile
		f.Text = r.Redact(f.Text[:min(len(f.Text), maxFile)])
		if cut {
			f.Text = append(f.Text, "\n... cut off here\n"...)
		}
		f.Name = string(r.Redact([]byte(f.Name)))
		f.Size = len(f.Text)
	}
	for i, m := range b.Missing {
		b.Missing[i].Why = string(r.Redact([]byte(m.Why)))
	}
	readme := b.readme(tool, r.Addresses)
	b.Files = append([]File{{Name: "README.txt", Size: len(readme), Text: readme}}, b.Files...)
	return b
}

func (b *Bundle) readme(tool string, addresses bool) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "For a bug report about nicwright %s, gathered %s.\n\n", tool, b.At.Format(time.RFC3339))
	if addresses {
		out.WriteString("With addresses, host names and serial numbers, as was asked for; keys are taken out.\n")
	} else {
		out.WriteString(`Keys are taken out. Addresses, host names, serial numbers and the kernel's own
messages in the journal stand as mac-1, ipv4-1, ipv6-1, host-1, serial-1, bytes-1 and
so on: the same for the same in all files. Names of netdevs, processes, virtual
machines, bridges and profiles are as they are, as are PCI addresses.
`)
	}
	if len(b.Missing) > 0 {
		out.WriteString("\nNot in here:\n")
		for _, m := range b.Missing {
			fmt.Fprintf(&out, "  %s: %s\n", m.Name, strings.ReplaceAll(m.Why, "\n", "\n    "))
		}
	}
	return out.Bytes()
}

// List prints what is in it: names, sizes, and what is missing.
func (b *Bundle) List(w io.Writer) error {
	var out bytes.Buffer
	t := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	total := 0
	for _, f := range b.Files {
		fmt.Fprintf(t, "%d\t  %s\n", f.Size, f.Name)
		total += f.Size
	}
	fmt.Fprintf(t, "%d\t  bytes in all\n", total)
	if err := t.Flush(); err != nil {
		return fmt.Errorf("printing what is in the archive: %w", err)
	}
	for _, m := range b.Missing {
		first, _, _ := strings.Cut(m.Why, "\n")
		fmt.Fprintf(&out, "missing: %s: %s\n", m.Name, first)
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("printing what is in the archive: %w", err)
	}
	return nil
}

// Archive is the tar.gz: the same of the same bundle, byte for byte.
func (b *Bundle) Archive() ([]byte, error) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	t := tar.NewWriter(z)
	for _, f := range b.Files {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: directory + "/" + f.Name, Mode: 0o600, Size: int64(len(f.Text)), ModTime: b.At, Format: tar.FormatPAX}
		if err := t.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("making the archive: %s: %w", f.Name, err)
		}
		if _, err := t.Write(f.Text); err != nil {
			return nil, fmt.Errorf("making the archive: %s: %w", f.Name, err)
		}
	}
	if err := errors.Join(t.Close(), z.Close()); err != nil {
		return nil, fmt.Errorf("making the archive: %w", err)
	}
	return out.Bytes(), nil
}
