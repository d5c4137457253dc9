// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"fmt"
	"math"
	"strconv"
)

// Unit is how figures of an axis are written.
type Unit int

// The units.
const (
	Bytes     Unit = iota // of size
	PerSecond             // bytes a second
	Rate                  // of anything, a second
	Seconds
	SecondsPerGB
	Number
)

// Text writes a figure: three digits at most.
func (u Unit) Text(v float64) string {
	if math.IsNaN(v) {
		return "not known"
	}
	if math.IsInf(v, 0) {
		return "without limit"
	}
	switch u {
	case Bytes:
		return scaled(v, " ", "B", "kB", "MB", "GB", "TB")
	case PerSecond:
		return scaled(v, " ", "B/s", "kB/s", "MB/s", "GB/s", "TB/s")
	case Rate:
		return scaled(v, "", "", "k", "M", "G") + "/s"
	case Seconds:
		return Time(v)
	case SecondsPerGB:
		return digits(v) + " s/GB"
	case Number:
		return digits(v)
	}
	return digits(v)
}

// Time writes seconds.
func Time(v float64) string {
	switch {
	case v == 0:
		return "0 s"
	case v < 0.9995e-3:
		return digits(v*1e6) + " µs"
	case v < 0.9995:
		return digits(v*1e3) + " ms"
	}
	return digits(v) + " s"
}

func scaled(v float64, gap string, units ...string) string {
	i := 0
	for v >= 999.5 && i+1 < len(units) {
		v /= 1000
		i++
	}
	if units[i] == "" {
		return digits(v)
	}
	return digits(v) + gap + units[i]
}

// digits writes three of them, without an exponent where that is readable.
func digits(v float64) string {
	switch {
	case v >= 999.5 && v < 1e7:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 1e-4 && v < 999.5:
		return strconv.FormatFloat(round(v), 'f', -1, 64)
	}
	return fmt.Sprintf("%.3g", v)
}

func round(v float64) float64 {
	p := math.Pow(10, 2-math.Floor(math.Log10(v)))
	return math.Round(v*p) / p
}

// tick is a mark of an axis; one without a label is minor.
type tick struct {
	value float64
	label string
}

// ticks are the decades with labels and 2 to 9 between; where there is less than a decade
// and a half, 2 and 5 have labels, too.
func ticks(low, high float64, u Unit) []tick {
	var out []tick
	few := math.Log10(high/low) < 1.5
	for e := math.Floor(math.Log10(low)); e <= math.Ceil(math.Log10(high)); e++ {
		for m := 1.0; m < 10; m++ {
			v := m * math.Pow(10, e)
			if v < low*0.9999 || v > high*1.0001 {
				continue
			}
			t := tick{value: v}
			if m == 1 || few && (m == 2 || m == 5) {
				t.label = u.Text(v)
			}
			out = append(out, t)
		}
	}
	return out
}
