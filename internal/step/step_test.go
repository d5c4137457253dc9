// SPDX-License-Identifier: Apache-2.0

package step

import (
	"encoding/json"
	"testing"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
)

func TestPhaseNamesAreReadBack(t *testing.T) {
	for p := Quiesce; p <= Addresses; p++ {
		b, err := p.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back Phase
		if err := back.UnmarshalText(b); err != nil || back != p {
			t.Errorf("%s is read back as %v, %v", b, back, err)
		}
	}
	for _, none := range []Phase{0, Addresses + 1} {
		if b, err := none.MarshalText(); err == nil {
			t.Errorf("phase %d is saved as %q", none, b)
		}
	}
	var p Phase
	if err := p.UnmarshalText([]byte("later")); err == nil {
		t.Error("a phase is called later")
	}
}

func TestValueTellsAbsentUnknownAndEmptyApart(t *testing.T) {
	for _, c := range []struct {
		v          Value
		json, text string
	}{
		{Absent(), `null`, "(none)"},
		{Unknown(), `{"unknown":true}`, "(unknown)"},
		{Text(""), `""`, `""`},
		{Text("9000"), `"9000"`, "9000"},
	} {
		b, err := json.Marshal(c.v)
		if err != nil || string(b) != c.json || c.v.String() != c.text {
			t.Errorf("%q %q, %v; want %q %q", b, c.v, err, c.json, c.text)
		}
		var back Value
		if err := json.Unmarshal(b, &back); err != nil || back != c.v {
			t.Errorf("%s is read back as %v, %v", b, back, err)
		}
	}
	for _, bad := range []string{`3`, `{}`, `{"unknown":false}`, `[]`} {
		var v Value
		if err := json.Unmarshal([]byte(bad), &v); err == nil {
			t.Errorf("%s is the value %v", bad, v)
		}
	}
	if Absent() == Unknown() || Absent() == Text("") {
		t.Error("values that differ are equal")
	}
}

func TestActionOf(t *testing.T) {
	for _, c := range []struct {
		from, to Value
		want     Action
		glyph    string
	}{
		{Absent(), Text("a"), Make, "+"},
		{Text("a"), Text("b"), Change, "~"},
		{Text("a"), Absent(), Remove, "-"},
		{Unknown(), Text("a"), Replace, "-/+"},
	} {
		if got := ActionOf(c.from, c.to); got != c.want || got.Glyph() != c.glyph {
			t.Errorf("%v -> %v is %v %s", c.from, c.to, got, got.Glyph())
		}
	}
}

func TestStepIsSavedWhole(t *testing.T) {
	vf := pci.VF("0000:3b:00.0", 1)
	s := Step{
		Phase: Quiesce, Domain: "eswitch", Device: "0000:3b:00.0", Resource: resource.OfFunction(vf), Attribute: "driver",
		Action: Change, From: Text("mlx5_core"), To: Text("none"), Reason: "because",
		Effects: []Effect{
			{Kind: Remade, On: resource.OfNetdev(vf), For: Apply},
			Stop(resource.OfFunction(vf), Apply, "all traffic of the VF"),
			{Kind: Leaves, On: resource.OfNetdev(vf), From: resource.OfLink("br0")},
		},
	}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back Step
	if err := json.Unmarshal(b, &back); err != nil || !back.Equal(s) {
		t.Errorf("%s is read back as %+v, %v", b, back, err)
	}
	if got := s.Disrupts(); got != "all traffic of the VF, until the plan is done" {
		t.Errorf("it disrupts %q", got)
	}
	if got := s.String(); got != "pci/0000:3b:00.0/vf/1 driver: mlx5_core -> none" {
		t.Errorf("it is %q", got)
	}
	all := EffectsOf([]Step{s})
	if !all.Loses(resource.OfNetdev(vf)) || all.Loses(resource.OfFunction(vf)) || !all.On(resource.OfNetdev(vf), Down, Leaves) {
		t.Errorf("the effects are not found: %+v", all)
	}
}

func TestOwner(t *testing.T) {
	o := Options{Owner: "a", Also: []string{"b"}}
	for mark, want := range map[string]bool{"a": true, "b": true, "c": false, "": false, NoOwner: false} {
		if got := o.Owns(mark); got != want {
			t.Errorf("%q is owned: %v", mark, got)
		}
	}
	bond0, bond1 := resource.OfBond("bond0"), resource.OfBond("bond1")
	if !o.Deletes(bond0, "a") || o.Deletes(bond0, "c") {
		t.Error("what is not wanted is deleted by its mark")
	}
	o.Only = func(id resource.ID) bool { return id == bond1 }
	if o.Deletes(bond0, "a") || !o.Deletes(bond1, "a") {
		t.Error("a rollback deletes what its operation made, and nothing else")
	}
	if o.Keep = true; o.Deletes(bond1, "a") {
		t.Error("something is deleted although not all that is wanted was asked for")
	}
}
