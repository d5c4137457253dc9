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

// Actions are what becomes of a flow's frames; none: they are dropped.
type Actions struct {
	all []action
	raw string // instructions that have no name here, as OpenFlow has them
}

type action struct {
	kind actionKind
	n    uint32 // of output, the port
}

type actionKind int

const (
	output actionKind = iota
	popVLAN
	pushVLAN // n is the EtherType
	setVLAN
	setPCP
	gotoTable
)

// Words of actions, as in ovs-actions(7).
const (
	wordDrop   = "drop"
	wordOutput = "output"
	wordPop    = "strip_vlan"
	wordRaw    = "instructions"
)

// numeric are the actions with a number, and what it may be at most.
var numeric = []struct {
	kind actionKind
	word string
	max  uint32
}{
	{pushVLAN, "push_vlan", 0xffff},
	{setVLAN, "mod_vlan_vid", maxVLAN - 1},
	{setPCP, "mod_vlan_pcp", 7},
	{gotoTable, "goto_table", maxTable},
}

// maxTable is the last table that rules can be in (Open vSwitch keeps 254 for itself).
const maxTable = 253

// Equal tells whether two are the same.
func (a Actions) Equal(o Actions) bool { return a.raw == o.raw && slices.Equal(a.all, o.all) }

// ParseActions reads actions as ovs-ofctl(8) writes them: "drop", "NORMAL", "strip_vlan,output:3". m is the match
// of the flow. port is as for ParseMatch. Errors: an unknown action, and one that frames of the match cannot have.
func ParseActions(s string, m Match, port func(string) (uint32, error)) (Actions, error) {
	var a Actions
	fail := func(err error) error { return fmt.Errorf("actions %q: %w", s, err) }
	s = strings.TrimSpace(s)
	if s == wordDrop {
		return a, nil
	}
	if text, ok := strings.CutPrefix(s, wordRaw+"="); ok {
		b, err := hex.DecodeString(text)
		if err != nil {
			return Actions{}, fail(err)
		}
		if a, err = parseInstructions(b); err != nil {
			return Actions{}, fail(err)
		}
		return a, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		one, err := parseAction(strings.TrimSpace(part), port)
		if err != nil {
			return Actions{}, fail(err)
		}
		a.all = append(a.all, one)
	}
	if err := a.check(m); err != nil {
		return Actions{}, fail(err)
	}
	return a, nil
}

func parseAction(s string, port func(string) (uint32, error)) (action, error) {
	word, text, has := strings.Cut(s, ":")
	for _, n := range numeric {
		if n.word != word {
			continue
		}
		v, err := strconv.ParseUint(text, 0, 32)
		if err != nil || v > uint64(n.max) || n.kind == pushVLAN && v != 0x8100 && v != 0x88a8 {
			return action{}, fmt.Errorf("%q is no number that %s can have", text, word)
		}
		return action{n.kind, uint32(v)}, nil
	}
	if n, ok := reserved[s]; ok {
		return action{output, n}, nil
	}
	switch {
	case word == wordPop && !has:
		return action{kind: popVLAN}, nil
	case word == wordOutput && has:
		n, err := portOf(text, port)
		return action{output, n}, err
	case word == wordDrop:
		return action{}, errors.New("drop stands alone")
	}
	return action{}, fmt.Errorf("%q is no action that a rule can have (docs/write-a-profile.md has them)", s)
}

// check tells what of the tag of frames that may have none is changed, and what follows what is last.
func (a Actions) check(m Match) error {
	tag := m.tagged()
	for i, o := range a.all {
		switch o.kind {
		case pushVLAN:
			tag = true
		case popVLAN, setVLAN, setPCP:
			if !tag {
				return fmt.Errorf("%s needs a tag: match a VLAN (dl_vlan=100, or %s), or put push_vlan:0x8100 before it", o.text(nil), anyTag)
			}
			tag = tag && o.kind != popVLAN
		case gotoTable:
			if i < len(a.all)-1 {
				return errors.New("goto_table comes last")
			}
		case output:
		}
	}
	return nil
}

// Text is the actions as ParseActions reads them; port gives the names of ports, "" for none.
func (a Actions) Text(port func(uint32) string) string {
	if a.raw != "" {
		return wordRaw + "=" + hex.EncodeToString([]byte(a.raw))
	}
	if len(a.all) == 0 {
		return wordDrop
	}
	parts := make([]string, len(a.all))
	for i, o := range a.all {
		parts[i] = o.text(port)
	}
	return strings.Join(parts, ",")
}

func (o action) text(port func(uint32) string) string {
	for _, n := range numeric {
		switch {
		case n.kind != o.kind:
		case o.kind == pushVLAN:
			return fmt.Sprintf("%s:%#x", n.word, o.n)
		default:
			return fmt.Sprintf("%s:%d", n.word, o.n)
		}
	}
	if o.kind == popVLAN {
		return wordPop
	}
	if o.n == portInPort || o.n == portNormal {
		return portText(o.n, nil)
	}
	return wordOutput + ":" + portText(o.n, port)
}

// Numbers of instructions (7.2.4) and of actions (7.2.5).
const (
	instructionGoto  = 1
	instructionApply = 4

	actionOutput   = 0
	actionPushVLAN = 17
	actionPopVLAN  = 18
	actionSetField = 25

	toController = 0xffff // OFPCML_NO_BUFFER: of a frame that goes there, all
)

// append writes the instructions.
func (a Actions) append(b []byte) []byte {
	if a.raw != "" {
		return append(b, a.raw...)
	}
	var table []byte
	apply := []byte{0, instructionApply, 0, 0, 0, 0, 0, 0}
	for _, o := range a.all {
		switch o.kind {
		case gotoTable:
			table = []byte{0, instructionGoto, 0, 8, byte(o.n), 0, 0, 0}
		case output:
			apply = binary.BigEndian.AppendUint32(append(apply, 0, actionOutput, 0, 16), o.n)
			apply = append(binary.BigEndian.AppendUint16(apply, toController), 0, 0, 0, 0, 0, 0)
		case pushVLAN:
			apply = append(binary.BigEndian.AppendUint16(append(apply, 0, actionPushVLAN, 0, 8), uint16(o.n)), 0, 0)
		case popVLAN:
			apply = append(apply, 0, actionPopVLAN, 0, 8, 0, 0, 0, 0)
		case setVLAN:
			apply = setField(apply, fields[fVLAN].oxm, binary.BigEndian.AppendUint16(nil, tagged|uint16(o.n)))
		case setPCP:
			apply = setField(apply, fields[fPCP].oxm, []byte{byte(o.n)})
		}
	}
	if len(apply) > 8 {
		binary.BigEndian.PutUint16(apply[2:], uint16(len(apply)))
		b = append(b, apply...)
	}
	return append(b, table...)
}

func setField(b []byte, number uint8, value []byte) []byte {
	start := len(b)
	b = pad(appendOXM(append(b, 0, actionSetField, 0, 0), number, string(value), ""), start)
	binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start))
	return b
}

// parseInstructions reads all instructions of a flow. What has no name here is kept as it is.
func parseInstructions(b []byte) (Actions, error) {
	a := Actions{}
	all := b
	for len(b) > 0 {
		one, rest, err := element(b)
		if err != nil {
			return a, err
		}
		b = rest
		switch kind := binary.BigEndian.Uint16(one); {
		case kind == instructionGoto && len(one) == 8 && len(b) == 0 && one[4] <= maxTable:
			a.all = append(a.all, action{gotoTable, uint32(one[4])})
		case kind == instructionApply && len(a.all) == 0:
			some, known, err := parseApplied(one[8:])
			if err != nil {
				return a, err
			}
			if !known || len(some) == 0 {
				return Actions{raw: string(all)}, nil
			}
			a.all = append(a.all, some...)
		default:
			return Actions{raw: string(all)}, nil
		}
	}
	return a, nil
}

// element is the first of a row of things that begin with a type and a length.
func element(b []byte) (one, rest []byte, err error) {
	if len(b) < 8 {
		return nil, nil, errors.New("an instruction or an action is cut off")
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n < 8 || n%8 != 0 || n > len(b) {
		return nil, nil, fmt.Errorf("an instruction or an action says that it has %d bytes", n)
	}
	return b[:n], b[n:], nil
}

func parseApplied(b []byte) (all []action, known bool, err error) {
	known = true
	for len(b) > 0 {
		one, rest, err := element(b)
		if err != nil {
			return nil, false, err
		}
		b = rest
		o, ok := parseOne(one)
		known = known && ok
		all = append(all, o)
	}
	return all, known, nil
}

func parseOne(one []byte) (o action, known bool) {
	kind := binary.BigEndian.Uint16(one)
	switch {
	case kind == actionOutput && len(one) == 16:
		n := binary.BigEndian.Uint32(one[4:])
		return action{output, n}, n > 0 && n <= maxPort || n == portInPort || n == portNormal || n == portLocal
	case kind == actionPushVLAN && len(one) == 8:
		n := binary.BigEndian.Uint16(one[4:])
		return action{pushVLAN, uint32(n)}, n == 0x8100 || n == 0x88a8
	case kind == actionPopVLAN && len(one) == 8:
		return action{kind: popVLAN}, true
	case kind == actionSetField && binary.BigEndian.Uint16(one[4:]) == classBasic:
		switch vlan, pcp := fields[fVLAN], fields[fPCP]; {
		case one[6] == vlan.oxm<<1 && one[7] == 2 && len(one) == 16:
			n := binary.BigEndian.Uint16(one[8:])
			return action{setVLAN, uint32(n & maxVLAN)}, n&^maxVLAN == tagged && n&maxVLAN < maxVLAN
		case one[6] == pcp.oxm<<1 && one[7] == 1 && len(one) == 16:
			return action{setPCP, uint32(one[8])}, one[8] <= 7
		}
	}
	return action{}, false
}
