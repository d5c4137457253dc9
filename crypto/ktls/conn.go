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
	"syscall"
	"time"
)

// Conn is a TLS connection whose records the kernel makes and opens. Its methods
// may be called concurrently, Read beside Write too.
type Conn struct {
	tcp   *net.TCPConn
	raw   syscall.RawConn
	state tls.ConnectionState

	read  sync.Mutex
	rx    receiver
	ended error // what Read answers for good: io.EOF, or why there is no more

	write      sync.Mutex
	writeEnded bool
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

func newConn(tcp *net.TCPConn, raw syscall.RawConn, state tls.ConnectionState) *Conn {
	c := &Conn{tcp: tcp, raw: raw, state: state}
	c.rx.init()
	return c
}

// maxUseless is how many alerts in a row that say nothing are put up with.
const maxUseless = 16

// Read reads plaintext. It answers io.EOF after the peer's close_notify,
// ErrTruncated when TCP ended without one, a tls.AlertError for a fatal alert,
// os.ErrDeadlineExceeded, and the kernel's errno: EBADMSG is a record that was
// tampered with.
func (c *Conn) Read(p []byte) (int, error) {
	c.read.Lock()
	defer c.read.Unlock()
	if c.ended != nil {
		return 0, c.ended
	}
	if len(p) == 0 {
		return 0, nil
	}
	for range maxUseless {
		n, kind, err := c.rx.receive(c.raw, p)
		switch {
		case err != nil:
			return 0, c.readError(err)
		case kind == recordData && n > 0:
			return n, nil
		case kind == recordData:
			continue // an empty record
		case kind == 0:
			c.ended = ErrTruncated
		case kind == recordAlert:
			if err := c.alert(p[:n]); err != nil {
				if !isTimeout(err) {
					c.ended = err
				}
				return 0, err
			}
			continue
		default:
			c.ended = fmt.Errorf("ktls: the peer sent a record of type %d, which the kernel does not handle (22 is a handshake message: renegotiation)", kind)
		}
		return 0, c.ended
	}
	c.ended = errors.New("ktls: the peer sent too many empty records or warnings")
	return 0, c.ended
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

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

const (
	alertWarning     = 1
	alertCloseNotify = 0
)

// alert reads an alert of which the first bytes are in have; nil is a warning
// that may be passed over.
func (c *Conn) alert(have []byte) error {
	for len(have) < 2 { // the caller's buffer was of one byte
		var rest [1]byte
		n, kind, err := c.rx.receive(c.raw, rest[:])
		if err != nil {
			return c.readError(err)
		}
		if n == 0 || kind != recordAlert {
			return errors.New("ktls: the peer sent an alert cut short")
		}
		have = append(have[:len(have):len(have)], rest[:n]...)
	}
	switch {
	case have[1] == alertCloseNotify:
		return io.EOF
	case have[0] == alertWarning:
		return nil
	default:
		return fmt.Errorf("ktls: the peer ended the connection: %w", tls.AlertError(have[1]))
	}
}

// Write sends plaintext; the kernel makes records of at most 16 KiB of it.
func (c *Conn) Write(p []byte) (int, error) {
	c.write.Lock()
	defer c.write.Unlock()
	if c.writeEnded {
		return 0, errWriteEnded
	}
	return c.tcp.Write(p)
}

// ReadFrom sends what r gives until its end. From an *os.File, or an
// io.LimitedReader of one, the bytes go from the page cache to the card by
// sendfile(2) and never into this process.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	c.write.Lock()
	defer c.write.Unlock()
	if c.writeEnded {
		return 0, errWriteEnded
	}
	// To ask sendfile for more than the file has leaves the last record open in the kernel
	// (MSG_MORE) until something else is written, so it is asked for exactly what there is.
	var n int64
	if file, limit := regular(r); file != nil && limit > 0 {
		var err error
		n, err = c.tcp.ReadFrom(&io.LimitedReader{R: file, N: limit})
		if l, ok := r.(*io.LimitedReader); ok {
			l.N -= n
		}
		if err != nil || n < limit {
			return n, err
		}
	}
	more, err := c.tcp.ReadFrom(r) // what is no file, or grew meanwhile
	return n + more, err
}

// regular gives the regular file that r reads, and how much of it there is to
// send; nil for any other reader.
func regular(r io.Reader) (*os.File, int64) {
	limit := int64(-1)
	if l, ok := r.(*io.LimitedReader); ok {
		r, limit = l.R, l.N
	}
	file, ok := r.(*os.File)
	if !ok {
		return nil, 0
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, 0
	}
	at, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, 0
	}
	left := info.Size() - at
	if limit >= 0 {
		left = min(left, limit)
	}
	return file, left
}

// CloseWrite sends close_notify: the peer's Read then answers io.EOF, while this
// side can go on reading. As in crypto/tls, TCP itself stays open both ways.
func (c *Conn) CloseWrite() error {
	c.write.Lock()
	defer c.write.Unlock()
	if c.writeEnded {
		return nil
	}
	c.writeEnded = true
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
		if !c.writeEnded {
			c.writeEnded = true
			if alertErr = c.tcp.SetWriteDeadline(time.Now().Add(closeTime)); alertErr == nil {
				alertErr = c.sendAlert(alertWarning, alertCloseNotify)
			}
		}
		c.write.Unlock()
	}
	if err := c.tcp.Close(); err != nil {
		return err
	}
	if errors.Is(alertErr, syscall.EPIPE) || errors.Is(alertErr, syscall.ECONNRESET) {
		return nil // the peer is gone already, and needs no farewell
	}
	return alertErr
}

// ConnectionState is crypto/tls's record of the handshake.
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
