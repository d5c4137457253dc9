// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Flow is one rule of a flow table. Table, Priority and Match are what it is known by.
type Flow struct {
	Table    uint8
	Priority uint16
	Cookie   uint64
	Match    Match
	Actions  Actions
}

// Same tells whether two flows take one another's place in the table.
func (f Flow) Same(o Flow) bool {
	return f.Table == o.Table && f.Priority == o.Priority && f.Match.Equal(o.Match)
}

// Ours is in the upper half of the cookies of all flows that nicwright makes; OursMask has the bits.
const (
	Ours     uint64 = 0x6e696377 << 32 // "nicw"
	OursMask uint64 = 0xffffffff << 32
)

// Cookie is that of the flows of an owner, a profile's name.
func Cookie(owner string) uint64 {
	return Ours | uint64(crc32.Checksum([]byte(owner), crc32.MakeTable(crc32.Castagnoli)))
}

const (
	multipartFlow      = 1          // OFPMP_FLOW
	multipartAggregate = 2          // OFPMP_AGGREGATE
	multipartMore      = 1          // OFPMPF_REPLY_MORE
	allTables          = 0xff       // OFPTT_ALL
	portAny            = 0xffffffff // OFPP_ANY, and OFPG_ANY
	noBuffer           = 0xffffffff // OFP_NO_BUFFER
)

// Flows lists the flows whose cookie is cookie where mask has bits.
func (c *Conn) Flows(cookie, mask uint64) ([]Flow, error) {
	return c.flows(allTables, Match{}, cookie, mask)
}

// Like lists the flows of f's table whose match is f's, or says more.
func (c *Conn) Like(f Flow) ([]Flow, error) { return c.flows(f.Table, f.Match, 0, 0) }

func (c *Conn) flows(table uint8, match Match, cookie, mask uint64) (all []Flow, err error) {
	xid := c.next()
	err = c.send(typeMultiAsk, xid, askFlows(multipartFlow, table, match, cookie, mask))
	for more := true; err == nil && more; {
		var answer []byte
		if answer, err = c.answer(typeMulti, xid, xid); err == nil {
			var some []Flow
			some, more, err = parseFlows(answer)
			all = append(all, some...)
		}
		if len(all) > maxFlows {
			err = fmt.Errorf("there are more than %d", maxFlows)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the flows of bridge %s: listing them: %w", c.bridge, c.cause(err))
	}
	return all, nil
}

// Count is how many flows the bridge has in all tables (OFPMP_AGGREGATE, 7.3.5.3).
func (c *Conn) Count() (int, error) {
	xid := c.next()
	err := c.send(typeMultiAsk, xid, askFlows(multipartAggregate, allTables, Match{}, 0, 0))
	var answer []byte
	if err == nil {
		answer, err = c.answer(typeMulti, xid, xid)
	}
	if err == nil && len(answer) < 32 {
		err = fmt.Errorf("the answer has %d bytes", len(answer))
	}
	if err != nil {
		return 0, fmt.Errorf("the flows of bridge %s: counting them: %w", c.bridge, c.cause(err))
	}
	return int(binary.BigEndian.Uint32(answer[24:])), nil
}

// askFlows is the body of a question for flows, or for their number.
func askFlows(kind byte, table uint8, match Match, cookie, mask uint64) []byte {
	b := []byte{0, kind, 0, 0, 0, 0, 0, 0, table, 0, 0, 0}
	b = binary.BigEndian.AppendUint32(b, portAny)
	b = binary.BigEndian.AppendUint32(b, portAny)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint64(b, cookie)
	b = binary.BigEndian.AppendUint64(b, mask)
	return match.append(b)
}

// flowStatsLen is what struct ofp_flow_stats has before the match (7.3.5.2).
const flowStatsLen = 48

// parseFlows reads an answer of OFPMP_FLOW, and whether another one follows.
func parseFlows(b []byte) (all []Flow, more bool, err error) {
	if len(b) < 8 || binary.BigEndian.Uint16(b) != multipartFlow {
		return nil, false, errors.New("it answers another question")
	}
	more = binary.BigEndian.Uint16(b[2:])&multipartMore != 0
	for b = b[8:]; len(b) > 0; {
		if len(b) < flowStatsLen {
			return nil, false, errors.New("an answer ends within a flow")
		}
		n := int(binary.BigEndian.Uint16(b))
		if n < flowStatsLen || n > len(b) {
			return nil, false, fmt.Errorf("a flow says that it has %d bytes", n)
		}
		f := Flow{Table: b[2], Priority: binary.BigEndian.Uint16(b[12:]), Cookie: binary.BigEndian.Uint64(b[24:])}
		var rest []byte
		if f.Match, rest, err = parseMatch(b[flowStatsLen:n]); err != nil {
			return nil, false, err
		}
		if f.Actions, err = parseInstructions(rest); err != nil {
			return nil, false, err
		}
		all = append(all, f)
		b = b[n:]
	}
	return all, more, nil
}

// Commands of a flow_mod (7.3.4.1).
const (
	commandAdd          = 0
	commandDeleteStrict = 4
)

// flowMod is the body of an OFPT_FLOW_MOD.
func flowMod(command byte, f Flow, mask uint64) []byte {
	b := binary.BigEndian.AppendUint64(nil, f.Cookie)
	b = binary.BigEndian.AppendUint64(b, mask)
	b = append(b, f.Table, command, 0, 0, 0, 0) // no time-outs
	b = binary.BigEndian.AppendUint16(b, f.Priority)
	b = binary.BigEndian.AppendUint32(b, noBuffer)
	b = binary.BigEndian.AppendUint32(b, portAny)
	b = binary.BigEndian.AppendUint32(b, portAny)
	b = f.Match.append(append(b, 0, 0, 0, 0)) // no flags, no importance
	if command == commandDeleteStrict {
		return b
	}
	return f.Actions.append(b)
}

// Types and flags of a bundle (7.3.9).
const (
	bundleOpen   = 0
	bundleCommit = 4
	bundleFlags  = 3 // OFPBF_ATOMIC | OFPBF_ORDERED
	bundleID     = 1
)

// Change takes flows away, and adds others, all or none of it. A flow that is added takes the place of the same
// one; one that is taken away has exactly the cookie.
func (c *Conn) Change(remove, add []Flow) error {
	if err := c.change(remove, add); err != nil {
		return fmt.Errorf("the flows of bridge %s: changing %d: %w", c.bridge, len(remove)+len(add), c.cause(err))
	}
	return nil
}

func (c *Conn) change(remove, add []Flow) error {
	first := c.xid + 1
	// ask waits for the answer; what was wrong with a message before is said by then.
	ask := func(kind, answer byte, body []byte) error {
		xid := c.next()
		err := c.send(kind, xid, body)
		if err == nil {
			_, err = c.answer(answer, xid, first)
		}
		return err
	}
	if err := ask(typeBundle, typeBundle, bundle(bundleOpen)); err != nil {
		return err
	}
	for _, f := range remove {
		if err := c.inBundle(flowMod(commandDeleteStrict, f, ^uint64(0))); err != nil {
			return err
		}
	}
	for _, f := range add {
		if err := c.inBundle(flowMod(commandAdd, f, 0)); err != nil {
			return err
		}
	}
	// A message that the bridge does not take is not in the bundle, and a commit would do the rest.
	if err := ask(typeEchoAsk, typeEchoReply, nil); err != nil {
		return err
	}
	return ask(typeBundle, typeBundle, bundle(bundleCommit))
}

func bundle(kind uint16) []byte {
	b := binary.BigEndian.AppendUint32(nil, bundleID)
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, kind), bundleFlags)
}

func (c *Conn) inBundle(mod []byte) error {
	xid := c.next()
	inner, err := encode(typeFlowMod, xid, mod)
	if err != nil {
		return err
	}
	return c.send(typeBundleAdd, xid, append(bundle(0), inner...))
}
