// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"fmt"
	"strconv"
)

// Numbers of ports that are none of a bridge's (enum ofp_port_no, 7.2.1).
const (
	portInPort uint32 = 0xfffffff8 // where the frame came in
	portNormal uint32 = 0xfffffffa // a learning switch, with the VLANs of the ports
	portLocal  uint32 = 0xfffffffe // the bridge's own netdev
)

// maxPort is the last number that a port of a bridge of Open vSwitch has (OpenFlow 1.0 had 16 bits).
const maxPort = 0xfeff

// reserved are the ports that are named in capitals, as in ovs-ofctl(8).
var reserved = map[string]uint32{"IN_PORT": portInPort, "NORMAL": portNormal, "LOCAL": portLocal}

// portOf is the number that a text stands for: a reserved one, or what port says.
func portOf(s string, port func(string) (uint32, error)) (uint32, error) {
	if n, ok := reserved[s]; ok {
		return n, nil
	}
	if port == nil {
		return ParsePort(s)
	}
	return port(s)
}

// ParsePort reads the number of a port.
func ParsePort(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n == 0 || n > maxPort {
		return 0, fmt.Errorf("%q is no number of a port", s)
	}
	return uint32(n), nil
}

func portText(n uint32, port func(uint32) string) string {
	for name, of := range reserved {
		if of == n {
			return name
		}
	}
	if port != nil {
		if s := port(n); s != "" {
			return s
		}
	}
	return strconv.FormatUint(uint64(n), 10)
}
