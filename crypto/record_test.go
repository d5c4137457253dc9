// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"testing"
)

func witnessPair(t testing.TB, version, cipher string) (seal, open *records) {
	t.Helper()
	c := KTLSCell{Version: version, Cipher: cipher}
	keys, err := newKeys(suites[version][cipher])
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []**records{&seal, &open} {
		if *r, err = c.newRecords(keys); err != nil {
			t.Fatal(err)
		}
	}
	return seal, open
}

func TestRecordsRoundTrip(t *testing.T) {
	text := make([]byte, 100_000)
	if _, err := rand.Read(text); err != nil {
		t.Fatal(err)
	}
	for _, v := range Versions {
		for _, c := range Ciphers {
			seal, open := witnessPair(t, v, c)
			var wire bytes.Buffer
			if _, err := (sealer{&wire, seal}).Write(text); err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(wire.Bytes(), text[:64]) {
				t.Errorf("%s %s: plain text on the wire", v, c)
			}
			got, err := io.ReadAll(opener{&wire, open})
			if err != nil || !bytes.Equal(got, text) {
				t.Errorf("%s %s: %d of %d bytes, %v", v, c, len(got), len(text), err)
			}
		}
	}
}

// Every bit of a record matters, and so does the order of records.
func TestRecordsNoticeChanges(t *testing.T) {
	for _, v := range Versions {
		for _, c := range Ciphers {
			seal, _ := witnessPair(t, v, c)
			first := bytes.Clone(seal.seal([]byte("sixteen bytes of")))
			for i := range first {
				open := *seal
				open.seq = 0
				bad := bytes.Clone(first)
				bad[i] ^= 0x10
				if plain, err := io.ReadAll(opener{bytes.NewReader(bad), &open}); err == nil {
					t.Errorf("%s %s: byte %d was changed, and the record gave %q", v, c, i, plain)
				}
			}
			again := *seal
			if _, err := again.open(bytes.Clone(first)); !errors.Is(err, errRecord) {
				t.Errorf("%s %s: record 0 in the place of record 1: %v", v, c, err)
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	for i, v := range Versions {
		seal, _ := witnessPair(f, v, Ciphers[i])
		f.Add(seal.seal([]byte("text")), i, i)
	}
	f.Fuzz(func(t *testing.T, wire []byte, v, c int) {
		version, cipher := Versions[v&1], Ciphers[(c&0xff)%len(Ciphers)]
		_, open := witnessPair(t, version, cipher)
		if plain, err := io.ReadAll(opener{bytes.NewReader(wire), open}); len(plain) > 0 {
			t.Errorf("%s: %q without the key, %v", fmt.Sprint(version, cipher), plain, err)
		}
	})
}
