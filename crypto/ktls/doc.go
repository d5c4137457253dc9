// SPDX-License-Identifier: Apache-2.0

// Package ktls gives a TLS connection to the kernel: crypto/tls does the
// handshake, and from then on the kernel (CONFIG_TLS, module tls), or a network
// card below it, makes and opens the records of both directions. The Conn that
// comes out is a net.Conn on which Write and sendfile (ReadFrom a file) take
// plaintext. A handshake that was done elsewhere is given by Attach.
//
// It does TLS 1.2 and 1.3 with AES-128-GCM, AES-256-GCM and ChaCha20-Poly1305, as
// client and as server. Linux 5.1 or later for TLS 1.3, 5.11 for ChaCha20, 6.14
// for new keys on a TLS 1.3 connection (Rekey). Whether the card encrypts is for
// the kernel to decide when it is given the keys, and it does not say; Conn.State
// asks. What cards take, up to Linux 7.3, is TLS 1.2 with AES-GCM: set
// MaxVersion to tls.VersionTLS12 for that.
//
// # TLS 1.3
//
// crypto/tls chooses among the TLS 1.3 cipher suites by itself: between two Go
// programs on processors with AES it is always AES-128-GCM; a server of another
// kind may choose what it likes. CipherSuites of a tls.Config is therefore read as
// what is required here: name TLS 1.3 suites in it, and a handshake that comes to
// another one fails with ErrSuite, before any data.
//
// What comes after the handshake is read by Conn.Read: session tickets are passed
// over, so that a TLS 1.3 client resumes nothing, and a server gives none;
// KeyUpdate is followed and answered, where the kernel takes new keys (Linux
// 6.14), and else ends the connection with ErrNoRekey. A connection of TLS 1.3
// keeps its two traffic secrets for that until it is closed.
//
// # Keys
//
// Keys are never logged, and this package's copies of them are wiped once the
// kernel has them. crypto/tls has copies of its own, which become garbage with
// its Conn.
//
// It owns the way of the keys from crypto/tls to the kernel and the kernel's
// socket interface for TLS (include/uapi/linux/tls.h). It leaves certificates
// and their verification to crypto/tls, and proving that a card did the work to
// its users.
package ktls
