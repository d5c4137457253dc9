// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"nicwright/crypto/ktls"
	"nicwright/internal/ethtool"
)

// transfer sends size bytes from site.from to site.to and fills in what was
// seen. The counters are read round it.
func transfer(ctx context.Context, s *site, suite uint16, size int64, p *Proof) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute+time.Duration(size>>20)*2*time.Second)
	defer cancel()
	config, err := serverConfig(suite)
	if err != nil {
		return err
	}
	var listener net.Listener
	err = s.to.ns.Do(func() error {
		var err error
		listener, err = net.ListenTCP("tcp4", &net.TCPAddr{IP: s.to.addr})
		return err
	})
	if err != nil {
		return fmt.Errorf("listening on %s: %w", s.to.addr, err)
	}
	defer listener.Close()
	seed := [32]byte{1: byte(size), 2: byte(suite)}
	type outcome struct {
		n     int64
		equal bool
		err   error
	}
	received := make(chan outcome, 1)
	go func() {
		n, equal, err := receive(ctx, listener, config, seed, size)
		received <- outcome{n, equal, err}
	}()
	var why string
	err = s.from.ns.Do(func() error {
		var err error
		if why, err = switchedOff(ctx, s.from.link.Index); err != nil {
			return err
		}
		if p.Device, p.Kernel, err = counters(s.from.link.Name, nil, nil); err != nil {
			return err
		}
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp4", listener.Addr().String())
		if err != nil {
			return fmt.Errorf("connecting from %s to %s: %w; do they share a VLAN, and is the switch between them running?", s.from.Function, s.to.Function, err)
		}
		c, err := ktls.Client(ctx, conn.(*net.TCPConn), &tls.Config{InsecureSkipVerify: true, CipherSuites: []uint16{suite}}) //nolint:gosec // both ends are ours, on an isolated pair of VFs
		if err != nil {
			return err
		}
		defer c.Close()
		if deadline, ok := ctx.Deadline(); ok {
			if err := c.SetDeadline(deadline); err != nil {
				return err
			}
		}
		start := time.Now()
		p.Sent, err = io.CopyBuffer(struct{ io.Writer }{c}, io.LimitReader(mathrand.NewChaCha8(seed), size), make([]byte, 64<<10))
		if err != nil {
			return fmt.Errorf("sending: %w", err)
		}
		if p.Sender, err = c.State(); err != nil {
			return err
		}
		if err := c.CloseWrite(); err != nil {
			return fmt.Errorf("closing the sending direction: %w", err)
		}
		got := <-received
		p.Seconds = time.Since(start).Seconds()
		p.Received, p.Equal = got.n, got.equal
		if got.err != nil {
			return fmt.Errorf("receiving: %w", got.err)
		}
		p.Device, p.Kernel, err = counters(s.from.link.Name, p.Device, p.Kernel)
		return err
	})
	if err != nil {
		cancel() // ends the receiver
		return err
	}
	p.Reason = why
	return nil
}

// receive takes one connection and compares what comes with what the seed says.
func receive(ctx context.Context, l net.Listener, config *tls.Config, seed [32]byte, size int64) (n int64, equal bool, err error) {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	conn, err := l.Accept()
	if err != nil {
		return 0, false, fmt.Errorf("accepting: %w", errors.Join(err, ctx.Err()))
	}
	c, err := ktls.Server(ctx, conn.(*net.TCPConn), config)
	if err != nil {
		return 0, false, err
	}
	defer c.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			return 0, false, err
		}
	}
	source := mathrand.NewChaCha8(seed)
	buf, want := make([]byte, 64<<10), make([]byte, 64<<10)
	equal = true
	for {
		k, err := c.Read(buf)
		if _, err := source.Read(want[:k]); err != nil {
			return n, false, err
		}
		equal = equal && string(buf[:k]) == string(want[:k])
		n += int64(k)
		if errors.Is(err, io.EOF) {
			return n, equal && n == size, nil
		}
		if err != nil {
			return n, false, err
		}
	}
}

// serverConfig has a key for this one transfer.
func serverConfig(suite uint16) (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		CipherSuites: []uint16{suite},
	}, nil
}

// switchedOff says in words that TLS TX is off on a netdev, "" if it is on.
func switchedOff(ctx context.Context, index int) (string, error) {
	c, err := ethtool.Dial(ctx)
	if err != nil {
		return "", err
	}
	defer c.Close()
	f, err := c.Get(index)
	if err != nil {
		return "", err
	}
	v, ok := f.Get(featTLSTx)
	switch {
	case !ok || v.Fixed() && !v.Active:
		return featTLSTx + " is off [fixed] on the sending VF: the driver was built without MLX5_EN_TLS, or the card has no crypto", nil
	case !v.Active:
		return featTLSTx + " is off on the sending VF: run apply, or ethtool -K " + f.Netdev + " " + featTLSTx + " on", nil
	}
	return "", nil
}

// counters reads the sending side's counters: first into Before, then, given
// those, into After. It has to run in the VF's namespace.
func counters(name string, device, kernel []Counter) (_, _ []Counter, err error) {
	stats, err := ethtool.Statistics(name)
	if err != nil {
		return nil, nil, err
	}
	// Of the reading thread: /proc/net is the process's first thread's.
	text, err := os.ReadFile("/proc/thread-self/net/tls_stat")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("reading the kernel's TLS counters: %w", err)
	}
	tlsStat := parseTLSStat(string(text))
	return take(device, stats, devBytes, devPackets, devDropped), take(kernel, tlsStat, kernDevice, kernSw), nil
}

// parseTLSStat reads /proc/net/tls_stat. The file is there once the module tls is
// loaded, which the first socket does: without it the counters are at zero.
func parseTLSStat(text string) map[string]uint64 {
	stat := map[string]uint64{kernDevice: 0, kernSw: 0}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 2 {
			if v, err := strconv.ParseUint(f[1], 10, 64); err == nil {
				stat[f[0]] = v
			}
		}
	}
	return stat
}

func take(before []Counter, now map[string]uint64, names ...string) []Counter {
	if before != nil {
		for i := range before {
			before[i].After = now[before[i].Name]
		}
		return before
	}
	out := []Counter{}
	for _, n := range names {
		if v, ok := now[n]; ok {
			out = append(out, Counter{Name: n, Before: v, After: v})
		}
	}
	return out
}
