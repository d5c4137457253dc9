// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestFramesArriveInOrderAndWhole(t *testing.T) {
	var b bytes.Buffer
	c := New(&b)
	long := bytes.Repeat([]byte{0, 1, 2, 255}, MaxPayload/2)
	for _, f := range []struct {
		k Kind
		p []byte
	}{{Hello, nil}, {Stdout, []byte("a\x00b")}, {Stderr, long}, {Exit, []byte{7, 0, 0, 0}}} {
		if err := c.Send(f.k, f.p); err != nil {
			t.Fatal(err)
		}
	}
	got := map[Kind][]byte{}
	var order []Kind
	for {
		k, p, err := c.Receive()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got[k] = append(got[k], p...)
		order = append(order, k)
	}
	if string(got[Stdout]) != "a\x00b" || !bytes.Equal(got[Stderr], long) || len(got[Hello]) != 0 {
		t.Error("payloads were changed on the way")
	}
	if len(order) != 5 || order[0] != Hello || order[4] != Exit {
		t.Errorf("the order is %v", order)
	}
}

func TestGarbageIsRefused(t *testing.T) {
	c := New(struct {
		io.Reader
		io.Writer
	}{strings.NewReader("[    0.000000] Linux"), io.Discard})
	if _, _, err := c.Receive(); err == nil {
		t.Error("a console's words were taken for a frame")
	}
}

func TestTornFrameIsAnError(t *testing.T) {
	var b bytes.Buffer
	if err := New(&b).Send(Stdout, []byte("whole")); err != nil {
		t.Fatal(err)
	}
	b.Truncate(b.Len() - 1)
	if _, _, err := New(&b).Receive(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a torn frame gives %v", err)
	}
}
