// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"
)

var be = binary.BigEndian

// Registers of the initialization segment, and where MSI-X has its table.
const (
	regFirmware     = 0x0
	regQueueHigh    = 0x10
	regQueueLow     = 0x14
	regDoorbell     = 0x18
	regInitializing = 0x1fc
	msixTable       = 0x8000
)

func swap(v uint32) uint32 {
	var b [4]byte
	be.PutUint32(b[:], v)
	return binary.NativeEndian.Uint32(b[:])
}

func word(b []byte, at int) *uint32 { return (*uint32)(unsafe.Pointer(&b[at])) }

func (d *device) readReg(at int) uint32     { return swap(atomic.LoadUint32(word(d.bar, at))) }
func (d *device) writeReg(at int, v uint32) { atomic.StoreUint32(word(d.bar, at), swap(v)) }

// spin waits until something is true that no event tells of.
func spin(limit time.Duration, f func() bool) bool {
	for end := time.Now().Add(limit); !f(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

const patience = 30 * time.Second // of a busy host's emulation

// start waits for the firmware and tells it where the command queue is.
func (d *device) start() error {
	if err := d.busMaster(); err != nil {
		return err
	}
	if !spin(patience, func() bool { return d.readReg(regInitializing)>>31 == 0 }) {
		return errors.New("the firmware does not come up")
	}
	if d.readReg(regFirmware)&0xffff != 22 {
		return fmt.Errorf("the firmware's revision reads as 0x%x", d.readReg(regFirmware))
	}
	d.writeReg(regQueueHigh, uint32(d.iova>>32))
	d.writeReg(regQueueLow, uint32(d.iova))
	return nil
}

// errNoAnswer: the command is still the card's after the time it had.
var errNoAnswer = errors.New("no answer")

// deliveryError is a delivery status that is not 0.
type deliveryError byte

func (e deliveryError) Error() string { return fmt.Sprintf("delivery status %d", byte(e)) }

// boxes writes a chain of mailboxes at a place in memory, which the card finds at iova.
func (d *device) boxes(at int, iova uint64, data []byte, length int) {
	for o, i := 16, 0; o < length; o, i = o+512, i+1 {
		b := d.mem[at+i*1024:][:1024]
		clear(b)
		if o < len(data) {
			copy(b[:512], data[o:])
		}
		if o+512 < length {
			be.PutUint64(b[560:], iova+uint64(i+1)*1024)
		}
	}
}

// post rings for a command in slot 0 whose answer goes to mailboxes at out.
func (d *device) post(in []byte, outLen int, out uint64) {
	at := inBoxes
	if len(in) > (outBoxes-inBoxes)/2 {
		at = dataAt
	}
	d.boxes(at, d.iova+uint64(at), in, len(in))
	d.boxes(outBoxes, out, nil, outLen)
	e := d.mem[:64]
	clear(e)
	e[0] = 7
	be.PutUint32(e[4:], uint32(len(in)))
	be.PutUint64(e[8:], d.iova+uint64(at))
	copy(e[16:32], in)
	be.PutUint64(e[48:], out)
	be.PutUint32(e[56:], uint32(outLen))
	atomic.StoreUint32(word(d.mem, 60), swap(1)) // the last byte: it is the card's
	d.writeReg(regDoorbell, 1)
}

func (d *device) answered() bool { return swap(atomic.LoadUint32(word(d.mem, 60)))&1 == 0 }

// to gives a command whose answer goes to mailboxes at out, and waits.
func (d *device) to(in []byte, outLen int, out uint64, limit time.Duration) ([]byte, error) {
	d.post(in, outLen, out)
	if !spin(limit, d.answered) {
		return nil, errNoAnswer
	}
	if s := d.mem[63] >> 1; s != 0 {
		return nil, deliveryError(s)
	}
	b := make([]byte, outLen)
	copy(b, d.mem[32:48])
	for o, i := 16, 0; o < outLen; o, i = o+512, i+1 {
		copy(b[o:], d.mem[outBoxes+i*1024:][:512])
	}
	if b[0] != 0 {
		return b, fmt.Errorf("command 0x%x: status %d, syndrome 0x%x", be.Uint16(in), b[0], be.Uint32(b[4:]))
	}
	return b, nil
}

func (d *device) command(in []byte, outLen int) ([]byte, error) {
	return d.to(in, outLen, d.iova+outBoxes, patience)
}

// message makes a command of n bytes.
func message(op uint16, n int) []byte {
	b := make([]byte, n)
	be.PutUint16(b, op)
	return b
}

// The commands that are used; the places of their fields are those of the driver's mlx5_ifc.h.
const (
	opQueryCap  = 0x100
	opInitHCA   = 0x102
	opEnableHCA = 0x104
	opQueryISSI = 0x10a
	opCreateKey = 0x200
	opCreateEQ  = 0x301
	opCreateCQ  = 0x400
	opCreateSQ  = 0x904
	opModifySQ  = 0x905
	opQuerySQ   = 0x907

	issiLen = 0x70
)

func (d *device) enable() error {
	for _, m := range [][]byte{message(opEnableHCA, 12), message(opInitHCA, 16)} {
		if _, err := d.command(m, 16); err != nil {
			return err
		}
	}
	return nil
}

// issi asks for something that is known, through a mailbox.
func (d *device) issi() error {
	b, err := d.command(message(opQueryISSI, 8), issiLen)
	if err != nil {
		return err
	}
	if be.Uint16(b[10:]) != 1 || be.Uint32(b[issiLen-4:]) != 3 {
		return fmt.Errorf("QUERY_ISSI answers %x", b)
	}
	return nil
}

// createEQ makes an event queue of 16 entries at eqAt for the ends of commands, with vector 0.
func (d *device) createEQ() error {
	m := message(opCreateEQ, 0x118)
	m[0x10+12] = 4
	be.PutUint64(m[0x58:], 1<<0xa)
	be.PutUint64(m[0x110:], d.iova+eqAt)
	_, err := d.command(m, 16)
	return err
}

// createSQ makes a completion queue and a send queue of 64 entries each, this one at an address, and has it run. It returns the queue's number.
func (d *device) createSQ(sqIOVA uint64) (uint32, error) {
	clear(d.mem[sqAt : dbrAt+4096])
	for i := range 64 {
		d.mem[cqAt+i*64+63] = 0xf1 // no completion yet
	}
	m := message(opCreateCQ, 0x118)
	c := m[0x10:]
	c[12] = 6
	be.PutUint64(c[56:], d.iova+dbrAt+64)
	be.PutUint64(m[0x110:], d.iova+cqAt)
	b, err := d.command(m, 16)
	if err != nil {
		return 0, err
	}
	m = message(opCreateSQ, 0x20+0x30+0xc0+8)
	c = m[0x20:]
	copy(c[8:12], b[8:12])
	wq := c[0x30:]
	be.PutUint64(wq[16:], d.iova+dbrAt)
	be.PutUint32(wq[32:], 6<<16|6)
	be.PutUint64(wq[0xc0:], sqIOVA)
	if b, err = d.command(m, 16); err != nil {
		return 0, err
	}
	n := be.Uint32(b[8:]) & 0xffffff
	m = message(opModifySQ, 0x20+0x30+0xc0)
	be.PutUint32(m[8:], n)
	be.PutUint32(m[0x20:], 1<<20) // ready
	_, err = d.command(m, 16)
	return n, err
}

// sqState asks for a send queue's state: 1 ready, 3 error.
func (d *device) sqState(n uint32) (byte, error) {
	m := message(opQuerySQ, 16)
	be.PutUint32(m[8:], n)
	b, err := d.command(m, 0x20+0x30+0xc0)
	if err != nil {
		return 0, err
	}
	return b[0x21] >> 4, nil
}

// send posts the i-th frame of a send queue, which is at iova.
func (d *device) send(sq uint32, i int, iova uint64, size int) {
	w := d.mem[sqAt+i%64*64:][:64]
	clear(w)
	be.PutUint32(w, uint32(i&0xffff)<<8|0xa)
	be.PutUint32(w[4:], sq<<8|3)
	w[11] = 8 // with a completion
	be.PutUint32(w[32:], uint32(size))
	be.PutUint64(w[40:], iova)
	atomic.StoreUint32(word(d.mem, dbrAt+4), swap(uint32(i+1)))
}

// sent waits until the card says that frame i is sent.
func (d *device) sent(i int, limit time.Duration) bool {
	done := spin(limit, func() bool {
		e := swap(atomic.LoadUint32(word(d.mem, cqAt+i%64*64+60)))
		return e>>4&0xf == 0 && e&1 == uint32(i/64&1) && e>>16 == uint32(i&0xffff)
	})
	if done {
		atomic.StoreUint32(word(d.mem, dbrAt+64), swap(uint32(i+1)))
	}
	return done
}
