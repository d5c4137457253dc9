// SPDX-License-Identifier: Apache-2.0

package confirm

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
)

func TestParseTarget(t *testing.T) {
	for s, want := range map[string]Target{
		"192.0.2.1":            {"192.0.2.1", 0},
		"192.0.2.1:22":         {"192.0.2.1", 22},
		"jump.example.net":     {"jump.example.net", 0},
		"jump.example.net:443": {"jump.example.net", 443},
		"2001:db8::1":          {"2001:db8::1", 0},
		"[2001:db8::1]":        {"2001:db8::1", 0},
		"[2001:db8::1]:22":     {"2001:db8::1", 22},
		"fe80::1%eth0":         {"fe80::1%eth0", 0},
		"[fe80::1%eth0]:179":   {"fe80::1%eth0", 179},
	} {
		got, err := ParseTarget(s)
		if err != nil || got != want {
			t.Errorf("%s is %+v, %v", s, got, err)
		}
	}
	for _, bad := range []string{"", ":22", "host:", "host:0", "host:65536", "host:ssh", "a b", "a/b", "[::1", "a:1:2", strings.Repeat("a", 254), "h\n"} {
		if got, err := ParseTarget(bad); err == nil {
			t.Errorf("%q is %+v", bad, got)
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"192.0.2.1:22", "[fe80::1%eth0]:179", "jump.example.net", "[::1", "::ffff:192.0.2.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseTarget(s)
		if err != nil {
			return
		}
		if back, err := ParseTarget(got.String()); err != nil || back != got {
			t.Errorf("%q is %+v, and read back %+v, %v", s, got, back, err)
		}
	})
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), d)
	t.Cleanup(stop)
	return ctx
}

func TestTryByTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target, err := ParseTarget(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := Try(within(t, 10*time.Second), target); err != nil {
		t.Errorf("who listens: %v", err)
	}
	l.Close()
	if err := Try(within(t, 10*time.Second), target); err != nil {
		t.Errorf("who refuses: %v", err)
	}
	gone, stop := context.WithCancel(t.Context())
	stop()
	if err := Try(gone, target); err == nil || !strings.Contains(err.Error(), "no answer by TCP") {
		t.Errorf("when the time is over: %v", err)
	}
	if err := Try(t.Context(), Target{Host: "jump.example.net", Port: 22}); err == nil {
		t.Error("a name was tried")
	}
}

func TestTryByICMP(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		err := Try(within(t, 10*time.Second), Target{Host: host})
		if errors.Is(err, os.ErrPermission) {
			t.Skip("without CAP_NET_RAW")
		}
		if err != nil && host == "127.0.0.1" { // a machine need not have IPv6
			t.Errorf("%s: %v", host, err)
		}
	}
	// A gateway of the link that no default route has is not looked for elsewhere.
	if err := Try(within(t, time.Second), Target{Host: "fe80::dead:beef"}); err == nil || !strings.Contains(err.Error(), "no default route has this gateway") {
		t.Errorf("%v", err)
	}
}

func TestIsAnswer(t *testing.T) {
	token := []byte("0123456789abcdef")
	message := func(kind icmp.Type, id int, data []byte) []byte {
		b, err := (&icmp.Message{Type: kind, Body: &icmp.Echo{ID: id, Data: data}}).Marshal(nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, c := range map[string]struct {
		b    []byte
		want bool
	}{
		"its answer":      {message(ipv4.ICMPTypeEchoReply, 7, token), true},
		"the question":    {message(ipv4.ICMPTypeEcho, 7, token), false},
		"another's":       {message(ipv4.ICMPTypeEchoReply, 8, token), false},
		"another's token": {message(ipv4.ICMPTypeEchoReply, 7, token[1:]), false},
		"cut":             {message(ipv4.ICMPTypeEchoReply, 7, token)[:6], false},
		"nothing":         {nil, false},
	} {
		if got := isAnswer(inet, c.b, 7, token); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// What a stranger on the wire sends is no answer, and ends nothing.
func FuzzIsAnswer(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 7, 0, 1}, false)
	f.Add([]byte{129, 0, 0, 0, 0, 7, 0, 1, 1, 2}, true)
	token := []byte("a token that the fuzzer does not know")
	f.Fuzz(func(t *testing.T, b []byte, six bool) {
		fam := inet
		if six {
			fam = inet6
		}
		if isAnswer(fam, b, 7, token) && !strings.Contains(string(b), string(token)) {
			t.Errorf("%x is an answer", b)
		}
	})
}

func TestBeforeTheFirstStepTheProbeHasToAnswer(t *testing.T) {
	silent := func(_ context.Context, target Target) error { return errors.New(target.String() + " is silent") }
	_, err := Before(t.Context(), "192.0.2.1:22", time.Second, silent)
	if err == nil || !strings.Contains(err.Error(), "--probe 192.0.2.1:22 does not answer now") || !strings.Contains(err.Error(), "192.0.2.1:22 is silent") || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("%v", err)
	}
	if _, err := Before(t.Context(), "a b", time.Second, silent); err == nil {
		t.Error("a wrong target was taken")
	}
	got, err := Before(t.Context(), "[2001:db8::1]:22", time.Second, func(context.Context, Target) error { return nil })
	if err != nil || len(got) != 1 || got[0] != "[2001:db8::1]:22" {
		t.Errorf("%v, %v", got, err)
	}
	// Of gateways those count that answer, each once.
	one := func(_ context.Context, target Target) error {
		if target.Host == "192.0.2.1" {
			return nil
		}
		return silent(t.Context(), target)
	}
	got, err = answering(t.Context(), []Target{{Host: "192.0.2.1"}, {Host: "2001:db8::1"}, {Host: "192.0.2.1"}}, time.Second, one)
	if err != nil || len(got) != 1 || got[0] != "192.0.2.1" {
		t.Errorf("%v, %v", got, err)
	}
	_, err = answering(t.Context(), []Target{{Host: "2001:db8::1"}}, time.Second, one)
	if err == nil || !strings.Contains(err.Error(), "none answers now") || !strings.Contains(err.Error(), "2001:db8::1 is silent") {
		t.Errorf("%v", err)
	}
}

func TestGatewaysAreAddresses(t *testing.T) {
	all, err := Gateways()
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range all {
		if _, err := netip.ParseAddr(g.Host); err != nil || g.Port != 0 {
			t.Errorf("%+v: %v", g, err)
		}
	}
}
