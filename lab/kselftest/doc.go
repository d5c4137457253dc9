// SPDX-License-Identifier: Apache-2.0

// Package kselftest says which of the kernel's own network self-tests are run on the emulated card, what is expected of each on each
// of the lab's kernels and why, and judges what they said by that. The tests themselves come from the kernel's source package
// and are changed only where they run.
package kselftest
