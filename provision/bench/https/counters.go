// SPDX-License-Identifier: Apache-2.0

package https

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/site"
)

// tcpCounters are those of TCP in a place's namespace.
func tcpCounters(p *site.Place) (all map[string]int64, err error) {
	all = map[string]int64{}
	err = p.NS.Do(func() error {
		b, err := os.ReadFile("/proc/thread-self/net/snmp")
		if err != nil {
			return fmt.Errorf("reading what TCP counts: %w", err)
		}
		for _, name := range []string{"OutSegs", "RetransSegs"} {
			if all[name], err = snmp(string(b), name); err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
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
