// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/nicwright/nicwright/profiles"
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
		n, err := profiles.ParseBytes(w)
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, n)
	}
	return sizes, nil
}
