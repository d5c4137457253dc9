// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"
)

// Keys that do not fit their suite, or one another, are refused before the kernel sees them, and the connection is closed.
func TestAttachKeysRefuses(t *testing.T) {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	key := func(suite uint16, n int) *Keys { return &Keys{Suite: suite, Key: make([]byte, n)} }
	for name, k := range map[string][2]*Keys{
		"a short key":     {key(tls.TLS_AES_128_GCM_SHA256, 15), nil},
		"no key":          {nil, key(tls.TLS_AES_128_GCM_SHA256, 0)},
		"another suite":   {key(tls.TLS_RSA_WITH_AES_128_CBC_SHA, 16), nil},
		"two ciphers":     {key(tls.TLS_AES_128_GCM_SHA256, 16), key(tls.TLS_AES_256_GCM_SHA384, 32)},
		"key of another":  {key(tls.TLS_AES_256_GCM_SHA384, 16), nil},
		"unknown for all": {key(0, 0), nil},
	} {
		c, err := net.DialTCP("tcp4", nil, l.Addr().(*net.TCPAddr))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := AttachKeys(c, k[0], k[1]); err == nil || !strings.Contains(err.Error(), "are not what it takes") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := c.Write([]byte("x")); err == nil {
			t.Errorf("%s: the connection is still open", name)
		}
	}
	for suite, want := range map[uint16]int{tls.TLS_AES_128_GCM_SHA256: 16, tls.TLS_CHACHA20_POLY1305_SHA256: 32, 0: 0} {
		if got := KeySize(suite); got != want {
			t.Errorf("suite %#x: a key of %d bytes, want %d", suite, got, want)
		}
	}
}
