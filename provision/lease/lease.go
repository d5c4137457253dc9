// SPDX-License-Identifier: Apache-2.0

// Package lease keeps which VFs of a profile's networks are given out, to whom and
// with what: one document in the state directory, written whole at each change. It
// chooses among free VFs, derives MAC addresses, lays leases over what a profile
// wants, and tells leases whose process has ended. What is set of a VF, and how it
// is taken back, is provision's road.
package lease

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/bridge"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/provision/journal"
)

// Version of the document that is written.
const Version = 1

// State is how far a lease has come. A kill leaves one of the two in between, which
// the next lease, release or apply takes back.
type State string

// The states.
const (
	Setting  State = "setting"  // the VF is chosen, and is being set
	Leased   State = "leased"   // it has been given out
	Clearing State = "clearing" // it is taken back
)

// Lease is a VF that was given out.
type Lease struct {
	// Name by which it is released; no other lease has it.
	Name string `json:"name"`
	// Network of the profile.
	Network string `json:"network"`
	// VM is the machine that it is for, as its manager calls it.
	VM string `json:"vm,omitempty"`
	// Profile that has the network.
	Profile string `json:"profile"`
	// VF is the identity: its PF and its index. Its PCI address is another after a change of slots.
	VF pci.Function `json:"vf"`
	// Function and Port are what the VF and its port of the switch have while they are leased, over what
	// the profile says of them. Bridge is that of Port, or of KernelPort where it is the kernel's; "" for none.
	Function   eswitch.FunctionSpec `json:"function"`
	Bridge     string               `json:"bridge,omitempty"`
	Port       *ovs.Port            `json:"port,omitempty"`
	KernelPort *bridge.Port         `json:"kernel_port,omitempty"`
	State      State                `json:"state"`
	// By is who asked for it and takes it back, "libvirt" for its hook; "" for a caller.
	By string `json:"by,omitempty"`
	// Process whose end is the end of the lease.
	Process *Process  `json:"process,omitempty"`
	Since   time.Time `json:"since"`
	// Boot in which it was given out.
	Boot string `json:"boot"`
	// Touched is what it changes, and Before what there was of that.
	Touched journal.Touched `json:"touched"`
	Before  json.RawMessage `json:"before,omitempty"`
}

// MAC is the address of the VF, "" for the VF's own.
func (l *Lease) MAC() string {
	if l.Function.MAC == nil {
		return ""
	}
	return *l.Function.MAC
}

// Driver that the VF is bound to.
func (l *Lease) Driver() string {
	if l.Function.Driver == nil {
		return ""
	}
	return *l.Function.Driver
}

// Who is the lease in words.
func (l *Lease) Who() string {
	if l.VM != "" && l.VM != l.Name {
		return l.Name + " (machine " + l.VM + ")"
	}
	return l.Name
}

// Document is all leases of a host.
type Document struct {
	Version int `json:"version"`
	// MinVersion is the oldest reader's that understands the document.
	MinVersion int      `json:"min_version,omitempty"`
	Leases     []*Lease `json:"leases"`
}

// Find is the lease of that name, or nil.
func (d *Document) Find(name string) *Lease {
	for _, l := range d.Leases {
		if l.Name == name {
			return l
		}
	}
	return nil
}

// Of is the lease of a VF, or nil.
func (d *Document) Of(vf pci.Function) *Lease {
	for _, l := range d.Leases {
		if l.VF == vf {
			return l
		}
	}
	return nil
}

// Meant are the leases that a name means: that of the name, or else all of the machine
// of the name, or that of the VF that is called so (pci/0000:3b:00.0/vf/3).
func (d *Document) Meant(name string) []*Lease {
	if l := d.Find(name); l != nil {
		return []*Lease{l}
	}
	var all []*Lease
	for _, l := range d.Leases {
		if l.VM == name || l.VF.String() == name {
			all = append(all, l)
		}
	}
	return all
}

// Half are those that a kill left between two states.
func (d *Document) Half() []*Lease {
	var all []*Lease
	for _, l := range d.Leases {
		if l.State != Leased {
			all = append(all, l)
		}
	}
	return all
}

// Drop takes a lease out.
func (d *Document) Drop(name string) {
	d.Leases = slices.DeleteFunc(d.Leases, func(l *Lease) bool { return l.Name == name })
}

// maxName is the longest name of a lease or machine, in bytes.
const maxName = 128

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:@+~-]{0,127}$`)

// CheckName says what is wrong with a lease's name.
func CheckName(name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("%q cannot name a lease: letters, digits, and . _ : @ + ~ - behind the first, %d at most", name, maxName)
	}
	return nil
}

// CheckVM says what is wrong with a machine's name: managers allow more than letters.
func CheckVM(name string) error {
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("%q cannot name a machine: 1 to %d bytes that print", name, maxName)
	}
	return nil
}

// NameOf is what the lease of a machine in a network is called if nobody says another name.
func NameOf(vm, network string) string {
	name := strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._:@+~-", r)) {
			return r
		}
		return '_'
	}, vm+"."+network)
	if name == vm+"."+network && namePattern.MatchString(name) {
		return name
	}
	// Machines whose names are too long, or are alike but for what a name cannot have, have leases of different names.
	sum := sha256.Sum256([]byte(vm + "\x00" + network))
	return "vm_" + name[:min(len(name), maxName-16)] + "-" + hex.EncodeToString(sum[:4])
}

// Decode reads a document of this version, or of a later one that says of itself that
// it can be read.
func Decode(b []byte) (*Document, error) {
	var d Document
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, fmt.Errorf("no document of leases: %w", err)
	}
	if d.Version < 1 || d.Version > Version && (d.MinVersion < 1 || d.MinVersion > Version) {
		return nil, fmt.Errorf("the document's version is %d, and this nicwright reads %d: use the nicwright that wrote it", d.Version, Version)
	}
	names, vfs := map[string]bool{}, map[pci.Function]bool{}
	for i, l := range d.Leases {
		if l == nil {
			return nil, fmt.Errorf("lease %d is none", i)
		}
		if err := l.check(); err != nil {
			return nil, fmt.Errorf("lease %d (%q): %w", i, l.Name, err)
		}
		if names[l.Name] || vfs[l.VF] {
			return nil, fmt.Errorf("lease %d (%q): its name, or %s, is leased twice", i, l.Name, l.VF)
		}
		names[l.Name], vfs[l.VF] = true, true
	}
	return &d, nil
}

func (l *Lease) check() error {
	switch {
	case l.State != Setting && l.State != Leased && l.State != Clearing:
		return fmt.Errorf("its state is %q", l.State)
	case !l.VF.IsVF() || l.VF.PF == "":
		return fmt.Errorf("%s is no VF", l.VF)
	case l.Network == "":
		return errors.New("it is of no network")
	case (l.Port != nil || l.KernelPort != nil) != (l.Bridge != "") || l.Port != nil && l.KernelPort != nil:
		return errors.New("it has a port without a bridge, a bridge without a port, or two ports")
	case l.Function.Driver == nil:
		return errors.New("it says no driver")
	}
	if l.VM != "" {
		if err := CheckVM(l.VM); err != nil {
			return err
		}
	}
	return CheckName(l.Name)
}

// Options are those of an operation that sets or clears one VF: of what is the
// profile's own it takes away nothing but the VF's port, where it clears.
func (l *Lease) Options(clear bool) step.Options {
	return step.Options{Owner: l.Profile, Only: func(id resource.ID) bool { return clear && IsPort(id, l.VF) }, Touched: l.Touched.Has}
}
