// SPDX-License-Identifier: Apache-2.0

package confirm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Target is what a probe asks: a port by TCP, where even a refusal is an answer, or
// without a port a host by ICMP echo.
type Target struct {
	Host string
	Port uint16 // 0: ICMP echo
}

// ParseTarget reads HOST, HOST:PORT, ADDRESS or [ADDRESS]:PORT.
func ParseTarget(s string) (Target, error) {
	wrong := fmt.Errorf("%q is no target of a probe: want HOST, HOST:PORT or gateway", s)
	bare, bracketed := strings.CutPrefix(s, "[")
	bare, closed := strings.CutSuffix(bare, "]")
	if a, err := netip.ParseAddr(bare); err == nil && bracketed == closed && validAddr(a) {
		return Target{Host: a.String()}, nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		if !validName(s) {
			return Target{}, wrong
		}
		return Target{Host: s}, nil
	}
	t := Target{Host: host}
	if a, err := netip.ParseAddr(host); err == nil && validAddr(a) {
		t.Host = a.String()
	} else if !validName(host) {
		return Target{}, wrong
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return Target{}, fmt.Errorf("%q is no port of a probe: want 1 to 65535", port)
	}
	t.Port = uint16(n)
	return t, nil
}

// validAddr tells an address whose zone, if it has one, can be the name of a netdev.
func validAddr(a netip.Addr) bool { return a.Zone() == "" || validName(a.Zone()) }

// validName tells what can be the name of a host (RFC 1123).
func validName(s string) bool {
	return s != "" && len(s) <= 253 && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '.' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// String is the target as ParseTarget reads it.
func (t Target) String() string {
	if t.Port == 0 {
		return t.Host
	}
	return net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port)))
}

// Resolve is the target with an address for a name.
func (t Target) Resolve(ctx context.Context) (Target, error) {
	if _, err := netip.ParseAddr(t.Host); err == nil {
		return t, nil
	}
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", t.Host)
	if err != nil {
		return t, fmt.Errorf("looking up %s: %w", t.Host, err)
	}
	t.Host = all[0].Unmap().String()
	return t, nil
}

// Try asks a target whose host is an address for an answer, until ctx ends. An
// IPv6 address of the link's scope without a zone is that of a gateway, and is asked
// through whatever netdevs have a default route by it.
func Try(ctx context.Context, t Target) error {
	a, err := netip.ParseAddr(t.Host)
	if err != nil {
		return fmt.Errorf("%s: %w", t, err)
	}
	if t.Port != 0 {
		return connect(ctx, t)
	}
	if !a.Is6() || !a.IsLinkLocalUnicast() || a.Zone() != "" {
		return echo(ctx, a)
	}
	routes, err := defaultRoutes()
	if err != nil {
		return fmt.Errorf("%s: %w", t, err)
	}
	err = fmt.Errorf("%s: no default route has this gateway any more", t)
	for _, r := range routes {
		if r.gateway != a {
			continue
		}
		if err = echo(ctx, a.WithZone(strconv.Itoa(r.index))); err == nil {
			return nil
		}
	}
	return err
}

func connect(ctx context.Context, t Target) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", t.String())
	if err == nil {
		conn.Close()
		return nil
	}
	if errors.Is(err, unix.ECONNREFUSED) {
		return nil // somebody is there
	}
	return fmt.Errorf("no answer by TCP: %w", err)
}

// Gateways are those of the default routes of both families, each once.
func Gateways() ([]Target, error) {
	routes, err := defaultRoutes()
	if err != nil {
		return nil, err
	}
	var all []Target
	for _, r := range routes {
		all = append(all, Target{Host: r.gateway.String()})
	}
	return all, nil
}

type defaultRoute struct {
	gateway netip.Addr // without a zone
	index   int        // of the netdev
}

// defaultRoutes asks the kernel for those of the main table that have a gateway.
func defaultRoutes() ([]defaultRoute, error) {
	var all []defaultRoute
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		routes, err := netlink.RouteListFiltered(family, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_DST)
		if err != nil {
			return nil, fmt.Errorf("listing the default routes over rtnetlink: %w", err)
		}
		for _, r := range routes {
			hops := append([]*netlink.NexthopInfo{{LinkIndex: r.LinkIndex, Gw: r.Gw, Via: r.Via}}, r.MultiPath...)
			for _, h := range hops {
				gw := h.Gw
				if via, ok := h.Via.(*netlink.Via); ok && via != nil {
					gw = via.Addr // an IPv4 route by an IPv6 gateway
				}
				if a, ok := netip.AddrFromSlice(gw); ok && !a.IsUnspecified() {
					all = append(all, defaultRoute{a.Unmap(), h.LinkIndex})
				}
			}
		}
	}
	return all, nil
}
