// SPDX-License-Identifier: Apache-2.0

package sample

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func aHeader() Header {
	return Header{
		Schema: Schema, Tool: "nicwright 0.9", Started: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC), Seed: 7, Clock: Wall,
		Server: Host{Kernel: "6.12.117", Processor: "EPYC 7232P", Processors: 8, Memory: 64 << 30}, Client: &Host{Kernel: "6.12.117"},
		Card: &Card{Model: "ConnectX-6 Dx", Address: "0000:01:00.0", Netdev: "ens7f0v0", Driver: "mlx5_core", TLSContexts: 1 << 16},
		Path: "wire", Conditions: map[string]string{"nginx": "1.26.3"},
	}
}

func aSample() Sample {
	return Sample{
		Bench: HTTPS, Cell: Cell{Mode: CardTx, TLS: "1.2", Cipher: "AES-256-GCM", Size: 10_000, Clients: 50, Sendfile: true},
		Turn: 1, Order: 12, Seconds: 1.25, Bytes: 4_000_000, Operations: 400, Connections: 400,
		CPU: CPU{Server: 0.5, Client: 0.75, Busy: 0.875, Idle: 9}, Segments: 5000, Retransmits: 3,
		Counters: map[string]int64{"server.TlsTxDevice": 410, "server.tx_tls_encrypted_bytes": 4_400_000},
		Latency:  map[Phase]Percentiles{Whole: {Count: 400, Mean: 0.125, P50: 0.125, P90: 0.25, P99: 0.5, P999: 0.5, Max: 0.5}},
		Gate:     Gate{Verdict: AsSaid}, Flags: []Flag{ClientBound},
	}
}

func written(t *testing.T, h Header, samples ...Sample) string {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, h)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range samples {
		if err := w.Write(s); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	text := written(t, aHeader(), aSample(), aSample())
	run, err := Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := &Run{Header: aHeader(), Samples: []Sample{aSample(), aSample()}}
	if d := cmp.Diff(want, run); d != "" {
		t.Error(d)
	}
}
