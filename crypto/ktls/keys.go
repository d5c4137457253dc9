// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
)

// Sizes in bytes: of TLS 1.2 (RFC 5246), and the largest of any suite.
const (
	masterSize = 48
	randomSize = 32
	maxKey     = 32
	ivSize     = 12
	maxSecret  = 48 // SHA-384
)

// direction is what the kernel is given for one direction.
type direction struct {
	key      [maxKey]byte // the first cipher.key bytes
	iv       [ivSize]byte // the first suite.fixedIV bytes
	sequence uint64       // the number of the next record
}

// firstSequence12 is the number of the first record after Finished, which was
// number 0 of its direction in TLS 1.2. In TLS 1.3 the application's keys begin
// after it.
const firstSequence12 = 1

// cryptoInfo writes the struct tls12_crypto_info_* of a direction, which is that
// of TLS 1.3 too: version, cipher, IV, key, salt, record number. Its size has to
// be exact. With AES-GCM in TLS 1.2 the IV is the nonce that goes with the record:
// crypto/tls takes the record number for it, so to go on from there uses no nonce
// twice.
func (d *direction) cryptoInfo(s suite) []byte {
	b := make([]byte, 0, 4+ivSize+maxKey+8)
	b = binary.NativeEndian.AppendUint16(b, s.version)
	b = binary.NativeEndian.AppendUint16(b, s.kernel)
	if s.fixedIV() == ivSize {
		b = append(b, d.iv[s.salt:]...)
	} else {
		b = binary.BigEndian.AppendUint64(b, d.sequence)
	}
	b = append(b, d.key[:s.key]...)
	b = append(b, d.iv[:s.salt]...)
	return binary.BigEndian.AppendUint64(b, d.sequence)
}

// secret is a traffic secret of TLS 1.3; none if its size is 0.
type secret struct {
	bytes [maxSecret]byte
	size  int
}

func (s *secret) get() []byte { return s.bytes[:s.size] }

func (s *secret) wipe() { *s = secret{} }

// secrets are what the keys are made from; the zero value has none yet.
type secrets struct {
	// of TLS 1.2
	master                     [masterSize]byte
	clientRandom, serverRandom [randomSize]byte
	haveMaster, haveServer     bool
	// of TLS 1.3
	client, server secret
}

func (s *secrets) wipe() { *s = secrets{} }

// derive makes the keys of both directions.
func (s *secrets) derive(su suite) (client, server direction, err error) {
	if su.version == tls.VersionTLS12 {
		return s.derive12(su)
	}
	if err = client.from(su, s.client.get()); err == nil {
		err = server.from(su, s.server.get())
	}
	return client, server, err
}

// derive12 is RFC 5246 6.3.
func (s *secrets) derive12(su suite) (client, server direction, err error) {
	if !s.haveMaster || !s.haveServer {
		return client, server, fmt.Errorf("the handshake showed no master secret (%t) or no server random (%t)", s.haveMaster, s.haveServer)
	}
	seed := make([]byte, 0, 2*randomSize)
	seed = append(append(seed, s.serverRandom[:]...), s.clientRandom[:]...)
	iv := su.fixedIV()
	block := make([]byte, 2*(su.key+iv))
	defer clear(block)
	prf(su.hash, block, s.master[:], "key expansion", seed)
	rest := block
	for _, part := range [][]byte{client.key[:su.key], server.key[:su.key], client.iv[:iv], server.iv[:iv]} {
		rest = rest[copy(part, rest):]
	}
	client.sequence, server.sequence = firstSequence12, firstSequence12
	return client, server, nil
}

// prf is the pseudorandom function of TLS 1.2 (RFC 5246 5); it fills out.
func prf(h func() hash.Hash, out, secret []byte, label string, seed []byte) {
	mac := hmac.New(h, secret)
	labelled := append([]byte(label), seed...)
	sum := func(parts ...[]byte) []byte {
		mac.Reset()
		for _, p := range parts {
			mac.Write(p)
		}
		return mac.Sum(nil)
	}
	for a := sum(labelled); len(out) > 0; a = sum(a) {
		b := sum(a, labelled)
		out = out[copy(out, b):]
		clear(b)
	}
}

// errNoSecret says that a traffic secret is not of the suite's hash.
var errNoSecret = errors.New("a TLS 1.3 traffic secret is missing or not of the size of the cipher suite's hash")

// from makes the keys of a traffic secret (RFC 8446 7.3).
func (d *direction) from(su suite, secret []byte) error {
	if len(secret) != su.hash().Size() {
		return errNoSecret
	}
	if err := expandLabel(su.hash, d.key[:su.key], secret, "key"); err != nil {
		return err
	}
	return expandLabel(su.hash, d.iv[:], secret, "iv")
}

// next makes of a traffic secret the one that follows a KeyUpdate (RFC 8446 7.2).
func (s *secret) next(su suite) (secret, error) {
	n := secret{size: s.size}
	err := expandLabel(su.hash, n.get(), s.get(), "traffic upd")
	return n, err
}

// expandLabel is HKDF-Expand-Label with an empty context (RFC 8446 7.1); it fills
// out.
func expandLabel(h func() hash.Hash, out, secret []byte, label string) error {
	const prefix = "tls13 "
	info := binary.BigEndian.AppendUint16(nil, uint16(len(out)))
	info = append(info, byte(len(prefix)+len(label)))
	info = append(info, prefix+label...)
	info = append(info, 0)
	b, err := hkdf.Expand(h, secret, string(info), len(out))
	if err != nil {
		return fmt.Errorf("making a key from a traffic secret: %w", err)
	}
	copy(out, b)
	clear(b)
	return nil
}
