// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"bytes"
	"testing"
)

func TestHelloInAnyPieces(t *testing.T) {
	random := bytes.Repeat([]byte{0xab}, randomSize)
	message := append([]byte{serverHello, 0, 0, 70, 3, 3}, append(random, make([]byte, 38)...)...)
	alert := []byte{recordAlert, 3, 3, 0, 2, 1, 112} // a warning may come first
	var stream []byte
	stream = append(stream, alert...)
	stream = append(append(stream, recordHandshake, 3, 3, 0, 10), message[:10]...) // and a message may be in two records
	stream = append(append(stream, recordHandshake, 3, 3, 0, byte(len(message)-10)), message[10:]...)
	for size := 1; size <= len(stream); size++ {
		var h hello
		for rest := stream; len(rest) > 0; {
			n := min(size, len(rest))
			h.see(rest[:n])
			rest = rest[n:]
		}
		if got, ok := h.random(); !ok || !bytes.Equal(got[:], random) {
			t.Errorf("in pieces of %d: %x, %t", size, got, ok)
		}
	}
	var h hello
	h.see([]byte{recordHandshake, 3, 3, 0, 60, 1})
	h.see(make([]byte, 59))
	if _, ok := h.random(); ok {
		t.Error("a message that is no ServerHello gave a random")
	}
}

func FuzzHello(f *testing.F) {
	f.Add([]byte{recordHandshake, 3, 3, 0, 60, 2, 0, 0, 1}, 3)
	f.Fuzz(func(_ *testing.T, data []byte, size int) {
		var h hello
		for len(data) > 0 {
			n := min(max(size, 1), len(data))
			h.see(data[:n])
			data = data[n:]
		}
		h.random()
	})
}

// Whatever comes, the key log takes whole secrets or says no.
func FuzzKeyLog(f *testing.F) {
	f.Add([]byte("CLIENT_TRAFFIC_SECRET_0 00 ff00\n"))
	f.Add([]byte("SERVER_TRAFFIC_SECRET_0 00 " + string(bytes.Repeat([]byte("ab"), 48)) + "\n"))
	f.Add([]byte("CLIENT_RANDOM " + string(bytes.Repeat([]byte("cd"), 32)) + " " + string(bytes.Repeat([]byte("ab"), 48)) + "\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		var k keyLog
		n, err := k.Write(line)
		if err == nil && n != len(line) {
			t.Errorf("it took %d of %d bytes", n, len(line))
		}
		for _, s := range []*secret{&k.secrets.client, &k.secrets.server} {
			if err != nil && s.size != 0 {
				t.Error("a line that was refused left a secret")
			}
			_ = s.get()
		}
	})
}

// The tap hands out what came, and never more than the record in hand.
func FuzzTap(f *testing.F) {
	f.Add([]byte{recordHandshake, 3, 3, 0, 1, 9, recordData, 3, 3, 0, 0}, 3)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		tp := &tap{Conn: stream{r: bytes.NewReader(data)}}
		p := make([]byte, min(max(size, 1), 1<<15))
		var got []byte
		for {
			n, err := tp.Read(p)
			got = append(got, p[:n]...)
			if err != nil {
				break
			}
		}
		if !bytes.Equal(got, data) {
			t.Errorf("it handed out %x of %x", got, data)
		}
	})
}
