// SPDX-License-Identifier: Apache-2.0

package top

import (
	"net/netip"
	"time"

	"github.com/nicwright/nicwright/crypto/ipsec"
	"github.com/nicwright/nicwright/internal/tcpdiag"
)

// Frame is what is seen at one instant.
type Frame struct {
	Time time.Time `json:"time"`
	// Seconds since the frame before, over which rates are; 0: there was none, and there are no rates.
	Seconds float64   `json:"seconds,omitempty"`
	Totals  Totals    `json:"totals"`
	Netdevs []Netdev  `json:"netdevs"` // those for which a card may work
	TLS     []Session `json:"tls"`     // in software first, then by rate
	IPsec   []State   `json:"ipsec"`
	// Unseen is what could not be seen, and why.
	Unseen []string `json:"unseen,omitempty"`
}

// Totals count all there is, also what is not listed.
type Totals struct {
	TLSCard       int `json:"tls_card"`
	TLSPartly     int `json:"tls_partly"` // one direction is in the card, the other in software
	TLSSoftware   int `json:"tls_software"`
	IPsecPacket   int `json:"ipsec_packet"`
	IPsecCrypto   int `json:"ipsec_crypto"`
	IPsecNone     int `json:"ipsec_software"`
	TLSUnlisted   int `json:"tls_unlisted,omitempty"`
	IPsecUnlisted int `json:"ipsec_unlisted,omitempty"`
}

// Netdev is what the driver counts for one netdev, by direction (tx, rx); bytes since the driver made it.
type Netdev struct {
	Netdev      string             `json:"netdev"`
	Function    string             `json:"function"`
	TLSContexts map[string]uint64  `json:"tls_contexts,omitempty"`
	TLSBytes    map[string]uint64  `json:"tls_bytes,omitempty"`
	IPsecBytes  map[string]uint64  `json:"ipsec_bytes,omitempty"`
	TLSRate     map[string]float64 `json:"tls_bytes_per_second,omitempty"`
	IPsecRate   map[string]float64 `json:"ipsec_bytes_per_second,omitempty"`
	Resyncs     *uint64            `json:"tls_resyncs,omitempty"`
}

// Session is a TLS session.
type Session struct {
	Local   netip.AddrPort `json:"local"`
	Remote  netip.AddrPort `json:"remote"`
	Version string         `json:"version"`
	Cipher  string         `json:"cipher"`
	Netdev  string         `json:"netdev,omitempty"` // that the route goes out by
	Tx      Direction      `json:"tx"`
	Rx      Direction      `json:"rx"`
}

// Direction is one of a session.
type Direction struct {
	By        tcpdiag.Maker `json:"by,omitempty"` // card, software; "": the application
	Bytes     uint64        `json:"bytes"`        // of the connection, all of it
	PerSecond *float64      `json:"bytes_per_second,omitempty"`
	Why       *Reason       `json:"why,omitempty"` // of one in software
}

// State is an IPsec state.
type State struct {
	Src       netip.Addr `json:"src"`
	Dst       netip.Addr `json:"dst"`
	SPI       ipsec.SPI  `json:"spi"`
	Proto     string     `json:"proto"`
	Mode      string     `json:"mode"`
	Algorithm string     `json:"algorithm,omitempty"`
	Netdev    string     `json:"netdev,omitempty"`
	// Offload is packet, crypto or none.
	Offload   ipsec.Offload `json:"offload"`
	Bytes     uint64        `json:"bytes"`
	PerSecond *float64      `json:"bytes_per_second,omitempty"`
	Why       *Reason       `json:"why,omitempty"`
}
