// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// BenchSpec says what `nicwright bench` measures and how well. It is asked by bench
// alone: apply changes nothing for it. Its keys are the flags of the bench of that
// name, which win over it; --quick asks it for the VFs and for nothing else.
type BenchSpec struct {
	// Between are two VFs, CARD/PORT/vfN: the server, or who sends, and the client; unset: the first two
	// free ones that reach one another.
	Between []string `json:"between,omitempty" jsonschema:"minItems=2,maxItems=2"`
	// Turns is how often each cell is measured, at least; unset: 5.
	Turns *int `json:"turns,omitempty" jsonschema:"minimum=1,maximum=1000"`
	// Control is how often the same cell is measured against itself, first; unset: 5.
	Control *int `json:"control,omitempty" jsonschema:"minimum=0,maximum=1000"`
	// Interval: turns go on until that of each throughput is so many percent to either side; 0: not beyond turns; unset: 5.
	Interval *float64 `json:"interval,omitempty" jsonschema:"minimum=0,maximum=99"`
	// Time: after it no cell is begun, as in 14m or 1h30m; unset: 14m.
	Time *string `json:"time,omitempty" jsonschema:"pattern=^([0-9]{1\\,6}(ms|s|m|h))+$"`
	// Window is how long a cell is measured each time, at least, from 10ms; unset: 1s.
	Window *string `json:"window,omitempty" jsonschema:"pattern=^([0-9]{1\\,6}(ms|s|m|h))+$"`
	// Limit is how long a cell of https and ipsec may take to begin, and to have 20 requests or transfers; unset: 6
	// windows of https, 10 of ipsec.
	Limit *string `json:"limit,omitempty" jsonschema:"pattern=^([0-9]{1\\,6}(ms|s|m|h))+$"`
	// HTTPS is what bench https varies; unset: as without a profile.
	HTTPS *HTTPSBench `json:"https,omitempty"`
	// NFS is what bench nfs varies; unset: as without a profile.
	NFS *NFSBench `json:"nfs,omitempty"`
	// IPsec is what bench ipsec varies; unset: as without a profile.
	IPsec *IPsecBench `json:"ipsec,omitempty"`
}

// HTTPSBench is what bench https varies: all combinations are measured that mean something.
type HTTPSBench struct {
	// Modes: who encrypts; unset: plain, user, kernel, card-tx.
	Modes []string `json:"modes,omitempty" jsonschema:"enum=plain,enum=user,enum=kernel,enum=card-tx,enum=card-rx,enum=card-txrx,uniqueItems=true,minItems=1"`
	// TLS has its versions; unset: both.
	TLS []string `json:"tls,omitempty" jsonschema:"enum=1.2,enum=1.3,uniqueItems=true,minItems=1"`
	// Ciphers: how TLS encrypts; unset: AES-256-GCM.
	Ciphers []string `json:"ciphers,omitempty" jsonschema:"enum=AES-128-GCM,enum=AES-256-GCM,enum=ChaCha20-Poly1305,uniqueItems=true,minItems=1"`
	// Sizes are the bytes of the files, as in 10k, 1M, 1G, up to 10G; unset: 1k to 100M in tens.
	Sizes []string `json:"sizes,omitempty" jsonschema:"pattern=^[1-9][0-9]{0\\,10}[kMG]?$,uniqueItems=true,minItems=1"`
	// Clients are connections at one time; unset: 50.
	Clients []int `json:"clients,omitempty" jsonschema:"minimum=1,maximum=10000,uniqueItems=true,minItems=1"`
	// KeepAlive: off is a new connection for each request; unset: off.
	KeepAlive *string `json:"keepalive,omitempty" jsonschema:"enum=off,enum=on,enum=both"`
	// Resumption: whether TLS sessions are resumed; unset: off.
	Resumption *string `json:"resumption,omitempty" jsonschema:"enum=off,enum=on,enum=both"`
	// Sendfile: whether nginx uses it; unset: on.
	Sendfile *string `json:"sendfile,omitempty" jsonschema:"enum=off,enum=on,enum=both"`
	// Rate is how many requests are begun each second, whatever is answered; 0: a client asks again when it is answered; unset: 0.
	Rate []float64 `json:"rate,omitempty" jsonschema:"minimum=0,maximum=10000000,uniqueItems=true,minItems=1"`
	// ServerCPU is how many processors nginx may use; 0: all; unset: 0.
	ServerCPU *float64 `json:"server-cpu,omitempty" jsonschema:"minimum=0,maximum=4096"`
	// ClientCPU is how many processors the client may use; 0: all; unset: 0.
	ClientCPU *float64 `json:"client-cpu,omitempty" jsonschema:"minimum=0,maximum=4096"`
	// Workers are nginx's processes; unset: one for each processor.
	Workers *int `json:"workers,omitempty" jsonschema:"minimum=0,maximum=1024"`
	// KernelClient: the kernel opens the records in the client, too, in software; unset: off.
	KernelClient *bool `json:"kernel-client,omitempty"`
}

// NFSBench is what bench nfs varies: all combinations are measured that mean something.
type NFSBench struct {
	// Modes: what protects NFS; unset: plain, kernel, software, crypto, packet.
	Modes []string `json:"modes,omitempty" jsonschema:"enum=plain,enum=kernel,enum=card-tx,enum=card-rx,enum=card-txrx,enum=software,enum=crypto,enum=packet,uniqueItems=true,minItems=1"`
	// Encapsulation: how IPsec wraps packets; unset: transport.
	Encapsulation []string `json:"encapsulation,omitempty" jsonschema:"enum=transport,enum=tunnel,uniqueItems=true,minItems=1"`
	// Op is what is done; unset: both.
	Op []string `json:"op,omitempty" jsonschema:"enum=read,enum=write,uniqueItems=true,minItems=1"`
	// Pattern is the order in which it is done; unset: both.
	Pattern []string `json:"pattern,omitempty" jsonschema:"enum=random,enum=sequential,uniqueItems=true,minItems=1"`
	// Block is the size of a request in bytes, a multiple of 4096; unset: 65536.
	Block []int `json:"block,omitempty" jsonschema:"minimum=4096,maximum=16777216,uniqueItems=true,minItems=1"`
	// Depth is how many requests of each job are on their way; unset: 16.
	Depth []int `json:"depth,omitempty" jsonschema:"minimum=1,maximum=1024,uniqueItems=true,minItems=1"`
	// Jobs are at work at one time; unset: 4.
	Jobs []int `json:"jobs,omitempty" jsonschema:"minimum=1,maximum=64,uniqueItems=true,minItems=1"`
	// NConnect is how many TCP connections a mount has: one is one link of a bond; unset: 1 and 8.
	NConnect []int `json:"nconnect,omitempty" jsonschema:"minimum=1,maximum=16,uniqueItems=true,minItems=1"`
	// Size is that of the file, which is in memory, in bytes, as in 300M or 2G; unset: 268435456.
	Size *string `json:"size,omitempty" jsonschema:"pattern=^[1-9][0-9]{0\\,12}[kMG]?$"`
	// Reader: auto is fio where it is installed, else own; unset: auto.
	Reader *string `json:"reader,omitempty" jsonschema:"enum=auto,enum=fio,enum=own"`
	// Threads are the server's, in the kernel; unset: 16.
	Threads *int `json:"threads,omitempty" jsonschema:"minimum=1,maximum=1024"`
}

// IPsecBench is what bench ipsec varies: all combinations are measured that mean something.
type IPsecBench struct {
	// Modes: who does ESP; unset: all.
	Modes []string `json:"modes,omitempty" jsonschema:"enum=plain,enum=software,enum=crypto,enum=packet,uniqueItems=true,minItems=1"`
	// Encapsulation: how ESP wraps packets; unset: both.
	Encapsulation []string `json:"encapsulation,omitempty" jsonschema:"enum=transport,enum=tunnel,uniqueItems=true,minItems=1"`
	// Ciphers: how ESP encrypts; unset: AES-256-GCM.
	Ciphers []string `json:"ciphers,omitempty" jsonschema:"enum=AES-128-GCM,enum=AES-256-GCM,uniqueItems=true,minItems=1"`
	// SAs are pairs of security associations; unset: 1, 8 and 64.
	SAs []int `json:"sas,omitempty" jsonschema:"minimum=1,maximum=64,uniqueItems=true,minItems=1"`
	// MTU is that of both VFs, in bytes; unset: 1500 and 9000.
	MTU []int `json:"mtu,omitempty" jsonschema:"minimum=1280,maximum=9978,uniqueItems=true,minItems=1"`
	// Streams are TCP connections, at least one for each pair of security associations; unset: 8.
	Streams []int `json:"streams,omitempty" jsonschema:"minimum=1,maximum=4096,uniqueItems=true,minItems=1"`
	// Sizes are the bytes that are written at a time, up to 16777216; unset: 131072.
	Sizes []string `json:"sizes,omitempty" jsonschema:"pattern=^[1-9][0-9]{0\\,10}[kMG]?$,uniqueItems=true,minItems=1"`
}

// ParseBytes reads a number of bytes as bench takes it: 500, 10k, 1M, 1G, in tens. It is
// never 0.
func ParseBytes(s string) (uint64, error) {
	unit := uint64(1)
	digits := s
	for suffix, of := range map[string]uint64{"k": 1e3, "M": 1e6, "G": 1e9} {
		if rest, ok := strings.CutSuffix(s, suffix); ok {
			digits, unit = rest, of
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n == 0 || n > (1<<63)/unit {
		return 0, fmt.Errorf("%q is no number of bytes: say it as 500, 10k, 1M or 1G", s)
	}
	return n * unit, nil
}

func (r *resolver) resolveBench(w *Want) {
	if r.p.Bench == nil {
		return
	}
	b := *r.p.Bench
	b.Between = slices.Clone(b.Between)
	for i := range b.Between {
		r.oneVF(&b.Between[i], "between", "bench", "between", i)
	}
	w.Bench = &b
}

// benchRules are of what bench measures.
func benchRules() []rule {
	return []rule{
		{"NW032", "what a bench varies goes together: no value is said that no cell would have, or that cannot be measured", "", checkBench},
	}
}

func checkBench(p *Profile, report report) {
	if p.Bench == nil {
		return
	}
	at := func(path ...any) Position { return p.At(append([]any{"bench"}, path...)...) }
	p.Bench.checkTimes(at, report)
	if h := p.Bench.HTTPS; h != nil {
		h.check(func(key string) Position { return at("https", key) }, report)
	}
	if n := p.Bench.NFS; n != nil {
		n.check(func(key string) Position { return at("nfs", key) }, report)
	}
	if i := p.Bench.IPsec; i != nil {
		i.check(func(key string) Position { return at("ipsec", key) }, report)
	}
}

// Defaults of bench's flags: cmd has a test that they are.
const (
	benchWindow = time.Second
	benchTime   = 14 * time.Minute
	nfsBlock    = 65536
	nfsDepth    = 16
	nfsJobs     = 4
	nfsSize     = 268435456
)

func (b *BenchSpec) checkTimes(at func(...any) Position, report report) {
	read := func(key string, text *string, unset time.Duration) time.Duration {
		if text == nil {
			return unset
		}
		d, err := time.ParseDuration(*text)
		if err != nil {
			report(at(key), "%s: %q is no time, as in 300ms, 20s or 1h30m", key, *text)
			return unset
		}
		return d
	}
	window := read("window", b.Window, benchWindow)
	if window < 10*time.Millisecond {
		report(at("window"), "a window of %v: it is 10ms at least", window)
	}
	if limit := read("limit", b.Limit, window); limit < window {
		report(at("limit"), "a limit of %v, and a window of %v, which has to end within it", limit, window)
	}
	if end := read("time", b.Time, max(benchTime, window)); end < window {
		report(at("time"), "a time of %v, and a window of %v, which takes longer", end, window)
	}
}

func (h *HTTPSBench) check(at func(key string) Position, report report) {
	keep, resume := isSet(h.KeepAlive, "on"), h.Resumption != nil && *h.Resumption != "off"
	if resume && isTrue(h.KernelClient) {
		report(at("kernel-client"), "kernel-client with resumption: kernel TLS in the client resumes nothing")
	}
	if resume && keep {
		report(at("resumption"), "resumption is %s, and all connections are kept alive: nothing is resumed on them", *h.Resumption)
	}
	checkBytes("sizes", h.Sizes, 10_000_000_000, at, report)
	for key, cpu := range map[string]*float64{"server-cpu": h.ServerCPU, "client-cpu": h.ClientCPU} {
		if cpu != nil && *cpu > 0 && *cpu < 0.01 {
			report(at(key), "%s of %v processors: it is 0.01 at least, or 0 for no bound", key, *cpu)
		}
	}
	if !bareOnly(h.Modes) {
		return
	}
	for _, k := range []struct {
		key  string
		said bool
	}{{"tls", h.TLS != nil}, {"ciphers", h.Ciphers != nil}, {"resumption", resume}, {"kernel-client", isTrue(h.KernelClient)}} {
		if k.said {
			report(at(k.key), "%s is said, and all modes are plain: there is no TLS", k.key)
		}
	}
}

// bareOnly tells whether modes are said, and plain is the only one.
func bareOnly(modes []string) bool { return len(modes) == 1 && modes[0] == "plain" }

func checkBytes(key string, texts []string, most uint64, at func(key string) Position, report report) {
	for _, text := range texts {
		if n, err := ParseBytes(text); err != nil || n > most {
			report(at(key), "%s: %q is not 1 to %d bytes", key, text, most)
		}
	}
}

func (n *NFSBench) check(at func(key string) Position, report report) {
	ipsec := func(m string) bool { return m == "software" || m == "crypto" || m == "packet" }
	if n.Encapsulation != nil && n.Modes != nil && !slices.ContainsFunc(n.Modes, ipsec) {
		report(at("encapsulation"), "encapsulation is said, and none of the modes is of IPsec: software, crypto, packet")
	}
	for _, b := range n.Block {
		if b%4096 != 0 {
			report(at("block"), "a block of %d bytes: it is a multiple of 4096", b)
		}
	}
	size := uint64(nfsSize)
	if n.Size != nil {
		var err error
		if size, err = ParseBytes(*n.Size); err != nil || size > 1<<40 {
			report(at("size"), "size: %q is not 1 to %d bytes", *n.Size, uint64(1<<40))
			return
		}
	}
	// Each job has a part of the file, of a block at least for each request on its way.
	block, depth, jobs := most(n.Block, nfsBlock), most(n.Depth, nfsDepth), most(n.Jobs, nfsJobs)
	if need := uint64(block) * uint64(depth) * uint64(jobs); size < need {
		report(at("size"), "a file of %d bytes: %d jobs with %d blocks of %d bytes on their way need %d", size, jobs, depth, block, need)
	}
}

// most is the highest of what is said, else unset.
func most(said []int, unset int) int {
	if len(said) == 0 {
		return unset
	}
	return slices.Max(said)
}

func (b *IPsecBench) check(at func(key string) Position, report report) {
	checkBytes("sizes", b.Sizes, 16<<20, at, report)
	if !bareOnly(b.Modes) {
		return
	}
	for _, k := range []struct {
		key  string
		said bool
	}{{"encapsulation", b.Encapsulation != nil}, {"ciphers", b.Ciphers != nil}} {
		if k.said {
			report(at(k.key), "%s is said, and all modes are plain: there is no IPsec", k.key)
		}
	}
}
