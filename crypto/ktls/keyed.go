// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
)

// Keys are the traffic keys of one direction, on which two ends agreed by other
// means than a handshake.
type Keys struct {
	// Suite is a cipher suite of TLS 1.2 or 1.3 that the kernel has too.
	Suite uint16
	Key   []byte // KeySize(Suite) bytes
	// IV is the nonce of RFC 8446 5.3 and RFC 7905. Of TLS 1.2 with AES-GCM the first four
	// bytes are the implicit part, and a record's number is its explicit part (RFC 5288).
	IV       [ivSize]byte
	Sequence uint64 // the number of the next record
}

// KeySize is the length of a suite's key in bytes, 0 of one that the kernel does
// not have.
func KeySize(suite uint16) int {
	su, _ := suiteOf(suite)
	return su.key
}

// AttachKeys gives an established connection to the kernel, for one direction or
// both: with nil a direction stays plain TCP, and must not be used. The keys are
// not kept. conn belongs to the Conn from then on, and is closed when there is
// an error: ErrNoKernelTLS, ErrNoCipher, one about the Keys, or the errno of the
// kernel.
func AttachKeys(conn *net.TCPConn, send, receive *Keys) (*Conn, error) {
	c, err := attachKeys(conn, send, receive)
	if err != nil {
		return nil, errors.Join(err, ignoreClosed(conn.Close()))
	}
	return c, nil
}

func attachKeys(conn *net.TCPConn, send, receive *Keys) (*Conn, error) {
	var su suite
	ways := [2]*direction{}
	defer func() {
		for _, d := range ways {
			if d != nil {
				*d = direction{}
			}
		}
	}()
	for i, k := range []*Keys{send, receive} {
		if k == nil {
			continue
		}
		of, ok := suiteOf(k.Suite)
		if !ok || len(k.Key) != of.key || (su.key != 0 && of.kernel != su.kernel) {
			return nil, fmt.Errorf("ktls: giving the connection with %v to the kernel: keys of %d bytes for %s are not what it takes, or not the same both ways", conn.RemoteAddr(), len(k.Key), tls.CipherSuiteName(k.Suite))
		}
		su = of
		ways[i] = &direction{iv: k.IV, sequence: k.Sequence}
		copy(ways[i].key[:], k.Key)
	}
	return give(conn, su, ways[0], ways[1])
}
