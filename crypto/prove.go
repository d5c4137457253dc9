// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/nicwright/nicwright/crypto/ktls"
	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/site"
)

// Directions of a cell: whose card is judged, that of the VF that sends or of
// the one that receives.
const (
	Tx = "tx"
	Rx = "rx"
)

// Directions are both.
var Directions = []string{Tx, Rx}

// Versions and ciphers of TLS that can be proved, as a profile names them.
var (
	Versions = []string{"TLSv1.2", "TLSv1.3"}
	Ciphers  = []string{"AES-128-GCM", "AES-256-GCM", chacha}
)

const chacha = "ChaCha20-Poly1305"

var versions = map[string]uint16{"TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13}

// suites stand for a version and cipher.
var suites = map[string]map[string]uint16{
	"TLSv1.2": {
		"AES-128-GCM": tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		"AES-256-GCM": tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		chacha:        tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	},
	"TLSv1.3": {"AES-128-GCM": tls.TLS_AES_128_GCM_SHA256, "AES-256-GCM": tls.TLS_AES_256_GCM_SHA384, chacha: tls.TLS_CHACHA20_POLY1305_SHA256},
}

// KTLSCell is one cell of the matrix of kernel TLS.
type KTLSCell struct {
	Version   string // of Versions
	Cipher    string // of Ciphers
	Direction string // Tx or Rx
}

// Never tells why no kernel hands such a connection to the card, "" if some do.
func (c KTLSCell) Never() string {
	switch {
	case c.Version != "TLSv1.2":
		return "TLS 1.3 is not offloaded by any mainline kernel up to 7.3 (net/tls/tls_device.c); use TLS 1.2 where the card is to encrypt"
	case c.Cipher == chacha:
		return "the card has no ChaCha20-Poly1305 (mlx5: AES-GCM alone, en_accel/ktls.h); use an AES-GCM suite where the card is to encrypt"
	}
	return ""
}

// Fields are the cell's name.
func (c KTLSCell) Fields(from, to string) []proof.Field {
	return []proof.Field{{Name: "version", Value: c.Version}, {Name: "cipher", Value: c.Cipher}, {Name: "direction", Value: c.Direction}, {Name: "from", Value: from}, {Name: "to", Value: to}}
}

// side is what differs between the directions.
type side struct {
	feature                     string
	bytes, packets              string   // of the device (ethtool -S)
	device, software            string   // sessions, /proc/net/tls_stat
	more                        []string // of the device: evidence that decides nothing
	conf                        func(ktls.State) ktls.Mode
	what, kernelDid, switchedBy string
	// most is what a connection can have moved the byte counter by, given its bytes on the wire and the
	// packets counted.
	most func(wire, packets uint64) uint64
}

var sides = map[string]side{
	Tx: {
		feature: featTLSTx, bytes: "tx_tls_encrypted_bytes", packets: "tx_tls_encrypted_packets",
		device: "TlsTxDevice", software: "TlsTxSw", more: []string{"tx_tls_ooo", "tx_tls_drop_no_sync_data"},
		conf: func(s ktls.State) ktls.Mode { return s.Tx }, what: "txconf", kernelDid: "encrypted", switchedBy: "the sending VF",
		most: func(wire, _ uint64) uint64 { return wire },
	},
	Rx: {
		feature: featTLSRx, bytes: "rx_tls_decrypted_bytes", packets: "rx_tls_decrypted_packets",
		device: "TlsRxDevice", software: "TlsRxSw", more: []string{resyncs, "rx_tls_resync_res_ok", "rx_tls_err"},
		conf: func(s ktls.State) ktls.Mode { return s.Rx }, what: "rxconf", kernelDid: "decrypted", switchedBy: "the receiving VF",
		// Frames are counted whole, and what arrives twice is, though TCP takes it once.
		most: func(wire, packets uint64) uint64 { return 2*wire + 128*packets },
	},
}

const (
	decryptError = "TlsDecryptError"
	// resyncs is how often the card asked where in the stream a record begins.
	resyncs = "rx_tls_resync_req_pkt"
)

// ProveKTLS sends size bytes from one place to another over TLS. At the end that
// the direction names the kernel makes or opens the records, and its card is
// judged by its counters; at the other end this process does, as a witness.
func ProveKTLS(ctx context.Context, c KTLSCell, from, to *site.Place, size int64, rate func(int64, float64)) proof.Proof {
	return c.prove(ctx, c.Fields(from.Function.String(), to.Function.String()), size, func(ctx context.Context, p *proof.Proof) (seenTLS, error) {
		return c.transfer(ctx, from, to, size, p, rate)
	})
}

// tries is how many connections a proof takes where the card loses its place in the stream.
const tries = 3

// prove makes a transfer and judges it. A receiving card loses its place where a packet is lost or overtaken, and where
// the first records come before the driver has given it the keys (it does so after setsockopt has returned: the work
// queue in en_accel/ktls_rx.c). Meanwhile the kernel decrypts: that says nothing of the card, and another connection may.
func (c KTLSCell) prove(ctx context.Context, cell []proof.Field, size int64, transfer func(context.Context, *proof.Proof) (seenTLS, error)) (p proof.Proof) {
	once := func() bool {
		ctx, cancel := context.WithTimeout(ctx, site.Limit(size))
		defer cancel()
		p = proof.Proof{Kind: "ktls", Cell: cell}
		seen, err := transfer(ctx, &p)
		judgeKTLS(&p, c, seen, size, err)
		// A card that did the lesser part did not only look for its place.
		return p.Verdict == proof.Software && delta(p.Counters, resyncs) > 0 && delta(p.Counters, sides[c.Direction].bytes) >= uint64(size)/2
	}
	for range tries {
		if !once() {
			break
		}
	}
	return p
}

// seenTLS is what decides, besides the counters.
type seenTLS struct {
	state ktls.State
	off   string // why the switch is off, "" if it is on
	wire  uint64 // bytes that the socket sent or received, retransmissions included
}

func (c KTLSCell) transfer(ctx context.Context, from, to *site.Place, size int64, p *proof.Proof, rate func(int64, float64)) (seenTLS, error) {
	keys, err := newKeys(suites[c.Version][c.Cipher])
	if err != nil {
		return seenTLS{}, err
	}
	defer clear(keys.Key)
	other, err := c.newRecords(keys)
	if err != nil {
		return seenTLS{}, err
	}
	client, server, err := site.Connect(ctx, from, to, false)
	if err != nil {
		return seenTLS{}, err
	}
	defer client.Close()
	defer server.Close()
	if c.Direction == Tx {
		return c.observe(ctx, from, client, &keys, p, func(conn *ktls.Conn) error {
			return site.Pump(ctx, conn, opener{server, other}, size, p, rate)
		})
	}
	return c.observe(ctx, to, server, &keys, p, func(conn *ktls.Conn) error {
		return site.Pump(ctx, sealer{client, other}, conn, size, p, rate)
	})
}

// observe gives the kernel the keys of the judged end of a connection, and looks
// what there is to see before and after it pumps.
func (c KTLSCell) observe(ctx context.Context, place *site.Place, end *net.TCPConn, keys *ktls.Keys, p *proof.Proof, pump func(*ktls.Conn) error) (seen seenTLS, err error) {
	s := sides[c.Direction]
	// Counters are of a namespace, and read by a thread that is in it.
	if err := place.NS.Do(func() error {
		var err error
		if seen.off, err = switchedOff(ctx, place.Index, s); err != nil {
			return err
		}
		p.Counters, err = counters(place, s, nil)
		return err
	}); err != nil {
		return seen, err
	}
	before, err := wireBytes(end, c.Direction)
	if err != nil {
		return seen, err
	}
	tx, rx := keys, (*ktls.Keys)(nil)
	if c.Direction == Rx {
		tx, rx = rx, tx
	}
	conn, err := ktls.AttachKeys(end, tx, rx)
	if err != nil {
		return seen, err
	}
	if err := pump(conn); err != nil {
		return seen, err
	}
	if seen.state, err = conn.State(); err != nil {
		return seen, err
	}
	p.Seen = append(p.Seen, proof.Field{Name: s.what, Value: s.conf(seen.state).String()})
	after, err := wireBytes(end, c.Direction)
	if err != nil {
		return seen, err
	}
	seen.wire = after - before
	return seen, place.NS.Do(func() error {
		p.Counters, err = counters(place, s, p.Counters)
		return err
	})
}

// judgeKTLS gives the verdict. "Offloaded" needs all of: the bytes arrived and
// are equal, the kernel reports the hardware, the device's counter moved by at
// least what was sent and by no more than this connection can have moved it, and
// no session was opened in software.
func judgeKTLS(p *proof.Proof, c KTLSCell, seen seenTLS, size int64, err error) {
	s := sides[c.Direction]
	switch {
	case errors.Is(err, ktls.ErrNoKernelTLS), errors.Is(err, ktls.ErrNoCipher):
		p.Verdict, p.Reason = proof.NotPossible, err.Error()
		return
	case err != nil:
		p.Fail(err)
		return
	case p.Bytes != size:
		p.Fail(fmt.Errorf("%d bytes were sent, %d arrived", size, p.Bytes))
		return
	}
	var why []string
	say := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }
	if conf := s.conf(seen.state); conf != ktls.Hardware {
		say("the kernel reports %s %s: the card was not given the keys", s.what, conf)
	}
	moved := delta(p.Counters, s.bytes)
	if moved < uint64(size) {
		say("the card's %s moved by %d, less than the %d bytes sent", s.bytes, moved, size)
		if d := delta(p.Counters, resyncs); d > 0 {
			say("it lost its place in the stream (%s moved by %d): packets are lost or overtaken on the way, or the driver is late with the keys", resyncs, d)
		}
	}
	if most := s.most(seen.wire, delta(p.Counters, s.packets)); moved > most {
		say("the card's %s moved by %d, more than the %d that this connection can account for: somebody else uses the VF, and the counter proves nothing", s.bytes, moved, most)
	}
	if d := delta(p.Counters, s.software); d > 0 {
		say("%s moved by %d: the kernel %s in software", s.software, d, s.kernelDid)
	}
	switch d := delta(p.Counters, s.device); {
	case d == 0:
		say("%s did not move", s.device)
	case d > 1:
		say("%s moved by %d for one connection: somebody else uses the VF, and its counters prove nothing", s.device, d)
	}
	if d := delta(p.Counters, decryptError); d > 0 {
		say("%s moved by %d", decryptError, d)
	}
	if len(why) == 0 {
		p.Verdict = proof.Offloaded
		return
	}
	p.Verdict = proof.Software
	p.Reason = strings.Join(why, "; ")
	for _, known := range []string{seen.off, c.Never()} {
		if known != "" {
			p.Reason = known + ": " + p.Reason
		}
	}
}

func delta(all []proof.Counter, name string) uint64 {
	for _, c := range all {
		if c.Name == name {
			return c.Delta()
		}
	}
	return 0
}

// switchedOff says in words that TLS is off on a netdev, "" if it is on.
func switchedOff(ctx context.Context, index int, s side) (string, error) {
	c, err := ethtool.Dial(ctx)
	if err != nil {
		return "", err
	}
	defer c.Close()
	f, err := c.Get(index)
	if err != nil {
		return "", err
	}
	v, ok := f.Get(s.feature)
	switch {
	case !ok || v.Fixed() && !v.Active:
		return s.feature + " is off [fixed] on " + s.switchedBy + ": its driver has no TLS offload (mlx5: built without MLX5_EN_TLS), or the card has no crypto; see nicwright doctor", nil
	case !v.Active:
		return s.feature + " is off on " + s.switchedBy + ": set it in the profile's offload and apply, or ethtool -K " + f.Netdev + " " + s.feature + " on", nil
	}
	return "", nil
}

// counters reads the counters of the judged side: first into Before, then, given
// those, into After. It has to run in the VF's namespace.
func counters(place *site.Place, s side, before []proof.Counter) ([]proof.Counter, error) {
	stats, err := ethtool.Statistics(place.Netdev)
	if err != nil {
		return nil, err
	}
	stat, err := TLSStat()
	if err != nil {
		return nil, err
	}
	all := take(before, place.String(), stats, append([]string{s.bytes, s.packets}, s.more...)...)
	return take(all, "/proc/net/tls_stat", stat, s.device, s.software, decryptError), nil
}

// take puts counters of one place into a list: those that are there already get
// their After, new ones are appended.
func take(all []proof.Counter, where string, now map[string]uint64, names ...string) []proof.Counter {
	for _, n := range names {
		v, ok := now[n]
		if !ok {
			continue
		}
		known := false
		for i := range all {
			if all[i].Where == where && all[i].Name == n {
				all[i].After, known = v, true
			}
		}
		if !known {
			all = append(all, proof.Counter{Where: where, Name: n, Before: v, After: v})
		}
	}
	return all
}

// wireBytes is what a connection sent, retransmissions included, or received.
func wireBytes(c *net.TCPConn, direction string) (uint64, error) {
	info, err := site.TCPInfo(c)
	if err != nil {
		return 0, err
	}
	if direction == Rx {
		return info.Bytes_received, nil
	}
	return info.Bytes_sent, nil
}
