// SPDX-License-Identifier: Apache-2.0

// Package provision is the road from a profile to a proven host: observe what
// is, plan the steps to what shall be, apply them, verify by traffic. It orders
// what the domains (eswitch, bond, ovs, crypto) know how to do and knows
// nothing of the kernel itself; it owns the state directory, the lock and the
// reports.
package provision
