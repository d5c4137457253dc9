// SPDX-License-Identifier: Apache-2.0

package https

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/site"
)

// counters of a place: the kernel's of TLS and TCP in its namespace, and the card's of
// TLS; with a prefix.
func counters(prefix string, p *site.Place, into map[string]int64) error {
	return p.NS.Do(func() error {
		tls, err := crypto.TLSStat()
		if err != nil {
			return err
		}
		for name, v := range tls {
			into[prefix+name] = int64(v)
		}
		stats, err := ethtool.Statistics(p.Netdev)
		if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
			return err
		}
		for name, v := range stats {
			if strings.HasPrefix(name, "tx_tls_") || strings.HasPrefix(name, "rx_tls_") {
				into[prefix+name] = int64(v)
			}
		}
		b, err := os.ReadFile("/proc/thread-self/net/snmp")
		if err != nil {
			return fmt.Errorf("reading what TCP counts: %w", err)
		}
		for _, name := range []string{"OutSegs", "RetransSegs"} {
			v, err := snmp(string(b), name)
			if err != nil {
				return err
			}
			into[prefix+name] = v
		}
		return nil
	})
}

// snmp is a counter of TCP's in /proc/net/snmp: a line of names, and one of values.
func snmp(text, name string) (int64, error) {
	var names []string
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] != "Tcp:" {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		for i := range min(len(names), len(f)) {
			if names[i] == name {
				v, err := strconv.ParseInt(f[i], 10, 64)
				if err != nil {
					return 0, fmt.Errorf("reading what TCP counts: %w", err)
				}
				return v, nil
			}
		}
	}
	return 0, fmt.Errorf("reading what TCP counts: /proc/net/snmp has no %s", name)
}
