// SPDX-License-Identifier: Apache-2.0

// Package grub reads and writes what GRUB keeps from one boot to the next (grubenv, its
// environment block), and finds the entries of its menu by the kernel they boot. It makes
// no menu and writes no configuration: that is the distribution's.
package grub

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// Size is the length of the block in bytes. GRUB writes it in place and never makes it
// longer (GRUB manual, "The GRUB environment block").
const Size = 1024

// signature is the first line (include/grub/lib/envblk.h).
const signature = "# GRUB Environment Block\n"

// Variables of the block that say what is booted (GRUB manual, grub-reboot, grub-set-default).
const (
	SavedEntry = "saved_entry" // each time, where grub.cfg takes its default from it
	NextEntry  = "next_entry"  // once: GRUB empties it before it boots that
)

// ErrForm is what errors.Is finds where a file is no environment block.
var ErrForm = errors.New("that is no environment block of GRUB: `grub-editenv FILE create` makes one")

// ErrFull is what errors.Is finds where a value has no room.
var ErrFull = errors.New("GRUB's environment block is full: `grub-editenv list` says with what")

// Env is an environment block. Comments, and variables that nobody asked for, stay as
// they are.
type Env struct{ lines []line }

// line is a variable, or a comment (name is "").
type line struct{ name, value, comment string }

// Parse reads a block.
func Parse(b []byte) (*Env, error) {
	rest, ok := bytes.CutPrefix(b, []byte(signature))
	if !ok || len(b) != Size {
		return nil, fmt.Errorf("%w (%d bytes)", ErrForm, len(b))
	}
	e := &Env{}
	for len(rest) > 0 {
		if rest[0] == '#' {
			comment, more, ended := bytes.Cut(rest, []byte("\n"))
			if !ended {
				if len(bytes.Trim(rest, "#")) > 0 {
					return nil, fmt.Errorf("%w: what follows the variables is no padding", ErrForm)
				}
				return e, nil
			}
			e.lines = append(e.lines, line{comment: string(comment)})
			rest = more
			continue
		}
		name, value, ok := bytes.Cut(rest, []byte("="))
		if !ok || len(name) == 0 || bytes.ContainsAny(name, "\n\\\x00") {
			return nil, fmt.Errorf("%w: a variable has no name", ErrForm)
		}
		text, more, err := unescape(value)
		if err != nil {
			return nil, err
		}
		e.lines = append(e.lines, line{name: string(name), value: text})
		rest = more
	}
	return e, nil
}

// unescape reads a value up to the end of its line: a backslash stands before a backslash
// or a line's end that is the value's own.
func unescape(b []byte) (string, []byte, error) {
	var s strings.Builder
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\n':
			return s.String(), b[i+1:], nil
		case '\\':
			if i++; i == len(b) {
				continue
			}
			s.WriteByte(b[i])
		default:
			s.WriteByte(b[i])
		}
	}
	return "", nil, fmt.Errorf("%w: its last line does not end", ErrForm)
}

// Get is a variable's value; "" where it is not there, as GRUB has it.
func (e *Env) Get(name string) string {
	for _, l := range e.lines {
		if l.name == name {
			return l.value
		}
	}
	return ""
}

// Set sets a variable, and with "" takes it away.
func (e *Env) Set(name, value string) {
	var lines []line
	set := value == ""
	for _, l := range e.lines {
		if l.name == name {
			if set {
				continue
			}
			l.value, set = value, true
		}
		lines = append(lines, l)
	}
	if !set {
		lines = append(lines, line{name: name, value: value})
	}
	e.lines = lines
}

// Bytes are the block as GRUB reads it. errors.Is(err, ErrFull).
func (e *Env) Bytes() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(signature)
	for _, l := range e.lines {
		if l.name == "" {
			b.WriteString(l.comment + "\n")
			continue
		}
		b.WriteString(l.name + "=" + strings.NewReplacer("\\", "\\\\", "\n", "\\\n").Replace(l.value) + "\n")
	}
	if b.Len() > Size {
		return nil, fmt.Errorf("%w (%d bytes, and it has %d)", ErrFull, b.Len(), Size)
	}
	b.Write(bytes.Repeat([]byte("#"), Size-b.Len()))
	return b.Bytes(), nil
}
