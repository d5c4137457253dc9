// SPDX-License-Identifier: Apache-2.0

package advice

import (
	"fmt"

	"github.com/nicwright/nicwright/provision/bench/fit"
)

// margin is the factor below which a difference is none that anybody would act on.
const margin = 1.05

// relation is how one way does against another.
type relation int

const (
	unknown relation = iota // the interval holds both more and less than the margin
	better
	worse
	same
)

// relate judges a ratio: how many times the other's cost is that of ours.
func relate(r fit.Estimate) relation {
	switch {
	case !r.Known():
		return unknown
	case r.Low > 1/margin && r.High < margin:
		return same
	case r.Low > 1:
		return better
	case r.High < 1:
		return worse
	}
	return unknown
}

// compared is ours against another, by time and by processors.
type compared struct {
	other     *Way
	time, cpu fit.Estimate
}

func compare(ours, other *Way) compared {
	return compared{other, fit.Ratio(other.time, ours.time), fit.Ratio(other.cpu, ours.cpu)}
}

// times writes a ratio as people say it: 3.1 times as much (2.9 to 3.4).
func times(r fit.Estimate, more, less string) string {
	v, low, high, word := r.Value, r.Low, r.High, more
	if v < 1 {
		v, low, high, word = 1/v, 1/high, 1/low, less
	}
	if !r.Known() {
		return fmt.Sprintf("%s by a factor of %.3g (measured once: the spread is not known)", word, v)
	}
	return fmt.Sprintf("%s by a factor of %.3g (%.3g to %.3g)", word, v, low, high)
}
