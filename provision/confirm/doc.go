// SPDX-License-Identifier: Apache-2.0

// Package confirm takes an apply back that nobody confirmed in time: an operator
// who cut himself off gets the host back as it was. Its watchdog is a process of
// its own (Arm, Watch.Run). What it knows is in the journal, so that one that was
// killed is replaced by another.
package confirm
