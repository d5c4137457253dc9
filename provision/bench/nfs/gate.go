// SPDX-License-Identifier: Apache-2.0

package nfs

import (
	"fmt"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/crypto/ipsec"
	"github.com/nicwright/nicwright/internal/tcpdiag"
	"github.com/nicwright/nicwright/provision/bench/rounds"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// evidence is what decides whether the path was the one that a cell names.
type evidence struct {
	counted  map[string]int64 // the counters that there are, by name
	moved    map[string]int64 // how far they moved from before the mount until it was gone
	states   []ipsec.State    // by which the server sent
	sessions []tcpdiag.Session
	bytes    int64 // that were read or written, all of them
}

// card tells what of TLS a mode wants the server's card to do.
func card(m sample.Mode) (tx, rx bool) {
	return m == sample.CardTx || m == sample.CardTxRx, m == sample.CardRx || m == sample.CardTxRx
}

func (e evidence) gate(c sample.Cell) sample.Gate {
	var words []string
	say := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	for _, side := range []string{"server.", "client."} {
		for _, name := range crypto.IPsecErrors() {
			if n := e.moved[side+name]; n != 0 {
				say("%s moved by %d: packets were not accepted", side+name, n)
			}
		}
	}
	software := max(e.tls(c, say), e.ipsec(c, say))
	return rounds.Gate(words, software)
}

// tls holds the sessions of kernel TLS at the server against the cell.
func (e evidence) tls(c sample.Cell, say func(string, ...any)) (software float64) {
	tx, rx := card(c.Mode)
	for _, d := range []struct {
		dir  string
		card bool
	}{{"Tx", tx}, {"Rx", rx}} {
		device, soft := e.moved["server.Tls"+d.dir+"Device"], e.moved["server.Tls"+d.dir+"Sw"]
		switch {
		case !overTLS(c.Mode):
			if device+soft > 0 {
				say("Tls%[1]sDevice moved by %[2]d, Tls%[1]sSw by %[3]d, and NFS was to have no TLS", d.dir, device, soft)
			}
		case device+soft < int64(c.NConnect):
			say("the kernel has %d sessions of TLS (%s), and there were %d connections", device+soft, d.dir, c.NConnect)
		case d.card && soft > 0:
			share := float64(soft) / float64(device+soft)
			software = max(software, share)
			say("Tls%[1]sSw moved by %[2]d, Tls%[1]sDevice by %[3]d: %.0[4]f%% software: %[5]s", d.dir, soft, device, 100*share, crypto.KTLSCell{Version: "TLSv" + c.TLS}.Never())
		case !d.card && device > 0:
			say("Tls%sDevice moved by %d: the card did what the kernel should have done", d.dir, device)
		}
	}
	for _, s := range e.sessions {
		if s.Version != c.TLS {
			say("a session is of TLS %q, not %q", s.Version, c.TLS)
			break
		}
	}
	if overTLS(c.Mode) && len(e.sessions) == 0 {
		say("no connection had kernel TLS while it was measured")
	}
	return software
}

// ipsec holds the card's counters of the direction in which the data went against the cell.
func (e evidence) ipsec(c sample.Cell, say func(string, ...any)) (software float64) {
	names := []string{"server.ipsec_tx_bytes", "client.ipsec_rx_bytes"}
	if c.Op == "write" {
		names = []string{"client.ipsec_tx_bytes", "server.ipsec_rx_bytes"}
	}
	for _, name := range names {
		_, there := e.counted[name]
		switch moved := e.moved[name]; {
		case c.Mode != sample.IPsecCard && c.Mode != sample.IPsecFull:
			if moved != 0 {
				say("the card's %s moved by %d: it did what it should not have done", name, moved)
			}
		case !there:
			say("the driver has no counter %s to show that the card did it: it is there from Linux 6.2 on", name)
		case moved < e.bytes:
			software = max(software, 1-float64(max(moved, 0))/float64(max(e.bytes, 1)))
			say("the card's %s moved by %d, and %d bytes were read or written: the kernel did the rest", name, moved, e.bytes)
		}
	}
	if !overIPsec(c.Mode) {
		return software
	}
	packets, bytes := uint64(0), int64(0)
	for _, s := range e.states {
		packets, bytes = packets+s.Packets, bytes+int64(s.Bytes)
	}
	// Of packet offload the kernel knows what the driver tells it. Of what is written the server sends little.
	if c.Mode != sample.IPsecFull && (packets == 0 || c.Op == "read" && bytes < e.bytes) {
		say("the server's SA carried %d bytes in %d packets, and %d were read or written: the rest was not protected", bytes, packets, e.bytes)
	}
	return software
}
