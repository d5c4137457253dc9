// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Match is which frames a flow is of; the zero one is of all.
type Match struct {
	fields []one // by field, each once; those without a name here behind, by number
}

type one struct {
	field int   // in fields, -1: it has no name here
	oxm   uint8 // of one without a name, its number; of one that belongs to a protocol, until settle
	value string
	mask  string // "": all bits
}

// Equal tells whether two matches are of the same frames, said in the same way.
func (m Match) Equal(o Match) bool { return slices.Equal(m.fields, o.fields) }

func (m Match) get(field int) (one, bool) {
	for _, o := range m.fields {
		if o.field == field {
			return o, true
		}
	}
	return one{}, false
}

func (m Match) uint(field int) (n uint16, known bool) {
	o, ok := m.get(field)
	if !ok || o.mask != "" {
		return 0, false
	}
	for i := range len(o.value) {
		n = n<<8 | uint16(o.value[i])
	}
	return n, true
}

// tagged tells whether all frames of the match have a tag.
func (m Match) tagged() bool {
	o, ok := m.get(fVLAN)
	return ok && o.value[0]&(tagged>>8) != 0
}

// add puts a field in its place.
func (m *Match) add(o one) error {
	if o.mask != "" && strings.Trim(o.mask, "\x00") == "" {
		return nil // it says nothing
	}
	at, twice := slices.BinarySearchFunc(m.fields, o, func(a, b one) int {
		if a.field >= 0 && b.field >= 0 {
			return a.field - b.field
		}
		if a.field != b.field { // -1 goes behind
			return b.field - a.field
		}
		return int(a.oxm) - int(b.oxm)
	})
	if twice {
		name := "a field"
		if o.field >= 0 {
			name = fields[o.field].name
		}
		return fmt.Errorf("%s is matched twice", name)
	}
	m.fields = slices.Insert(m.fields, at, o)
	return nil
}

// ParseMatch reads a match as ovs-ofctl(8) writes it: "in_port=3, dl_vlan=100, tcp, tp_dst=22". port gives the
// numbers of ports that are named otherwise; nil: there are none. Errors: an unknown field, a value that is none,
// a field without what it needs.
func ParseMatch(s string, port func(string) (uint32, error)) (Match, error) {
	var m Match
	fail := func(err error) error { return fmt.Errorf("match %q: %w", s, err) }
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			if strings.TrimSpace(s) == "" {
				break
			}
			return Match{}, fail(errors.New("there is nothing between two commas"))
		}
		if err := m.part(part, port); err != nil {
			return Match{}, fail(err)
		}
	}
	if err := m.settle(); err != nil {
		return Match{}, fail(err)
	}
	if err := m.check(); err != nil {
		return Match{}, fail(err)
	}
	return m, nil
}

// settle gives fields that were read by their number their names: of those that belong to one protocol above IP, if it is that.
func (m *Match) settle() error {
	proto, _ := m.uint(fProto)
	was := m.fields
	m.fields = nil
	for _, o := range was {
		switch {
		case o.field < 0 || o.oxm == 0:
		case fields[o.field].by[proto] != o.oxm:
			o.field = -1
		default:
			o.oxm = 0
		}
		if err := m.add(o); err != nil {
			return err
		}
	}
	return nil
}

func (m *Match) part(s string, port func(string) (uint32, error)) error {
	for _, w := range words {
		if w.word != s {
			continue
		}
		err := m.add(one{field: fType, value: string(binary.BigEndian.AppendUint16(nil, w.ether))})
		if err == nil && w.proto != 0 {
			err = m.add(one{field: fProto, value: string([]byte{w.proto})})
		}
		return err
	}
	if s == anyTag {
		return m.add(one{field: fVLAN, value: "\x10\x00", mask: "\x10\x00"})
	}
	name, text, ok := strings.Cut(s, "=")
	name, text = strings.TrimSpace(name), strings.TrimSpace(text)
	i, known := fieldOf(name)
	switch {
	case ok && strings.HasPrefix(name, "oxm"):
		return m.raw(name, text)
	case !known:
		return fmt.Errorf("%q is no field that a match can have (docs/write-a-profile.md has them)", name)
	case !ok:
		return fmt.Errorf("%s has no value", name)
	}
	value, mask, err := fields[i].parse(text, port)
	if err != nil {
		return err
	}
	return m.add(one{field: i, value: value, mask: mask})
}

// raw reads what raw wrote.
func (m *Match) raw(name, text string) error {
	n, err := strconv.ParseUint(strings.TrimPrefix(name, "oxm"), 10, 7)
	valueText, maskText, masked := strings.Cut(text, "/")
	value, errValue := hex.DecodeString(valueText)
	mask, errMask := hex.DecodeString(maskText)
	if err := errors.Join(err, errValue, errMask); err != nil || masked && len(mask) != len(value) || len(value) == 0 || len(value) > 127 {
		return fmt.Errorf("%q is no field", name+"="+text)
	}
	return m.addOXM(uint8(n), string(value), string(mask))
}

// check tells which fields lack what they need (ovs-fields(7), "Prerequisites").
func (m Match) check() error {
	ether, _ := m.uint(fType)
	proto, _ := m.uint(fProto)
	for _, o := range m.fields {
		if o.field < 0 {
			continue
		}
		switch f := fields[o.field]; {
		case f.need != nil && !slices.Contains(f.need, ether):
			return fmt.Errorf("%s needs another protocol beside it, as in %q", f.name, example(f, ether))
		case f.by != nil && f.by[proto] == 0:
			return fmt.Errorf("%s needs another protocol beside it, as in %q", f.name, example(f, ether))
		}
	}
	if _, ok := m.get(fPCP); ok && !m.tagged() {
		return fmt.Errorf("%s needs a VLAN beside it", fields[fPCP].name)
	}
	return nil
}

// example is a word that has what a field needs.
func example(f field, ether uint16) (best string) {
	for _, w := range words {
		fits := slices.Contains(f.need, w.ether) && (f.by == nil || f.by[uint16(w.proto)] != 0)
		if fits && (best == "" || w.ether == ether) {
			best = w.word
			if w.ether == ether {
				break
			}
		}
	}
	return best
}

// Text is the match as ParseMatch reads it, always in the same way; port gives the names of ports, "" for none.
func (m Match) Text(port func(uint32) string) string {
	var parts []string
	ether, hasEther := m.uint(fType)
	proto, hasProto := m.uint(fProto)
	word := -1
	for i, w := range words {
		if hasEther && w.ether == ether && (w.proto == 0 || hasProto && proto == uint16(w.proto)) {
			word = i
		}
	}
	if word >= 0 {
		parts = append(parts, words[word].word)
	}
	for _, o := range m.fields {
		switch {
		case o.field < 0:
			parts = append(parts, raw(o.oxm, o.value, o.mask))
		case o.field == fType && word >= 0, o.field == fProto && word >= 0 && words[word].proto != 0:
		default:
			parts = append(parts, fields[o.field].text(o.value, o.mask, port))
		}
	}
	return strings.Join(parts, ",")
}

const (
	classBasic = 0x8000 // OFPXMC_OPENFLOW_BASIC
	matchOXM   = 1      // OFPMT_OXM
)

// append writes struct ofp_match (7.2.2.1).
func (m Match) append(b []byte) []byte {
	start := len(b)
	b = append(b, 0, matchOXM, 0, 0)
	proto, _ := m.uint(fProto)
	for _, o := range m.fields {
		number := o.oxm
		if o.field >= 0 {
			number = fields[o.field].oxm
			if by := fields[o.field].by; by != nil {
				number = by[proto]
			}
		}
		b = appendOXM(b, number, o.value, o.mask)
	}
	binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start))
	return pad(b, start)
}

func appendOXM(b []byte, number uint8, value, mask string) []byte {
	b = binary.BigEndian.AppendUint16(b, classBasic)
	has := byte(0)
	if mask != "" {
		has = 1
	}
	b = append(b, number<<1|has, byte(len(value)+len(mask)))
	return append(append(b, value...), mask...)
}

// pad fills up what began at start to a multiple of 8 bytes.
func pad(b []byte, start int) []byte {
	for (len(b)-start)%8 != 0 {
		b = append(b, 0)
	}
	return b
}

// parseMatch reads struct ofp_match, and gives what is behind it.
func parseMatch(b []byte) (m Match, rest []byte, err error) {
	bad := errors.New("a match is cut off")
	if len(b) < 4 || binary.BigEndian.Uint16(b) != matchOXM {
		return m, nil, errors.New("a flow has a match of another kind")
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n < 4 || (n+7)&^7 > len(b) {
		return m, nil, bad
	}
	rest = b[(n+7)&^7:]
	for b = b[4:n]; len(b) > 0; {
		if len(b) < 4 || len(b) < 4+int(b[3]) {
			return m, nil, bad
		}
		size, number, has := int(b[3]), b[2]>>1, b[2]&1 == 1
		value, mask := string(b[4:4+size]), ""
		if has {
			value, mask = value[:size/2], value[size/2:]
		}
		switch {
		case size == 0 || has && size%2 != 0:
			return m, nil, bad
		case binary.BigEndian.Uint16(b) != classBasic:
			return m, nil, fmt.Errorf("a match has a field of class %#x, which nicwright does not know", binary.BigEndian.Uint16(b))
		}
		if err := m.addOXM(number, value, mask); err != nil {
			return m, nil, err
		}
		b = b[4+size:]
	}
	return m, rest, m.settle()
}

// addOXM adds a field by its number.
func (m *Match) addOXM(number uint8, value, mask string) error {
	if mask != "" {
		value, mask = masking(value, mask)
	}
	i, known := numbered(number)
	if known && len(value) == fields[i].len && (mask == "" || fields[i].mask) {
		o := one{field: i, value: value, mask: mask}
		if fields[i].by != nil {
			o.oxm = number
		}
		return m.add(o)
	}
	return m.add(one{field: -1, oxm: number, value: value, mask: mask})
}
