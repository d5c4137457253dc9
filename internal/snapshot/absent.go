// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/step"
)

// NoDriver is why a function without a driver has no netdev.
const NoDriver = "it has no driver, and so no netdev"

// Absent says of each PF and VF without a netdev of its own in this network namespace why, a
// sentence: by its driver, and by that of its PF, whose VFs' netdevs it makes.
func (s *Snapshot) Absent() map[pci.Function]string {
	here := map[pci.Function]bool{}
	for _, l := range s.Netdevs {
		if !l.Representor && l.SF == nil {
			here[l.Function] = true
		}
	}
	all := map[pci.Function]string{}
	why := func(fn pci.Function, driver, pfs string, failed bool) {
		switch {
		case here[fn]:
		case driver == "":
			all[fn] = NoDriver
		case failed:
			all[fn] = "its driver could not make its netdev (dmesg says why)"
		case driver == pfs:
			all[fn] = "its netdev is in another network namespace"
		default:
			all[fn] = "its driver is " + driver + ", which makes no netdev here"
		}
	}
	for _, pf := range s.PFs {
		why(pci.PF(pf.Address), pf.Driver, pf.Driver, false)
		for n, vf := range pf.VFs {
			if vf.Address != "" { // netdevsim's have none, and no netdev either
				why(pci.VF(pf.Address, n), vf.Driver, pf.Driver, vf.NoNet)
			}
		}
	}
	return all
}

// WithoutNetdev says why a function will have no netdev in this network namespace when a plan
// is done, "" if it will: netdev and absent are what it has now, and what is what nicwright would
// set there, as a sentence has it.
func WithoutNetdev(fate step.Fate, netdev, absent, what string) string {
	switch {
	case fate.Last == step.Remade:
		return ""
	case fate.Last == step.Gone:
		return "it will have no netdev here once the plan is done: whoever has the VF sets " + what
	case netdev != "":
		return ""
	case absent == NoDriver:
		return NoDriver + ": say driver: mlx5_core, or leave it out"
	case absent != "":
		return absent + ": whoever has it sets " + what
	}
	return "it is not there, and nothing in the plan makes it"
}
