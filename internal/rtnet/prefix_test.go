// SPDX-License-Identifier: Apache-2.0

package rtnet

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestRoutesInTheKernelsName(t *testing.T) {
	address := func(index uint32, flags uint32, ip4 string) []byte {
		return message(ifaddrmsg(unix.AF_INET, 24, byte(flags), 0, index), attr{unix.IFA_LOCAL, ip(ip4)}, attr{unix.IFA_ADDRESS, ip(ip4)}, attr{ifaFlags, n32(flags)})
	}
	route := func(index uint32, proto, table byte, dst string, more ...attr) []byte {
		return message(rtmsg(unix.AF_INET, 24, table, proto, unix.RTN_UNICAST, 0), append([]attr{{unix.RTA_DST, ip(dst)}, {unix.RTA_OIF, n32(index)}}, more...)...)
	}
	const permanent, byHand = unix.IFA_F_PERMANENT, unix.IFA_F_PERMANENT | unix.IFA_F_NOPREFIXROUTE
	var addresses []Entry
	for _, m := range [][]byte{
		address(7, byHand, "198.51.100.10"), address(7, byHand, "198.51.100.77"), address(8, permanent, "203.0.113.10"),
		address(7, byHand, "192.0.2.10"), address(7, permanent, "192.0.2.11"),
	} {
		e, ok, err := parse(Address, m)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		addresses = append(addresses, e)
	}
	for name, c := range map[string]struct {
		m    []byte
		want bool
	}{
		"NetworkManager's":                      {route(7, unix.RTPROT_KERNEL, unix.RT_TABLE_MAIN, "198.51.100.0", attr{unix.RTA_PRIORITY, n32(300)}), true},
		"the kernel's own":                      {route(8, unix.RTPROT_KERNEL, unix.RT_TABLE_MAIN, "203.0.113.0"), false},
		"the kernel's, of one of two addresses": {route(7, unix.RTPROT_KERNEL, unix.RT_TABLE_MAIN, "192.0.2.0"), false},
		"on another netdev":                     {route(8, unix.RTPROT_KERNEL, unix.RT_TABLE_MAIN, "198.51.100.0"), false},
		"of another table":                      {route(7, unix.RTPROT_KERNEL, 100, "198.51.100.0"), false},
		"of another protocol":                   {route(7, unix.RTPROT_STATIC, unix.RT_TABLE_MAIN, "198.51.100.0"), false},
	} {
		e, _, err := parse(Route, c.m)
		if got := e.inKernelsName(prefixes(addresses)); err != nil || got != c.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
