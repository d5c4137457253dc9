// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"hash"
)

// cipher is what a cipher suite means to the kernel.
type cipher struct {
	kernel uint16 // TLS_CIPHER_*, include/uapi/linux/tls.h
	key    int    // bytes
	hash   func() hash.Hash
}

var (
	aes128 = cipher{kernel: 51, key: 16, hash: sha256.New}
	aes256 = cipher{kernel: 52, key: 32, hash: sha512.New384}
)

// cipherOf gives the TLS 1.2 cipher suites that crypto/tls has and the kernel
// too.
func cipherOf(suite uint16) (cipher, bool) {
	switch suite {
	case tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_128_GCM_SHA256:
		return aes128, true
	case tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_RSA_WITH_AES_256_GCM_SHA384:
		return aes256, true
	default:
		return cipher{}, false
	}
}

// Sizes in TLS 1.2 with AES-GCM (RFC 5246, RFC 5288), in bytes.
const (
	masterSize = 48
	randomSize = 32
	saltSize   = 4
	maxKey     = 32
)

// direction is the key material of one direction.
type direction struct {
	key  [maxKey]byte // the first cipher.key bytes
	salt [saltSize]byte
}

// firstSequence is the number of the first record after Finished, which was
// number 0 of its direction in TLS 1.2.
const firstSequence = 1

// cryptoInfo writes the struct tls12_crypto_info_aes_gcm_{128,256} of a
// direction: version, cipher, explicit nonce, key, salt, record number. Its size
// has to be exact. crypto/tls takes the record number for the explicit nonce, so
// to go on from there uses no nonce twice.
func (d *direction) cryptoInfo(c cipher) []byte {
	b := make([]byte, 0, 4+8+c.key+saltSize+8)
	b = binary.NativeEndian.AppendUint16(b, tls.VersionTLS12)
	b = binary.NativeEndian.AppendUint16(b, c.kernel)
	b = binary.BigEndian.AppendUint64(b, firstSequence)
	b = append(b, d.key[:c.key]...)
	b = append(b, d.salt[:]...)
	return binary.BigEndian.AppendUint64(b, firstSequence)
}

// secrets are what the keys are made from; the zero value has none yet.
type secrets struct {
	master                     [masterSize]byte
	clientRandom, serverRandom [randomSize]byte
	haveMaster, haveServer     bool
}

// derive makes the keys of both directions (RFC 5246 6.3).
func (s *secrets) derive(c cipher) (client, server direction, err error) {
	if !s.haveMaster || !s.haveServer {
		return client, server, fmt.Errorf("the handshake showed no master secret (%t) or no server random (%t)", s.haveMaster, s.haveServer)
	}
	seed := make([]byte, 0, 2*randomSize)
	seed = append(append(seed, s.serverRandom[:]...), s.clientRandom[:]...)
	block := make([]byte, 2*(c.key+saltSize))
	defer clear(block)
	prf(c.hash, block, s.master[:], "key expansion", seed)
	rest := block
	for _, part := range [][]byte{client.key[:c.key], server.key[:c.key], client.salt[:], server.salt[:]} {
		rest = rest[copy(part, rest):]
	}
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
