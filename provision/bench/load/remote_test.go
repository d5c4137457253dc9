// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/nicwright/nicwright/internal/door"
)

// aPeer listens on the loopback address, and tells what it served.
func aPeer(t *testing.T, limits door.Limits) (address string, told <-chan Served) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served, ended := make(chan Served, 10), make(chan error, 1)
	go func() { ended <- serveWithin(ctx, l, limits, func(s Served) { served <- s }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String(), served
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// What a peer's client counts is what the server counts, and its window is told as it is.
func TestRemote(t *testing.T) {
	address, told := aPeer(t, serveLimits)
	for _, protected := range []bool{false, true} {
		var config *tls.Config
		if protected {
			config = &tls.Config{}
		}
		s := serve(t, config)
		c := s.config(30_000)
		if protected {
			c.TLS = &TLS{Version: "1.2", Cipher: "AES-256-GCM", CA: s.ca, Name: name}
		}
		var edges []bool
		began := time.Now()
		r, err := RunRemote(t.Context(), dial(t, address), c, func(open bool) { edges = append(edges, open) })
		if err != nil {
			t.Fatal(err)
		}
		if len(edges) != 2 || !edges[0] || edges[1] || r.Result.Seconds > time.Since(began).Seconds() {
			t.Errorf("edges %v, %v s", edges, r.Result.Seconds)
		}
		if got := uint64(s.requests.Load()); got != r.Result.All.Requests+r.Result.All.Cut || r.Result.Requests < 40 || r.Result.Bytes < 36*30_000 {
			t.Errorf("the server was asked %d times, %+v", got, r)
		}
		if r.Processors < 1 || !(r.CPU > 0) || protected != (r.Result.All.Sessions > 0) || r.Result.Latency["whole"].Count != r.Result.Requests {
			t.Errorf("%+v", r)
		}
		if x := <-told; x.Err != nil || x.Result.Requests != r.Result.Requests || !strings.Contains(x.String(), "30000 bytes by 4 clients") || strings.Contains(x.String(), "TLS") != protected {
			t.Errorf("the peer told %s", x)
		}
	}
}

// A peer makes load for who asks, as much as can be had, and for nobody else.
func TestRemoteIsRefused(t *testing.T) {
	address, told := aPeer(t, serveLimits)
	s := serve(t, nil)
	for want, change := range map[string]func(*Config){
		"load for 192.0.2.1 is asked for by 127.0.0.1": func(c *Config) { c.Target = netip.MustParseAddrPort("192.0.2.1:80") },
		"the path":                     func(c *Config) { c.Path = "/admin" },
		"answers of 20000000000 bytes": func(c *Config) { c.Size = 2e10 },
		"20000 clients":                func(c *Config) { c.Clients = 20_000 },
		"0 clients":                    func(c *Config) { c.Clients = 0 },
		"a limit of 11m0s":             func(c *Config) { c.Limit = 11 * time.Minute },
		"a warm-up of 2m0s":            func(c *Config) { c.Warm = 2 * time.Minute },
		"200000 requests":              func(c *Config) { c.Requests = 200_000 },
		"kernel TLS is asked for":      func(c *Config) { c.TLS = &TLS{Version: "1.2", Cipher: "AES-128-GCM", Kernel: true} },
		"is no PEM":                    func(c *Config) { c.TLS = &TLS{Version: "1.2", Cipher: "AES-128-GCM"} },
	} {
		c := s.config(1000)
		change(&c)
		_, err := RunRemote(t.Context(), dial(t, address), c, func(bool) { t.Error("a window opened") })
		if !errors.Is(err, ErrPeer) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if x := <-told; x.Err == nil || !strings.Contains(x.Err.Error(), want) {
			t.Errorf("the peer told %s, want %q", x, want)
		}
	}
	if n := s.requests.Load(); n > 0 {
		t.Errorf("the server was asked %d times", n)
	}
	// verify asks a peer without --load, and bench one with it: each says so.
	conn := tls.Client(dial(t, address), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // as the peer's
	if err := json.NewEncoder(conn).Encode(map[string]any{"protocol": "nicwright-peer/1", "version": "\x1b[31m"}); err != nil {
		t.Fatal(err)
	}
	var a remoteAnswer
	if err := json.NewDecoder(conn).Decode(&a); err != nil || !strings.Contains(a.Error, "verify asks a peer without --load") {
		t.Errorf("%+v, %v", a, err)
	}
	<-told
}

// Who leaves ends the load that was for it, and the next has its turn.
func TestRemoteEndsWithWhoAsked(t *testing.T) {
	address, told := aPeer(t, serveLimits)
	s := serve(t, nil)
	c := s.config(1000)
	c.Window, c.Limit = time.Minute, time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	_, err := RunRemote(ctx, dial(t, address), c, func(open bool) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if x := <-told; !errors.Is(x.Err, errLeft) {
		t.Errorf("the peer told %s", x)
	}
	if _, err := RunRemote(t.Context(), dial(t, address), s.config(1000), func(bool) {}); err != nil {
		t.Error(err)
	}
}

// Two at a time would measure one another: the second is told so.
func TestRemoteIsOneAtATime(t *testing.T) {
	limits := serveLimits
	limits.Patience = 200 * time.Millisecond
	address, _ := aPeer(t, limits)
	s := serve(t, nil)
	c := s.config(1000)
	c.Window, c.Limit = time.Minute, time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	opened, over := make(chan bool, 2), make(chan error, 1)
	go func() {
		_, err := RunRemote(ctx, dial(t, address), c, func(open bool) { opened <- open })
		over <- err
	}()
	<-opened
	if _, err := RunRemote(t.Context(), dial(t, address), s.config(1000), func(bool) {}); !errors.Is(err, ErrPeer) || !strings.Contains(err.Error(), door.ErrCrowded.Error()) {
		t.Errorf("a second at a time: %v", err)
	}
	cancel()
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// What a stranger sends does not steer the terminal on which it is printed.
func TestServedQuotesStrangers(t *testing.T) {
	s := Served{From: &net.TCPAddr{}, Err: errors.New("\x1b[31m\nfake")}
	if text := s.String(); strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("%q is printed", text)
	}
}

// A peer that lies is refused, and not believed.
func TestAnswersThatCannotBe(t *testing.T) {
	const before = `{"at":"turn"}{"at":"open"}{"at":"close"}`
	c := Config{Size: 10, Clients: 1}
	for want, text := range map[string]string{
		`where "open" comes next`:  `{"at":"turn"}{"at":"close"}`,
		`where "turn" comes next`:  `{"at":"end"}`,
		"reading its answer":       `{"at":"turn"}{"at":"open"}`,
		"ends without a result":    before + `{"at":"end"}`,
		"seconds: -1":              before + `{"at":"end","remote":{"result":{"seconds":-1},"processors":1}}`,
		"0 seconds":                before + `{"at":"end","remote":{"result":{"seconds":0},"processors":1}}`,
		"0 processors":             before + `{"at":"end","remote":{"result":{"seconds":1}}}`,
		"it counts":                before + `{"at":"end","remote":{"result":{"seconds":1,"all":{"bytes":18446744073709551615}},"processors":1}}`,
		"latency":                  before + `{"at":"end","remote":{"result":{"seconds":1,"latency":{"dns":{}}},"processors":1}}`,
		`the peer says: "\x1b[31m`: before + `{"at":"end","error":"\u001b[31m"}`,
	} {
		r, err := answers(strings.NewReader(text), &c, func(bool) {})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v, want %q", text, r, err, want)
		}
	}
}

// Whatever comes over the wire: an answer or a refusal, and what is taken is within bounds.
func FuzzRemoteRequest(f *testing.F) {
	from := netip.MustParseAddr("192.0.2.1")
	f.Add([]byte(`{"protocol":"nicwright-load/1","load":{"target":"192.0.2.1:8000","path":"/10","size":10,"clients":1,"warm":0,"warm_requests":1,"window":1,"requests":1,"limit":1}}`))
	f.Add([]byte(`{"protocol":"nicwright-load/1","load":{"target":"192.0.2.2:8000","path":"/10","size":10,"clients":-1,"tls":{"version":"1.2","cipher":"RC4","ca":"AA=="}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r remoteRequest
		if json.Unmarshal(b, &r) != nil || r.check(from) != nil {
			return
		}
		c := r.Load
		if c.Target.Addr() != from || c.Clients < 1 || c.Clients > maxRemoteClients || c.lasts() > time.Hour || c.lasts() < 0 || c.Requests > maxRemoteMin || strings.ContainsAny(c.Path, " \r\n") {
			t.Errorf("%+v was taken", c)
		}
	})
}

func FuzzRemoteAnswer(f *testing.F) {
	f.Add([]byte(`{"at":"turn"}{"at":"open"}{"at":"close"}{"at":"end","remote":{"result":{"seconds":1,"bytes":10,"requests":1,"all":{}},"cpu":0.5,"processors":2}}`))
	f.Add([]byte(`{"at":"turn","error":"no"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		edges := 0
		r, err := answers(bytes.NewReader(b), &Config{Size: 10, Clients: 1}, func(bool) { edges++ })
		if (r == nil) && err == nil || err == nil && (edges != 2 || !(r.Result.Seconds > 0) || r.Processors < 1 || !(r.CPU >= 0)) || edges > 2 {
			t.Errorf("%+v, %v, %d edges", r, err, edges)
		}
	})
}
