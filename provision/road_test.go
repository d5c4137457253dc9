// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/journal"
	"github.com/nicwright/nicwright/provision/report"
)

// pictured is a host as a report pictures it, with the uplinks that its cards have.
func pictured(t *testing.T, name string) Host {
	t.Helper()
	var r report.Host
	golden.Read(t, filepath.Join("report/testdata/hosts", name+".yaml"), &r)
	h := Host{Cards: r.Cards, Bonds: bond.State{Bonds: r.Bonds, Uplinks: map[pci.Address]bond.Uplink{}}, Switch: r.Switch, Offload: r.Offload}
	for _, c := range h.Cards {
		for _, p := range c.Ports {
			u := bond.Uplink{Netdev: p.Netdev, Index: p.Ifindex, MTU: p.MTU, Up: p.Up}
			for _, b := range h.Bonds.Bonds {
				for _, m := range b.Members {
					if m.ID == string(p.Address) {
						u.Master, u.MasterKind = b.Name, "bond"
					}
				}
			}
			h.Bonds.Uplinks[p.Address] = u
		}
	}
	return h
}

// lookAt is a look at a host and at the journal in dir.
func lookAt(t *testing.T, dir journal.Dir, h Host, boot string) *Road {
	t.Helper()
	ops, err := readJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	return &Road{Journal: dir, Have: h, Boot: boot, Tool: "test", ops: ops}
}

// wantedOf is a profile on a host.
func wantedOf(t *testing.T, h Host, file string, sets ...string) (*profiles.Want, journal.Profile) {
	t.Helper()
	p, err := profiles.Load(profiles.Options{Name: file, Sets: sets})
	if err != nil {
		t.Fatal(err)
	}
	w, err := profiles.Resolve(p, h.CardInfos())
	if err != nil {
		t.Fatal(err)
	}
	return w, journal.Profile{Name: p.Name}
}

const smallProfile = "../cmd/nicwright/testdata/small.yaml"

// begun writes the plan's operation as Do does, and stops there: what a kill leaves.
func begun(t *testing.T, r *Road, p *Plan, err error) *journal.Operation {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Journal.Begin(p.op, r.ops); err != nil {
		t.Fatal(err)
	}
	return p.op
}

func ended(t *testing.T, r *Road, p *Plan, err error) *journal.Operation {
	t.Helper()
	o := begun(t, r, p, err)
	ops, err := readJournal(r.Journal)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Journal.End(o, nil, ops); err != nil {
		t.Fatal(err)
	}
	return o
}

// deletes tells whether a plan takes a resource away.
func deletes(p *Plan, id resource.ID) bool {
	for _, s := range p.Steps {
		if s.Resource == id && s.To.IsAbsent() {
			return true
		}
	}
	return false
}

func TestOperationsGoOnByTheirKind(t *testing.T) {
	dir := journal.Dir(t.TempDir())
	bare, done := pictured(t, "bare"), pictured(t, "small")
	for i := range done.Bonds.Bonds { // as an apply of the profile makes it
		done.Bonds.Bonds[i].Owner = "small"
	}
	w, doc := wantedOf(t, bare, smallProfile)

	r := lookAt(t, dir, bare, "b")
	p, err := r.Apply(w, doc, Allowed{})
	first := begun(t, r, p, err)

	// Killed: the same apply is the same operation, and what was before it stays.
	r = lookAt(t, dir, done, "b")
	p, err = r.Apply(w, doc, Allowed{})
	again := begun(t, r, p, err)
	if again.ID != first.ID || again.Attempts != 2 || string(again.Before) == "" {
		t.Errorf("the apply that goes on is %s, attempt %d; it was %s", again.ID, again.Attempts, first.ID)
	}
	if before, err := wantOf(again.Before); err != nil || before.Ports["0001:3b:00.0"].VFs == nil || *before.Ports["0001:3b:00.0"].VFs != 0 {
		t.Errorf("before it there were the VFs %+v, %v; there were none", before.Ports, err)
	}

	// Killed again, and taken back: the bond that it made goes.
	r = lookAt(t, dir, done, "b")
	p, err = r.Rollback("", Allowed{})
	back := begun(t, r, p, err)
	if back.Kind != journal.Rollback || !slices.Equal(back.Resumes, []string{first.ID}) || !deletes(p, resource.OfBond("bond0")) {
		t.Errorf("the rollback is %+v", back)
	}

	// The rollback is killed: the next one goes on to the same end.
	r = lookAt(t, dir, done, "b")
	p, err = r.Rollback("", Allowed{})
	if o := ended(t, r, p, err); o.ID != back.ID || o.Attempts != 2 || !deletes(p, resource.OfBond("bond0")) {
		t.Errorf("the rollback that goes on is %s, attempt %d", o.ID, o.Attempts)
	}
	r = lookAt(t, dir, bare, "b")
	if _, err := r.Rollback("", Allowed{}); err == nil || !strings.Contains(err.Error(), "nothing to roll back to") {
		t.Errorf("a rollback after the rollback: %v", err)
	}
}

func TestAnApplyAfterAnInterruptedRollbackKnowsWhereThatWent(t *testing.T) {
	dir := journal.Dir(t.TempDir())
	bare, done := pictured(t, "bare"), pictured(t, "small")
	w, doc := wantedOf(t, bare, smallProfile)
	r := lookAt(t, dir, bare, "b")
	p, err := r.Apply(w, doc, Allowed{})
	ended(t, r, p, err)
	r = lookAt(t, dir, done, "b")
	p, err = r.Rollback("", Allowed{})
	begun(t, r, p, err)
	r = lookAt(t, dir, done, "b")
	p, err = r.Apply(w, doc, Allowed{})
	o := begun(t, r, p, err)
	before, err := wantOf(o.Before)
	if err != nil || before.Ports["0001:3b:00.0"].VFs == nil || *before.Ports["0001:3b:00.0"].VFs != 0 || len(o.Resumes) != 1 {
		t.Errorf("what it goes back to: %+v, %v", before.Ports, err)
	}
}

func TestABootIsNothingToGoBackTo(t *testing.T) {
	dir := journal.Dir(t.TempDir())
	bare := pictured(t, "bare")
	w, doc := wantedOf(t, bare, smallProfile)
	r := lookAt(t, dir, bare, "one")
	p, err := r.Apply(w, doc, Allowed{})
	first := ended(t, r, p, err)
	r = lookAt(t, dir, bare, "two") // the kernel's part is gone
	p, err = r.Apply(w, doc, Allowed{})
	second := ended(t, r, p, err)
	if !slices.Equal(second.Resumes, []string{first.ID}) {
		t.Errorf("the apply after the boot resumes %v", second.Resumes)
	}
	ops, err := readJournal(dir)
	if err != nil || len(journal.InForce(ops, "")) != 1 {
		t.Errorf("in force are %d, %v", len(journal.InForce(ops, "")), err)
	}
}

func TestTwoProfilesForOneCardAreRefused(t *testing.T) {
	dir := journal.Dir(t.TempDir())
	bare := pictured(t, "bare")
	w, doc := wantedOf(t, bare, smallProfile)
	r := lookAt(t, dir, bare, "b")
	p, err := r.Apply(w, doc, Allowed{})
	ended(t, r, p, err)
	other, otherDoc := wantedOf(t, bare, "tls-server")
	r = lookAt(t, dir, bare, "b")
	if _, err := r.Apply(other, otherDoc, Allowed{}); err == nil || !strings.Contains(err.Error(), "remove -p small") || !strings.Contains(err.Error(), "--replace small") {
		t.Errorf("the second profile: %v", err)
	}
	p, err = r.Apply(other, otherDoc, Allowed{Replace: []string{"small"}})
	ended(t, r, p, err)
	r = lookAt(t, dir, bare, "b")
	if _, err := r.Apply(other, otherDoc, Allowed{}); err != nil {
		t.Errorf("once it has taken the other's place: %v", err)
	}
	if _, err := r.Remove("nothing", Allowed{}); err == nil || !strings.Contains(err.Error(), "not in force") {
		t.Errorf("removing what is not there: %v", err)
	}
	p, err = r.Remove("tls-server", Allowed{})
	if o := ended(t, r, p, err); len(o.Undoes) != 1 || o.Kind != journal.Remove {
		t.Errorf("the removal is %+v", o)
	}
}

func TestARollbackNamesTheOperationsThatItTakes(t *testing.T) {
	dir := journal.Dir(t.TempDir())
	bare := pictured(t, "bare")
	var ids []string
	for _, vfs := range []string{"2", "3"} {
		w, doc := wantedOf(t, bare, smallProfile, "cards.nic0.ports.p0.vfs="+vfs)
		r := lookAt(t, dir, bare, "b")
		p, err := r.Apply(w, doc, Allowed{})
		ids = append(ids, ended(t, r, p, err).ID)
	}
	r := lookAt(t, dir, bare, "b")
	if p, err := r.Rollback(ids[0], Allowed{}); err != nil || !slices.Equal(p.op.Undoes, []string{ids[1], ids[0]}) {
		t.Errorf("the rollback to before the first: %+v, %v", p, err)
	}
	if p, err := r.Rollback("", Allowed{}); err != nil || !slices.Equal(p.op.Undoes, ids[1:]) {
		t.Errorf("the rollback: %+v, %v", p, err)
	}
	if _, err := r.Rollback("2000", Allowed{}); err == nil || !strings.Contains(err.Error(), "nicwright history") {
		t.Errorf("of an operation that is not there: %v", err)
	}
}

func TestWhatMayBeTakenIsNamed(t *testing.T) {
	if _, err := (Allowed{Take: []string{"eth0"}}).options("x"); err == nil || !strings.Contains(err.Error(), "--take") {
		t.Errorf("--take eth0: %v", err)
	}
	opt, err := Allowed{Take: []string{"pci/0001:3b:00.0/vf/1"}}.options("x")
	if err != nil || !opt.Takes(resource.OfFunction(pci.VF("0001:3b:00.0", 1))) || opt.Takes(resource.OfFunction(pci.VF("0001:3b:00.0", 0))) {
		t.Errorf("--take of a VF: %+v, %v", opt, err)
	}
	if opt, _ := (Allowed{Take: []string{"all"}}).options("x"); !opt.TakeAll {
		t.Error("--take all takes not all")
	}
}

func TestACardThatIsGoneIsNamed(t *testing.T) {
	bare := pictured(t, "bare")
	w, doc := wantedOf(t, bare, smallProfile)
	bare.Cards = nil
	if _, err := lookAt(t, journal.Dir(t.TempDir()), bare, "b").Apply(w, doc, Allowed{}); err == nil || !strings.Contains(err.Error(), "no such card") {
		t.Errorf("got %v", err)
	}
}

func TestNotConvergedSaysWhatIsLeft(t *testing.T) {
	var e error = &NotConvergedError{}
	if !errors.As(e, new(*NotConvergedError)) || !strings.Contains(e.Error(), "not as wanted") {
		t.Errorf("got %v", e)
	}
}
