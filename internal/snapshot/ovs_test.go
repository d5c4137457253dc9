// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"encoding/binary"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

func tcmsg(index int32, parent uint32) []byte {
	b := make([]byte, 20)
	binary.NativeEndian.PutUint32(b[4:], uint32(index))
	binary.NativeEndian.PutUint32(b[12:], parent)
	return b
}

func TestParseIngress(t *testing.T) {
	for _, c := range []struct {
		msg   []byte
		index int
		ok    bool
	}{
		{tcmsg(7, 0xFFFFFFF1), 7, true},  // ingress, clsact
		{tcmsg(7, 0xFFFFFFFF), 7, false}, // a root qdisc
		{tcmsg(7, 0xFFFFFFF1)[:19], 0, false},
		{nil, 0, false},
	} {
		if index, ok := parseIngress(c.msg); index != c.index || ok != c.ok {
			t.Errorf("%v: %d, %t", c.msg, index, ok)
		}
	}
}

func TestSwitchThatIsNotThere(t *testing.T) {
	o := readOVS(t.Context(), []string{filepath.Join(t.TempDir(), "db.sock")})
	if o.Running || o.Unread || !strings.Contains(o.Reason, "not running") {
		t.Errorf("%+v", o)
	}
}

// What listens and does not speak OVSDB is no switch, and nobody knows what is in it.
func TestSwitchThatCannotBeRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			_, _ = c.Write([]byte("220 mail.example ESMTP\r\n"))
			_ = c.Close()
		}
	}()
	if o := readOVS(t.Context(), []string{path}); o.Running || !o.Unread || !strings.Contains(o.Reason, path) {
		t.Errorf("%+v", o)
	}
}
