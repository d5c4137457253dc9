// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/bond"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/eswitch/ovs"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/journal"
)

const pf0, pf1 = pci.Address("0001:3b:00.0"), pci.Address("0001:3b:00.1")

// wantVFs wants VFs of one port.
func wantVFs(pf pci.Address, n int) *profiles.Want {
	return &profiles.Want{Ports: map[pci.Address]eswitch.PortSpec{pf: {VFs: &n}}}
}

// newFlow is a bare host with a journal on disk.
func newFlow(t *testing.T) *flow {
	return &flow{t: t, m: newModel(t, "bare"), dir: journal.Dir(t.TempDir()), boot: "b"}
}

// does walks the plan that a call gave.
func (f *flow) does(cut int, plan *Plan, err error) *Plan {
	f.t.Helper()
	if err == nil {
		err = f.walk(plan, cut)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return plan
}

func (f *flow) apply(cut int, profile string, want *profiles.Want, a Allowed) *Plan {
	f.t.Helper()
	plan, err := f.look().Apply(want, journal.Profile{Name: profile}, a)
	return f.does(cut, plan, err)
}

func (f *flow) rollback(cut int, id string) *Plan {
	f.t.Helper()
	plan, err := f.look().Rollback(id, Allowed{})
	return f.does(cut, plan, err)
}

func (f *flow) remove(cut int, profile string) *Plan {
	f.t.Helper()
	plan, err := f.look().Remove(profile, Allowed{})
	return f.does(cut, plan, err)
}

// journal is what it says, an operation a word: KIND PROFILE OUTCOME, "undone" if it was taken back.
func (f *flow) journal(want ...string) {
	f.t.Helper()
	var got []string
	for _, o := range f.look().ops {
		words := []string{string(o.Kind), o.Profile.Name, string(o.Outcome)}
		if o.UndoneBy != "" {
			words = append(words, "undone")
		}
		got = append(got, strings.Join(words, " "))
	}
	if d := cmp.Diff(want, got); d != "" {
		f.t.Errorf("the journal (-want +got):\n%s", d)
	}
}

func (f *flow) vfs(want0, want1 int) {
	f.t.Helper()
	if n0, n1 := f.m.Port(pf0).NumVFs, f.m.Port(pf1).NumVFs; n0 != want0 || n1 != want1 {
		f.t.Errorf("the ports have %d and %d VFs, want %d and %d", n0, n1, want0, want1)
	}
}

func refusal(t *testing.T, plan *Plan, err error, says ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("it was not refused: %s", formatted(plan))
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%q does not say %q", err, s)
		}
	}
}

func TestApplyThenRollback(t *testing.T) {
	f := newFlow(t)
	before := asWant(t, f.m.copy(t))
	f.apply(-1, "a", wantVFs(pf0, 2), Allowed{})
	f.vfs(2, 0)
	f.rollback(-1, "")
	if d := cmp.Diff(before, asWant(t, f.m.copy(t))); d != "" {
		t.Errorf("(-before +now):\n%s", d)
	}
	f.journal("apply a done undone", "rollback a done")
	plan, err := f.look().Rollback("", Allowed{})
	refusal(t, plan, err, "nothing to roll back to")
}

func TestApplyThatWasInterruptedGoesOnAsTheSameOperation(t *testing.T) {
	f := newFlow(t)
	f.apply(1, "a", wantVFs(pf0, 2), Allowed{}) // autoprobe is off, and no VF is made yet
	f.journal("apply a failed")
	first := f.look().ops[0].ID
	f.apply(-1, "a", wantVFs(pf0, 2), Allowed{})
	f.journal("apply a done")
	if o := f.look().ops[0]; o.ID != first || o.Attempts != 2 {
		t.Errorf("it is %s with %d attempts, and was %s", o.ID, o.Attempts, first)
	}
	f.rollback(-1, "")
	f.vfs(0, 0)
	if p := f.m.Port(pf0); !*p.Autoprobe {
		t.Error("what was before the first attempt is forgotten: autoprobe is off")
	}
}

func TestAnotherApplyTakesThePlaceOfAnInterruptedOne(t *testing.T) {
	f := newFlow(t)
	before := asWant(t, f.m.copy(t))
	f.apply(2, "a", wantVFs(pf0, 2), Allowed{})
	plan, err := f.look().Apply(wantVFs(pf1, 3), journal.Profile{Name: "b"}, Allowed{})
	refusal(t, plan, err, "apply of a", "was interrupted", "nicwright apply -p a", "--replace a")
	f.apply(-1, "b", wantVFs(pf1, 3), Allowed{Replace: []string{"a"}})
	f.journal("apply a superseded", "apply b done")
	f.rollback(-1, "")
	if d := cmp.Diff(before, asWant(t, f.m.copy(t))); d != "" {
		t.Errorf("what was before the first is forgotten (-before +now):\n%s", d)
	}
}

func TestRollbackOfAnInterruptedApply(t *testing.T) {
	f := newFlow(t)
	before := asWant(t, f.m.copy(t))
	f.apply(2, "a", wantVFs(pf0, 2), Allowed{})
	f.rollback(-1, "")
	f.journal("apply a superseded", "rollback a done")
	if d := cmp.Diff(before, asWant(t, f.m.copy(t))); d != "" {
		t.Errorf("(-before +now):\n%s", d)
	}
}

func TestRollbackThatWasInterruptedGoesOnToTheSameEnd(t *testing.T) {
	f := newFlow(t)
	f.apply(-1, "a", wantVFs(pf0, 1), Allowed{})
	f.apply(-1, "a", wantVFs(pf0, 2), Allowed{})
	cut := f.rollback(2, "") // the VFs are gone, and not made again
	f.vfs(0, 0)
	plan := f.rollback(-1, "")
	if plan.op.ID != cut.op.ID {
		t.Errorf("%s is another operation than %s", plan.op.ID, cut.op.ID)
	}
	f.vfs(1, 0)
	f.journal("apply a done", "apply a done undone", "rollback a done")
}

func TestApplyAfterAnInterruptedRollback(t *testing.T) {
	f := newFlow(t)
	f.apply(-1, "a", wantVFs(pf0, 1), Allowed{})
	f.apply(-1, "a", wantVFs(pf0, 2), Allowed{})
	f.rollback(2, "")
	f.apply(-1, "a", wantVFs(pf0, 3), Allowed{})
	f.vfs(3, 0)
	f.journal("apply a done", "apply a done undone", "rollback a superseded", "apply a done")
	f.rollback(-1, "") // to where the rollback was going
	f.vfs(1, 0)
}

func TestRollbackOfOneTakesTheLaterOnesOfItsProfileBack(t *testing.T) {
	f := newFlow(t)
	f.apply(-1, "a", wantVFs(pf0, 1), Allowed{})
	second := f.apply(-1, "a", wantVFs(pf0, 2), Allowed{})
	f.apply(-1, "b", wantVFs(pf1, 3), Allowed{})
	f.apply(-1, "a", wantVFs(pf0, 3), Allowed{})
	f.rollback(-1, second.op.ID)
	f.vfs(1, 3)
	f.journal("apply a done", "apply a done undone", "apply b done", "apply a done undone", "rollback a done")
	plan, err := f.look().Rollback(second.op.ID, Allowed{})
	refusal(t, plan, err, "not in force", "taken back by")
	plan, err = f.look().Rollback("2", Allowed{})
	refusal(t, plan, err, "or several", "nicwright history")
	f.apply(1, "a", wantVFs(pf0, 2), Allowed{})
	plan, err = f.look().Rollback(f.look().ops[0].ID, Allowed{})
	refusal(t, plan, err, "was interrupted", "end it first")
}

func TestRemoveTakesAllOfAProfileBack(t *testing.T) {
	f := newFlow(t)
	f.apply(-1, "a", wantVFs(pf0, 1), Allowed{})
	f.apply(-1, "b", wantVFs(pf1, 3), Allowed{})
	f.apply(-1, "a", wantVFs(pf0, 2), Allowed{})
	f.apply(2, "a", wantVFs(pf0, 3), Allowed{})
	plan, err := f.look().Remove("b", Allowed{})
	refusal(t, plan, err, "was interrupted")
	cut := f.remove(0, "a") // with the one that was interrupted
	if again := f.remove(-1, "a"); again.op.ID != cut.op.ID {
		t.Errorf("%s is another operation than %s", again.op.ID, cut.op.ID)
	}
	f.vfs(0, 3)
	f.journal("apply a done undone", "apply b done", "apply a done undone", "apply a superseded", "remove a done")
	plan, err = f.look().Remove("a", Allowed{})
	refusal(t, plan, err, "not in force")
}

func TestASecondProfileForOneCardIsRefusedUnlessItReplaces(t *testing.T) {
	f := newFlow(t)
	f.apply(-1, "a", wantVFs(pf0, 1), Allowed{})
	plan, err := f.look().Apply(wantVFs(pf0, 2), journal.Profile{Name: "b"}, Allowed{})
	refusal(t, plan, err, "profile a is in force for pci/0001:3b:00.0", "nicwright remove -p a", "--replace a")
	f.apply(-1, "b", wantVFs(pf0, 2), Allowed{Replace: []string{"a"}})
	f.vfs(2, 0)
	f.apply(-1, "b", wantVFs(pf0, 3), Allowed{}) // it need not be said twice
	f.remove(-1, "b")
	f.vfs(1, 0)
}

func bondWant(members ...string) *profiles.Want {
	mode, mtu, up := "active-backup", 1500, true
	return &profiles.Want{Bonds: []bond.Spec{{Name: "bond0", Mode: &mode, MTU: &mtu, Up: &up, Members: members}}}
}

func TestASecondProfileForOneBondIsRefused(t *testing.T) {
	f := newFlow(t)
	f.apply(-1, "a", bondWant(string(pf0)), Allowed{})
	plan, err := f.look().Apply(bondWant(string(pf1)), journal.Profile{Name: "b"}, Allowed{})
	refusal(t, plan, err, "profile a is in force for bond bond0")
	f.apply(-1, "b", bondWant(string(pf1)), Allowed{Replace: []string{"a"}})
	if o := f.m.Bonds.Bonds[0].Owner; o != "b" {
		t.Errorf("the bond is %q's", o)
	}
	f.rollback(-1, "")
	if b := f.m.Bonds.Bonds[0]; b.Owner != "a" || b.Members[0].ID != string(pf0) {
		t.Errorf("back is %+v", b)
	}
}

func TestAfterABootTheSameWantIsOfTheSameBefore(t *testing.T) {
	f := newFlow(t)
	f.apply(-1, "a", wantVFs(pf0, 1), Allowed{})
	f.apply(-1, "a", wantVFs(pf0, 2), Allowed{})
	f.boot, f.m = "c", newModel(t, "bare") // which takes the kernel's part away
	f.apply(-1, "a", wantVFs(pf0, 2), Allowed{})
	f.vfs(2, 0)
	f.rollback(-1, "")
	f.vfs(1, 0)
}

func TestApplyOfWhatIsThereWritesNothing(t *testing.T) {
	f := newFlow(t)
	f.apply(-1, "a", wantVFs(pf0, 2), Allowed{})
	before := stamps(t, f.dir)
	r := f.look()
	plan, err := r.Apply(wantVFs(pf0, 2), journal.Profile{Name: "a"}, Allowed{})
	if err != nil || len(plan.Steps) > 0 {
		t.Fatalf("%v, %v", plan, err)
	}
	if err := r.Do(t.Context(), t.Context(), plan, nil); err != nil {
		t.Fatal(err)
	}
	if after := stamps(t, f.dir); after != before {
		t.Errorf("it wrote: %s, then %s", before, after)
	}
	w, err := AppliedWant(f.dir, "a")
	if err != nil || *w.Ports[pf0].VFs != 2 {
		t.Errorf("what was applied is %+v, %v", w, err)
	}
	if _, err := AppliedWant(f.dir, "b"); err == nil || !strings.Contains(err.Error(), "no profile has been applied") {
		t.Errorf("of another profile: %v", err)
	}
}

// Of the first operation of a profile without steps the journal is told, the kernel is not.
func TestFirstApplyOfWhatIsThereIsInTheJournal(t *testing.T) {
	f := newFlow(t)
	r := f.look()
	plan, err := r.Apply(wantVFs(pf0, 0), journal.Profile{Name: "a"}, Allowed{})
	if err == nil {
		err = r.Do(t.Context(), t.Context(), plan, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.journal("apply a done")
}

// What an operation did not touch belongs to whoever changed it meanwhile.
func TestRollbackTouchesWhatItsOperationTouched(t *testing.T) {
	f := newFlow(t)
	f.apply(-1, "a", wantVFs(pf0, 2), Allowed{})
	tag := 7
	f.m.Port(pf1).MTU = 9000
	f.m.Bonds.Bonds = append(f.m.Bonds.Bonds, bond.Bond{Name: "theirs", Mode: "active-backup", MTU: 1500, Alias: "nicwright:a", Owner: "a", Members: []bond.Member{}})
	f.m.Switch.Bridges = append(f.m.Switch.Bridges, ovs.BridgeState{Name: "br-theirs", Owner: "a", Ports: []ovs.PortState{
		{Name: "eth1", Interface: "eth1", ID: pci.PF(pf1).String(), Owner: "a", Tag: &tag, VLANMode: "access", OFPort: 1},
	}})
	f.m.Switch.HWOffload = true
	f.m.sync()
	plan := f.rollback(-1, "")
	for _, s := range plan.Steps {
		if s.Resource.Function.PF != pf0 {
			t.Errorf("the operation did not touch %s", s)
		}
	}
	f.vfs(0, 0)
}

// A bond that the operation only changed, and somebody removed, is not made again.
func TestRollbackMakesNothingAgainThatItsOperationDidNotMake(t *testing.T) {
	f := newFlow(t)
	f.m.Bonds.Bonds = append(f.m.Bonds.Bonds, bond.Bond{Name: "bond0", Mode: "active-backup", MTU: 1500, Members: []bond.Member{}})
	f.m.sync()
	w := bondWant()
	w.Bonds[0].Mode, w.Bonds[0].Up, w.Bonds[0].MTU = nil, nil, new(9000)
	f.apply(-1, "a", w, Allowed{})
	f.m.Bonds.Bonds = slices.DeleteFunc(f.m.Bonds.Bonds, func(bond.Bond) bool { return true })
	f.m.sync()
	if plan := f.rollback(-1, ""); len(plan.Steps) > 0 {
		t.Errorf("the plan is %s", formatted(plan))
	}
}
