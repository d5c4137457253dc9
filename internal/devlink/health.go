// SPDX-License-Identifier: Apache-2.0

package devlink

import (
	"context"
	"fmt"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Reporter is a health reporter: a part of a driver that tells of errors of its
// device, and mends what it can (Documentation/networking/devlink/devlink-health.rst).
type Reporter struct {
	Device Device
	// Port is the index of the port whose reporter it is, nil of the whole device's.
	Port *uint32
	Name string // as fw, fw_fatal, tx, rx
	// Healthy: no error is there that was not recovered from.
	Healthy    bool
	Errors     uint64 // since the driver was bound
	Recoveries uint64 // those of them that were recovered from
}

// Reporters lists the health reporters of all devices and ports of the network
// namespace, in one dump.
func (c *Client) Reporters(ctx context.Context) ([]Reporter, error) {
	return dump(ctx, c, "listing the health reporters", unix.DEVLINK_CMD_HEALTH_REPORTER_GET, parseReporter)
}

func parseReporter(m genetlink.Message) (r Reporter, err error) {
	ad, err := netlink.NewAttributeDecoder(m.Data)
	if err != nil {
		return r, fmt.Errorf("a devlink health message: %w", err)
	}
	for ad.Next() {
		switch ad.Type() {
		case attrBusName:
			r.Device.Bus = ad.String()
		case attrDevName:
			r.Device.Name = ad.String()
		case attrPortIndex:
			n := ad.Uint32()
			r.Port = &n
		case unix.DEVLINK_ATTR_HEALTH_REPORTER:
			ad.Nested(r.parse)
		}
	}
	if err := ad.Err(); err != nil {
		return r, fmt.Errorf("a devlink health message: %w", err)
	}
	return r, nil
}

func (r *Reporter) parse(ad *netlink.AttributeDecoder) error {
	for ad.Next() {
		switch ad.Type() {
		case unix.DEVLINK_ATTR_HEALTH_REPORTER_NAME:
			r.Name = ad.String()
		case unix.DEVLINK_ATTR_HEALTH_REPORTER_STATE:
			r.Healthy = ad.Uint8() == 0 // enum devlink_health_reporter_state (include/net/devlink.h)
		case unix.DEVLINK_ATTR_HEALTH_REPORTER_ERR_COUNT:
			r.Errors = ad.Uint64()
		case unix.DEVLINK_ATTR_HEALTH_REPORTER_RECOVER_COUNT:
			r.Recoveries = ad.Uint64()
		}
	}
	return ad.Err()
}
