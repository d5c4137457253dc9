// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/ethtool"
)

// Work is what a netdev's driver counts of TLS and IPsec in the card, by direction
// (Tx, Rx), of ethtool -S; what it does not count is not there.
type Work struct {
	TLSOpen    map[string]uint64 // TLS contexts that are open: see OpenContexts
	TLSBytes   map[string]uint64 // bytes that the card encrypted and decrypted
	IPsecBytes map[string]uint64 // of ESP packets, with their headers
	// Resyncs is how often the card asked where in a stream a TLS record begins; nil where it is not counted.
	Resyncs *uint64
}

// WorkOf reads the counters of a netdev: none of a driver without statistics.
func WorkOf(netdev string) (Work, error) {
	stats, err := ethtool.Statistics(netdev)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return Work{}, nil
	}
	if err != nil {
		return Work{}, err
	}
	return workIn(stats), nil
}

func workIn(stats map[string]uint64) Work {
	w := Work{TLSOpen: contexts(stats), TLSBytes: map[string]uint64{}, IPsecBytes: map[string]uint64{}}
	for _, dir := range []string{Tx, Rx} {
		if n, ok := stats[sides[dir].bytes]; ok {
			w.TLSBytes[dir] = n
		}
		if n, ok := stats[ipsecCounters[dir][0]]; ok {
			w.IPsecBytes[dir] = n
		}
	}
	if n, ok := stats[resyncs]; ok {
		w.Resyncs = &n
	}
	return w
}

// TLSStat reads the kernel's TLS counters of the calling thread's network namespace
// (/proc/net/tls_stat, Documentation/networking/tls.rst).
func TLSStat() (map[string]uint64, error) {
	// Of the reading thread: /proc/net is the process's first thread's.
	text, err := os.ReadFile("/proc/thread-self/net/tls_stat")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the kernel's TLS counters: %w", err)
	}
	return parseTLSStat(string(text)), nil
}

// parseTLSStat reads /proc/net/tls_stat. The file is there once the module tls is
// loaded, which the first socket does: without it the counters are at zero.
func parseTLSStat(text string) map[string]uint64 {
	stat := map[string]uint64{"TlsTxDevice": 0, "TlsTxSw": 0, "TlsRxDevice": 0, "TlsRxSw": 0, decryptError: 0}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 2 {
			if v, err := strconv.ParseUint(f[1], 10, 64); err == nil {
				stat[f[0]] = v
			}
		}
	}
	return stat
}
