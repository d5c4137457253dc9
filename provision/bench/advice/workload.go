// SPDX-License-Identifier: Apache-2.0

package advice

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/provision/bench/chart"
)

// Workload is what a server sends.
type Workload struct {
	// Source is where it is from, in words.
	Source string `json:"source"`
	// Sizes of what is sent, ascending, with their share of the transfers: the shares' sum is 1.
	Sizes     []Share `json:"sizes"`
	Transfers uint64  `json:"transfers,omitempty"` // that were counted
	// Busiest is transfers a second in the busiest minute; 0: not known.
	Busiest float64 `json:"busiest,omitempty"`
	// TLS13 is the share of transfers over TLS 1.3, 0 to 1; nil: not known.
	TLS13 *float64 `json:"tls13,omitempty"`
	// Received is bytes that the server receives for each that it sends; nil: not known.
	Received *float64 `json:"received,omitempty"`
	// Retransmits is the share of segments that are sent again, 0 to 1; nil: not known.
	Retransmits *float64 `json:"retransmits,omitempty"`
	// Unread is how many lines of a log could not be read.
	Unread uint64 `json:"unread,omitempty"`
}

// Share is a size with its share of the transfers.
type Share struct {
	Bytes float64 `json:"bytes"`
	Share float64 `json:"share"`
}

// Mean is bytes of a transfer.
func (w *Workload) Mean() float64 {
	sum := 0.0
	for _, s := range w.Sizes {
		sum += s.Bytes * s.Share
	}
	return sum
}

// above are the share of transfers, and of bytes, of the sizes above one.
func (w *Workload) above(size float64) (transfers, bytes float64) {
	for _, s := range w.Sizes {
		if s.Bytes > size {
			transfers += s.Share
			bytes += s.Bytes * s.Share
		}
	}
	return transfers, bytes / w.Mean()
}

// Words say what it is in a line.
func (w *Workload) Words() string {
	text := fmt.Sprintf("%s: a transfer has %s on average, half of them %s or less", w.Source, chart.Bytes.Text(w.Mean()), chart.Bytes.Text(w.quantile(0.5)))
	if w.Busiest > 0 {
		text += fmt.Sprintf("; the busiest minute has %s", chart.Rate.Text(w.Busiest))
	}
	return text
}

func (w *Workload) quantile(q float64) float64 {
	sum := 0.0
	for _, s := range w.Sizes {
		if sum += s.Share; sum >= q-1e-9 {
			return s.Bytes
		}
	}
	return w.Sizes[len(w.Sizes)-1].Bytes
}

// counter counts sizes in classes that are 9% wide, and keeps the bytes of each exact.
type counter map[int]*class

type class struct{ n, bytes uint64 }

const classes = 8 // of a factor of two

func (c counter) add(size uint64) {
	k := int(math.Round(math.Log2(float64(max(size, 1))) * classes))
	if c[k] == nil {
		c[k] = &class{}
	}
	c[k].n++
	c[k].bytes += size
}

func (c counter) shares() (shares []Share, n uint64) {
	for _, x := range c {
		n += x.n
	}
	for _, x := range c {
		// What has no content still costs a request.
		shares = append(shares, Share{max(float64(x.bytes)/float64(x.n), 1), float64(x.n) / float64(n)})
	}
	slices.SortFunc(shares, func(a, b Share) int { return int(math.Copysign(1, a.Bytes-b.Bytes)) })
	return shares, n
}

// ParseSizes reads a stated mix: sizes with their share of the transfers, as in
// 10k:60%,1M:40%. One size alone needs no share; the shares have to be 100% together.
func ParseSizes(text string) ([]Share, error) {
	fail := func(format string, args ...any) ([]Share, error) {
		return nil, fmt.Errorf("the mix %q: %s; write sizes with their share of the transfers, as in 10k:60%%,1M:40%%", text, fmt.Sprintf(format, args...))
	}
	parts := strings.Split(text, ",")
	if len(parts) > 1000 {
		return fail("has %d sizes, at most 1000 are allowed", len(parts))
	}
	sum := 0.0
	var out []Share
	for _, part := range parts {
		size, share, stated := strings.Cut(strings.TrimSpace(part), ":")
		bytes, err := ParseSize(size)
		if err != nil {
			return fail("%v", err)
		}
		s := Share{bytes, 1}
		if stated || len(parts) > 1 {
			percent, isPercent := strings.CutSuffix(share, "%")
			v, err := strconv.ParseFloat(percent, 64)
			if err != nil || !isPercent || !(v > 0 && v <= 100) {
				return fail("%q is not a share of 0 to 100%%", share)
			}
			s.Share = v / 100
		}
		sum += s.Share
		out = append(out, s)
	}
	if math.Abs(sum-1) > 0.005 {
		return fail("the shares are %.4g%% together", 100*sum)
	}
	for i := range out {
		out[i].Share /= sum
	}
	slices.SortStableFunc(out, func(a, b Share) int {
		if a.Bytes == b.Bytes {
			return 0
		}
		return int(math.Copysign(1, a.Bytes-b.Bytes))
	})
	return out, nil
}

// ParseSize reads bytes with k, M, G or T behind them (powers of 1000), of 1 to 1 PB.
func ParseSize(text string) (float64, error) {
	factor := 1.0
	number := strings.TrimSuffix(strings.TrimSuffix(text, "B"), "b")
	for suffix, f := range map[string]float64{"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12} {
		if n, has := strings.CutSuffix(number, suffix); has {
			number, factor = n, f
			break
		}
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || !(v*factor >= 1 && v*factor <= 1e15) {
		return 0, fmt.Errorf("%q is no size of 1 to 1 PB, as in 10k or 1M", text)
	}
	return v * factor, nil
}
