// SPDX-License-Identifier: Apache-2.0

package sample

import "time"

// Clock is what the seconds of a run are.
type Clock string

// The clocks.
const (
	// Wall is the time that passes.
	Wall Clock = "wall"
	// Instructions is that of a lab machine that counts instructions (lab run --icount): figures of two
	// runs compare, and say nothing of what a real machine does in a second.
	Instructions Clock = "instructions"
	// Published is that of a figure that somebody else printed: there is no spread.
	Published Clock = "published"
)

// Header is the first line: what holds for every sample of the run.
type Header struct {
	Schema  string    `json:"schema"` // Schema
	Tool    string    `json:"tool"`   // version of nicwright, or who published the figures
	Title   string    `json:"title,omitempty"`
	Started time.Time `json:"started,omitzero"` // absent: not known
	Seed    uint64    `json:"seed"`             // of the order of the cells
	Clock   Clock     `json:"clock"`
	Server  Host      `json:"server"`
	// Client is where the load is made; absent: on the server's host.
	Client *Host `json:"client,omitempty"`
	Card   *Card `json:"card,omitempty"`
	// Path is what is between the two, in words: "wire, 2 x 25GbE, 802.3ad layer3+4", "VF to VF of one port".
	Path string `json:"path,omitempty"`
	// Conditions are what else holds for the whole run, by name: programs' versions, MTU, limits, delays that
	// a lab adds.
	Conditions map[string]string `json:"conditions,omitempty"`
}

// Host is a machine, as far as it is known.
type Host struct {
	Name       string `json:"name,omitempty"`
	Kernel     string `json:"kernel,omitempty"`    // as uname -r prints it
	Processor  string `json:"processor,omitempty"` // model
	Processors int    `json:"processors,omitempty"`
	Memory     uint64 `json:"memory,omitempty"` // bytes
}

// Card is the card whose offload is measured, as far as it is known.
type Card struct {
	Model    string `json:"model,omitempty"`
	Address  string `json:"address,omitempty"` // PCI
	Netdev   string `json:"netdev,omitempty"`  // whose toggles were set
	Driver   string `json:"driver,omitempty"`
	Firmware string `json:"firmware,omitempty"`
	// TLSContexts is how many TLS connections the card holds at most; 0: not known.
	TLSContexts uint64 `json:"tls_contexts,omitempty"`
	Speed       uint64 `json:"speed,omitempty"` // bits a second, of one port
	Ports       int    `json:"ports,omitempty"` // that carry the traffic
}
