// SPDX-License-Identifier: Apache-2.0

package step

import (
	"encoding/json"
	"testing"
)

func TestPhasesReadBackByName(t *testing.T) {
	for p := Quiesce; p <= Addresses; p++ {
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var got Phase
		if err := json.Unmarshal(b, &got); err != nil || got != p {
			t.Errorf("%s reads back as %v, %v", b, got, err)
		}
	}
	var p Phase
	if err := p.UnmarshalText([]byte("later")); err == nil {
		t.Error("a phase that does not exist was read")
	}
	if _, err := Phase(0).MarshalText(); err == nil {
		t.Error("a phase that does not exist was written")
	}
}

func TestStepPrintsWhatChanges(t *testing.T) {
	s := Step{Resource: "pci/0000:3b:00.0", Attribute: "eswitch-mode", From: "legacy", To: "switchdev"}
	if got, want := s.String(), "pci/0000:3b:00.0 eswitch-mode: legacy -> switchdev"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	s.To = ""
	if got, want := s.String(), "pci/0000:3b:00.0 eswitch-mode: legacy -> (none)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
