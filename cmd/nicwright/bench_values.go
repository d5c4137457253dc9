// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/provision/bench/sample"
)

func modesOf(words []string) (modes []sample.Mode) {
	for _, w := range words {
		modes = append(modes, sample.Mode(w))
	}
	return modes
}

func sizesOf(words []string) (sizes []uint64, err error) {
	for _, w := range words {
		n, err := parseBytes(w)
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, n)
	}
	return sizes, nil
}

// parseBytes reads 10k, 1M, 1G, decimal.
func parseBytes(s string) (uint64, error) {
	unit := uint64(1)
	digits := s
	for suffix, of := range map[string]uint64{"k": 1e3, "M": 1e6, "G": 1e9} {
		if rest, ok := strings.CutSuffix(s, suffix); ok {
			digits, unit = rest, of
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n == 0 || n > (1<<63)/unit {
		return 0, fmt.Errorf("%q is no number of bytes: say it as 500, 10k, 1M or 1G", s)
	}
	return n * unit, nil
}
