// SPDX-License-Identifier: Apache-2.0

package ipsec

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
)

// saltSize is the salt that follows the key in rfc4106(gcm(aes)), in bytes.
const saltSize = 4

// Keys are the random keys, salts and SPIs of a connection's two directions.
// They are made once, given to [Add] once for each end, and wiped when both
// ends have them. They never show: every way of printing and encoding gives
// the word "redacted".
type Keys struct{ m *material }

// material has one entry a direction: [0] is what the end with the lower address sends.
type material struct {
	spi [2]SPI
	mu  sync.Mutex
	// taken says which end has the keys: none may have them twice, for it would
	// use sequence numbers, and so nonces of AES-GCM, a second time.
	taken [2]bool
	// secret is behind a function so that nothing that walks values by reflection
	// finds the bytes.
	secret func() *[2][]byte
}

// NewKeys makes keys of 128 or 256 bits.
func NewKeys(bits int) (Keys, error) {
	if bits != 128 && bits != 256 {
		return Keys{}, fmt.Errorf("AES-GCM keys of %d bits: they have 128 or 256", bits)
	}
	m := &material{}
	var secret [2][]byte
	for i := range secret {
		secret[i] = make([]byte, bits/8+saltSize)
		_, _ = rand.Read(secret[i]) // never fails
		for m.spi[i] < minSPI {     // up to 255 they are reserved (RFC 4303 2.1)
			var b [4]byte
			_, _ = rand.Read(b[:])
			m.spi[i] = SPI(binary.BigEndian.Uint32(b[:]))
		}
	}
	m.secret = func() *[2][]byte { return &secret }
	return Keys{m}, nil
}

const minSPI = 0x100

// SPI is that of the SA from one address to the other, 0 of the zero Keys.
func (k Keys) SPI(from, to netip.Addr) SPI {
	if k.m == nil {
		return 0
	}
	return k.m.spi[direction(from, to)]
}

func direction(from, to netip.Addr) int {
	if from.Unmap().Less(to.Unmap()) {
		return 0
	}
	return 1
}

// reqID is the request id of both SAs and their policies.
func (k Keys) reqID() uint32 { return ReqIDMark<<16 | uint32(k.m.spi[0])&0xffff }

// take gives one end copies of what it sends and receives with; the caller
// clears them.
func (k Keys) take(local, remote netip.Addr) (out, in []byte, err error) {
	if k.m == nil {
		return nil, nil, errors.New("no keys are given: make them with NewKeys")
	}
	k.m.mu.Lock()
	defer k.m.mu.Unlock()
	end := direction(local, remote)
	if k.m.taken[end] {
		return nil, nil, fmt.Errorf("the end %v has had these keys before: make new ones for both ends with NewKeys, for a nonce must not be used twice", local)
	}
	k.m.taken[end] = true
	secret := k.m.secret()
	out, in = append(out, secret[end]...), append(in, secret[1-end]...)
	if k.m.taken[1-end] {
		clear(secret[0])
		clear(secret[1])
	}
	return out, in, nil
}

const redacted = "redacted"

// String gives no key.
func (Keys) String() string { return redacted }

// GoString gives no key.
func (Keys) GoString() string { return redacted }

// Format gives no key, whatever the verb.
func (Keys) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText gives no key.
func (Keys) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON gives no key.
func (Keys) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
