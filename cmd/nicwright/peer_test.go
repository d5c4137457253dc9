// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"net"
	"strings"
	"testing"
)

// It listens where it is told to, and nowhere else: without an address not at all.
func TestPeerListensWhereItIsTold(t *testing.T) {
	for _, text := range []string{"", ":4711", "4711", "localhost:4711", "eth0", "192.0.2.1:", "192.0.2.1:99999", "192.0.2.0/24"} {
		l, err := listenAt(t.Context(), text)
		if l != nil {
			_ = l.Close()
		}
		var status exitStatus
		if !errors.As(err, &status) || status.code != exitUsage || !strings.Contains(err.Error(), "say on which address") {
			t.Errorf("--listen %q: %v", text, err)
		}
	}
	for text, want := range map[string]string{"127.0.0.1:0": "127.0.0.1", "0.0.0.0:0": "0.0.0.0", "127.0.0.2": "127.0.0.2"} {
		l, err := listenAt(t.Context(), text)
		if err != nil {
			t.Errorf("--listen %s: %v", text, err)
			continue
		}
		at := l.Addr().(*net.TCPAddr)
		if at.IP.String() != want || text == want && at.Port != peerPort {
			t.Errorf("--listen %s listens on %s", text, at)
		}
		_ = l.Close()
	}
}

// All of IPv4 is not all of IPv6 too.
func TestPeerListensOnOneFamily(t *testing.T) {
	l, err := listenAt(t.Context(), "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	if c, err := net.DialTCP("tcp6", nil, &net.TCPAddr{IP: net.IPv6loopback, Port: port}); err == nil {
		_ = c.Close()
		t.Error("it listens on [::1], too")
	}
}
