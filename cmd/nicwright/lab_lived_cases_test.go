// SPDX-License-Identifier: Apache-2.0

package main

// lived is one profile on one host of lab/hosts, and what has to become of it.
type lived struct {
	host, profile string
	args          []string // of plan and apply
	// refused has the words that the refusal needs, of plan and of apply; nil: it is applied, and taken back.
	refused []string
	// says has words of a plan that is made: what is left alone, what is lost.
	says []string
	// nothing: the plan is empty, and what was asked for is left as it is.
	nothing bool
	// choice: make test has it, for its kind.
	choice bool
	// killed: the rollback is killed after every step, and goes on.
	killed bool
}

const (
	firstPF  = "pci/0001:3b:00.0"
	secondPF = "pci/0001:3b:00.1"
)

// Two built-in profiles and some small ones, on every host that they mean something on.
var livedCases = []lived{
	{host: "bare", profile: "vm-host"},
	{host: "bare", profile: "tls-server"},
	{host: "bare", profile: "jumbo-mixed", refused: []string{"mtu", "1500", "9000"}},
	{host: "bare", profile: "small", killed: true},

	{host: "ports-down", profile: "vm-host"},
	{host: "ports-down", profile: "members", choice: true},
	{host: "ports-down", profile: "jumbo"},
	{host: "jumbo", profile: "members"},
	{host: "jumbo", profile: "vm-host"},
	{host: "jumbo", profile: "tls-server"},

	{host: "mgmt-bond", profile: "adopt", choice: true},
	{host: "mgmt-bond", profile: "mode", killed: true},
	{host: "mgmt-bond", profile: "tls-server"},
	{host: "mgmt-bond", profile: "jumbo"},
	{host: "mgmt-bond", profile: "small"},
	{host: "mgmt-bond", profile: "vm-host"},
	{host: "mgmt-uplink", profile: "vm-host", refused: []string{"take-addresses"}},
	{host: "mgmt-uplink", profile: "tls-server", refused: []string{"take-addresses"}},
	{host: "mgmt-uplink", profile: "adopt-addresses", choice: true},
	{host: "mgmt-uplink", profile: "switchdev"},
	{host: "mgmt-uplink", profile: "more-vfs"},

	{host: "vmbr", profile: "vm-host", refused: []string{"vmbr0", "take-from"}},
	{host: "vmbr", profile: "tls-server", refused: []string{"vmbr0", "take-from"}},
	{host: "vmbr", profile: "from-vmbr", choice: true},
	{host: "vmbr", profile: "switchdev"},
	{host: "bond-in-vmbr", profile: "vm-host", refused: []string{"vmbr0", "take-from"}},
	{host: "bond-in-vmbr", profile: "tls-server"},
	{host: "bond-in-vmbr", profile: "mode"},
	{host: "bond-in-vmbr", profile: "bond-from-vmbr"},
	{host: "bare", profile: "bridge", killed: true},
	{host: "bare", profile: "bridge-bond"},
	{host: "vmbr", profile: "bridge", choice: true},
	{host: "vmbr", profile: "bridge-bond", refused: []string{"vmbr0", "take-from"}},
	{host: "bond-in-vmbr", profile: "bridge-bond"},
	{host: "bond-in-vmbr", profile: "bridge", refused: []string{"a member of the bond bond0", "bond: bond0"}},
	{host: "mgmt-uplink", profile: "bridge", refused: []string{"take-addresses"}},
	{host: "mgmt-uplink", profile: "bridge-addresses"},
	{host: "foreign-ovs", profile: "bridge", refused: []string{"br-ex", "take-from"}},
	{host: "foreign-bond", profile: "vm-host", refused: []string{"bond9", "take-from"}},
	{host: "foreign-bond", profile: "tls-server", refused: []string{"bond9", "take-from"}},
	{host: "foreign-bond", profile: "switchdev"},
	{host: "team", profile: "vm-host", refused: []string{"team0", "take-from"}},
	{host: "team", profile: "tls-server", refused: []string{"team0", "take-from"}},
	{host: "vrf-ecmp", profile: "tls-server", refused: []string{"blue", "take-from"}},
	{host: "vrf-ecmp", profile: "switchdev", choice: true},
	{host: "foreign-ovs", profile: "vm-host", refused: []string{"br-ex", "take-from"}},
	{host: "foreign-ovs", profile: "tls-server", refused: []string{"br-ex", "take-from"}},
	{host: "foreign-ovs", profile: "trunks", choice: true},
	{host: "foreign-ovs", profile: "native"},
	{host: "foreign-ovs", profile: "under-br-ex"},
	{host: "dot1q-tunnel", profile: "trunks"},
	{host: "dot1q-tunnel", profile: "under-br-ex"},

	{host: "container-host", profile: "vm-host", refused: []string{"pod0", "--take " + firstPF + "/vf/0"}, choice: true},
	{host: "container-host", profile: "tls-server", refused: []string{"pod0", "--take " + firstPF + "/vf/0"}},
	{host: "container-host", profile: "more-vfs", refused: []string{"pod0", "--take " + firstPF + "/vf/0"}},
	{host: "container-host", profile: "unrelated"},
	{host: "vm-host-vfio", profile: "vm-host", refused: []string{"--take " + firstPF + "/vf/0", "--take " + firstPF + "/vf/1"}},
	{host: "vm-host-vfio", profile: "tls-server", refused: []string{"--take " + firstPF + "/vf/0"}},
	{host: "vm-host-vfio", profile: "unrelated"},
	{host: "vm-host-vfio", profile: "drivers", nothing: true, says: []string{firstPF + "/vf/1", "in use", "pci-stub"}},
	{host: "vm-host-vfio", profile: "drivers", args: []string{"--take", firstPF + "/vf/1"}, says: []string{firstPF + "/vf/0", "in use"}, choice: true},
	{host: "vf-uppers", profile: "vm-host", refused: []string{"stor0.30", "mv1", "tap2", "virbr1", "--take"}, choice: true},
	{host: "vf-uppers", profile: "tls-server", refused: []string{"--take " + firstPF + "/vf/2"}},
	{host: "vf-uppers", profile: "unrelated"},
	{host: "vf-primary", profile: "vm-host", refused: []string{"198.51.100.10", "--take " + firstPF + "/vf/0"}},
	{host: "vf-primary", profile: "adopt"},
	{host: "legacy-sriov", profile: "more-vfs", choice: true},
	{host: "legacy-sriov", profile: "switchdev"},
	{host: "legacy-sriov", profile: "vm-host"},
	{host: "asym-vfs", profile: "vm-host"},
	{host: "asym-vfs", profile: "tls-server"},

	{host: "tc-rules", profile: "legacy", refused: []string{"flower", "tc filter"}, choice: true},
	{host: "tc-rules", profile: "unrelated"},
	{host: "nm-host", profile: "tls-server"},
	{host: "nm-host", profile: "adopt"},
	{host: "networkd-host", profile: "vm-host", refused: []string{"take-addresses"}},
	{host: "networkd-host", profile: "adopt-addresses"},
	{host: "networkd-host", profile: "switchdev"},
	{host: "after-reboot", profile: "vm-host"},
	{host: "after-reboot", profile: "small", choice: true},
	{host: "altnames", profile: "tls-server"},
	{host: "altnames", profile: "switchdev"},
	{host: "tuned", profile: "tls-server"},
	{host: "tuned", profile: "switchdev"},
}

// What two cards of one model take a machine of their own for: there --card has cards=2.
var twoCardCases = []lived{
	{host: "two-cards", profile: "vm-host", refused: []string{"0001:3b:00.0", "0001:3c:00.0"}, choice: true},
	{host: "two-cards", profile: "first-card", choice: true},
}
