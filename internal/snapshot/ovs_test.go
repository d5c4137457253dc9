// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vishvananda/netlink/nl"

	"github.com/nicwright/nicwright/internal/ovsdb"
	"github.com/nicwright/nicwright/internal/step"
)

// tcmsg is of the netdev 7.
func tcmsg(parent uint32) []byte {
	b := make([]byte, 20)
	binary.NativeEndian.PutUint32(b[4:], 7)
	binary.NativeEndian.PutUint32(b[12:], parent)
	return b
}

func TestParseIngress(t *testing.T) {
	block := nl.NewRtAttr(nl.TCA_INGRESS_BLOCK, nl.Uint32Attr(9)).Serialize()
	for _, c := range []struct {
		msg   []byte
		index int
		block uint32
		ok    bool
	}{
		{tcmsg(0xFFFFFFF1), 7, 0, true}, // ingress, clsact
		{append(tcmsg(0xFFFFFFF1), block...), 7, 9, true},
		{append(tcmsg(0xFFFFFFF1), block[:5]...), 0, 0, false},
		{tcmsg(0xFFFFFFFF), 0, 0, false}, // a root qdisc
		{tcmsg(0xFFFFFFF1)[:19], 0, 0, false},
		{nil, 0, 0, false},
	} {
		if index, block, ok := parseIngress(c.msg); index != c.index || block != c.block || ok != c.ok {
			t.Errorf("%v: %d, %d, %t", c.msg, index, block, ok)
		}
	}
}

func FuzzParseIngress(f *testing.F) {
	f.Add(tcmsg(0xFFFFFFF1))
	f.Fuzz(func(_ *testing.T, b []byte) { parseIngress(b) })
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

func TestBridgeOf(t *testing.T) {
	rows := new(ovsdb.Database)
	err := json.Unmarshal([]byte(`{"Bridges":{"b":{"name":"br0","ports":["set",[["uuid","p"],["uuid","q"],["uuid","gone"]]]}},
		"Ports":{"p":{"interfaces":["uuid","i"],"external_ids":["map",[["nicwright","host1"]]]},"q":{"interfaces":["set",[["uuid","j"],["uuid","k"]]],"external_ids":["map",[["nicwright","1"]]]}},
		"Interfaces":{"i":{"name":"eth0"},"j":{"name":"eth1"},"k":{"name":"eth2"}}}`), rows)
	if err != nil {
		t.Fatal(err)
	}
	got := OVS{Running: true, Rows: rows}.BridgeOf()
	want := map[string]SwitchPort{"eth0": {"br0", "host1"}, "eth1": {"br0", step.NoOwner}, "eth2": {"br0", step.NoOwner}}
	if !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if got := (OVS{}).BridgeOf(); len(got) != 0 {
		t.Errorf("without a switch: %v", got)
	}
}
