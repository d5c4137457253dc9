// SPDX-License-Identifier: Apache-2.0

package ethtool

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mdlayher/netlink"
	safchain "github.com/safchain/ethtool"
	"golang.org/x/sys/unix"
)

// LinkMode is how the link of a netdev is set, what ethtool(8) prints without an option.
type LinkMode struct {
	Speed      uint32 // Mbit/s, 0 where it is not known
	Duplex     string // Half, Full, Unknown
	Autoneg    bool
	Advertised []string // by the kernel's names, as 100000baseCR4/Full; sorted
}

// Of ETHTOOL_MSG_LINKMODES_GET (include/uapi/linux/ethtool_netlink.h, Linux 5.6).
const (
	msgLinkModesGet = 4
	linkModesHeader = 1
	linkModesAuto   = 2
	linkModesOurs   = 3
	linkModesSpeed  = 5
	linkModesDuplex = 6
)

// Link reads the link mode of a netdev by its ifindex. errors.Is(err, unix.EOPNOTSUPP)
// of one that has none.
func (cl *Client) Link(index int) (LinkMode, error) {
	ae := netlink.NewAttributeEncoder()
	ae.Nested(linkModesHeader, func(nae *netlink.AttributeEncoder) error {
		nae.Uint32(headerDevIndex, uint32(index))
		return nil
	})
	msgs, err := cl.execute(msgLinkModesGet, ae, netlink.Request)
	if err == nil && len(msgs) == 0 {
		err = errors.New("the kernel sent nothing")
	}
	if err != nil {
		return LinkMode{}, fmt.Errorf("reading the link mode of the netdev with index %d (ETHTOOL_MSG_LINKMODES_GET): %w", index, err)
	}
	return parseLink(msgs[0].Data)
}

func parseLink(data []byte) (LinkMode, error) {
	m := LinkMode{Duplex: "Unknown"}
	ad, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return LinkMode{}, fmt.Errorf("an ethtool link mode message: %w", err)
	}
	for ad.Next() {
		switch ad.Type() {
		case linkModesAuto:
			m.Autoneg = ad.Uint8() != 0
		case linkModesSpeed:
			if m.Speed = ad.Uint32(); m.Speed == 0xffffffff { // SPEED_UNKNOWN (include/uapi/linux/ethtool.h)
				m.Speed = 0
			}
		case linkModesDuplex:
			if d := ad.Uint8(); d <= 1 { // DUPLEX_HALF, DUPLEX_FULL
				m.Duplex = []string{"Half", "Full"}[d]
			}
		case linkModesOurs: // what is advertised, of what is supported
			ad.Nested(func(ad *netlink.AttributeDecoder) error {
				for ad.Next() {
					if ad.Type() == bitsetBits {
						ad.Nested(m.bits)
					}
				}
				return ad.Err()
			})
		}
	}
	if err := ad.Err(); err != nil {
		return LinkMode{}, fmt.Errorf("an ethtool link mode message: %w", err)
	}
	slices.Sort(m.Advertised)
	return m, nil
}

func (m *LinkMode) bits(ad *netlink.AttributeDecoder) error {
	for ad.Next() {
		if ad.Type() != bitsetBitsBit {
			continue
		}
		ad.Nested(func(ad *netlink.AttributeDecoder) error {
			name, set := "", false
			for ad.Next() {
				switch ad.Type() {
				case bitName:
					name = ad.String()
				case bitValue:
					set = true
				}
			}
			if set && name != "" {
				m.Advertised = append(m.Advertised, name)
			}
			return ad.Err()
		})
	}
	return ad.Err()
}

// Module reads who made the module in the port, and its part number; "" where it says
// nothing. The places are those of SFF-8636 (QSFP28, 148 and 168) and SFF-8472 (SFP28,
// 20 and 40), 16 bytes each; CMIS (QSFP-DD, type 0x18) has 129 and 148.
func Module(netdev string) (vendor, part string, err error) {
	var b []byte
	if err := guarded(func(e *safchain.Ethtool) (err error) { b, err = e.ModuleEeprom(netdev); return err }); err != nil {
		return "", "", fmt.Errorf("%s: reading the module's EEPROM (ETHTOOL_GMODULEEEPROM): %w", netdev, err)
	}
	vendor, part = parseModule(b)
	return vendor, part, nil
}

func parseModule(b []byte) (vendor, part string) {
	if len(b) == 0 {
		return "", ""
	}
	at := [2]int{148, 168}
	switch b[0] { // SFF-8024, table 4-1
	case 0x03:
		at = [2]int{20, 40}
	case 0x18, 0x19, 0x1e:
		at = [2]int{129, 148}
	}
	text := func(from int) string {
		if len(b) < from+16 {
			return ""
		}
		return strings.Map(func(r rune) rune {
			if r < ' ' || r > '~' {
				return -1
			}
			return r
		}, strings.TrimSpace(string(b[from:from+16])))
	}
	return text(at[0]), text(at[1])
}

// Of ETHTOOL_MSG_FEC_GET (include/uapi/linux/ethtool_netlink.h, Linux 5.13).
const (
	msgFECGet = 29
	fecHeader = 1
	fecAuto   = 3
	fecActive = 4
)

// fecs are the bits of enum ethtool_link_mode_bit_indices that are of FEC.
var fecs = map[uint32]string{49: "Off", 50: "RS", 51: "BaseR", 74: "LLRS"}

// FEC reads which forward error correction the link of a netdev uses (RS, BaseR, LLRS,
// Off), and whether the device chooses; "" while there is no link, or of a device that
// has none.
func (cl *Client) FEC(index int) (active string, auto bool, err error) {
	ae := netlink.NewAttributeEncoder()
	ae.Nested(fecHeader, func(nae *netlink.AttributeEncoder) error {
		nae.Uint32(headerDevIndex, uint32(index))
		return nil
	})
	msgs, err := cl.execute(msgFECGet, ae, netlink.Request)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return "", false, nil
	}
	if err == nil && len(msgs) == 0 {
		err = errors.New("the kernel sent nothing")
	}
	if err != nil {
		return "", false, fmt.Errorf("reading the FEC of the netdev with index %d (ETHTOOL_MSG_FEC_GET): %w", index, err)
	}
	return parseFEC(msgs[0].Data)
}

func parseFEC(data []byte) (active string, auto bool, err error) {
	ad, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return "", false, fmt.Errorf("an ethtool FEC message: %w", err)
	}
	for ad.Next() {
		switch ad.Type() {
		case fecAuto:
			auto = ad.Uint8() != 0
		case fecActive:
			bit := ad.Uint32()
			if active = fecs[bit]; active == "" {
				active = "bit " + strconv.Itoa(int(bit))
			}
		}
	}
	if err := ad.Err(); err != nil {
		return "", false, fmt.Errorf("an ethtool FEC message: %w", err)
	}
	return active, auto, nil
}
