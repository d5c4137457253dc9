// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrNotTLS13 is returned by what only TLS 1.3 has, on a connection of TLS 1.2.
var ErrNotTLS13 = errors.New("the connection is not TLS 1.3")

// SetZeroCopySendfile lets a card that encrypts (State's Tx is Hardware) read a
// file that ReadFrom sends from the page cache itself, without the kernel's copy
// (TLS_TX_ZEROCOPY_RO, Linux 5.19). The file must not change until the peer has
// got it: a retransmission would be encrypted from other bytes, and the peer ends
// the connection. It changes nothing where the kernel encrypts. An older kernel
// answers ENOPROTOOPT.
func (c *Conn) SetZeroCopySendfile(on bool) error {
	return c.setOption("TLS_TX_ZEROCOPY_RO", tlsTxZerocopyRO, on)
}

// SetExpectNoPad tells the kernel that the peer pads no records, which nearly none
// does: it then decrypts straight into the reader's buffer (TLS_RX_EXPECT_NO_PAD,
// Linux 6.0). Padded records are read all the same, at some cost, and counted as
// TlsRxNoPadViolation in /proc/net/tls_stat. TLS 1.3 only: ErrNotTLS13. An older
// kernel answers ENOPROTOOPT.
func (c *Conn) SetExpectNoPad(on bool) error {
	if c.suite.version != tls.VersionTLS13 {
		return fmt.Errorf("ktls: TLS_RX_EXPECT_NO_PAD on the connection with %v: %w", c.RemoteAddr(), ErrNotTLS13)
	}
	return c.setOption("TLS_RX_EXPECT_NO_PAD", tlsRxExpectNoPad, on)
}

func (c *Conn) setOption(name string, option int, on bool) error {
	value := 0
	if on {
		value = 1
	}
	var err error
	if ctlErr := c.raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), solTLS, option, value) }); ctlErr != nil {
		err = ctlErr
	}
	if err != nil {
		return fmt.Errorf("ktls: setting %s on the connection with %v: %w", name, c.RemoteAddr(), os.NewSyscallError("setsockopt "+name, err))
	}
	return nil
}
