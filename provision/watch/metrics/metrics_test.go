// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/crypto/ipsec"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/internal/tcpdiag"
	"github.com/nicwright/nicwright/provision/journal"
	"github.com/nicwright/nicwright/provision/trial"
	"github.com/nicwright/nicwright/provision/watch"
)

const (
	pf0 = pci.Address("0000:3b:00.0")
	pf1 = pci.Address("0000:3b:00.1")
)

func ptr[T any](v T) *T { return &v }

func sight() watch.Sight {
	return watch.Sight{
		OVS: true, VFs: map[pci.Function]int{pci.PF(pf0): 2, pci.PF(pf1): 0},
		Netdevs: map[int]watch.Netdev{
			2: {ID: resource.OfNetdev(pci.PF(pf0)), Name: "p0"},
			3: {ID: resource.OfNetdev(pci.PF(pf1)), Name: "p1"},
			5: {ID: resource.OfNetdev(pci.VF(pf0, 0)), Name: "v0", Offloads: true},
			6: {ID: resource.OfNetdev(pci.VF(pf0, 1)), Name: "v1"},
			7: {ID: resource.OfNetdev(pci.VF(pf0, 2)), Name: "gone", Offloads: true},
		},
	}
}

// full is a host on which everything counts.
func full() reader {
	return reader{
		links: func(context.Context) ([]rtlink.Link, error) {
			ad := &rtlink.ADInfo{Ports: 2, PartnerMAC: net.HardwareAddr{2, 0, 0, 0, 0, 9}}
			return []rtlink.Link{
				{Index: 1, Name: "lo", Up: true, Carrier: true},
				{Index: 2, Name: "renamed", Master: 4, Up: true, Carrier: true, CarrierChanges: 3, Slave: &rtlink.Slave{Actor: ptr(0x3d), Partner: ptr(0x3f)}},
				{Index: 3, Name: "p1", Master: 4, Up: true, CarrierChanges: 4, Slave: &rtlink.Slave{Actor: ptr(0x45), Partner: nil}},
				{Index: 4, Name: "bond0", Up: true, Carrier: true, CarrierChanges: 2, Bond: &rtlink.Bond{AD: ad}},
				{Index: 5, Name: "v0"},
				{Index: 6, Name: "v1"},
				{Index: 9, Name: "other-bond", Bond: &rtlink.Bond{}},
			}, nil
		},
		lag: func(a pci.Address) snapshot.LAG { return snapshot.LAG{State: snapshot.LAGActive} },
		work: func(netdev string) (crypto.Work, error) {
			if netdev != "v0" {
				return crypto.Work{}, errors.New("asked for " + netdev)
			}
			return crypto.Work{
				TLSOpen: map[string]uint64{"tx": 1, "rx": 0}, TLSBytes: map[string]uint64{"tx": 1 << 40, "rx": 5},
				IPsecBytes: map[string]uint64{"tx": 7, "rx": 8}, Resyncs: ptr(uint64(6)),
			}, nil
		},
		tls: func() (map[string]uint64, error) {
			return map[string]uint64{"TlsTxDevice": 10, "TlsTxSw": 3, "TlsRxDevice": 9, "TlsRxSw": 4, "TlsCurrTxDevice": 1, "TlsCurrTxSw": 1, "TlsCurrRxSw": 2, "TlsDecryptError": 1}, nil
		},
		sessions: func(context.Context) ([]tcpdiag.Session, error) {
			return []tcpdiag.Session{{Sent: 100, Received: 200, Tx: tcpdiag.Kernel, Rx: tcpdiag.Kernel}, {Sent: 1000, Received: 2000, Rx: tcpdiag.Kernel}}, nil
		},
		ipsec: func(context.Context) ([]ipsec.State, error) {
			return []ipsec.State{
				{Bytes: 500},
				{Bytes: 41},
				{Bytes: 1, Offload: ipsec.OffloadState{Mode: ipsec.Crypto, Index: 5}},
				{Offload: ipsec.OffloadState{Mode: ipsec.Packet, Index: 5}},
			}, nil
		},
		flows: func(context.Context) (ovs.FlowCount, error) { return ovs.FlowCount{All: 12, Offloaded: ptr(9)}, nil },
		health: func(context.Context) ([]devlink.Reporter, error) {
			dev := devlink.DeviceOf(pf0)
			return []devlink.Reporter{
				{Device: dev, Name: "fw_fatal", Healthy: true},
				{Device: dev, Port: ptr(uint32(65535)), Name: "tx", Errors: 3, Recoveries: 2},
			}, nil
		},
	}
}

// state is one that a Watch came to in an hour, on a host where somebody undoes all.
func state(t *testing.T) (s watch.State) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		bond := resource.OfBond("bond0")
		applied := time.Unix(900, 0)
		steps := []step.Step{{Resource: bond, Attribute: "mtu", From: step.Text("1500"), To: step.Text("9000")}, {Resource: bond, Attribute: "up", To: step.Text("true")}}
		ctx, stop := context.WithCancel(t.Context())
		looks := 0
		w := &watch.Watch{
			Look: func(context.Context) (watch.Seen, error) {
				looks++
				if looks == 2 {
					return watch.Seen{}, errors.New("EINTR")
				}
				return watch.Seen{
					Profiles: []watch.Profile{{Name: "vm-host", Operation: "op", Applied: &applied, Steps: steps}, {Name: "blind", Operation: "b", Err: errors.New("no card")}},
					Sight:    sight(), Suspects: func(resource.ID) []string { return nil },
				}, nil
			},
			Busy: func() (bool, error) { return false, nil }, Need: func([]string) (bool, error) { return false, nil }, Tell: func(watch.Event) error { return nil },
			Events: make(chan struct{}),
			Repair: func(context.Context, string, map[resource.ID]bool) (watch.Repair, error) {
				if looks == 1 {
					return watch.Repair{}, errors.New("EBUSY")
				}
				return watch.Repair{Operation: "op", Steps: steps}, nil
			},
		}
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		time.Sleep(time.Hour)
		synctest.Wait()
		s = w.State()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	s.Started, s.LastLook, s.Took = time.Unix(1000, 0), time.Unix(1060, 5e8), 250*time.Millisecond
	return s
}

func collector(t *testing.T, r reader, s watch.State) *Collector {
	t.Helper()
	return &Collector{
		Version: "v1", State: func() watch.State { return s },
		Counts: func() map[string]watch.Count { return map[string]watch.Count{"links": {Events: 40, Lost: 1}} },
		Read:   r.read,
		Verified: func() (*journal.Verified, error) {
			return &journal.Verified{Ended: time.Unix(950, 0), Profile: "vm-host", Status: 3, Proofs: []journal.Proved{{Kind: "ktls", OK: true}, {Kind: "ktls"}, {Kind: "vlan", OK: true}}}, nil
		},
		Kernels: func() (*trial.Status, error) {
			return &trial.Status{Running: "7.3.4", How: trial.IsRed, Trial: &trial.Trial{Kernel: "7.3.4"}}, nil
		},
	}
}

func text(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(c); err != nil {
		t.Fatal(err)
	}
	all, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, f := range all {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestMetrics(t *testing.T) {
	golden.Text(t, "testdata/full.prom", text(t, collector(t, full(), state(t))))
}

// What cannot be read is left out, and said to be missing.
func TestMetricsOfWhatCannotBeRead(t *testing.T) {
	no := errors.New("EPERM")
	r := full()
	r.lag = func(pci.Address) snapshot.LAG { return snapshot.LAG{State: snapshot.LAGUnknown, Reason: "no debugfs"} }
	r.work = func(string) (crypto.Work, error) { return crypto.Work{}, no }
	r.tls = func() (map[string]uint64, error) { return nil, no }
	r.sessions = func(context.Context) ([]tcpdiag.Session, error) { return nil, no }
	r.ipsec = func(context.Context) ([]ipsec.State, error) { return nil, no }
	r.flows = func(context.Context) (ovs.FlowCount, error) { return ovs.FlowCount{}, no }
	r.health = func(context.Context) ([]devlink.Reporter, error) { return nil, no }
	golden.Text(t, "testdata/unread.prom", text(t, collector(t, r, watch.State{Sight: sight(), Started: time.Unix(1000, 0)})))
}

// Each family is told on a host where everything counts, with the labels it declares.
func TestEveryFamilyIsTold(t *testing.T) {
	got := text(t, collector(t, full(), state(t)))
	for _, f := range Families() {
		if !strings.Contains(got, "# TYPE "+f.Name+" ") {
			t.Errorf("%s is never told", f.Name)
		}
	}
	if problems, err := testutil.CollectAndLint(collector(t, full(), state(t))); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

func TestALAGIsActiveWhereAllPortsSaySo(t *testing.T) {
	r := full()
	r.lag = func(a pci.Address) snapshot.LAG {
		return snapshot.LAG{State: map[pci.Address]string{pf0: snapshot.LAGDisabled, pf1: snapshot.LAGActive}[a]}
	}
	if got := text(t, collector(t, r, state(t))); !strings.Contains(got, `nicwright_lag_active{bond="bond0"} 0`) {
		t.Error("one of two is not enough")
	}
}

func TestNoConnectionIsListedForNothing(t *testing.T) {
	r := full()
	r.tls = func() (map[string]uint64, error) { return map[string]uint64{"TlsCurrTxDevice": 4}, nil }
	r.sessions = func(context.Context) ([]tcpdiag.Session, error) {
		t.Error("listed")
		return nil, nil
	}
	if got := text(t, collector(t, r, state(t))); !strings.Contains(got, `nicwright_tls_software_bytes{direction="tx"} 0`) {
		t.Errorf("no bytes in software:\n%s", got)
	}
}

func TestCountersAreReadNoMoreOftenThanAllowed(t *testing.T) {
	reads := 0
	c := collector(t, full(), watch.State{})
	c.Every = time.Hour
	c.Read = func(context.Context, watch.Sight) []Sample {
		reads++
		return []Sample{{"nicwright_flows", 1, []string{"bad\xff"}}, {"nicwright_flows", 2, []string{"bad\xff"}}}
	}
	for range 3 {
		if got := text(t, c); !strings.Contains(got, `nicwright_flows{where="bad?"} 1`) {
			t.Errorf("a name that is no text, told twice:\n%s", got)
		}
	}
	if reads != 1 {
		t.Errorf("%d reads", reads)
	}
}

func TestCheckAddress(t *testing.T) {
	for address, ok := range map[string]bool{
		"127.0.0.1:9797": true, "[::1]:9797": true, "127.8.9.10:1": true, "[::ffff:127.0.0.1]:9": true,
		"0.0.0.0:9797": false, "[::]:9797": false, ":9797": false, "192.0.2.1:9797": false, "localhost:9797": false, "127.0.0.1": false,
		"[::ffff:192.0.2.1]:9": false, "": false, "128.0.0.1:9797": false,
	} {
		err := CheckAddress(address)
		if (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
		if !ok {
			if err := Serve(t.Context(), address, prometheus.NewRegistry()); err == nil || !strings.Contains(err.Error(), "Prometheus") {
				t.Errorf("serving at %q: %v", address, err)
			}
		}
	}
}

func TestServe(t *testing.T) {
	r, err := Registry(collector(t, full(), state(t)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- serve(ctx, l, r) }()
	get := func(path string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String()+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	if code, body := get("/metrics"); code != http.StatusOK || !strings.Contains(body, `nicwright_vfs{pf="pci/0000:3b:00.0"} 2`) || !strings.Contains(body, "process_resident_memory_bytes") {
		t.Errorf("%d\n%s", code, body)
	}
	if code, _ := get("/debug/pprof/"); code != http.StatusNotFound {
		t.Errorf("another path: %d", code)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWriteFile(t *testing.T) {
	r := prometheus.NewRegistry()
	if err := r.Register(collector(t, full(), state(t))); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	victim, path := filepath.Join(dir, "victim"), filepath.Join(dir, "nicwright.prom")
	if err := errors.Join(os.WriteFile(victim, []byte("mine"), 0o600), os.Symlink(victim, path)); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, r); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	want, werr := os.ReadFile("testdata/full.prom")
	if err := errors.Join(err, werr); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v; what is in the file is not what a listener tells", err)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if b, err := os.ReadFile(victim); err != nil || string(b) != "mine" {
		t.Errorf("what a link named is now %q, %v", b, err)
	}
	if err := WriteFile(filepath.Join(dir, "none", "x.prom"), r); err == nil || !strings.Contains(err.Error(), "x.prom") {
		t.Errorf("a directory that is not there: %v", err)
	}
}

func TestKeepFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nicwright.prom")
	ctx, stop := context.WithCancel(t.Context())
	changed, done, wrong := make(chan struct{}), make(chan error, 1), make(chan error, 8)
	go func() {
		done <- KeepFile(ctx, path, prometheus.NewRegistry(), time.Hour, changed, func(err error) { wrong <- err })
	}()
	changed <- struct{}{} // it was written once
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	changed <- struct{}{}
	changed <- struct{}{} // and again
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file outlives the watch: %v", err)
	}
	if len(wrong) != 0 {
		t.Error(<-wrong)
	}
}

// What it never wrote it does not take away.
func TestKeepFileLeavesWhatIsNotIts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nicwright.prom")
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	told := 0
	if err := KeepFile(ctx, path, prometheus.NewRegistry(), time.Hour, nil, func(error) { told++ }); err != nil || told != 1 {
		t.Errorf("%v, told %d times", err, told)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}
