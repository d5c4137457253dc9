// SPDX-License-Identifier: Apache-2.0

package devlink

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
)

// Info is what a device's driver says of it
// (Documentation/networking/devlink/devlink-info.rst). The versions are by
// name, as "fw.version"; a value may be empty.
type Info struct {
	Driver      string
	Serial      string
	BoardSerial string
	Fixed       map[string]string // cannot change: "fw.psid"
	Running     map[string]string // in use
	Stored      map[string]string // in flash, in use after a reset
}

// Info asks for the information of one device. The driver asks the firmware.
func (c *Client) Info(ctx context.Context, dev Device) (Info, error) {
	const op = "reading the info"
	msgs, err := c.request(ctx, op, dev, cmdInfoGet, 0, nil)
	if err != nil {
		return Info{}, err
	}
	if len(msgs) != 1 {
		return Info{}, newError(op, dev, fmt.Errorf("the kernel answered with %d messages, not one", len(msgs)))
	}
	i, err := parseInfo(msgs[0])
	if err != nil {
		return Info{}, newError(op, dev, err)
	}
	return i, nil
}

func parseInfo(m genetlink.Message) (Info, error) {
	i := Info{Fixed: map[string]string{}, Running: map[string]string{}, Stored: map[string]string{}}
	ad, err := netlink.NewAttributeDecoder(m.Data)
	if err != nil {
		return Info{}, fmt.Errorf("a devlink info message: %w", err)
	}
	for ad.Next() {
		switch ad.Type() {
		case attrInfoDriverName:
			i.Driver = ad.String()
		case attrInfoSerialNumber:
			i.Serial = ad.String()
		case attrInfoBoardSerial:
			i.BoardSerial = ad.String()
		case attrInfoVersionFixed:
			ad.Nested(version(i.Fixed))
		case attrInfoVersionRunning:
			ad.Nested(version(i.Running))
		case attrInfoVersionStored:
			ad.Nested(version(i.Stored))
		}
	}
	if err := ad.Err(); err != nil {
		return Info{}, fmt.Errorf("a devlink info message: %w", err)
	}
	return i, nil
}

func version(into map[string]string) func(*netlink.AttributeDecoder) error {
	return func(ad *netlink.AttributeDecoder) error {
		var name, value string
		for ad.Next() {
			switch ad.Type() {
			case attrInfoVersionName:
				name = ad.String()
			case attrInfoVersionValue:
				value = ad.String()
			}
		}
		if err := ad.Err(); err != nil {
			return err
		}
		into[name] = value
		return nil
	}
}

func cString(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}

// nativeUint reads 1, 2 or 4 bytes in the machine's order.
func nativeUint(b []byte) uint64 {
	switch len(b) {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.NativeEndian.Uint16(b))
	case 8:
		return binary.NativeEndian.Uint64(b)
	}
	return uint64(binary.NativeEndian.Uint32(b))
}
