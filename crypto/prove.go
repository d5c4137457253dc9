// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"nicwright/crypto/ktls"
	"nicwright/internal/pci"
)

// Verdict is what a proof found.
type Verdict string

// The verdicts (DESIGN.md, "Proof").
const (
	Offloaded   Verdict = "offloaded"
	Software    Verdict = "software"
	Failed      Verdict = "failed"
	NotPossible Verdict = "not possible here"
)

// DefaultCipher and DefaultBytes are proved when the profile does not say.
const (
	DefaultCipher = "AES-128-GCM"
	DefaultBytes  = 64 << 20
)

// suites are the TLS 1.2 suites that stand for a cipher: with an ECDSA key,
// which costs little in the handshake.
var suites = map[string]uint16{
	"AES-128-GCM": tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	"AES-256-GCM": tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
}

// ProofRequest is a transfer of Bytes (nil: DefaultBytes) from one VF to
// another over kernel TLS 1.2.
type ProofRequest struct {
	From, To pci.Function
	Cipher   string
	Bytes    *int64
}

// Counter is one counter before and after the transfer.
type Counter struct {
	Name   string `json:"name"`
	Before uint64 `json:"before"`
	After  uint64 `json:"after"`
}

// Delta is how far the counter moved.
func (c Counter) Delta() uint64 { return c.After - c.Before }

// Proof is a verdict and what it rests on.
type Proof struct {
	From     pci.Function `json:"from"`
	To       pci.Function `json:"to"`
	Cipher   string       `json:"cipher"`
	Verdict  Verdict      `json:"verdict"`
	Reason   string       `json:"reason,omitempty"` // why not offloaded, and what to do
	Sent     int64        `json:"sent"`             // bytes of plain text
	Received int64        `json:"received"`
	Equal    bool         `json:"equal"`   // what arrived is what was sent
	Seconds  float64      `json:"seconds"` // of the transfer, without the handshake
	// Sender is what the kernel says of the sending socket, at the end of the transfer.
	Sender ktls.State `json:"sender"`
	// Device are counters of the sending VF (ethtool -S), Kernel those of its namespace
	// (/proc/net/tls_stat).
	Device []Counter `json:"device"`
	Kernel []Counter `json:"kernel"`
}

// NotPossibleHere is a proof that could not be run, and why.
func NotPossibleHere(from, to pci.Function, cipher string, why error) Proof {
	p := Proof{From: from, To: to, Cipher: cipher, Verdict: NotPossible}
	if why != nil {
		p.Reason = why.Error()
	}
	return p
}

// Counters that decide.
const (
	devBytes   = "tx_tls_encrypted_bytes"
	devPackets = "tx_tls_encrypted_packets"
	devDropped = "tx_tls_drop_no_sync_data"
	kernDevice = "TlsTxDevice"
	kernSw     = "TlsTxSw"
)

// ProveKTLS sends data from one VF to another over kernel TLS, each in a
// network namespace of its own, and judges by the card's counters. The VFs are
// put back as they were.
func ProveKTLS(ctx context.Context, r ProofRequest) Proof {
	size := int64(DefaultBytes)
	if r.Bytes != nil {
		size = *r.Bytes
	}
	p := Proof{From: r.From, To: r.To, Cipher: r.Cipher}
	suite, ok := suites[r.Cipher]
	if !ok {
		return NotPossibleHere(r.From, r.To, r.Cipher, fmt.Errorf("nicwright knows no cipher %q for TLS 1.2", r.Cipher))
	}
	site, err := enter(ctx, r.From, r.To)
	if err != nil {
		return NotPossibleHere(r.From, r.To, r.Cipher, err)
	}
	err = transfer(ctx, site, suite, size, &p)
	// The VFs go back also when the context has ended.
	back, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if leaveErr := site.leave(back); leaveErr != nil && err == nil {
		err = leaveErr
	}
	judge(&p, err)
	return p
}

// judge gives the verdict. "Offloaded" needs all of: the bytes arrived and are
// equal, the kernel reports the hardware, the device's counters moved by at
// least what was sent, the software counter did not move.
func judge(p *Proof, err error) {
	switch {
	case errors.Is(err, ktls.ErrNoKernelTLS):
		p.Verdict, p.Reason = NotPossible, err.Error()
		return
	case err != nil:
		p.Verdict, p.Reason = Failed, err.Error()
		return
	case !p.Equal || p.Received != p.Sent:
		p.Verdict = Failed
		p.Reason = fmt.Sprintf("%d bytes were sent, %d arrived, equal: %t", p.Sent, p.Received, p.Equal)
		return
	}
	var why []string
	if p.Sender.Tx != ktls.Hardware {
		why = append(why, fmt.Sprintf("the kernel reports txconf %s: the card was not given the keys", p.Sender.Tx))
	}
	if d := counter(p.Device, devBytes).Delta(); d < uint64(p.Sent) {
		why = append(why, fmt.Sprintf("the card's %s moved by %d, less than the %d bytes sent", devBytes, d, p.Sent))
	}
	if d := counter(p.Kernel, kernSw).Delta(); d > 0 {
		why = append(why, fmt.Sprintf("%s moved by %d: the kernel encrypted in software", kernSw, d))
	}
	if counter(p.Kernel, kernDevice).Delta() == 0 {
		why = append(why, kernDevice+" did not move")
	}
	if len(why) == 0 {
		p.Verdict = Offloaded
		return
	}
	p.Verdict = Software
	reason := strings.Join(why, "; ")
	if p.Reason != "" {
		reason = p.Reason + ": " + reason
	}
	p.Reason = reason
}

func counter(all []Counter, name string) Counter {
	for _, c := range all {
		if c.Name == name {
			return c
		}
	}
	return Counter{}
}
