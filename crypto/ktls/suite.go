// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"hash"
)

// cipher is what the kernel wants to know of a cipher; sizes are in bytes.
type cipher struct {
	kernel uint16 // TLS_CIPHER_*, include/uapi/linux/tls.h
	key    int
	salt   int // of the fixed IV: what the kernel takes apart from the rest
}

var (
	aes128 = cipher{kernel: 51, key: 16, salt: 4}
	aes256 = cipher{kernel: 52, key: 32, salt: 4}
	chacha = cipher{kernel: 54, key: 32, salt: 0}
)

// suite is a cipher suite that crypto/tls has and the kernel too.
type suite struct {
	cipher
	version uint16
	hash    func() hash.Hash
}

// fixedIV is how much of the key block is IV: in TLS 1.2 the rest of AES-GCM's
// is in each record (RFC 5288), ChaCha20 has none there (RFC 7905).
func (s suite) fixedIV() int {
	if s.version == tls.VersionTLS12 && s.salt > 0 {
		return s.salt
	}
	return ivSize
}

// suiteOf gives what a cipher suite is to the kernel.
func suiteOf(id uint16) (suite, bool) {
	switch id {
	case tls.TLS_AES_128_GCM_SHA256:
		return suite{aes128, tls.VersionTLS13, sha256.New}, true
	case tls.TLS_AES_256_GCM_SHA384:
		return suite{aes256, tls.VersionTLS13, sha512.New384}, true
	case tls.TLS_CHACHA20_POLY1305_SHA256:
		return suite{chacha, tls.VersionTLS13, sha256.New}, true
	case tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_128_GCM_SHA256:
		return suite{aes128, tls.VersionTLS12, sha256.New}, true
	case tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_RSA_WITH_AES_256_GCM_SHA384:
		return suite{aes256, tls.VersionTLS12, sha512.New384}, true
	case tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:
		return suite{chacha, tls.VersionTLS12, sha256.New}, true
	default:
		return suite{}, false
	}
}
