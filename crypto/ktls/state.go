// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Mode says who makes or opens the records of one direction.
type Mode uint16

// The TLS_CONF_* values of include/uapi/linux/tls.h.
const (
	Base           Mode = 1 // the kernel has no keys for this direction
	Software       Mode = 2 // the kernel
	Hardware       Mode = 3 // the network card
	HardwareRecord Mode = 4 // a card that does TCP as well (TLS_TOE)
)

// String is "base", "software", "hardware" or "hardware-record".
func (m Mode) String() string {
	switch m {
	case Base:
		return "base"
	case Software:
		return "software"
	case Hardware:
		return "hardware"
	case HardwareRecord:
		return "hardware-record"
	default:
		return fmt.Sprintf("mode(%d)", uint16(m))
	}
}

// MarshalText is String.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (m *Mode) UnmarshalText(b []byte) error {
	for _, known := range []Mode{Base, Software, Hardware, HardwareRecord} {
		if known.String() == string(b) {
			*m = known
			return nil
		}
	}
	return fmt.Errorf("%q is no mode of kernel TLS", b)
}

// State is what the kernel says of a connection's TLS (INET_ULP_INFO_TLS of
// sock_diag). Hardware is what was set up: a connection that was later routed to
// another card still says so while the kernel encrypts.
type State struct {
	Version uint16 `json:"version"` // 0x0303 is TLS 1.2, 0x0304 TLS 1.3
	Cipher  uint16 `json:"cipher"`  // TLS_CIPHER_*: 51 is AES-128-GCM, 52 AES-256-GCM, 54 ChaCha20-Poly1305
	Tx      Mode   `json:"tx"`
	Rx      Mode   `json:"rx"`
}

// ErrNoState is returned when the kernel does not tell: it does only to a
// process with CAP_NET_ADMIN in the network namespace of the connection.
var ErrNoState = errors.New("the kernel does not tell the TLS state of the socket: it needs CAP_NET_ADMIN")

// State asks the kernel, by sock_diag. CAP_NET_ADMIN; ErrNoState without.
func (c *Conn) State() (State, error) {
	s, err := c.diag()
	if err != nil {
		return State{}, fmt.Errorf("ktls: asking for the TLS state of the connection with %v (sock_diag): %w", c.RemoteAddr(), err)
	}
	return s, nil
}

// Of include/uapi/linux/{sock_diag,inet_diag,tls}.h.
const (
	sockDiagByFamily = 20
	inetDiagInfo     = 2
	inetDiagULPInfo  = 19
	inetDiagMsgSize  = 72
	allStates        = 0xffffffff

	ulpInfoTLS = 2

	tlsInfoVersion = 1
	tlsInfoCipher  = 2
	tlsInfoTxConf  = 3
	tlsInfoRxConf  = 4

	siocGSKNS = 0x894c // include/uapi/linux/sockios.h
)

func (c *Conn) diag() (State, error) {
	request, err := c.diagRequest()
	if err != nil {
		return State{}, err
	}
	// sock_diag looks in the namespace of the asking socket.
	ns, err := c.namespace()
	if err != nil {
		return State{}, err
	}
	config := &netlink.Config{}
	if ns != nil {
		defer ns.Close()
		config.NetNS = int(ns.Fd())
	}
	nl, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, config)
	if errors.Is(err, unix.EPERM) && ns != nil { // entering it takes CAP_SYS_ADMIN; it may be the present one
		nl, err = netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	}
	if err != nil {
		return State{}, err
	}
	defer nl.Close()
	answers, err := nl.Execute(netlink.Message{
		Header: netlink.Header{Type: sockDiagByFamily, Flags: netlink.Request},
		Data:   request,
	})
	if err != nil {
		return State{}, err
	}
	for _, a := range answers {
		if len(a.Data) > inetDiagMsgSize {
			return parseDiag(a.Data[inetDiagMsgSize:])
		}
	}
	return State{}, ErrNoState
}

// namespace opens the network namespace of the socket; nil without
// CAP_NET_ADMIN, without which the socket is hardly in another one.
func (c *Conn) namespace() (*os.File, error) {
	var (
		fd  int
		err error
	)
	if ctlErr := c.raw.Control(func(sock uintptr) { fd, err = unix.IoctlRetInt(int(sock), siocGSKNS) }); ctlErr != nil {
		return nil, ctlErr
	}
	if errors.Is(err, unix.EPERM) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding the network namespace of the socket (SIOCGSKNS): %w", err)
	}
	return os.NewFile(uintptr(fd), "net"), nil
}

// diagRequest makes the struct inet_diag_req_v2 that names this socket alone.
func (c *Conn) diagRequest() ([]byte, error) {
	local, err := addrPort(c.LocalAddr())
	if err != nil {
		return nil, err
	}
	remote, err := addrPort(c.RemoteAddr())
	if err != nil {
		return nil, err
	}
	var (
		cookie uint64
		bound  int
		optErr error
	)
	err = c.raw.Control(func(fd uintptr) {
		if cookie, optErr = unix.GetsockoptUint64(int(fd), unix.SOL_SOCKET, unix.SO_COOKIE); optErr == nil {
			bound, optErr = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX)
		}
	})
	if err = errors.Join(err, optErr); err != nil {
		return nil, err
	}
	family := byte(unix.AF_INET6)
	if local.Addr().Is4() {
		family = unix.AF_INET
	}
	b := []byte{family, unix.IPPROTO_TCP, 1 << (inetDiagInfo - 1), 0}
	b = binary.NativeEndian.AppendUint32(b, allStates)
	b = binary.BigEndian.AppendUint16(b, local.Port())
	b = binary.BigEndian.AppendUint16(b, remote.Port())
	for _, a := range []netip.Addr{local.Addr(), remote.Addr()} {
		var field [16]byte // an IPv4 address is in the first four
		copy(field[:], a.AsSlice())
		b = append(b, field[:]...)
	}
	b = binary.NativeEndian.AppendUint32(b, uint32(bound))
	b = binary.NativeEndian.AppendUint32(b, uint32(cookie))
	return binary.NativeEndian.AppendUint32(b, uint32(cookie>>32)), nil
}

func addrPort(a net.Addr) (netip.AddrPort, error) {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("%v is not a TCP address", a)
	}
	ap := t.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port()), nil
}

func parseDiag(attributes []byte) (State, error) {
	ad, err := netlink.NewAttributeDecoder(attributes)
	if err != nil {
		return State{}, err
	}
	var s State
	tls := func(nad *netlink.AttributeDecoder) {
		for nad.Next() {
			switch nad.Type() {
			case tlsInfoVersion:
				s.Version = nad.Uint16()
			case tlsInfoCipher:
				s.Cipher = nad.Uint16()
			case tlsInfoTxConf:
				s.Tx = Mode(nad.Uint16())
			case tlsInfoRxConf:
				s.Rx = Mode(nad.Uint16())
			}
		}
	}
	for ad.Next() {
		if ad.Type() != inetDiagULPInfo {
			continue
		}
		ad.Nested(func(nad *netlink.AttributeDecoder) error {
			for nad.Next() {
				if nad.Type() == ulpInfoTLS {
					nad.Nested(func(nad *netlink.AttributeDecoder) error {
						tls(nad)
						return nad.Err()
					})
				}
			}
			return nil
		})
	}
	if err := ad.Err(); err != nil {
		return State{}, err
	}
	if s.Tx == 0 || s.Rx == 0 {
		return State{}, ErrNoState
	}
	return s, nil
}
