// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Cipher is a TLS_CIPHER_* value of include/uapi/linux/tls.h.
type Cipher uint16

// The ciphers that Attach can give to the kernel.
const (
	AES128GCM        Cipher = 51
	AES256GCM        Cipher = 52
	ChaCha20Poly1305 Cipher = 54
)

// KeySize is the length of the cipher's key in bytes, 0 of an unknown cipher.
func (c Cipher) KeySize() int {
	switch c {
	case AES128GCM:
		return 16
	case AES256GCM, ChaCha20Poly1305:
		return 32
	}
	return 0
}

// Keys are the traffic keys of one direction.
type Keys struct {
	Version uint16 // tls.VersionTLS12 or tls.VersionTLS13
	Cipher  Cipher
	Key     []byte // Cipher.KeySize() bytes
	// IV is the nonce of RFC 8446 5.3 and RFC 7905; of TLS 1.2 with AES-GCM the first four
	// bytes are the implicit part, and the number of a record is its explicit part (RFC 5288).
	IV       [12]byte
	Sequence uint64 // the number of the next record
}

// ErrNoCipher is returned when the kernel does not have the cipher: the module
// (gcm, chacha20poly1305) is not there, or the kernel is older than the cipher.
var ErrNoCipher = errors.New("this kernel has no such cipher for TLS: run `modprobe gcm chacha20poly1305`, or boot a newer kernel")

// Attach gives an established connection to the kernel with keys on which both
// ends have agreed otherwise than by the handshake of this package, for one
// direction or both: with nil a direction stays plain TCP, and must not be used.
// The keys are not kept. conn belongs to the Conn from then on; it is not closed
// when there is an error: ErrNoKernelTLS, ErrNoCipher, or the errno of the kernel.
func Attach(conn *net.TCPConn, send, receive *Keys) (*Conn, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("ktls: giving the connection with %v to the kernel: %w", conn.RemoteAddr(), err)
	}
	ctlErr := raw.Control(func(fd uintptr) {
		if err = setULP(fd); err != nil {
			return
		}
		if send != nil {
			if err = send.set(fd, tlsTx); err != nil {
				err = keyError("sending", "setsockopt TLS_TX", err)
				return
			}
		}
		if receive != nil {
			if err = receive.set(fd, tlsRx); err != nil {
				err = keyError("receiving", "setsockopt TLS_RX", err)
			}
		}
	})
	if err := errors.Join(ctlErr, err); err != nil {
		return nil, fmt.Errorf("ktls: giving the connection with %v to the kernel: %w", conn.RemoteAddr(), err)
	}
	return newConn(conn, raw, tls.ConnectionState{}), nil
}

func setULP(fd uintptr) error {
	err := unix.SetsockoptString(int(fd), unix.SOL_TCP, unix.TCP_ULP, "tls")
	switch {
	case errors.Is(err, unix.ENOENT):
		return ErrNoKernelTLS
	case err != nil:
		return fmt.Errorf("setting its upper layer protocol to tls: %w", os.NewSyscallError("setsockopt TCP_ULP", err))
	}
	return nil
}

func (k *Keys) set(fd uintptr, option uintptr) error {
	info, err := k.info()
	if err != nil {
		return err
	}
	defer clear(info)
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, fd, solTLS, option, uintptr(unsafe.Pointer(&info[0])), uintptr(len(info)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// info writes the struct tls12_crypto_info_* of the cipher.
func (k *Keys) info() ([]byte, error) {
	if len(k.Key) != k.Cipher.KeySize() || len(k.Key) == 0 {
		return nil, fmt.Errorf("a key of %d bytes is not one of the cipher %d", len(k.Key), k.Cipher)
	}
	b := binary.NativeEndian.AppendUint16(make([]byte, 0, 64), k.Version)
	b = binary.NativeEndian.AppendUint16(b, uint16(k.Cipher))
	switch {
	case k.Cipher == ChaCha20Poly1305:
		b = append(append(b, k.IV[:]...), k.Key...)
	case k.Version == tls.VersionTLS12: // the explicit nonce: the record's number, so that none is used twice
		b = binary.BigEndian.AppendUint64(b, k.Sequence)
		b = append(append(b, k.Key...), k.IV[:4]...)
	default:
		b = append(b, k.IV[4:]...)
		b = append(append(b, k.Key...), k.IV[:4]...)
	}
	return binary.BigEndian.AppendUint64(b, k.Sequence), nil
}
