// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"bytes"
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestRestrict(t *testing.T) {
	const (
		tls12, tls13 = tls.VersionTLS12, tls.VersionTLS13
		gcm12        = tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
		cbc12        = tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA
		gcm13        = tls.TLS_AES_128_GCM_SHA256
	)
	for _, c := range []struct {
		name     string
		config   *tls.Config
		min, max uint16 // 0: ErrNotOffered
	}{
		{"nothing said", nil, tls12, tls13},
		{"from 1.0", &tls.Config{MinVersion: tls.VersionTLS10}, tls12, tls13},
		{"1.2 only", &tls.Config{MaxVersion: tls12}, tls12, tls12},
		{"1.3 only", &tls.Config{MinVersion: tls13}, tls13, tls13},
		{"a later version", &tls.Config{MaxVersion: tls13 + 1}, tls12, tls13},
		{"only later versions", &tls.Config{MinVersion: tls13 + 1}, 0, 0},
		{"1.1 only", &tls.Config{MaxVersion: tls.VersionTLS11}, 0, 0},
		{"a suite of 1.2", &tls.Config{CipherSuites: []uint16{gcm12}}, tls12, tls12},
		{"a suite of 1.3", &tls.Config{CipherSuites: []uint16{gcm13}}, tls13, tls13},
		{"one of each", &tls.Config{CipherSuites: []uint16{gcm12, gcm13}}, tls12, tls13},
		{"a suite of 1.2 in 1.3", &tls.Config{CipherSuites: []uint16{gcm12}, MinVersion: tls13}, 0, 0},
		{"a suite of 1.3 in 1.2", &tls.Config{CipherSuites: []uint16{gcm13}, MaxVersion: tls12}, 0, 0},
		{"a suite that the kernel has not", &tls.Config{CipherSuites: []uint16{cbc12}}, 0, 0},
		{"no suites whatever", &tls.Config{CipherSuites: []uint16{}}, 0, 0},
	} {
		got, err := restrict(c.config, &keyLog{})
		switch {
		case c.max == 0 && !errors.Is(err, ErrNotOffered):
			t.Errorf("%s: got %v, want ErrNotOffered", c.name, err)
		case c.max == 0:
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		case got.MinVersion != c.min || got.MaxVersion != c.max:
			t.Errorf("%s: got %x to %x", c.name, got.MinVersion, got.MaxVersion)
		case slices.Contains(got.CipherSuites, cbc12):
			t.Errorf("%s: a suite is left that the kernel has not", c.name)
		}
	}
}

func TestRestrictWhatGetConfigForClientChooses(t *testing.T) {
	var log bytes.Buffer
	chosen := &tls.Config{KeyLogWriter: &log, MaxVersion: tls.VersionTLS11}
	var failed error
	asked := &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return chosen, failed }}
	c, err := restrict(asked, &keyLog{})
	if err != nil {
		t.Fatal(err)
	}
	hello := &tls.ClientHelloInfo{SupportedVersions: []uint16{tls.VersionTLS13, tls.VersionTLS12}}
	if _, err := c.GetConfigForClient(hello); !errors.Is(err, ErrNotOffered) {
		t.Errorf("the config that GetConfigForClient chose is not restricted: %v", err)
	}
	chosen = &tls.Config{KeyLogWriter: &log}
	if c2, err := c.GetConfigForClient(hello); err != nil || !c2.SessionTicketsDisabled {
		t.Errorf("tickets of TLS 1.3 are on: %v", err)
	}
	chosen = nil
	if c2, err := c.GetConfigForClient(&tls.ClientHelloInfo{SupportedVersions: []uint16{tls.VersionTLS12}}); err != nil || c2.SessionTicketsDisabled {
		t.Errorf("tickets of TLS 1.2 are off: %v", err)
	}
	failed = errors.New("not you")
	if _, err := c.GetConfigForClient(hello); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
}

// Two Go programs on a processor with AES come to AES-128-GCM. Whoever of them
// requires another suite says so, and the other one is told.
func TestRequiredSuite(t *testing.T) {
	for _, side := range []string{"client", "server"} {
		client, server := configs(t, 0)
		client.CipherSuites, server.CipherSuites = nil, nil
		asks := client
		if side == "server" {
			asks = server
		}
		asks.CipherSuites = []uint16{tls.TLS_AES_256_GCM_SHA384}
		a, b := loopback(t)
		done := make(chan error, 2)
		go func() { _, err := Server(t.Context(), b, server); done <- err }()
		_, err := Client(t.Context(), a, client)
		if side == "server" {
			err = <-done
		}
		if !errors.Is(err, ErrSuite) || !strings.Contains(err.Error(), "TLS 1.3 with TLS_AES_128_GCM_SHA256, and not TLS_AES_256_GCM_SHA384") {
			t.Errorf("the %s requires AES-256: %v", side, err)
		}
	}
}

func TestVerifyConnectionIsAsked(t *testing.T) {
	client, server := configs(t, tls.TLS_AES_128_GCM_SHA256)
	no := errors.New("no")
	client.VerifyConnection = func(tls.ConnectionState) error { return no }
	a, b := loopback(t)
	go func() { _, _ = Server(t.Context(), b, server) }()
	if _, err := Client(t.Context(), a, client); !errors.Is(err, no) {
		t.Errorf("got %v", err)
	}
}
