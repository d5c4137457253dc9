// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// ErrNoRekey is returned when the kernel takes no new keys for a connection that
// has some (before Linux 6.14): by Rekey, which then sent nothing, and by Read when
// the peer changed its keys, which ends the connection.
var ErrNoRekey = errors.New("this kernel cannot change the keys of a TLS connection: Linux 6.14 or later can")

// Rekey makes what is sent from here on with new keys, and tells the peer so
// (KeyUpdate, RFC 8446 4.6.3). With request the peer is asked to do the same, which
// Read sees to. AES-GCM is good for 2^24 records with one key (RFC 8446 5.5), some
// 390 GB, and neither the kernel nor this package counts. TLS 1.3 only: ErrNotTLS13.
// ErrNoRekey, ErrNotTLS13 and os.ErrDeadlineExceeded leave the connection as it was;
// after another error nothing more can be sent.
func (c *Conn) Rekey(request bool) error {
	if c.suite.version != tls.VersionTLS13 {
		return fmt.Errorf("ktls: new keys for the connection with %v: %w", c.RemoteAddr(), ErrNotTLS13)
	}
	can, err := kernelRekeys()
	if err == nil && !can {
		err = ErrNoRekey
	}
	if err != nil {
		return fmt.Errorf("ktls: new keys for the connection with %v: %w", c.RemoteAddr(), err)
	}
	c.write.Lock()
	defer c.unlockWrite()
	if c.writeErr != nil {
		return c.writeErr
	}
	return c.rekey(request, true)
}

// rekey sends a KeyUpdate and sets the next keys for sending. The caller holds
// write. When there is no room for it, it answers EAGAIN, or with wait
// os.ErrDeadlineExceeded, and nothing was done.
func (c *Conn) rekey(request, wait bool) error {
	message := [...]byte{keyUpdate, 0, 0, 1, 0}
	if request {
		message[messageHeader] = 1
	}
	err := c.sendRecord(recordHandshake, message[:], wait)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, os.ErrDeadlineExceeded) {
		return err // and nothing was sent
	}
	if err == nil {
		c.owed.Store(false) // it answers a request as well
		err = c.setNext(&c.txSecret, tlsTx, "setsockopt TLS_TX")
	}
	if err != nil {
		err = fmt.Errorf("ktls: new keys for sending to %v: %w", c.RemoteAddr(), err)
		c.writeErr = err
	}
	return err
}

// setNext gives the kernel the keys that follow those of a secret.
func (c *Conn) setNext(s *secret, option uintptr, call string) error {
	next, err := s.next(c.suite)
	defer next.wipe()
	var d direction
	defer func() { d = direction{} }()
	if err == nil {
		err = d.from(c.suite, next.get())
	}
	if err != nil {
		return err
	}
	ctlErr := c.raw.Control(func(fd uintptr) { err = setKeys(fd, option, c.suite, &d) })
	switch {
	case ctlErr != nil:
		return ctlErr
	case errors.Is(err, unix.EBUSY):
		return ErrNoRekey
	case err != nil:
		return os.NewSyscallError(call, err)
	}
	*s = next
	return nil
}

// peerRekeyed follows a KeyUpdate of the peer's. The caller holds read.
func (c *Conn) peerRekeyed(want update) error {
	if err := c.setNext(&c.rxSecret, tlsRx, "setsockopt TLS_RX"); err != nil {
		return fmt.Errorf("ktls: the peer %v changed its keys: %w", c.RemoteAddr(), err)
	}
	if want == updateRequested {
		c.owed.Store(true)
		c.answerNow()
	}
	return nil
}

// answerNow sends the KeyUpdate that the peer asked for, if that needs no waiting:
// neither for another writer, who does it when done, nor for room, for then it is
// sent before the next data. RFC 8446 4.6.3 wants no more.
func (c *Conn) answerNow() {
	for c.owed.Load() && c.write.TryLock() {
		err := c.answer(false)
		c.write.Unlock()
		if err != nil {
			return
		}
	}
}

// answer sends the KeyUpdate that is owed, if one is. The caller holds write.
func (c *Conn) answer(wait bool) error {
	if c.writeErr != nil {
		c.owed.Store(false)
		return c.writeErr
	}
	if !c.owed.Load() {
		return nil
	}
	return c.rekey(false, wait)
}

// kernelRekeys tells by /proc/net/tls_stat, which counts changes of keys where
// there are any; to try it would be to do it.
var kernelRekeys = sync.OnceValues(func() (bool, error) {
	f, err := os.Open("/proc/self/net/tls_stat")
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("finding out whether the kernel can change keys: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "TlsTxRekeyOk") {
			return true, nil
		}
	}
	return false, lines.Err()
})
