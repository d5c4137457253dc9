// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"
	"golang.org/x/net/netutil"
)

// Registry has a collector's metrics, and what this process itself takes (process_*).
func Registry(c *Collector) (*prometheus.Registry, error) {
	r := prometheus.NewRegistry()
	if err := errors.Join(r.Register(c), r.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))); err != nil {
		return nil, fmt.Errorf("registering the metrics: %w", err)
	}
	return r, nil
}

// CheckAddress refuses an address that others than this host reach.
func CheckAddress(text string) error {
	at, err := netip.ParseAddrPort(text)
	switch {
	case err != nil:
		return fmt.Errorf("%q: want ADDRESS:PORT, as in 127.0.0.1:9797 or [::1]:9797", text)
	case !at.Addr().Unmap().IsLoopback():
		return fmt.Errorf("%q is no loopback address: metrics name netdevs, resources and profiles of this host, and are not given to the network: listen on 127.0.0.1 or [::1], and let an exporter or a proxy that knows its readers pass them on", text)
	}
	return nil
}

// connections is how many may be open at once.
const connections = 16

// Serve answers GET /metrics at a loopback address until ctx ends.
func Serve(ctx context.Context, address string, r prometheus.Gatherer) error {
	if err := CheckAddress(address); err != nil {
		return fmt.Errorf("listening for Prometheus: %w", err)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listening for Prometheus: %w", err)
	}
	return serve(ctx, netutil.LimitListener(l, connections), r)
}

func serve(ctx context.Context, l net.Listener, r prometheus.Gatherer) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: 2, Timeout: readLimit + 5*time.Second}))
	s := http.Server{
		Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: readLimit + 10*time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
	}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() }) // a scrape under way is worth nothing
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("answering Prometheus: %w", err)
	}
	return nil
}

// WriteFile writes the metrics as text for the textfile collector of node_exporter,
// which reads files that end with .prom: at once, mode 0644.
func WriteFile(path string, r prometheus.Gatherer) error {
	all, err := r.Gather()
	var b bytes.Buffer
	for _, f := range all { // those that are there, also where others are not
		if _, ferr := expfmt.MetricFamilyToText(&b, f); ferr != nil {
			err = errors.Join(err, ferr)
		}
	}
	werr := renameio.WriteFile(path, b.Bytes(), 0o644, renameio.WithStaticPermissions(0o644), renameio.WithTempDir(filepath.Dir(path)))
	if err = errors.Join(err, werr); err != nil {
		return fmt.Errorf("writing the metrics to %s: %w", path, err)
	}
	return nil
}

// KeepFile writes the metrics to a file now, every so often and whenever changed tells,
// until ctx ends; then it takes the file away, for what is not watched is not known.
// What cannot be written is told, and tried again.
func KeepFile(ctx context.Context, path string, r prometheus.Gatherer, every time.Duration, changed <-chan struct{}, tell func(error)) error {
	timer := time.NewTicker(every)
	defer timer.Stop()
	written := false
	for {
		if err := WriteFile(path, r); err != nil {
			tell(err)
		} else {
			written = true
		}
		select {
		case <-ctx.Done():
			if !written { // what is there is not ours
				return nil
			}
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("taking the metrics away: %w", err)
			}
			return nil
		case <-timer.C:
		case <-changed:
		}
	}
}
