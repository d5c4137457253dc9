// SPDX-License-Identifier: Apache-2.0

// Package ktls gives a TLS connection to the kernel: crypto/tls does the
// handshake, and from then on the kernel (CONFIG_TLS, module tls), or a network
// card below it, makes and opens the records of both directions. The Conn that
// comes out is a net.Conn on which Write and sendfile (ReadFrom a file) take
// plaintext.
//
// TLS 1.2 with AES-128-GCM and AES-256-GCM, which is what network cards do.
// Linux 4.17 or later. Whether the card encrypts is for the kernel to decide
// when it is given the keys, and it does not say; Conn.State asks.
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
