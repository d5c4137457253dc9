// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/nicwright/nicwright/crypto/ktls"
)

// The witness at the other end of a kTLS proof: TLS records sealed and opened in
// this process, so that a card or kernel that does it wrong has nobody to agree with.

// Of RFC 5246, RFC 5288, RFC 7905 and RFC 8446.
const (
	recordHeader = 5
	recordData   = 23
	recordMax    = 1 << 14 // bytes of plain text
	explicitSize = 8       // of the nonce in a record: TLS 1.2 with AES-GCM
)

// records is one direction of a TLS connection.
type records struct {
	aead     cipher.AEAD
	version  uint16
	explicit bool // the record carries a part of its nonce
	iv       [12]byte
	seq      uint64
	buf      []byte // of seal; of open what was read
	plain    []byte // of open: what was not handed out
}

// newKeys makes random keys of one direction, for the kernel and for the
// witness. They exist in memory alone.
func newKeys(suite uint16) (ktls.Keys, error) {
	k := ktls.Keys{Suite: suite, Key: make([]byte, ktls.KeySize(suite))}
	for _, b := range [][]byte{k.Key, k.IV[:]} {
		if _, err := rand.Read(b); err != nil {
			return k, fmt.Errorf("making a key: %w", err)
		}
	}
	return k, nil
}

func (c KTLSCell) newRecords(k ktls.Keys) (*records, error) {
	r := &records{version: versions[c.Version], iv: k.IV, seq: k.Sequence}
	var err error
	if c.Cipher == chacha {
		r.aead, err = chacha20poly1305.New(k.Key)
	} else {
		var block cipher.Block
		if block, err = aes.NewCipher(k.Key); err == nil {
			r.aead, err = cipher.NewGCM(block)
		}
		r.explicit = r.version == tls.VersionTLS12
	}
	if err != nil {
		return nil, fmt.Errorf("making the cipher of the witness: %w", err)
	}
	return r, nil
}

// nonce of the present record; explicit is what the record carries of it.
func (r *records) nonce(explicit []byte) []byte {
	n := r.iv
	if r.explicit {
		copy(n[4:], explicit)
		return n[:]
	}
	for i := range 8 {
		n[4+i] ^= byte(r.seq >> (56 - 8*i))
	}
	return n[:]
}

// additional data of a record with n bytes of plain text.
func (r *records) additional(header []byte, n int) []byte {
	if r.version == tls.VersionTLS13 {
		return header
	}
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 13), r.seq)
	b = append(b, header[:3]...)
	return binary.BigEndian.AppendUint16(b, uint16(n))
}

// seal makes one record of at most recordMax bytes; it is valid until the next.
func (r *records) seal(plain []byte) []byte {
	b := r.buf[:0]
	b = append(b, recordData, 3, 3, 0, 0)
	if r.explicit {
		b = binary.BigEndian.AppendUint64(b, r.seq)
	}
	start := len(b)
	b = append(b, plain...)
	if r.version == tls.VersionTLS13 {
		b = append(b, recordData)
	}
	binary.BigEndian.PutUint16(b[3:], uint16(len(b)-recordHeader+r.aead.Overhead()))
	b = r.aead.Seal(b[:start], r.nonce(b[recordHeader:start]), b[start:], r.additional(b[:recordHeader], len(plain)))
	r.buf = b
	r.seq++
	return b
}

// errRecord is a record that cannot be what was sealed.
var errRecord = errors.New("the record is not authentic")

// open gives the plain text of a record, in place.
func (r *records) open(record []byte) ([]byte, error) {
	header, body := record[:recordHeader], record[recordHeader:]
	var explicit []byte
	if r.explicit {
		if len(body) < explicitSize {
			return nil, fmt.Errorf("record %d of %d bytes: %w", r.seq, len(body), errRecord)
		}
		explicit, body = body[:explicitSize], body[explicitSize:]
	}
	plain, err := r.aead.Open(body[:0], r.nonce(explicit), body, r.additional(header, len(body)-r.aead.Overhead()))
	if err != nil || header[0] != recordData {
		return nil, fmt.Errorf("record %d, of type %d, of %d bytes: %w", r.seq, header[0], len(record), errRecord)
	}
	r.seq++
	if r.version == tls.VersionTLS13 {
		n := len(plain) - 1
		for n >= 0 && plain[n] == 0 { // padding
			n--
		}
		if n < 0 || plain[n] != recordData {
			return nil, fmt.Errorf("record %d has another inner type than %d: %w", r.seq-1, recordData, errRecord)
		}
		plain = plain[:n]
	}
	return plain, nil
}

// sealer writes records to w.
type sealer struct {
	w io.Writer
	r *records
}

func (s sealer) Write(p []byte) (int, error) {
	sent := 0
	for sent < len(p) {
		n := min(len(p)-sent, recordMax)
		if _, err := s.w.Write(s.r.seal(p[sent : sent+n])); err != nil {
			return sent, err
		}
		sent += n
	}
	return sent, nil
}

// opener reads records from r.
type opener struct {
	from io.Reader
	r    *records
}

func (o opener) Read(p []byte) (int, error) {
	r := o.r
	for len(r.plain) == 0 {
		if cap(r.buf) == 0 {
			r.buf = make([]byte, recordHeader+1<<14+256)
		}
		b := r.buf[:recordHeader]
		if _, err := io.ReadFull(o.from, b); err != nil {
			return 0, err
		}
		n := int(binary.BigEndian.Uint16(b[3:]))
		if recordHeader+n > cap(r.buf) {
			return 0, fmt.Errorf("record %d says it has %d bytes: %w", r.seq, n, errRecord)
		}
		b = r.buf[:recordHeader+n]
		if _, err := io.ReadFull(o.from, b[recordHeader:]); err != nil {
			return 0, fmt.Errorf("in record %d: %w", r.seq, err)
		}
		var err error
		if r.plain, err = r.open(b); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.plain)
	r.plain = r.plain[n:]
	return n, nil
}
