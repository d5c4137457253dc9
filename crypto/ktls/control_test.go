// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"slices"
	"testing"
)

// pieces feeds handshake records, each in pieces of a size, as Read does.
func pieces(c *control, version uint16, size int, records ...[]byte) (wants []update, err error) {
	for _, r := range records {
		for len(r) > 0 {
			p := r[:min(size, len(r))]
			r = r[len(p):]
			for len(p) > 0 {
				want, n, err := c.readMessage(p, version)
				if err != nil {
					return wants, err
				}
				if want != nothing {
					wants = append(wants, want)
				}
				p = p[n:]
			}
		}
	}
	return wants, nil
}

func ticket(n int) []byte {
	return append([]byte{newSessionTicket, byte(n >> 16), byte(n >> 8), byte(n)}, bytes.Repeat([]byte{keyUpdate}, n)...)
}

func TestHandshakeMessages(t *testing.T) {
	updated, requested := []byte{keyUpdate, 0, 0, 1, 0}, []byte{keyUpdate, 0, 0, 1, 1}
	long := ticket(40_000)
	for _, c := range []struct {
		name    string
		version uint16
		records [][]byte
		want    []update
		err     error
	}{
		{"two tickets in a record", tls.VersionTLS13, [][]byte{slices.Concat(ticket(200), ticket(1))}, nil, nil},
		{"a ticket in three records", tls.VersionTLS13, [][]byte{long[:3], long[3:16384], long[16384:]}, nil, nil},
		{"a KeyUpdate", tls.VersionTLS13, [][]byte{updated}, []update{peerUpdated}, nil},
		{"KeyUpdates", tls.VersionTLS13, [][]byte{requested, updated, ticket(3), requested}, []update{updateRequested, peerUpdated, updateRequested}, nil},
		{"a KeyUpdate after a ticket", tls.VersionTLS13, [][]byte{slices.Concat(ticket(9), requested)}, []update{updateRequested}, nil},
		{"a KeyUpdate of another size", tls.VersionTLS13, [][]byte{{keyUpdate, 0, 0, 2, 0, 0}}, nil, errKeyUpdate},
		{"a KeyUpdate that wants what there is not", tls.VersionTLS13, [][]byte{{keyUpdate, 0, 0, 1, 2}}, nil, errKeyUpdate},
		{"an empty ticket", tls.VersionTLS13, [][]byte{ticket(0)}, nil, errMessage},
		{"a ticket too long", tls.VersionTLS13, [][]byte{{newSessionTicket, 0xff, 0, 0}}, nil, errMessage},
	} {
		for _, size := range []int{1, 2, 3, 4, 5, 7, 256, 1 << 16} {
			var ctl control
			got, err := pieces(&ctl, c.version, size, c.records...)
			if !errors.Is(err, c.err) || (err == nil && !slices.Equal(got, c.want)) {
				t.Errorf("%s, in pieces of %d: %v, %v", c.name, size, got, err)
			}
			if err == nil && ctl.inMessage() {
				t.Errorf("%s, in pieces of %d: it waits for more", c.name, size)
			}
		}
	}
	for name, c := range map[string]struct {
		version uint16
		record  []byte
	}{
		"a KeyUpdate with more behind it":   {tls.VersionTLS13, slices.Concat(updated, ticket(1))},
		"a ClientHello after the handshake": {tls.VersionTLS13, []byte{1, 0, 0, 5}},
		"a HelloRequest":                    {tls.VersionTLS12, []byte{helloRequest, 0, 0, 0}},
		"a renegotiation":                   {tls.VersionTLS12, []byte{1, 0, 0, 5}},
		"a KeyUpdate in TLS 1.2":            {tls.VersionTLS12, updated},
	} {
		if _, err := pieces(&control{}, c.version, 1<<16, c.record); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestAlerts(t *testing.T) {
	badMAC := tls.AlertError(20)
	for _, c := range []struct {
		name    string
		version uint16
		alerts  []byte
		want    error
	}{
		{"close_notify", tls.VersionTLS12, []byte{1, 0}, io.EOF},
		{"close_notify that calls itself fatal", tls.VersionTLS13, []byte{2, 0}, io.EOF},
		{"a warning", tls.VersionTLS12, []byte{1, 100}, nil},
		{"a warning, which TLS 1.3 has not", tls.VersionTLS13, []byte{1, 20}, badMAC},
		{"user_canceled, and the end", tls.VersionTLS13, []byte{1, alertUserCanceled, 1, 0}, io.EOF},
		{"fatal", tls.VersionTLS12, []byte{2, 20}, badMAC},
		{"half", tls.VersionTLS13, []byte{2}, nil},
	} {
		var ctl control
		var err error
		for _, b := range c.alerts { // a byte at a time
			if err = ctl.readAlert([]byte{b}, c.version); err != nil {
				break
			}
		}
		if whole := (&control{}).readAlert(c.alerts, c.version); !errors.Is(err, c.want) || !errors.Is(whole, c.want) {
			t.Errorf("%s: %v, and at once %v", c.name, err, whole)
		}
		if ctl.cutShort(recordData) != (len(c.alerts) == 1) {
			t.Errorf("%s: wrong about data that follows", c.name)
		}
	}
}

// However the records are cut, the same comes of them.
func FuzzControl(f *testing.F) {
	f.Add(slices.Concat(ticket(5), []byte{keyUpdate, 0, 0, 1, 1}), 3, true)
	f.Add([]byte{1, 0}, 1, false)
	f.Fuzz(func(t *testing.T, data []byte, size int, tls13 bool) {
		version := uint16(tls.VersionTLS12)
		if tls13 {
			version = tls.VersionTLS13
		}
		var whole, cut control
		wants, err := pieces(&whole, version, len(data)+1, data)
		wants2, err2 := pieces(&cut, version, max(size, 1), data)
		// That nothing follows a KeyUpdate is only seen of what comes with it.
		if !errors.Is(err, errKeyUpdate) && ((err == nil) != (err2 == nil) || !slices.Equal(wants, wants2)) {
			t.Errorf("%v, %v; in pieces %v, %v", wants, err, wants2, err2)
		}
		_ = (&control{}).readAlert(data, version)
	})
}
