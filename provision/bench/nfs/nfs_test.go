// SPDX-License-Identifier: Apache-2.0

package nfs

import (
	"errors"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/crypto/ipsec"
	"github.com/nicwright/nicwright/internal/tcpdiag"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

func TestCellsHaveNoTwins(t *testing.T) {
	a := Full
	a.Modes, a.Encapsulations = Modes, []string{"transport", "tunnel"}
	cells := a.Cells()
	n := map[string]int{}
	seen := map[sample.Cell]bool{}
	for _, c := range cells {
		if seen[c] {
			t.Errorf("%+v is there twice", c)
		}
		seen[c] = true
		n[c.Security]++
		s := sample.Sample{Bench: sample.NFS, Cell: c, Turn: 1, Gate: sample.Gate{Verdict: sample.AsSaid}}
		if err := s.Check(); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
	// By operation, pattern and nconnect; TLS by its 4 modes, IPsec by its 3 and the encapsulation.
	if n["none"] != 8 || n["tls"] != 4*8 || n["ipsec"] != 3*2*8 {
		t.Errorf("%v", n)
	}
	if c := control(cells); c.Mode != sample.Plain {
		t.Errorf("the control is %+v", c)
	}
}

func TestAxes(t *testing.T) {
	for _, a := range []Axes{Full, Quick} {
		if err := a.Check(); err != nil {
			t.Error(err)
		}
	}
	for words, change := range map[string]func(*Axes){
		`the mode "user"`:         func(a *Axes) { a.Modes = []sample.Mode{sample.User} },
		`the operation "append"`:  func(a *Axes) { a.Ops = []string{"append"} },
		"blocks of 1000 bytes":    func(a *Axes) { a.Blocks = []uint64{1000} },
		"nconnect of 17":          func(a *Axes) { a.NConnects = []int{17} },
		"a depth of 0":            func(a *Axes) { a.Depths = []int{0} },
		"a file of 1000000 bytes": func(a *Axes) { a.Size = 1e6 },
		"nothing is left":         func(a *Axes) { a.Ops = nil },
	} {
		a := Full
		change(&a)
		if err := a.Check(); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", words, err)
		}
	}
}

// good is the evidence of a cell that ran as it says: 1 MB.
func good(m sample.Mode, op string) (sample.Cell, evidence) {
	a := Quick
	a.Modes, a.Ops, a.NConnects = []sample.Mode{m}, []string{op}, []int{2}
	c := a.Cells()[0]
	e := evidence{moved: map[string]int64{}, bytes: 1e6}
	tx, rx := card(m)
	if overTLS(m) {
		e.moved["server.TlsTx"+map[bool]string{true: "Device", false: "Sw"}[tx]] = 2
		e.moved["server.TlsRx"+map[bool]string{true: "Device", false: "Sw"}[rx]] = 2
		e.sessions = []tcpdiag.Session{{Version: "1.3"}, {Version: "1.3"}}
	}
	if overIPsec(m) {
		e.states = []ipsec.State{{Bytes: 1.1e6, Packets: 900}}
	}
	if m == sample.IPsecCard || m == sample.IPsecFull {
		for _, n := range []string{"server.ipsec_tx_bytes", "client.ipsec_rx_bytes", "client.ipsec_tx_bytes", "server.ipsec_rx_bytes"} {
			e.moved[n] = 1.1e6
		}
	}
	e.counted = maps.Clone(e.moved)
	return c, e
}

func TestGate(t *testing.T) {
	for _, m := range Modes {
		for _, op := range []string{"read", "write"} {
			c, e := good(m, op)
			if g := e.gate(c); g.Verdict != sample.AsSaid {
				t.Errorf("%s, %s: %+v", m, op, g)
			}
		}
	}
	for _, tt := range []struct {
		name     string
		mode     sample.Mode
		op       string
		change   func(*evidence)
		words    string
		software float64
	}{
		{"TLS where none was to be", sample.Plain, "read", func(e *evidence) { e.moved["server.TlsTxSw"] = 1 }, "was to have no TLS", 0},
		{"no TLS", sample.Kernel, "read", func(e *evidence) { delete(e.moved, "server.TlsRxSw") }, "0 sessions of TLS (Rx), and there were 2 connections", 0},
		{"TLS 1.2", sample.Kernel, "read", func(e *evidence) { e.sessions[1].Version = "1.2" }, `a session is of TLS "1.2", not "1.3"`, 0},
		{"a session that ended", sample.Kernel, "read", func(e *evidence) { e.sessions = nil }, "no connection had kernel TLS", 0},
		{"the card did it", sample.Kernel, "read", func(e *evidence) { e.moved["server.TlsTxDevice"] = 2 }, "the card did what the kernel should have done", 0},
		{"software", sample.CardTx, "read", func(e *evidence) { e.moved["server.TlsTxSw"], e.moved["server.TlsTxDevice"] = 2, 0 }, "100% software", 1},
		{"IPsec by the card where none was to be", sample.IPsecSoft, "read", func(e *evidence) { e.moved["server.ipsec_tx_bytes"] = 9 }, "it did what it should not have done", 0},
		{"the kernel did half", sample.IPsecCard, "read", func(e *evidence) { e.moved["client.ipsec_rx_bytes"] = 500_000 }, "the kernel did the rest", 0.5},
		{"what is written goes the other way", sample.IPsecFull, "write", func(e *evidence) { e.moved["server.ipsec_rx_bytes"] = 0 }, "server.ipsec_rx_bytes moved by 0", 1},
		{"an old driver", sample.IPsecCard, "read", func(e *evidence) { e.counted = nil }, "no counter server.ipsec_tx_bytes", 0},
		{"not protected", sample.IPsecSoft, "read", func(e *evidence) { e.states[0].Bytes = 10 }, "the rest was not protected", 0},
		{"bad packets", sample.IPsecCard, "read", func(e *evidence) { e.moved["client.XfrmInStateProtoError"] = 1 }, "packets were not accepted", 0},
	} {
		c, e := good(tt.mode, tt.op)
		tt.change(&e)
		if g := e.gate(c); g.Verdict != sample.Finding || !strings.Contains(g.Words, tt.words) || g.Software != tt.software {
			t.Errorf("%s: %+v", tt.name, g)
		}
	}
}

const fioText = `fio: a warning
{"fio version": "fio-3.39", "jobs": [{"jobname": "nicwright", "error": 0,
"read": {"io_bytes": 1048576, "runtime": 500, "total_ios": 16, "clat_ns": {"min": 1000, "max": 9000000, "mean": 2000000.5, "N": 16,
 "percentile": {"50.000000": 2000000, "90.000000": 4000000, "99.000000": 9109504, "99.900000": 9109504}}},
"write": {"io_bytes": 0, "runtime": 0, "total_ios": 0, "clat_ns": {"N": 0}}}]}`

func TestFio(t *testing.T) {
	r, err := parseFio([]byte(fioText), false)
	if err != nil || r.Bytes != 1<<20 || r.Seconds != 0.5 || r.Operations != 16 || r.Latency.P50 != 0.002 || r.Latency.Max < r.Latency.P999 || r.Latency.Count != 16 {
		t.Errorf("%+v, %v", r, err)
	}
	for _, bad := range []struct {
		text  string
		write bool
		words string
	}{
		{fioText, true, "nothing was read or written"},
		{"", false, "JSON"},
		{`{"jobs": []}`, false, "0 groups"},
		{strings.Replace(fioText, `"error": 0`, `"error": 5`, 1), false, "the error 5"},
	} {
		if _, err := parseFio([]byte(bad.text), bad.write); err == nil || !strings.Contains(err.Error(), bad.words) {
			t.Errorf("%s: %v", bad.words, err)
		}
	}
	args := strings.Join(work{Program: "/usr/bin/fio", File: "/f", Size: 10 << 20, Write: true, Random: true, Block: 4096, Depth: 2, Jobs: 3, Window: time.Second}.fioArgs(), " ")
	for _, want := range []string{"--rw=randwrite ", "--size=3493888 ", "--offset_increment=3493888 ", "--runtime=1000ms "} {
		if !strings.Contains(args, want) {
			t.Errorf("%q is not in %s", want, args)
		}
	}
}

func FuzzFio(f *testing.F) {
	f.Add([]byte(fioText), false)
	f.Fuzz(func(t *testing.T, text []byte, write bool) {
		if r, err := parseFio(text, write); err == nil && (r.Bytes == 0 || !(r.Seconds > 0)) {
			t.Errorf("%q: %+v", text, r)
		}
	})
}

func TestReader(t *testing.T) {
	w := work{File: filepath.Join(t.TempDir(), "data"), Size: 1 << 20, Block: 4096, Depth: 3, Jobs: 2, Window: 50 * time.Millisecond}
	if err := fill(w.File, w.Size); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(w.File)
	if err != nil {
		t.Fatal(err)
	}
	for _, write := range []bool{false, true} {
		for _, random := range []bool{false, true} {
			w.Write, w.Random = write, random
			r, err := read(t.Context(), w)
			for n := 0; err == nil && r.Bytes == 0 && n < 10; n++ { // a disk that others keep busy
				w.Window *= 2
				r, err = read(t.Context(), w)
			}
			if err != nil || r.Bytes == 0 || r.Bytes != r.Operations*w.Block || r.Latency.Count != r.Operations || r.Seconds < w.Window.Seconds() {
				t.Errorf("write %v, random %v: %+v, %v", write, random, r, err)
			}
		}
	}
	after, err := os.ReadFile(w.File)
	if err != nil || len(after) != len(before) || slices.Equal(before, after) {
		t.Errorf("nothing was written: %v", err)
	}
	w.File += "none"
	if _, err := read(t.Context(), w); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestListeners(t *testing.T) {
	const text = "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n" +
		"00000000f1       16  77         00000000 0        0        0     2        0        1\n" +
		"00000000f2       16  4194381    08000000 0        0        0     2        0        2\n" +
		"00000000f3       15  88         ffffffff 0        0        0     2        0        3\n"
	for pid, want := range map[int]bool{77: true, 88: false, 99: false} {
		if got := inGroup(text, pid); got != want {
			t.Errorf("process %d: %v", pid, got)
		}
	}
	if s := tlshdConfig("/run", true); !strings.Contains(s, "x509.private_key=/run/key.pem") || strings.Contains(tlshdConfig("/run", false), "key.pem") {
		t.Errorf("a server's is %q", s)
	}
}

func TestMountWords(t *testing.T) {
	a, b := netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("198.18.0.2")
	if s := options(a, b, 4, true); !strings.Contains(s, "addr=198.18.0.1,clientaddr=198.18.0.2") || !strings.HasSuffix(s, "nconnect=4,xprtsec=tls") {
		t.Error(s)
	}
	if s := options(a, b, 1, false); strings.Contains(s, "xprtsec") {
		t.Error(s)
	}
	for err, want := range map[error]string{unix.ENODEV: "no NFS client", unix.EINVAL: "Linux 6.5", unix.EACCES: "tlshd", unix.EPERM: ""} {
		if got := mountHint(err); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%v: %q", err, got)
		}
	}
}

// In the host's mount namespace it would mount over the host's /run.
func TestAnEndRefusesTheHostsMounts(t *testing.T) {
	if err := End(t.Context(), strings.NewReader(""), &strings.Builder{}); err == nil || !strings.Contains(err.Error(), "mount namespace") {
		t.Fatalf("got %v", err)
	}
}

// What is not installed is said, and where fio is not our own reader reads. In the lab's larger root both are.
func TestPrograms(t *testing.T) {
	_, err := os.Stat("/usr/sbin/tlshd")
	tlshd := err == nil
	_, err = os.Stat("/usr/bin/fio")
	fio := err == nil
	t.Setenv("PATH", t.TempDir())
	b := &bench{in: Input{Reader: Auto}}
	if err := b.programs(Quick.Cells()); err != nil || (b.noTLS == nil) != tlshd || (b.fio != "") != fio {
		t.Fatalf("%v, %v, %q", err, b.noTLS, b.fio)
	}
	b.in.Reader = Fio
	if err := b.programs(nil); (err == nil) != fio || err != nil && !strings.Contains(err.Error(), "--reader own") {
		t.Errorf("fio is asked for: %v", err)
	}
	b = &bench{in: Input{Reader: Own}, noTLS: errors.New("install ktls-utils")}
	if err := b.programs(nil); err != nil || b.fio != "" {
		t.Errorf("our own is asked for: %v, %q", err, b.fio)
	}
	s, err := b.measure(t.Context(), sample.Cell{Mode: sample.Kernel})
	if err != nil || s.Gate.Verdict != sample.Finding || !strings.Contains(s.Gate.Words, "install ktls-utils") {
		t.Errorf("%+v, %v", s.Gate, err)
	}
}
