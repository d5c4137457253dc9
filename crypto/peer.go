// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/nicwright/nicwright/crypto/ktls"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/site"
)

// A proof with a host on the wire: the VF connects to `nicwright peer` there. What
// is to be done, and the keys made for it, pass in a TLS 1.3 connection; then both
// sides leave that TLS, and the records of the proof follow on the same TCP
// connection. The peer seals and opens them in its process, as the witness.

// peerProtocol changes when the messages do.
const peerProtocol = "nicwright-peer/1"

// peerRequest is the first message.
type peerRequest struct {
	Protocol  string   `json:"protocol"`
	Version   string   `json:"version"` // of TLS, of Versions
	Cipher    string   `json:"cipher"`  // of Ciphers
	Direction string   `json:"direction"`
	Bytes     int64    `json:"bytes"`
	Key       []byte   `json:"key"`
	IV        []byte   `json:"iv"`
	Seed      [32]byte `json:"seed"` // of site.Pattern
}

// peerAnswer says whether the peer is ready, in TLS, and in the end, without, what
// it has received.
type peerAnswer struct {
	Bytes int64  `json:"bytes"`
	Error string `json:"error,omitempty"`
}

// peerGo tells the peer to send: the VF's card has its keys.
const peerGo = 'g'

// maxMessage is far more than a message has.
const maxMessage = 4096

// ErrPeer is what errors.Is finds where the peer said what is wrong.
var ErrPeer = errors.New("the peer says")

// ProvePeer is [ProveKTLS] between a place and a host on the wire that runs
// [ServePeer]: in direction Tx the place sends, in Rx it receives.
func ProvePeer(ctx context.Context, c KTLSCell, place *site.Place, peer netip.AddrPort, size int64, rate func(int64, float64)) proof.Proof {
	return c.prove(ctx, c.PeerFields(place.Function.String(), peer.String()), size, func(ctx context.Context, p *proof.Proof) (seenTLS, error) {
		return c.withPeer(ctx, place, peer, size, p, rate)
	})
}

// PeerFields are the cell's name: the data flow from one to the other, whoever connects.
func (c KTLSCell) PeerFields(function, peer string) []proof.Field {
	if c.Direction == Rx {
		return c.Fields("peer "+peer, function)
	}
	return c.Fields(function, "peer "+peer)
}

func (c KTLSCell) withPeer(ctx context.Context, place *site.Place, peer netip.AddrPort, size int64, p *proof.Proof, rate func(int64, float64)) (seen seenTLS, err error) {
	keys, err := newKeys(suites[c.Version][c.Cipher])
	if err != nil {
		return seen, err
	}
	defer clear(keys.Key)
	seed, err := site.Seed()
	if err != nil {
		return seen, err
	}
	end, err := site.Dial(ctx, place, peer)
	if err != nil {
		return seen, fmt.Errorf("connecting from %s to the peer %s: %w", place, peer, err)
	}
	defer end.Close()
	if err := ask(ctx, end, peerRequest{peerProtocol, c.Version, c.Cipher, c.Direction, size, keys.Key, keys.IV[:], seed}); err != nil {
		return seen, fmt.Errorf("asking the peer %s for a transfer: %w", peer, err)
	}
	pattern := site.Pattern(seed)
	return c.observe(ctx, place, end, &keys, p, func(conn *ktls.Conn) error {
		send := func() error { return site.Send(conn, pattern, size) }
		receive := func(func(int64)) (int64, error) { return readAnswer(end) }
		if c.Direction == Rx {
			send = func() error { _, err := end.Write([]byte{peerGo}); return err }
			receive = func(rate func(int64)) (int64, error) { return site.Compare(conn, pattern, size, rate) }
		}
		return site.Account(ctx, send, receive, p, rate)
	})
}

func ask(ctx context.Context, end net.Conn, r peerRequest) error {
	// Whoever is in between could only spoil the proof: what passes is random and made for it.
	t := tls.Client(end, &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}) //nolint:gosec // see above
	if err := t.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("the TLS handshake, with what should be `nicwright peer`: %w", err)
	}
	if err := json.NewEncoder(t).Encode(r); err != nil {
		return err
	}
	_, err := readAnswer(t)
	return err
}

func readAnswer(r io.Reader) (int64, error) {
	var a peerAnswer
	if err := json.NewDecoder(io.LimitReader(r, maxMessage)).Decode(&a); err != nil {
		return 0, fmt.Errorf("reading the peer's answer: %w", err)
	}
	if a.Error != "" {
		return a.Bytes, fmt.Errorf("%w: %q", ErrPeer, a.Error)
	}
	return a.Bytes, nil
}
