// SPDX-License-Identifier: Apache-2.0

package ipsec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Stat reads the error counters of the calling thread's network namespace
// (/proc/net/xfrm_stat, Documentation/networking/xfrm_proc.rst), in packets:
// XfrmInStateProtoError are wrong ICVs, XfrmInStateSeqError replays,
// XfrmInNoStates ESP of no known SA, XfrmInNoPols what a policy let not in.
func Stat() (map[string]uint64, error) {
	const path = "/proc/thread-self/net/xfrm_stat"
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the counters of IPsec errors: %w (the kernel was built without CONFIG_XFRM_STATISTICS)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the counters of IPsec errors: %w", err)
	}
	stat, err := parseStat(string(b))
	if err != nil {
		return nil, fmt.Errorf("reading the counters of IPsec errors, %s: %w", path, err)
	}
	return stat, nil
}

func parseStat(s string) (map[string]uint64, error) {
	stat := map[string]uint64{}
	for line := range strings.Lines(s) {
		f := strings.Fields(line)
		if len(f) != 2 {
			return nil, fmt.Errorf("the line %q is not a name and a number", strings.TrimSpace(line))
		}
		n, err := strconv.ParseUint(f[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("the counter %s: %w", f[0], err)
		}
		stat[f[0]] = n
	}
	return stat, nil
}
