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

	"github.com/mdlayher/netlink"
	vnetlink "github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Session is a TCP connection with kernel TLS.
type Session struct {
	// Sent and Received are bytes of the connection, all of it, also before TLS was set up: with
	// retransmissions (sent).
	Sent, Received uint64
	// TxSoftware and RxSoftware: the kernel makes, and opens, the records. Neither it nor the card does
	// where only the other direction was set up.
	TxSoftware, RxSoftware bool
}

// Of include/uapi/linux/{inet_diag,tls}.h.
const (
	diagInfo    = 2  // INET_DIAG_INFO
	diagULP     = 19 // INET_DIAG_ULP_INFO
	diagMsgSize = 72 // struct inet_diag_msg
	diagReqSize = 56 // struct inet_diag_req_v2
	ulpTLS      = 2  // INET_ULP_INFO_TLS
	tlsTxConf   = 3  // TLS_INFO_TXCONF
	tlsRxConf   = 4  // TLS_INFO_RXCONF
	confSW      = 2  // TLS_CONF_SW

	// listening and closed sockets have no session: all states but TCP_LISTEN and TCP_CLOSE.
	states = 0xfff &^ (1<<10 | 1<<7)

	// Of struct tcp_info (include/uapi/linux/tcp.h).
	offReceived = 128
	offSent     = 200
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
	return s, is, nil
}

func (s *Session) tls(ad *netlink.AttributeDecoder) error {
	for ad.Next() {
		switch ad.Type() {
		case tlsTxConf:
			s.TxSoftware = ad.Uint16() == confSW
		case tlsRxConf:
			s.RxSoftware = ad.Uint16() == confSW
		}
	}
	return ad.Err()
}
