// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nicwright/nicwright/provision/bench/sample"
)

const name = "bench.test"

// server counts what it is asked, and answers with as many bytes as the path says.
type server struct {
	*httptest.Server
	requests, connections atomic.Int64
	ca                    []byte
	wait                  time.Duration // of each answer
}

func serve(t *testing.T, config *tls.Config) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		size, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		if s.wait > 0 {
			select {
			case <-time.After(s.wait):
			case <-r.Context().Done():
			}
		}
		w.Header().Set("Content-Length", strconv.Itoa(size))
		_, _ = w.Write(make([]byte, size))
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			s.connections.Add(1)
		}
	}
	if config == nil {
		s.Start()
	} else {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true,
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		s.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		config.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
		s.TLS = config
		s.StartTLS()
	}
	t.Cleanup(s.Close)
	return s
}

func (s *server) config(size uint64) Config {
	return Config{
		Target: netip.MustParseAddrPort(s.Listener.Addr().String()), Path: "/" + strconv.FormatUint(size, 10), Size: size, Clients: 4,
		WarmRequests: 4, Window: time.Millisecond, Requests: 40, Limit: 20 * time.Second,
	}
}

// doRun checks what holds for every run.
func doRun(t *testing.T, c Config) Result {
	t.Helper()
	edges := []bool{}
	r, err := Run(t.Context(), c, func(open bool) { edges = append(edges, open) })
	if err != nil {
		t.Fatal(err)
	}
	if len(edges) != 2 || !edges[0] || edges[1] {
		t.Errorf("the edges were %v", edges)
	}
	if r.Seconds <= 0 || r.Requests < uint64(c.Requests) || r.Short || r.All.Errors > 0 || r.All.Requests < r.Requests {
		t.Errorf("got %+v", r)
	}
	for p, l := range r.Latency {
		if l.Count == 0 || l.P50 <= 0 || l.P50 > l.P99 || l.P99 > l.Max || l.Mean > l.Max {
			t.Errorf("%s: %+v", p, l)
		}
	}
	return r
}

func TestClosedLoop(t *testing.T) {
	for _, keep := range []bool{false, true} {
		for _, v := range []string{"", "1.2", "1.3"} {
			t.Run(v+" keep-alive "+strconv.FormatBool(keep), func(t *testing.T) {
				var config *tls.Config
				if v != "" {
					config = &tls.Config{}
				}
				s := serve(t, config)
				c := s.config(30_000)
				c.KeepAlive = keep
				want := []sample.Phase{sample.Connect, sample.FirstByte, sample.Whole}
				if v != "" {
					c.TLS = &TLS{Version: v, Cipher: "AES-128-GCM", CA: s.ca, Name: name}
					want = append(want, sample.Handshake)
				}
				r := doRun(t, c)
				// What the server counts is what we count, to the last one.
				if got := uint64(s.requests.Load()); got != r.All.Requests+r.All.Cut {
					t.Errorf("the server was asked %d times, %+v", got, r.All)
				}
				if got := uint64(s.connections.Load()); got != r.All.Connections {
					t.Errorf("the server saw %d connections, %+v", got, r.All)
				}
				if r.All.Cut == 0 && r.All.Bytes != 30_000*r.All.Requests || r.Bytes < 30_000*(r.Requests-4) || r.Bytes > 30_000*(r.Requests+4) {
					t.Errorf("%d bytes, %+v", r.Bytes, r.All)
				}
				if keep != (r.All.Connections == 4) || !keep && r.All.Connections < r.All.Requests {
					t.Errorf("%d connections for %d requests", r.All.Connections, r.All.Requests)
				}
				if v != "" && r.All.Sessions != r.All.Connections || r.All.Resumed != 0 {
					t.Errorf("sessions: %+v", r.All)
				}
				if r.All.Received < r.All.Bytes {
					t.Errorf("TCP counted %d bytes, and %d came", r.All.Received, r.All.Bytes)
				}
				if keep {
					return // of its few connections all may be of the warm-up
				}
				for _, p := range want {
					if r.Latency[p].Count != r.Requests {
						t.Errorf("%s: %+v for %d requests", p, r.Latency[p], r.Requests)
					}
				}
			})
		}
	}
}

func TestResumption(t *testing.T) {
	for _, v := range []string{"1.2", "1.3"} {
		s := serve(t, &tls.Config{})
		c := s.config(1000)
		c.TLS = &TLS{Version: v, Cipher: "AES-128-GCM", CA: s.ca, Name: name, Resume: true}
		if r := doRun(t, c); r.All.Resumed < r.All.Sessions-8 || r.All.Resumed == 0 {
			t.Errorf("TLS %s: %d of %d were resumed", v, r.All.Resumed, r.All.Sessions)
		}
	}
}

// The server can answer a twentieth of what is asked: a closed loop would ask less and see 20 ms each time, and an
// open one counts the waiting of all that should have begun meanwhile.
func TestOpenLoopCountsTheWaiting(t *testing.T) {
	s := serve(t, nil)
	c := s.config(100)
	c.Clients, c.Rate, c.KeepAlive, c.Requests, c.Window = 1, 1000, true, 50, 50*time.Millisecond
	s.wait = 20 * time.Millisecond // 50 a second at most, with one client
	r := doRun(t, c)
	// The n-th request waits for the n before it: 20 ms each, 1 ms of which is its own time.
	whole := r.Latency[sample.Whole]
	if whole.Count != 50 || whole.Max < 0.020*40 || whole.P50 < 0.020*20 {
		t.Errorf("%+v", whole)
	}
	if first := r.Latency[sample.FirstByte]; first.P50 > whole.P50 {
		t.Errorf("to the first byte %+v, whole %+v", first, whole)
	}
	if r.Missed < 45 {
		t.Errorf("%d began late", r.Missed)
	}
}

func TestOpenLoopKeepsItsRate(t *testing.T) {
	s := serve(t, nil)
	c := s.config(100)
	c.Clients, c.Rate, c.Requests, c.Window, c.Warm = 16, 200, 100, 500*time.Millisecond, 100*time.Millisecond
	r := doRun(t, c)
	// Nothing is asked sooner than its time: 100 requests are 0.5 s.
	if r.Requests != 100 || r.Seconds < 0.49 {
		t.Errorf("%d requests in %.3f s", r.Requests, r.Seconds)
	}
}

func TestWhatIsRefused(t *testing.T) {
	s := serve(t, &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}})
	plain := serve(t, nil)
	secure := &TLS{Version: "1.2", Cipher: "AES-256-GCM", CA: s.ca, Name: name}
	for _, tt := range []struct {
		what   string
		change func(*Config)
		want   string
	}{
		{"no such file", func(c *Config) { c.Path = "/none" }, "404"},
		{"another size", func(c *Config) { c.Size++ }, "is measured"},
		{"another version", func(c *Config) { c.TLS = &TLS{Version: "1.3", Cipher: "AES-256-GCM", CA: s.ca, Name: name} }, "protocol version"},
		{"another cipher", func(c *Config) { c.TLS = &TLS{Version: "1.2", Cipher: "AES-128-GCM", CA: s.ca, Name: name} }, "handshake"},
		{"another server", func(c *Config) { c.TLS = &TLS{Version: "1.2", Cipher: "AES-256-GCM", CA: s.ca, Name: "other.test"} }, "other.test"},
		{"no TLS there", func(c *Config) { c.Target = plain.config(1).Target }, "handshake"},
		{"no server", func(c *Config) { c.Target = netip.MustParseAddrPort("127.0.0.1:1") }, "refused"},
		{"no certificate", func(c *Config) { c.TLS = &TLS{Version: "1.2", Cipher: "AES-256-GCM", CA: []byte("x"), Name: name} }, "PEM"},
		{"no cipher", func(c *Config) { c.TLS = &TLS{Version: "1.2", Cipher: "RC4"} }, "RC4"},
		{"no clients", func(c *Config) { c.Clients = 0 }, "0 clients"},
		{"no window", func(c *Config) { c.Window = 0 }, "window"},
		{"no path", func(c *Config) { c.Path = "x y" }, "x y"},
		{"no target", func(c *Config) { c.Target = netip.AddrPort{} }, "target"},
		{"a rate below 0", func(c *Config) { c.Rate = -1 }, "rate"},
		{"resumption in the kernel", func(c *Config) { c.TLS.Resume, c.TLS.Kernel = true, true }, "resumes no session"},
	} {
		c := s.config(1000)
		own := *secure
		c.TLS = &own
		tt.change(&c)
		_, err := Run(t.Context(), c, func(bool) {})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q in it", tt.what, err, tt.want)
		}
	}
	own := *secure
	c := s.config(1000)
	c.TLS = &own
	doRun(t, c) // and what none of it is wrong with runs
}

// A server that never answers, and one that is slower than the limit.
func TestLimits(t *testing.T) {
	s := serve(t, nil)
	s.wait = time.Hour
	c := s.config(10)
	c.Limit = 50 * time.Millisecond
	if _, err := Run(t.Context(), c, func(bool) {}); !errors.Is(err, ErrNothing) {
		t.Errorf("nobody answers: %v", err)
	}
	s = serve(t, nil)
	s.wait = 30 * time.Millisecond
	c = s.config(10)
	c.Clients, c.WarmRequests, c.Requests, c.Limit = 1, 1, 1000, 200*time.Millisecond
	r, err := Run(t.Context(), c, func(bool) {})
	if err != nil || !r.Short || r.Requests < 1 || r.Requests > 100 {
		t.Errorf("too slow for 1000 requests: %+v, %v", r, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if _, err := Run(ctx, c, func(bool) {}); !errors.Is(err, why) {
		t.Errorf("it was stopped: %v", err)
	}
}
