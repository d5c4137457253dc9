// SPDX-License-Identifier: Apache-2.0

// Package tcpdiag lists the TCP connections of the calling thread's network
// namespace that kernel TLS has, over sock_diag (include/uapi/linux/inet_diag.h,
// tls.h), and who makes and opens their records.
package tcpdiag

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	vnetlink "github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Maker is who makes the records of one direction, or opens them.
type Maker string

// The makers. Nobody is the application itself, where only the other direction was set up.
const (
	Nobody Maker = ""
	Kernel Maker = "software"
	Card   Maker = "card"
)

// Session is a TCP connection with kernel TLS.
type Session struct {
	Local, Remote netip.AddrPort // as IPv4 where a socket of IPv6 has such
	Bound         int            // ifindex of the netdev that the socket is bound to, 0: none
	Version       string         // of TLS: "1.2"; what is not known is a number
	Cipher        string         // as verify.ktls.ciphers has it; what is not known is a number
	// Sent and Received are bytes of the connection, all of it, also before TLS was set up: with
	// retransmissions (sent).
	Sent, Received uint64
	Tx, Rx         Maker
}

// Of include/uapi/linux/{inet_diag,tls}.h.
const (
	diagInfo    = 2  // INET_DIAG_INFO
	diagULP     = 19 // INET_DIAG_ULP_INFO
	diagMsgSize = 72 // struct inet_diag_msg
	diagReqSize = 56 // struct inet_diag_req_v2
	ulpTLS      = 2  // INET_ULP_INFO_TLS
	tlsVersion  = 1  // TLS_INFO_VERSION
	tlsCipher   = 2  // TLS_INFO_CIPHER
	tlsTxConf   = 3  // TLS_INFO_TXCONF
	tlsRxConf   = 4  // TLS_INFO_RXCONF
	confSW      = 2  // TLS_CONF_SW
	confHW      = 3  // TLS_CONF_HW
	confRecord  = 4  // TLS_CONF_HW_RECORD: the card has all of TLS

	// listening and closed sockets have no session: all states but TCP_LISTEN and TCP_CLOSE.
	states = 0xfff &^ (1<<10 | 1<<7)

	// Of struct tcp_info (include/uapi/linux/tcp.h).
	offReceived = 128
	offSent     = 200
)

// versions and ciphers are TLS_*_VERSION and TLS_CIPHER_* (include/uapi/linux/tls.h).
var (
	versions = map[uint16]string{0x0303: "1.2", 0x0304: "1.3"}
	ciphers  = map[uint16]string{
		51: "AES-128-GCM", 52: "AES-256-GCM", 53: "AES-128-CCM", 54: "ChaCha20-Poly1305", 55: "SM4-GCM", 56: "SM4-CCM", 57: "ARIA-128-GCM", 58: "ARIA-256-GCM",
	}
)

// TLSSessions lists the sessions. Only with CAP_NET_ADMIN does the kernel say who has
// TLS. A message of a connection without is dropped as it is read: there may be
// hundreds of thousands.
func TLSSessions(ctx context.Context) ([]Session, error) {
	var all []Session
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("listing the TLS sessions (sock_diag): %w", context.Cause(ctx))
		}
		req := nl.NewNetlinkRequest(unix.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP)
		req.AddRawData(question(family))
		var wrong error
		err := req.ExecuteIter(unix.NETLINK_INET_DIAG, unix.SOCK_DIAG_BY_FAMILY, func(m []byte) bool {
			s, is, err := parse(m)
			if err != nil {
				wrong = err
				return false
			}
			if is {
				all = append(all, s)
			}
			return true
		})
		// Connections come and go while they are listed: what was seen was there.
		if err != nil && !errors.Is(err, vnetlink.ErrDumpInterrupted) || wrong != nil {
			return nil, fmt.Errorf("listing the TLS sessions (sock_diag): %w", errors.Join(err, wrong))
		}
	}
	return all, nil
}

// question asks for all TCP connections of a family.
func question(family byte) []byte {
	b := make([]byte, diagReqSize)
	b[0], b[1], b[2] = family, unix.IPPROTO_TCP, 1<<(diagInfo-1)
	binary.NativeEndian.PutUint32(b[4:], states)
	return b
}

// parse reads one connection; is tells whether it has TLS.
func parse(m []byte) (s Session, is bool, err error) {
	if len(m) < diagMsgSize {
		return s, false, fmt.Errorf("a message of %d bytes, less than its header has", len(m))
	}
	ad, err := netlink.NewAttributeDecoder(m[diagMsgSize:])
	if err != nil {
		return s, false, err
	}
	for ad.Next() {
		switch ad.Type() {
		case diagInfo:
			info := ad.Bytes() // of an older kernel it is shorter
			if len(info) >= offReceived+8 {
				s.Received = binary.NativeEndian.Uint64(info[offReceived:])
			}
			if len(info) >= offSent+8 {
				s.Sent = binary.NativeEndian.Uint64(info[offSent:])
			}
		case diagULP:
			ad.Nested(func(ad *netlink.AttributeDecoder) error {
				for ad.Next() {
					if ad.Type() == ulpTLS {
						is = true
						ad.Nested(s.tls)
					}
				}
				return ad.Err()
			})
		}
	}
	if err := ad.Err(); err != nil {
		return s, false, fmt.Errorf("a connection: %w", err)
	}
	if is {
		s.socket(m)
	}
	return s, is, nil
}

// socket reads struct inet_diag_msg: the ports are at 4 and 6, the addresses at 8 and 24, the netdev at 40.
func (s *Session) socket(m []byte) {
	at := func(port, addr int) netip.AddrPort {
		ip := netip.AddrFrom16([16]byte(m[addr:])).Unmap()
		if m[0] == unix.AF_INET {
			ip = netip.AddrFrom4([4]byte(m[addr:]))
		}
		return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(m[port:]))
	}
	s.Local, s.Remote = at(4, 8), at(6, 24)
	s.Bound = int(binary.NativeEndian.Uint32(m[40:]))
}

func (s *Session) tls(ad *netlink.AttributeDecoder) error {
	for ad.Next() {
		switch ad.Type() {
		case tlsVersion:
			s.Version = named(versions, ad.Uint16())
		case tlsCipher:
			s.Cipher = named(ciphers, ad.Uint16())
		case tlsTxConf:
			s.Tx = maker(ad.Uint16())
		case tlsRxConf:
			s.Rx = maker(ad.Uint16())
		}
	}
	return ad.Err()
}

func named(names map[uint16]string, n uint16) string {
	if name, known := names[n]; known {
		return name
	}
	return fmt.Sprintf("%#x", n)
}

func maker(conf uint16) Maker {
	switch conf {
	case confSW:
		return Kernel
	case confHW, confRecord:
		return Card
	}
	return Nobody
}
