// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Conn is a TLS connection whose records the kernel makes and opens. Its methods
// may be called concurrently, Read beside Write too.
type Conn struct {
	tcp   *net.TCPConn
	raw   syscall.RawConn
	suite suite
	state tls.ConnectionState

	read     sync.Mutex
	rx       receiver
	control  control
	scratch  [256]byte // for the rest of a message, which is not for the reader
	rxSecret secret    // of TLS 1.3
	ended    error     // what Read answers for good: io.EOF, or why there is no more

	write    sync.Mutex
	txSecret secret
	writeErr error // what Write answers for good

	owed   atomic.Bool // the peer asked for a KeyUpdate, which was not sent yet
	closed atomic.Bool
}

var (
	_ net.Conn      = (*Conn)(nil)
	_ io.ReaderFrom = (*Conn)(nil)
)

// ErrTruncated is what Read answers when the peer closed TCP without a
// close_notify: what was read may not be all that was sent. It is an
// io.ErrUnexpectedEOF.
var ErrTruncated = fmt.Errorf("ktls: the peer closed the connection without close_notify: %w", io.ErrUnexpectedEOF)

// errWriteEnded is what Write answers after CloseWrite or Close.
var errWriteEnded = fmt.Errorf("ktls: writing after close_notify was sent: %w", net.ErrClosed)

func newConn(tcp *net.TCPConn, raw syscall.RawConn, su suite) *Conn {
	c := &Conn{tcp: tcp, raw: raw, suite: su}
	c.rx.init()
	return c
}

// maxUseless is how many records and messages in a row that bring no data are put
// up with: tickets, KeyUpdates, warnings, empty records.
const maxUseless = 64

// Read reads plaintext. It answers io.EOF after the peer's close_notify,
// ErrTruncated when TCP ended without one, a tls.AlertError for a fatal alert,
// os.ErrDeadlineExceeded, after which reading may go on, ErrNoRekey, and the
// kernel's errno: EBADMSG is a record that was tampered with.
func (c *Conn) Read(p []byte) (int, error) {
	c.read.Lock()
	defer c.unlockRead()
	if c.ended != nil {
		return 0, c.ended
	}
	if len(p) == 0 {
		return 0, nil
	}
	for useless := 0; useless < maxUseless; {
		buf := p
		if c.control.inMessage() {
			buf = c.scratch[:]
		}
		n, kind, err := c.rx.receive(c.raw, buf)
		if err != nil {
			return 0, c.readError(err)
		}
		if kind == recordData && n > 0 && !c.control.cutShort(kind) {
			return n, nil
		}
		done, err := c.controlRecord(kind, buf[:n])
		if err != nil {
			c.ended = err
			return 0, err
		}
		if done {
			useless++
		}
	}
	c.ended = errors.New("ktls: the peer sent too many messages without data")
	return 0, c.ended
}

// controlRecord takes what is no data. done says that there was a whole message, or
// none at all.
func (c *Conn) controlRecord(kind byte, p []byte) (done bool, err error) {
	if kind == 0 {
		return true, ErrTruncated
	}
	if c.control.cutShort(kind) {
		return true, errMessage
	}
	switch kind {
	case recordData: // an empty one
		return true, nil
	case recordAlert:
		return true, c.control.readAlert(p, c.suite.version)
	case recordHandshake:
		done = len(p) == 0
		for len(p) > 0 {
			want, n, err := c.control.readMessage(p, c.suite.version)
			if err == nil && want != nothing {
				err = c.peerRekeyed(want)
			}
			if err != nil {
				return true, err
			}
			p = p[n:]
			done = done || !c.control.inMessage()
		}
		return done, nil
	default:
		return true, fmt.Errorf("ktls: the peer sent a record of type %d, which TLS has not", kind)
	}
}

// readError tells apart an end of patience, after which reading may go on, from
// the end of the connection.
func (c *Conn) readError(err error) error {
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		err = &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError("recvmsg", err)}
		c.ended = err
	}
	return err
}

// Write sends plaintext; the kernel makes records of at most 16 KiB of it.
func (c *Conn) Write(p []byte) (int, error) {
	c.write.Lock()
	defer c.unlockWrite()
	if err := c.answer(true); err != nil {
		return 0, err
	}
	return c.tcp.Write(p)
}

// CloseWrite sends close_notify: the peer's Read then answers io.EOF, while this
// side can go on reading. As in crypto/tls, TCP itself stays open both ways.
func (c *Conn) CloseWrite() error {
	c.write.Lock()
	defer c.unlockWrite()
	if c.writeErr != nil {
		return nil
	}
	c.writeErr = errWriteEnded
	return c.sendAlert(alertWarning, alertCloseNotify)
}

// closeTime is how long Close waits for close_notify to fit into the socket's
// buffer.
const closeTime = 5 * time.Second

// Close sends close_notify, unless CloseWrite did or a Write is waiting
// meanwhile, and closes the connection. Calls that wait end with net.ErrClosed.
func (c *Conn) Close() error {
	var alertErr error
	if c.write.TryLock() {
		if c.writeErr == nil {
			c.writeErr = errWriteEnded
			if alertErr = c.tcp.SetWriteDeadline(time.Now().Add(closeTime)); alertErr == nil {
				alertErr = c.sendAlert(alertWarning, alertCloseNotify)
			}
		}
		c.write.Unlock()
	}
	c.closed.Store(true)
	err := c.tcp.Close()
	c.wipe(&c.write, &c.txSecret)
	c.wipe(&c.read, &c.rxSecret)
	if err != nil {
		return err
	}
	if errors.Is(alertErr, syscall.EPIPE) || errors.Is(alertErr, syscall.ECONNRESET) {
		return nil // the peer is gone already, and needs no farewell
	}
	return alertErr
}

// wipe forgets a secret of a closed connection. Who holds the lock does it when
// done.
func (c *Conn) wipe(mu *sync.Mutex, s *secret) {
	if mu.TryLock() {
		s.wipe()
		mu.Unlock()
	}
}

func (c *Conn) unlockRead() {
	c.read.Unlock()
	if c.closed.Load() {
		c.wipe(&c.read, &c.rxSecret)
	}
}

func (c *Conn) unlockWrite() {
	c.write.Unlock()
	c.answerNow()
	if c.closed.Load() {
		c.wipe(&c.write, &c.txSecret)
	}
}

// ConnectionState is crypto/tls's record of the handshake; after Attach it has the
// version and the cipher suite.
func (c *Conn) ConnectionState() tls.ConnectionState { return c.state }

// LocalAddr is the TCP connection's.
func (c *Conn) LocalAddr() net.Addr { return c.tcp.LocalAddr() }

// RemoteAddr is the TCP connection's.
func (c *Conn) RemoteAddr() net.Addr { return c.tcp.RemoteAddr() }

// SetDeadline is as in net.Conn. A write that a deadline ends may have sent a
// part of its bytes, as on any TCP connection; the connection stays usable.
func (c *Conn) SetDeadline(t time.Time) error { return c.tcp.SetDeadline(t) }

// SetReadDeadline is as in net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.tcp.SetReadDeadline(t) }

// SetWriteDeadline is as in net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.tcp.SetWriteDeadline(t) }
