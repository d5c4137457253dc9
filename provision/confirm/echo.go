// SPDX-License-Identifier: Apache-2.0

package confirm

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// family is how ICMP goes in one family.
type family struct {
	network, any string
	protocol     int // for ParseMessage
	ask, answer  icmp.Type
}

var (
	inet  = family{"ip4:icmp", "0.0.0.0", 1, ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply}
	inet6 = family{"ip6:ipv6-icmp", "::", 58, ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply}
)

// echo sends one ICMP echo request (RFC 792, RFC 4443) and waits for its answer
// until ctx ends. It wants CAP_NET_RAW.
func echo(ctx context.Context, a netip.Addr) error {
	f := inet
	if a.Is6() {
		f = inet6
	}
	c, err := icmp.ListenPacket(f.network, f.any)
	if err != nil {
		return fmt.Errorf("%s: opening a socket for ICMP: %w", a, err)
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	token := make([]byte, 16) // tells this echo from others' on the socket, which sees them all
	if _, err := rand.Read(token); err != nil {
		return fmt.Errorf("%s: %w", a, err)
	}
	id := int(binary.BigEndian.Uint16(token))
	m := icmp.Message{Type: f.ask, Body: &icmp.Echo{ID: id, Seq: 1, Data: token}}
	b, err := m.Marshal(nil)
	if err != nil {
		return fmt.Errorf("%s: making an ICMP echo: %w", a, err)
	}
	if _, err := c.WriteTo(b, &net.IPAddr{IP: a.AsSlice(), Zone: a.Zone()}); err != nil {
		return fmt.Errorf("%s: sending an ICMP echo: %w", a, err)
	}
	buf := make([]byte, 1500)
	for {
		n, _, err := c.ReadFrom(buf)
		if ctx.Err() != nil {
			return fmt.Errorf("%s: no answer to an ICMP echo: %w", a, context.Cause(ctx))
		}
		if err != nil {
			return fmt.Errorf("%s: waiting for the answer to an ICMP echo: %w", a, err)
		}
		if isAnswer(f, buf[:n], id, token) {
			return nil
		}
	}
}

// isAnswer tells whether a message answers the echo with that ID and token.
func isAnswer(f family, b []byte, id int, token []byte) bool {
	m, err := icmp.ParseMessage(f.protocol, b)
	if err != nil || m.Type != f.answer {
		return false
	}
	e, ok := m.Body.(*icmp.Echo)
	return ok && e.ID == id && bytes.Equal(e.Data, token)
}
