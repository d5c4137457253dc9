// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/coreos/go-systemd/v22/journal"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/step"
)

// Kind is what an event tells.
type Kind string

// The kinds of events.
const (
	Watching    Kind = "watching"    // what is in force; at the start, and when it changes
	Began       Kind = "began"       // an attribute is not as wanted
	Changed     Kind = "changed"     // it is otherwise not as wanted
	Ended       Kind = "ended"       // it is as wanted again
	Unknown     Kind = "unknown"     // whether the host is as wanted cannot be told, and why
	Known       Kind = "known"       // it can be told again
	Interrupted Kind = "interrupted" // an operation was begun, and whoever did it is gone
	Repaired    Kind = "repaired"
	NotRepaired Kind = "not-repaired" // with --repair: why not
	Fight       Kind = "fight"        // somebody undoes the repairs: there will be no more
)

// Event is one line that is told.
type Event struct {
	Time      time.Time   `json:"time"`
	Event     Kind        `json:"event"`
	Profile   string      `json:"profile,omitempty"`
	Operation string      `json:"operation,omitempty"`
	Resource  resource.ID `json:"resource,omitzero"`
	Attribute string      `json:"attribute,omitempty"`
	// Have and Want are null where the attribute is, or shall be, absent.
	Have *step.Value `json:"have,omitempty"`
	Want *step.Value `json:"want,omitempty"`
	Says string      `json:"says,omitempty"`
}

// MarshalJSON writes have and want of a drift also where they are null.
func (e Event) MarshalJSON() ([]byte, error) {
	type plain Event
	if e.Have == nil || e.Want == nil {
		return json.Marshal(plain(e))
	}
	// Embedded fields give way to those outside.
	return json.Marshal(struct {
		plain
		Have step.Value `json:"have"`
		Want step.Value `json:"want"`
	}{plain(e), *e.Have, *e.Want})
}

// Words is the event as a sentence.
func (e Event) Words() string {
	s := string(e.Event)
	if e.Profile != "" {
		s = e.Profile + ": " + s
	}
	if !e.Resource.IsZero() {
		s += ": " + e.Resource.String()
	}
	if e.Attribute != "" {
		s += " " + e.Attribute
	}
	if e.Have != nil && e.Want != nil {
		s += fmt.Sprintf(": %s, want %s", e.Have, e.Want)
	}
	if e.Says != "" {
		s += ": " + e.Says
	}
	return s
}

// Lines tells events as one line of JSON each.
func Lines(w io.Writer) func(Event) error {
	return func(e Event) error {
		b, err := json.Marshal(e)
		if err == nil {
			_, err = w.Write(append(b, '\n'))
		}
		if err != nil {
			return fmt.Errorf("telling what happened: %w", err)
		}
		return nil
	}
}

// ToJournal tells events to systemd's journal, with fields (NICWRIGHT_EVENT,
// NICWRIGHT_PROFILE, NICWRIGHT_RESOURCE, NICWRIGHT_ATTRIBUTE, NICWRIGHT_HAVE,
// NICWRIGHT_WANT), where standard output is the journal, as a unit's is; false where
// it is not.
func ToJournal() (func(Event) error, bool) {
	if is, err := journal.StdoutIsJournalStream(); err != nil || !is || !journal.Enabled() {
		return nil, false
	}
	return func(e Event) error {
		if err := journal.Send(e.Words(), priority(e.Event), fields(e)); err != nil {
			return errors.Join(errors.New("telling systemd's journal what happened"), err)
		}
		return nil
	}, true
}

func priority(k Kind) journal.Priority {
	switch k {
	case Began, Changed, Unknown, NotRepaired, Interrupted:
		return journal.PriWarning
	case Fight:
		return journal.PriErr
	}
	return journal.PriNotice
}

// fields are the event's, by the journal's names.
func fields(e Event) map[string]string {
	all := map[string]string{
		"SYSLOG_IDENTIFIER": "nicwright-watch", "NICWRIGHT_EVENT": string(e.Event), "NICWRIGHT_PROFILE": e.Profile, "NICWRIGHT_OPERATION": e.Operation,
		"NICWRIGHT_RESOURCE": e.Resource.String(), "NICWRIGHT_ATTRIBUTE": e.Attribute,
	}
	if e.Have != nil && e.Want != nil {
		all["NICWRIGHT_HAVE"], all["NICWRIGHT_WANT"] = e.Have.String(), e.Want.String()
	}
	for name, v := range all {
		if v == "" {
			delete(all, name)
		}
	}
	return all
}
