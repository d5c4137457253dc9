// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"encoding/binary"
	"fmt"
)

const (
	multipartMonitor = 16        // OFPMP_FLOW_MONITOR
	monitorFlags     = 2 | 4 | 8 // OFPFMF_ADD | OFPFMF_REMOVED | OFPFMF_MODIFY

	monitorAbbrev = 4 // OFPFME_ABBREV, the first event that is no flow
)

// Monitor asks to be told of changes of flows, for Next (7.3.5.17). Errors: a bridge that does not tell, as before Open vSwitch 2.16.
func (c *Conn) Monitor() error {
	b := []byte{0, multipartMonitor, 0, 0, 0, 0, 0, 0}
	b = binary.BigEndian.AppendUint32(b, 1) // monitor_id
	b = binary.BigEndian.AppendUint32(b, portAny)
	b = binary.BigEndian.AppendUint32(b, portAny)
	b = binary.BigEndian.AppendUint16(b, monitorFlags)
	b = append(b, allTables, 0) // OFPFMC_ADD
	xid := c.next()
	err := c.send(typeMultiAsk, xid, Match{}.append(b))
	if err == nil {
		_, err = c.answer(typeMulti, xid, xid)
	}
	if err != nil {
		return fmt.Errorf("the flows of bridge %s: being told of their changes: %w", c.bridge, c.cause(err))
	}
	return nil
}

// Next waits until a flow that nicwright made has changed. Its error ends what Monitor began.
func (c *Conn) Next() error {
	for {
		m, err := readMessage(c.c)
		switch {
		case err != nil:
			return c.cause(err)
		case m.kind == typeEchoAsk:
			if err := c.send(typeEchoReply, m.xid, m.body); err != nil {
				return c.cause(err)
			}
		case m.kind == typeMulti:
			if ours, err := ofOurs(m.body); ours || err != nil {
				return err
			}
		}
	}
}

// ofOurs tells whether an answer of OFPMP_FLOW_MONITOR has a flow of ours, or may have: updates were left out.
func ofOurs(b []byte) (bool, error) {
	if len(b) < 8 || binary.BigEndian.Uint16(b) != multipartMonitor {
		return false, nil
	}
	for b = b[8:]; len(b) > 0; {
		if len(b) < 8 {
			return false, fmt.Errorf("an update of flows ends within one")
		}
		n := int(binary.BigEndian.Uint16(b))
		if n < 8 || n > len(b) {
			return false, fmt.Errorf("an update of flows says that it has %d bytes", n)
		}
		switch event := binary.BigEndian.Uint16(b[2:]); {
		case event >= monitorAbbrev:
			return true, nil
		case n < 24:
			return false, fmt.Errorf("an update of flows has %d bytes", n)
		case binary.BigEndian.Uint64(b[16:])&OursMask == Ours:
			return true, nil
		}
		b = b[n:]
	}
	return false, nil
}
