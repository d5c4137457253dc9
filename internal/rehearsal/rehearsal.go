// SPDX-License-Identifier: Apache-2.0

// Package rehearsal is what nicwright and nicwright-rehearse, the program that boots
// machines, say to one another: a request on its standard input, an outcome on its
// standard output, as JSON. Standard error is for people.
package rehearsal

import (
	"encoding/json"
	"time"
)

// Version is that of both documents. Of another one nothing is understood.
const Version = 1

// Program is the name of the program that boots machines.
const Program = "nicwright-rehearse"

// Request is one boot of a kernel of this host.
type Request struct {
	Version int `json:"version"`
	// Root is the host's root directory: / but in tests.
	Root string `json:"root"`
	// Release is an installed kernel's; or else Packages are the files of its packages.
	Release  string   `json:"release,omitempty"`
	Packages []string `json:"packages,omitempty"`
	// Cache is the directory where what is built is kept.
	Cache string `json:"cache"`
	// Tool is the directory with the program nicwright that is run in the machine.
	Tool string `json:"tool"`
	Card Card   `json:"card"`
	// Layers are the profile's, the first by itself, each of the others over it.
	Layers []Layer `json:"layers"`
	// Name is the profile's, OVS tells that it has a bridge.
	Name  string `json:"name"`
	OVS   bool   `json:"ovs"`
	Runs  int    `json:"runs"`
	Quick bool   `json:"quick"`
	// Memory is in MiB, 0 for what a card needs at least.
	Memory int `json:"memory,omitempty"`
	CPUs   int `json:"cpus,omitempty"`
	// Limit is for all of it, building included; 0: none.
	Limit   time.Duration `json:"limit"`
	Verbose bool          `json:"verbose,omitempty"`
}

// Layer is one document of a profile, or, of the source Override, one value of it.
type Layer struct {
	Source string `json:"source"`
	Text   string `json:"text"`
}

// Override is the source of a layer that is one value, as --set or a variable has it.
const Override = "override"

// Card is how the emulated card is to be.
type Card struct {
	Cards, Ports, VFs int
	// Domain and Bus are of the first card's PCI address.
	Domain, Bus int
	// Serial number, firmware's version and PSID; "" for the emulation's own.
	Serial, Firmware, PSID string
	// Crypto is false for a card that is known to have none.
	Crypto bool
}

// Outcome is how a rehearsal of one kernel went.
type Outcome struct {
	Version int `json:"version"`
	// Refused is why nothing was booted, a sentence with what to do; errors of the machine itself are here as well.
	Refused string `json:"refused,omitempty"`
	Release string `json:"release"`
	// KVM: the host's processor ran the machine, and not an emulation of one.
	KVM bool `json:"kvm"`
	// Driver is the file of the driver that was loaded, as modinfo says in the machine.
	Driver string `json:"driver,omitempty"`
	// Ignored are the parameters of the card that its module does not have.
	Ignored []string `json:"ignored,omitempty"`
	// Left are parts of the profile that the machine cannot have and that were left out.
	Left  []string `json:"left,omitempty"`
	Apply Done     `json:"apply"`
	Save  Done     `json:"save"`
	// Baseline is what nicwright baseline save recorded there, where it did.
	Baseline json.RawMessage `json:"baseline,omitempty"`
	// Kernel are the errors of its own that the kernel reported.
	Kernel  string  `json:"kernel,omitempty"`
	Seconds float64 `json:"seconds"`
}

// Done is a command that ended.
type Done struct {
	Status int    `json:"status"`
	Said   string `json:"said,omitempty"`
}

// Inside is what the machine is told to do, and what it answers.
type Inside struct {
	Layers []Layer `json:"layers"`
	Name   string  `json:"name"`
	Runs   int     `json:"runs"`
	Quick  bool    `json:"quick"`
}
