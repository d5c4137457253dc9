// SPDX-License-Identifier: Apache-2.0

package sysfs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nicwright/nicwright/internal/pci"
)

// VPD is the vital product data of a card (PCI Local Bus Specification 3.0,
// appendix I).
type VPD struct {
	Product    string // the identifier string
	PartNumber string // PN
	Serial     string // SN
}

// Resource tags of VPD.
const (
	vpdID       = 0x82 // large: identifier string
	vpdReadOnly = 0x90 // large: read-only keywords
	vpdEnd      = 0x78 // small: end
)

// VPD reads a function's vital product data. errors.Is(err, fs.ErrNotExist)
// when it has none.
func (s FS) VPD(a pci.Address) (VPD, error) {
	b, err := os.ReadFile(filepath.Join(s.Dir(a), "vpd"))
	if err != nil {
		return VPD{}, fmt.Errorf("reading the VPD of %s: %w", a, err)
	}
	v, err := ParseVPD(b)
	if err != nil {
		return v, fmt.Errorf("reading the VPD of %s: %w", a, err)
	}
	return v, nil
}

// ParseVPD reads vital product data. With an error, what came before the fault
// is returned as well.
func ParseVPD(b []byte) (VPD, error) {
	var v VPD
	for off := 0; off < len(b); {
		tag := b[off]
		if tag&0x80 == 0 { // small resource: the length is in the tag
			if tag&0x78 == vpdEnd {
				return v, nil
			}
			off += 1 + int(tag&7)
			continue
		}
		if off+3 > len(b) {
			return v, fmt.Errorf("it ends within a tag, at byte %d", off)
		}
		size := int(binary.LittleEndian.Uint16(b[off+1:]))
		off += 3
		if off+size > len(b) {
			return v, fmt.Errorf("a resource of %d bytes at byte %d reaches beyond its end", size, off)
		}
		body := b[off : off+size]
		off += size
		switch tag {
		case vpdID:
			v.Product = text(body)
		case vpdReadOnly:
			if err := v.keywords(body); err != nil {
				return v, err
			}
		}
	}
	return v, nil
}

func (v *VPD) keywords(b []byte) error {
	for len(b) >= 3 {
		key, size := string(b[:2]), int(b[2])
		if 3+size > len(b) {
			return fmt.Errorf("the keyword %q is longer than what is left", key)
		}
		value := text(b[3 : 3+size])
		b = b[3+size:]
		switch key {
		case "PN":
			v.PartNumber = value
		case "SN":
			v.Serial = value
		}
	}
	return nil
}

func text(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return strings.ToValidUTF8(strings.TrimSpace(string(s)), "?")
}
