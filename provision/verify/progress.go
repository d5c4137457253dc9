// SPDX-License-Identifier: Apache-2.0

package verify

// Progress is told what Verify is at. Its methods are called one after another.
type Progress interface {
	// Plan says how many cells there will be.
	Plan(cells int)
	// Start says which cell runs now.
	Start(name string)
	// Rate says how many bytes have arrived in the present cell after so many seconds.
	Rate(bytes int64, seconds float64)
	// End gives the verdict of the present cell.
	End(Judged)
}
