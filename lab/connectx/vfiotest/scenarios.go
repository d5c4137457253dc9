// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	aMoment  = 2 * time.Second // what is not to happen has this long to
	fwError  = deliveryError(6)
	opMkeyIn = 0x110 // where a key's translations are
)

// other is an address at which nothing of the device's is mapped unless a scenario does it.
func (d *device) other() uint64 { return d.iova + 1<<34 }

// expect tells whether an error is the one that is to come.
func expect(err, want error, what string) error {
	switch {
	case err == nil:
		return fmt.Errorf("%s: it went well, without %q", what, want.Error())
	case !errors.Is(err, want):
		return fmt.Errorf("%s: not %q but: %w", what, want.Error(), err)
	}
	return nil
}

// answers: commands through mailboxes, and an interrupt at the end of one.
func answers(d *device) error {
	if err := d.enable(); err != nil {
		return err
	}
	if err := d.issi(); err != nil {
		return err
	}
	m := message(opQueryCap, 16)
	m[7] = 1
	b, err := d.command(m, 0x1010)
	if err != nil {
		return err
	}
	if zero := bytes.Count(b[16:], []byte{0}); zero > 4050 {
		return fmt.Errorf("%d of 4096 bytes of the capabilities are zero", zero)
	}
	fd, err := d.eventFD(msixIRQ)
	if err != nil {
		return err
	}
	if err := d.createEQ(); err != nil {
		return err
	}
	if err := d.issi(); err != nil {
		return err
	}
	if ok, err := wait(fd, patience); !ok {
		return fmt.Errorf("no interrupt: %w", err)
	}
	if d.mem[eqAt+1] != 0xa || d.mem[eqAt+63] != 0 {
		return fmt.Errorf("the event queue begins with %x", d.mem[eqAt:eqAt+64])
	}
	return nil
}

// unmapped: with nothing mapped there is no answer, and mapped again there is.
func unmapped(d *device) error {
	if err := d.issi(); err != nil {
		return err
	}
	if err := d.unmapDMA(d.iova, memSize); err != nil {
		return err
	}
	_, err := d.to(message(opQueryISSI, 8), issiLen, d.iova+outBoxes, aMoment)
	if err := expect(err, errNoAnswer, "a command without a queue"); err != nil {
		return err
	}
	if err := d.mapDMA(d.mem, d.iova, mapRead|mapWrite); err != nil {
		return err
	}
	return d.issi()
}

// mailbox: of an answer that cannot be given all of it, the delivery status says so.
func mailbox(d *device) error {
	_, err := d.to(message(opQueryISSI, 8), issiLen, d.other(), patience)
	if err := expect(err, fwError, "an answer to where nothing is mapped"); err != nil {
		return err
	}
	if err := d.mapDMA(d.mem[outBoxes:][:4096], d.other(), mapRead|mapWrite); err != nil {
		return err
	}
	m := message(opQueryCap, 16)
	m[7] = 1
	_, err = d.to(m, 0x1010, d.other(), patience)
	if err := expect(err, fwError, "an answer of which half has no place"); err != nil {
		return err
	}
	if _, err := d.to(message(opQueryISSI, 8), issiLen, d.other(), patience); err != nil {
		return err
	}
	return d.issi()
}

// readOnly: what is mapped for reading is read and not written.
func readOnly(d *device) error {
	if err := d.enable(); err != nil {
		return err
	}
	if err := d.mapDMA(d.mem, d.other(), mapRead); err != nil {
		return err
	}
	_, err := d.to(message(opQueryISSI, 8), issiLen, d.other()+outBoxes, patience)
	if err := expect(err, fwError, "an answer to where nothing may be written"); err != nil {
		return err
	}
	if bytes.ContainsFunc(d.mem[outBoxes:][:512], func(r rune) bool { return r != 0 }) {
		return fmt.Errorf("the answer is there: %x", d.mem[outBoxes:][:64])
	}
	sq, err := d.createSQ(d.other() + sqAt)
	if err != nil {
		return err
	}
	return d.frames(sq, 0, 1, d.other()+dataAt)
}

// foreign: the table of interrupts is the machine's to write, yet only its own are raised.
func foreign(d *device) error {
	if err := d.enable(); err != nil {
		return err
	}
	fd, err := d.eventFD(msixIRQ)
	if err != nil {
		return err
	}
	if err := d.createEQ(); err != nil {
		return err
	}
	entry := word(d.bar, msixTable+8)
	mine := atomic.LoadUint32(entry)
	atomic.StoreUint32(entry, 1)
	if err := d.issi(); err != nil {
		return err
	}
	if ok, err := wait(fd, aMoment); ok || err != nil {
		return fmt.Errorf("an interrupt of another number came: %w", err)
	}
	atomic.StoreUint32(entry, mine)
	if err := d.issi(); err != nil {
		return err
	}
	if ok, err := wait(fd, patience); !ok {
		return fmt.Errorf("no interrupt of its own: %w", err)
	}
	return nil
}

// hugeKey: a memory key of as many of the largest pages as fit into a command.
func hugeKey(d *device) error {
	if err := d.enable(); err != nil {
		return err
	}
	const n = 40000
	m := message(opCreateKey, opMkeyIn+8*n)
	key := m[0x10:]
	be.PutUint32(key, 1<<8) // MTTs
	be.PutUint32(key[56:], 30)
	be.PutUint32(m[0x60:], n/2)
	for i := range n {
		be.PutUint64(m[opMkeyIn+8*i:], d.iova)
	}
	_, err := d.command(m, 16)
	return err
}

// frames sends count frames, from the first on, that are at iova, and waits for each.
func (d *device) frames(sq uint32, first, count int, iova uint64) error {
	f := d.mem[dataAt:][:64]
	copy(f, "\x02\x00\x00\x00\x99\x02\x02\x00\x00\x00\x99\x01\x88\xb5vfiotest")
	for i := first; i < first+count; i++ {
		d.send(sq, i, iova, 64)
		if !d.sent(i, patience) {
			return fmt.Errorf("frame %d is not sent", i)
		}
	}
	return nil
}

// data: frames come out of mapped memory; not of what is not mapped, and a queue whose own memory goes stops.
func data(d *device) error {
	if err := d.enable(); err != nil {
		return err
	}
	at := d.other()
	if err := d.mapDMA(d.mem[sqAt:][:4096], at, mapRead); err != nil {
		return err
	}
	sq, err := d.createSQ(at)
	if err != nil {
		return err
	}
	if err := d.frames(sq, 0, 100, d.iova+dataAt); err != nil {
		return err
	}
	if err := d.frames(sq, 100, 1, d.iova+memSize); err != nil {
		return err
	}
	if err := d.unmapDMA(at, 4096); err != nil {
		return err
	}
	d.send(sq, 101, d.iova+dataAt, 64)
	if d.sent(101, aMoment) {
		return errors.New("a frame is sent out of a queue that is not mapped")
	}
	if s, err := d.sqState(sq); s != 3 || err != nil {
		return fmt.Errorf("the queue's state is %d: %w", s, err)
	}
	return nil
}

// resets: while frames are under way, and everything goes on anew.
func resets(d *device) error {
	for n := range 5 {
		if err := d.enable(); err != nil {
			return err
		}
		sq, err := d.createSQ(d.iova + sqAt)
		if err != nil {
			return err
		}
		if err := d.frames(sq, 0, 10, d.iova+dataAt); err != nil {
			return err
		}
		var stop atomic.Bool
		var posting sync.WaitGroup
		posting.Go(func() {
			for i := 10; !stop.Load(); i++ {
				d.send(sq, i, d.iova+dataAt, 64)
			}
		})
		time.Sleep(20 * time.Millisecond)
		err = d.reset()
		stop.Store(true)
		posting.Wait()
		if err != nil {
			return err
		}
		if err := d.start(); err != nil {
			return fmt.Errorf("after reset %d: %w", n, err)
		}
	}
	return answers(d)
}

// held: keeps the device until it is asked to give it back.
func held(d *device) error {
	fd, err := d.eventFD(requestIRQ)
	if err != nil {
		return err
	}
	if err := answers(d); err != nil {
		return err
	}
	fmt.Println("held")
	if ok, err := wait(fd, 5*time.Minute); !ok {
		return fmt.Errorf("nobody asks for the device: %w", err)
	}
	return nil
}

// two devices of one container, at a time.
func two(ds []*device) error {
	errs := make([]error, len(ds))
	var all sync.WaitGroup
	for i, d := range ds {
		all.Go(func() { errs[i] = errors.Join(answers(d), resets(d)) })
	}
	all.Wait()
	return errors.Join(errs...)
}
