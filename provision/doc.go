// SPDX-License-Identifier: Apache-2.0

// Package provision is the road from a profile to a proven host: observe what
// is (Look), plan the steps to what shall be (Road.Apply, Rollback, Remove), do
// them and look again (Road.Do). It orders what the domains (eswitch, tuning,
// bond, hostnet, ovs, crypto) know how to do, hands each the effects of the steps of
// those before it, and knows nothing of the kernel itself; a new domain is a
// package and an entry in domains. It owns the lock and what an operation means;
// operations are kept by provision/journal, what is known of the hardware by
// provision/facts, proofs are provision/verify's and what is printed is
// provision/report's.
package provision
