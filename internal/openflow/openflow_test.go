// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// texts are matches and actions as a person writes them, and as they are written always.
var texts = []struct{ match, actions, wantMatch, wantActions string }{
	{"", "NORMAL", "", "NORMAL"},
	{"in_port=vf1, dl_vlan=100", "drop", "in_port=vf1,dl_vlan=100", "drop"},
	{"dl_vlan=0xffff,in_port=2", "output:vf1", "in_port=2,dl_vlan=0xffff", "output:vf1"},
	{"vlan_tci=0x1000/0x1000,in_port=LOCAL", "strip_vlan, output:LOCAL", "in_port=LOCAL,vlan_tci=0x1000/0x1000", "strip_vlan,output:LOCAL"},
	{"dl_vlan=10,dl_vlan_pcp=7", "mod_vlan_vid:20,mod_vlan_pcp:0,NORMAL", "dl_vlan=10,dl_vlan_pcp=7", "mod_vlan_vid:20,mod_vlan_pcp:0,NORMAL"},
	{"eth_src=02:00:00:00:00:01/ff:ff:ff:00:00:00", "push_vlan:0x88A8,mod_vlan_vid:7,IN_PORT", "dl_src=02:00:00:00:00:00/ff:ff:ff:00:00:00", "push_vlan:0x88a8,mod_vlan_vid:7,IN_PORT"},
	{"dl_dst=ff:ff:ff:ff:ff:ff,dl_type=0x88cc", "goto_table:3", "dl_dst=ff:ff:ff:ff:ff:ff,dl_type=0x88cc", "goto_table:3"},
	{"nw_src=10.1.2.3/255.255.0.0,ip", "NORMAL,goto_table:1", "ip,nw_src=10.1.0.0/16", "NORMAL,goto_table:1"},
	{"tcp,tp_dst=22,nw_dst=192.0.2.1", "drop", "tcp,nw_dst=192.0.2.1,tp_dst=22", "drop"},
	{"udp,tp_src=4789", "drop", "udp,tp_src=4789", "drop"},
	{"sctp,tp_src=1", "drop", "sctp,tp_src=1", "drop"},
	{"udp6,ipv6_src=2001:db8::/32,tp_dst=53", "drop", "udp6,ipv6_src=2001:db8::/32,tp_dst=53", "drop"},
	{"icmp6,icmp_type=134,icmp_code=0", "drop", "icmp6,icmp_type=134,icmp_code=0", "drop"},
	{"icmp,icmp_type=8", "drop", "icmp,icmp_type=8", "drop"},
	{"ipv6,ipv6_dst=::1/::ff", "drop", "ipv6,ipv6_dst=::1/::ff", "drop"},
	{"arp,arp_op=2,arp_spa=10.0.0.0/8,arp_sha=02:00:00:00:00:01", "drop", "arp,arp_op=2,arp_spa=10.0.0.0/8,arp_sha=02:00:00:00:00:01", "drop"},
	{"ip,nw_proto=47", "drop", "ip,nw_proto=47", "drop"},
	{"dl_type=0x800,nw_proto=6,nw_src=0.0.0.0/0", "drop", "tcp", "drop"},
	{"oxm8=2e,ip", "instructions=0004001800000000001200080000000000190010800000", "", ""},
	{"oxm8=2e,ip", "drop", "ip,oxm8=2e", "drop"},
}

func numberOf(s string) (uint32, error) {
	if s == "vf1" {
		return 1, nil
	}
	if n, err := ParsePort(s); err == nil {
		return n, nil
	}
	return 0, fmt.Errorf("no port %q", s)
}

func name(n uint32) string {
	if n == 1 {
		return "vf1"
	}
	return ""
}

func TestTexts(t *testing.T) {
	for _, c := range texts {
		if c.wantActions == "" {
			continue
		}
		m, err := ParseMatch(c.match, numberOf)
		if err != nil {
			t.Error(err)
			continue
		}
		a, err := ParseActions(c.actions, m, numberOf)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := m.Text(name); got != c.wantMatch {
			t.Errorf("match %q is %q, want %q", c.match, got, c.wantMatch)
		}
		if got := a.Text(name); got != c.wantActions {
			t.Errorf("actions %q are %q, want %q", c.actions, got, c.wantActions)
		}
		sameOnTheWire(t, Flow{Match: m, Actions: a})
	}
}

// sameOnTheWire writes a flow as a switch does that is asked for it, and reads that.
func sameOnTheWire(t *testing.T, f Flow) {
	t.Helper()
	all, more, err := parseFlows(stats(f))
	if err != nil || more || len(all) != 1 || !all[0].Same(f) || !all[0].Actions.Equal(f.Actions) {
		t.Errorf("%q, %q come back as %v, %t, %v", f.Match.Text(name), f.Actions.Text(name), all, more, err)
	}
}

// stats is the answer with one flow.
func stats(f Flow) []byte {
	b := make([]byte, flowStatsLen)
	b[2] = f.Table
	b[12], b[13] = byte(f.Priority>>8), byte(f.Priority)
	b = f.Actions.append(f.Match.append(b))
	b[0], b[1] = byte(len(b)>>8), byte(len(b))
	return append([]byte{0, multipartFlow, 0, 0, 0, 0, 0, 0}, b...)
}

func TestWhatIsNoRule(t *testing.T) {
	for match, want := range map[string]string{
		"in_port=vf7":             `no port "vf7"`,
		"in_port=NORMAL":          "nothing comes in at NORMAL",
		"in_port=0":               `no port "0"`,
		"in_port=70000":           `no port "70000"`,
		"color=red":               `"color" is no field`,
		"dl_vlan":                 "has no value",
		"dl_vlan=4096":            "is no dl_vlan",
		"dl_vlan=1/1":             "has no mask",
		"dl_vlan=1,dl_vlan=2":     "matched twice",
		"tcp,udp":                 "matched twice",
		"dl_vlan_pcp=1":           "needs a VLAN beside it",
		"dl_vlan=1,dl_vlan_pcp=8": "is no dl_vlan_pcp",
		"nw_src=10.0.0.1":         `as in "ip"`,
		"ipv6,nw_src=10.0.0.1":    `as in "ip"`,
		"ip,nw_src=::1":           "is no nw_src",
		"ip,tp_dst=22":            `as in "tcp"`,
		"ipv6,tp_dst=22":          `as in "tcp6"`,
		"icmp6,arp_op=1":          `as in "arp"`,
		"dl_src=1:2":              "is no dl_src",
		"ip,,":                    "between two commas",
		"oxm200=00":               "is no field",
		"oxm8=0/0000":             "is no field",
	} {
		if _, err := ParseMatch(match, numberOf); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("match %q: %v, want %q", match, err, want)
		}
	}
	for actions, want := range map[string]string{
		"":                                       "is no action",
		"flood":                                  "is no action",
		"drop,NORMAL":                            "stands alone",
		"output:vf7":                             `no port "vf7"`,
		"output":                                 "is no action",
		"strip_vlan":                             "needs a tag",
		"mod_vlan_vid:5":                         "needs a tag",
		"push_vlan:0x8100,mod_vlan_vid:4095":     "no number that mod_vlan_vid can have",
		"push_vlan:0x1234":                       "no number that push_vlan can have",
		"goto_table:254":                         "no number that goto_table can have",
		"goto_table:1,NORMAL":                    "comes last",
		"instructions=zz":                        "invalid byte",
		"instructions=00":                        "cut off",
		"push_vlan:0x8100,strip_vlan,strip_vlan": "needs a tag",
	} {
		if _, err := ParseActions(actions, Match{}, numberOf); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("actions %q: %v, want %q", actions, err, want)
		}
	}
}

// What a switch says that has no name here is kept as it is, and what is broken is refused.
func TestWhatASwitchSays(t *testing.T) {
	for text, want := range map[string]string{
		"0001000802000000": "goto_table:2",
		"00010008ff000000": "instructions=00010008ff000000",
		"0004000800000000": "instructions=0004000800000000",
		"00040018000000000000001000000003ffff000000000000": "output:3",
		"00040018000000000000001000000000ffff000000000000": "instructions=00040018000000000000001000000000ffff000000000000",
		"00040018000000000019001080000c020064000000000000": "instructions=00040018000000000019001080000c020064000000000000",
		"00040018000000000019001080000c021064000000000000": "mod_vlan_vid:100",
	} {
		a, err := ParseActions("instructions="+text, Match{}, nil)
		if err != nil || a.Text(nil) != want {
			t.Errorf("%s is %q, %v; want %q", text, a.Text(nil), err, want)
		}
	}
	good := stats(Flow{Match: Match{fields: []one{{field: fInPort, value: "\x00\x00\x00\x01"}}}})
	for n := range len(good) {
		if all, _, err := parseFlows(good[:n]); err == nil && len(all) > 0 {
			t.Errorf("of %d bytes of %d: %v", n, len(good), all)
		}
	}
}

// theSwitch answers on a management socket as said.
func theSwitch(t *testing.T, answer func(m message) []message) string {
	t.Helper()
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "br0.mgmt"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		for {
			m, err := readMessage(c)
			if err != nil {
				return
			}
			for _, a := range answer(m) {
				b, _ := encode(a.kind, a.xid, a.body)
				if _, err := c.Write(b); err != nil {
					return
				}
			}
		}
	}()
	return dir
}

// echoes says hello, and to all else what other says.
func echoes(m message, other func(m message) []message) []message {
	if m.kind == typeHello {
		return []message{{kind: typeHello}, {kind: typeEchoAsk, xid: 99}}
	}
	return other(m)
}

func TestRefusals(t *testing.T) {
	var got []byte
	refused := func(kind byte, e Error) func(m message) []message {
		return func(m message) []message {
			got = append(got, m.kind)
			body := []byte{byte(e.Type >> 8), byte(e.Type), byte(e.Code >> 8), byte(e.Code)}
			switch m.kind {
			case kind:
				return []message{{kind: typeError, xid: m.xid, body: body}}
			case typeBundle:
				return []message{{kind: typeBundle, xid: m.xid}}
			case typeEchoAsk:
				return []message{{kind: typeEchoReply, xid: m.xid}}
			case typeMultiAsk:
				return []message{{kind: typeMulti, xid: m.xid, body: stats(Flow{})}}
			}
			return nil
		}
	}
	for what, c := range map[string]struct { // Monitor asks as listing does
		kind byte
		is   Error
		want string
	}{
		"a flow":   {typeBundleAdd, Error{4, 9}, "BAD_MATCH BAD_PREREQ (OFPT_ERROR 4, 9)"},
		"a bundle": {typeBundle, Error{17, 77}, "BUNDLE_FAILED (OFPT_ERROR 17, 77)"},
		"listing":  {typeMultiAsk, Error{1, 5}, "BAD_REQUEST EPERM"},
		"unknown":  {typeMultiAsk, Error{99, 1}, "error type (OFPT_ERROR 99, 1)"},
	} {
		got = nil
		dir := theSwitch(t, func(m message) []message { return echoes(m, refused(c.kind, c.is)) })
		conn, err := dialAt(t.Context(), []string{dir}, "br0")
		if err != nil {
			t.Fatal(err)
		}
		_, errList := conn.Flows(Ours, OursMask)
		errChange := conn.Change(nil, []Flow{{}})
		if err := conn.Monitor(); (err != nil) != (c.kind == typeMultiAsk) {
			t.Errorf("%s: being told: %v", what, err)
		}
		if err := errors.Join(errList, errChange); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "br0") {
			t.Errorf("%s: %v", what, err)
		}
		if c.kind == typeBundleAdd && slices.Contains(got[slices.Index(got, typeBundleAdd):], typeBundle) {
			t.Errorf("what was refused was committed: %v", got)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestWhoDoesNotSpeak(t *testing.T) {
	for what, c := range map[string]struct {
		hello []message
		want  string
	}{
		"older":     {[]message{{kind: typeHello, body: []byte{0, 1, 0, 8, 0, 0, 0, 1 << 4}}}, "protocols"},
		"an error":  {[]message{{kind: typeError, body: []byte{0, 0, 0, 0}}}, "HELLO_FAILED INCOMPATIBLE"},
		"half one":  {[]message{{kind: typeError, body: []byte{0}}}, "an error of 1 bytes"},
		"something": {[]message{{kind: typeBundle}}, "other versions"},
	} {
		dir := theSwitch(t, func(message) []message { return c.hello })
		if _, err := dialAt(t.Context(), []string{dir}, "br0"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("50 ms are over"))
	defer cancel()
	dir := theSwitch(t, func(message) []message { return nil })
	if _, err := dialAt(ctx, []string{dir}, "br0"); err == nil || !strings.Contains(err.Error(), "it does not answer: 50 ms are over") {
		t.Errorf("a silent one: %v", err)
	}
	if _, err := dialAt(t.Context(), []string{t.TempDir()}, "br0"); err == nil || !strings.Contains(err.Error(), "nobody listens") {
		t.Errorf("none: %v", err)
	}
	if _, err := dialAt(t.Context(), []string{t.TempDir()}, "../br0"); err == nil || !strings.Contains(err.Error(), "no name of a file") {
		t.Errorf("elsewhere: %v", err)
	}
}

func TestCookie(t *testing.T) {
	if a, b := Cookie("host1"), Cookie("host2"); a == b || a&OursMask != Ours || b&OursMask != Ours {
		t.Errorf("%#x, %#x", a, b)
	}
}

func FuzzParseFlows(f *testing.F) {
	for _, c := range texts {
		if m, err := ParseMatch(c.match, numberOf); err == nil {
			if a, err := ParseActions(c.actions, m, numberOf); err == nil {
				f.Add(stats(Flow{Match: m, Actions: a}))
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		all, _, err := parseFlows(b)
		if err != nil {
			return
		}
		for _, one := range all {
			sameOnTheWire(t, one)
			text := one.Actions.Text(name)
			if a, err := ParseActions(text, one.Match, numberOf); err == nil && a.Text(name) != text {
				t.Errorf("%q is read as %q", text, a.Text(name))
			}
		}
	})
}

func FuzzParseMatch(f *testing.F) {
	for _, c := range texts {
		f.Add(c.match, c.actions)
	}
	f.Fuzz(func(t *testing.T, match, actions string) {
		m, err := ParseMatch(match, numberOf)
		if err != nil {
			return
		}
		again, err := ParseMatch(m.Text(name), numberOf)
		if err != nil || !again.Equal(m) {
			t.Fatalf("%q is %q, and that %q: %v", match, m.Text(name), again.Text(name), err)
		}
		a, err := ParseActions(actions, m, numberOf)
		if err != nil {
			return
		}
		if again, err := ParseActions(a.Text(name), m, numberOf); err != nil || !again.Equal(a) {
			t.Fatalf("%q is %q, and that %q: %v", actions, a.Text(name), again.Text(name), err)
		}
		sameOnTheWire(t, Flow{Match: m, Actions: a})
	})
}

// update is an answer of OFPMP_FLOW_MONITOR with one event.
func update(event byte, cookie uint64) []byte {
	b := append([]byte{0, multipartMonitor, 0, 0, 0, 0, 0, 0, 0, 32, 0, event}, make([]byte, 12)...)
	return Match{}.append(binary.BigEndian.AppendUint64(b, cookie))
}

func TestChangesOfOurs(t *testing.T) {
	for what, c := range map[string]struct {
		answer []byte
		want   bool
	}{
		"ours is added":     {update(1, Cookie("me")), true},
		"ours is taken":     {update(2, Cookie("me")), true},
		"somebody's":        {update(1, 7), false},
		"after somebody's":  {append(update(1, 7), update(3, Cookie("me"))[8:]...), true},
		"some are left out": {[]byte{0, multipartMonitor, 0, 0, 0, 0, 0, 0, 0, 8, 0, 5, 0, 0, 0, 0}, true},
		"another answer":    {stats(Flow{}), false},
	} {
		if got, err := ofOurs(c.answer); got != c.want || err != nil {
			t.Errorf("%s: %t, %v", what, got, err)
		}
	}
}

func FuzzOfOurs(f *testing.F) {
	f.Add(update(1, 7))
	f.Add(append(update(1, 7), update(3, Cookie("me"))[8:]...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if ours, err := ofOurs(b); ours && err != nil {
			t.Error(err)
		}
	})
}

func FuzzReadMessage(f *testing.F) {
	b, _ := encode(typeHello, 1, []byte{0, 1, 0, 8, 0, 0, 0, 1 << version})
	f.Add(b)
	f.Add([]byte{4, 0, 0, 8, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := readMessage(bytes.NewReader(b))
		if err != nil {
			return
		}
		_ = m.speaks(version)
		if e := parseError(m.body); e.Error() == "" {
			t.Error("an error that says nothing")
		}
	})
}
