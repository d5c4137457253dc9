// SPDX-License-Identifier: Apache-2.0

// Package journal keeps what nicwright did to a host: a document for each
// operation, in one directory. An operation that was interrupted is found in it
// and resumed by its kind; what was before an operation is in it, and is what a
// rollback goes back to. What is wanted and what was before are kept as they
// were given: what they mean is provision's.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nicwright/nicwright/internal/resource"
)

// Version is the version of the documents that are written.
const Version = 2

// Kind is what an operation is for.
type Kind string

// The kinds.
const (
	Apply    Kind = "apply"    // bring the host to what a profile wants
	Rollback Kind = "rollback" // bring back what was before operations
	Remove   Kind = "remove"   // bring back what was before all operations of a profile
)

// Outcome is how an operation ended.
type Outcome string

// The outcomes. An operation without one was interrupted, unless it runs now.
const (
	Done       Outcome = "done"
	Failed     Outcome = "failed"     // it stopped with an error: the host is between two states
	Superseded Outcome = "superseded" // another operation went on from where it stopped, or took its place
)

// Layer is one document that a profile was made of.
type Layer struct {
	Source string `json:"source"`
	Text   string `json:"text"`
}

// Profile is a profile as it was written.
type Profile struct {
	Name   string  `json:"name"`
	Hash   string  `json:"hash,omitempty"` // of what it wanted of this host: sha256, hexadecimal
	Layers []Layer `json:"layers,omitempty"`
}

// Operation is one document.
type Operation struct {
	Version int    `json:"version"`
	ID      string `json:"id"` // by time, as in 20261128T035512.123Z-apply: they sort
	Kind    Kind   `json:"kind"`
	// Profile whose operation it is; of a rollback or remove, whose work it takes back.
	Profile Profile `json:"profile"`
	// Undoes are the operations that a rollback or remove takes back.
	Undoes []string `json:"undoes,omitempty"`
	// Resumes are those from which this one went on, or whose place it took.
	Resumes []string `json:"resumes,omitempty"`
	// Replaces are the profiles whose place on their cards an apply's profile took.
	Replaces []string `json:"replaces,omitempty"`
	// Want is what it brings the host to, Before what was there of what it touches.
	Want   json.RawMessage `json:"want,omitempty"`
	Before json.RawMessage `json:"before,omitempty"`
	// Touched are the attributes that its steps change, and the resources that they affect.
	Touched Touched `json:"touched,omitempty"`
	// Stored is what its steps store in cards, which go by it when they are reset, as by a reboot.
	Stored []Stored `json:"stored,omitempty"`
	Boot   string   `json:"boot,omitempty"` // /proc/sys/kernel/random/boot_id
	Tool   string   `json:"tool,omitempty"` // version of nicwright
	// Attempts is how often it was begun: more than once where it was resumed.
	Attempts int        `json:"attempts,omitempty"`
	Begun    time.Time  `json:"begun"`
	Ended    *time.Time `json:"ended,omitempty"`
	Outcome  Outcome    `json:"outcome,omitempty"`
	Error    string     `json:"error,omitempty"`
	// Seconds is where the time of the last attempt went, by phase: of each the device that took longest.
	Seconds map[string]float64 `json:"seconds,omitempty"`
	// UndoneBy is the rollback or remove that took it back.
	UndoneBy string `json:"undone_by,omitempty"`
	// Confirm is set of an apply that goes back unless it is confirmed.
	Confirm *Confirm `json:"confirm,omitempty"`

	rest map[string]json.RawMessage // what another version wrote besides
}

// Stored is a value in a card's memory.
type Stored struct {
	On        resource.ID `json:"on"`
	Attribute string      `json:"attribute"`
	From      string      `json:"from"` // "" where nobody knew
	To        string      `json:"to"`
}

// Open tells an operation that has begun and not come to its end: the host may be
// between two states.
func (o *Operation) Open() bool { return o.Outcome == "" || o.Outcome == Failed }

// InForce tells an apply that came to its end and was not taken back since.
func (o *Operation) InForce() bool {
	return o.Kind == Apply && o.Outcome == Done && o.UndoneBy == ""
}

// document is Operation without its methods.
type document Operation

// MarshalJSON writes the fields, and those of another version that were read.
func (o Operation) MarshalJSON() ([]byte, error) {
	b, err := json.Marshal(document(o))
	if err != nil || len(o.rest) == 0 {
		return b, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, err
	}
	for k, v := range o.rest {
		if _, known := all[k]; !known {
			all[k] = v
		}
	}
	return json.Marshal(all)
}

// fields are the keys of a document of this version.
func fields() map[string]bool {
	return map[string]bool{
		"version": true, "id": true, "kind": true, "profile": true, "undoes": true, "resumes": true, "replaces": true, "want": true, "before": true,
		"touched": true, "boot": true, "tool": true, "attempts": true, "begun": true, "ended": true, "outcome": true, "error": true, "undone_by": true,
		"confirm": true, "seconds": true, "stored": true,
	}
}

// Decode reads one document of any version up to Version, or of a later one that
// says of itself that it can be read (min_version). Fields that it does not know
// are kept.
func Decode(b []byte) (*Operation, error) {
	var head struct {
		Version    int `json:"version"`
		MinVersion int `json:"min_version"`
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	if err := dec.Decode(&head); err != nil {
		return nil, fmt.Errorf("not a document of nicwright's journal: %w", err)
	}
	if dec.More() {
		return nil, errors.New("not a document of nicwright's journal: more follows it")
	}
	if head.Version < 2 || head.Version > Version && (head.MinVersion < 1 || head.MinVersion > Version) {
		return nil, fmt.Errorf("the document's version is %d, and this nicwright reads 2 to %d: use the nicwright that wrote it", head.Version, Version)
	}
	var d document
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, fmt.Errorf("not a document of nicwright's journal: %w", err)
	}
	o := Operation(d)
	if err := json.Unmarshal(b, &o.rest); err != nil {
		return nil, fmt.Errorf("not a document of nicwright's journal: %w", err)
	}
	known := fields()
	maps.DeleteFunc(o.rest, func(k string, _ json.RawMessage) bool { return known[k] })
	if !validID(o.ID) {
		return nil, fmt.Errorf("not a document of nicwright's journal: its id is %q", o.ID)
	}
	return &o, nil
}

// Touched are attributes of resources; "*" is all of a resource.
type Touched map[resource.ID][]string

// All is the attribute that stands for the whole resource.
const All = "*"

// Has tells whether an attribute was touched. A nil Touched is of a document that
// does not say: all was.
func (t Touched) Has(id resource.ID, attribute string) bool {
	if t == nil {
		return true
	}
	return slices.Contains(t[id], attribute) || slices.Contains(t[id], All)
}

// Resource tells whether anything of a resource was touched.
func (t Touched) Resource(id resource.ID) bool { return t == nil || len(t[id]) > 0 }

// Add notes attributes of a resource.
func (t Touched) Add(id resource.ID, attributes ...string) {
	for _, a := range attributes {
		if !slices.Contains(t[id], a) {
			t[id] = append(t[id], a)
		}
	}
	slices.Sort(t[id])
}

// With is what either touched.
func (t Touched) With(o Touched) Touched {
	if t == nil || o == nil {
		return nil
	}
	all := Touched{}
	for _, from := range []Touched{t, o} {
		for id, attributes := range from {
			all.Add(id, attributes...)
		}
	}
	return all
}
