// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"cmp"
	"slices"
)

// apart moves labels so that neighbours have a gap between them, all of them stay between
// low and high as far as there is room, and none passes another. It gives their places
// in the order of at: those that collide become a block about the mean of where they belong.
func apart(at []float64, gap, low, high float64) []float64 {
	order := make([]int, len(at))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(at[a], at[b]) })
	type block struct {
		sum   float64 // of where its first would be, by each member
		count int
	}
	first := func(b block) float64 {
		span := gap * float64(b.count-1)
		return max(min(b.sum/float64(b.count), high-span), low)
	}
	var blocks []block
	for _, i := range order {
		blocks = append(blocks, block{at[i], 1})
		for n := len(blocks); n > 1; n = len(blocks) {
			a, b := blocks[n-2], blocks[n-1]
			if first(a)+gap*float64(a.count) <= first(b) {
				break
			}
			blocks = append(blocks[:n-2], block{a.sum + b.sum - gap*float64(a.count*b.count), a.count + b.count})
		}
	}
	out, next := make([]float64, len(at)), 0
	for _, b := range blocks {
		for k := range b.count {
			out[order[next]] = first(b) + gap*float64(k)
			next++
		}
	}
	return out
}
