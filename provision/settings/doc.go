// SPDX-License-Identifier: Apache-2.0

// Package settings makes the configuration of programs that a profile needs: a card
// that encrypts does nothing for a program that does not hand its keys to the kernel.
// What each line gives and costs stands beside it, as a comment. The text is made from
// the profile alone, without a look at the host; a thin layer puts it in place and takes
// it away, and touches nobody else's file. No program is run here: whether it takes its
// configuration, tests ask.
package settings
