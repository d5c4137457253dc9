// SPDX-License-Identifier: Apache-2.0

package provision

// Progress is told how a verify goes on, for somebody who watches. Every cell
// ends, also one that was never started because it is not possible here. Rate may
// be called from another goroutine than the others.
type Progress interface {
	// Plan tells how many cells there will be.
	Plan(cells int)
	// Start tells which cell begins (Judged.Name).
	Start(name string)
	// Rate tells that so many bytes arrived in so many seconds, since the last call
	// or the start.
	Rate(bytes int64, seconds float64)
	// End tells what was found.
	End(Judged)
}
