// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/internal/grub"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/provision/baseline"
)

// host is a host in a test: what it does to the outside is written down.
type host struct {
	*Check
	t       *testing.T
	verdict proof.Verdict // of its one proof; "" for a record that fails
	units   []Unit        // what the unit is, look by look; the last stays
	did     []string
	clock   time.Time
}

var errSome = errors.New("some error")

func newHost(t *testing.T, boot Boot) *host {
	t.Helper()
	dir := t.TempDir()
	h := &host{t: t, verdict: "offloaded", units: []Unit{{Active: true}}, clock: noon}
	h.Check = &Check{
		Dir: Dir(dir), Boot: boot, Baselines: baseline.Dir(filepath.Join(dir, "baselines")), Running: oldKernel, BootID: "boot-1",
		Now:       func() time.Time { h.clock = h.clock.Add(time.Minute); return h.clock },
		Say:       func(s string) { h.did = append(h.did, "say "+s) },
		Installed: func() ([]string, error) { return []string{oldKernel, newKernel}, nil },
		Record: func(context.Context) (*baseline.Baseline, error) {
			if h.verdict == "" {
				return nil, errSome
			}
			return &baseline.Baseline{
				Version: 1, Name: "now", Taken: h.clock, Profile: "small", Hash: "x",
				Software: baseline.Facts{"kernel.release": h.Running}, Cards: map[string]baseline.Facts{}, Shown: map[string]baseline.Facts{},
				Runs: []baseline.Run{{Started: h.clock, Quick: true, Proofs: []baseline.Result{{Kind: "ktls", Cell: []proof.Field{{Name: "version", Value: "1.2"}}, Verdict: h.verdict, OK: h.verdict == "offloaded"}}}},
			}, nil
		},
		Unit: func(context.Context) (Unit, error) {
			u := h.units[0]
			h.units = h.units[min(1, len(h.units)-1):]
			return u, nil
		},
		Start: func(context.Context) error { h.did = append(h.did, "start"); return nil },
		Rehearse: func(_ context.Context, kernel string) (bool, error) {
			h.did = append(h.did, "rehearse "+kernel)
			return true, nil
		},
		Reboot: func(context.Context) error { h.did = append(h.did, "reboot"); return nil },
	}
	return h
}

func (h *host) state() *State {
	h.t.Helper()
	s, err := h.Dir.Load()
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// upgrade has the new kernel installed, with the old one recorded.
func (h *host) upgrade() {
	h.t.Helper()
	if err := errors.Join(h.Before(h.t.Context(), newKernel), h.After(h.t.Context(), newKernel)); err != nil {
		h.t.Fatal(err)
	}
}

// boots is a boot loader that boots the kernel that GRUB's block says.
func (h *host) boots(id string) {
	h.t.Helper()
	def, next, _, err := h.Boot.Look(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	h.Running, h.BootID, h.did = def, id, nil
	if next != "" {
		h.Running = next
		set(h.t, h.Boot, map[string]string{grub.NextEntry: ""})
	}
}

func (h *host) judged() *Trial {
	h.t.Helper()
	trial, err := h.Judge(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return trial
}

func TestAnUpgradeThatGoesWell(t *testing.T) {
	h := newHost(t, debian(t, nil))
	h.upgrade()
	trial := h.state().Of(newKernel)
	if trial.Against != oldKernel || trial.Loader == nil || trial.Rehearsal == nil || !slices.Contains(h.did, "rehearse "+newKernel) {
		t.Fatalf("%+v, %q", trial, h.did)
	}
	h.boots("boot-2")
	if h.Running != newKernel {
		t.Fatalf("%s is booted", h.Running)
	}
	if trial = h.judged(); trial.Verdict != Green || !strings.HasPrefix(trial.Words, "KEEP IT") || trial.Boot != "boot-2" {
		t.Fatalf("%+v", trial)
	}
	if b, err := os.ReadFile(trial.Report); err != nil || !strings.Contains(string(b), "KEEP IT") {
		t.Errorf("%s, %v", b, err)
	}
	if saved, _ := variables(t, h.Boot); saved != newEntry || h.state().Good.Kernel != newKernel {
		t.Errorf("the default is %q, and good is %+v", saved, h.state().Good)
	}
	if _, err := h.Baselines.Load(BaselineOf(newKernel)); err != nil {
		t.Error(err)
	}
	h.boots("boot-3")
	if trial = h.judged(); trial != nil || h.Running != newKernel || slices.Contains(h.did, "reboot") {
		t.Errorf("%+v, %s, %q", trial, h.Running, h.did)
	}
}

func TestAnUpgradeThatBreaksSomething(t *testing.T) {
	for name, asked := range map[string]bool{"asked to go back": true, "not asked": false} {
		h := newHost(t, debian(t, nil))
		h.FallBack = asked
		h.upgrade()
		h.boots("boot-2")
		h.verdict = "software"
		trial := h.judged()
		if trial.Verdict != Red || !strings.HasPrefix(trial.Words, "DO NOT KEEP") || trial.Rebooted != asked || slices.Contains(h.did, "reboot") != asked {
			t.Fatalf("%s: %+v, %q", name, trial, h.did)
		}
		if !asked { // and it stays red, boot for boot, until somebody does something
			h.BootID = "boot-3"
			if trial = h.judged(); trial.Verdict != Red || trial.Boots != 2 {
				t.Errorf("%s: %+v", name, trial)
			}
		}
		h.boots("boot-4")
		if h.Running != oldKernel {
			t.Fatalf("%s: %s is booted", name, h.Running)
		}
		if trial = h.judged(); trial != nil || slices.Contains(h.did, "reboot") {
			t.Errorf("%s: %+v, %q", name, trial, h.did)
		}
		how := h.state().Status(oldKernel, true)
		if how.How != IsRed || how.Trial.Report == "" || strings.Contains(how.Words, "by itself") != asked {
			t.Errorf("%s: %+v", name, how)
		}
		if _, next := variables(t, h.Boot); next != "" {
			t.Errorf("%s: a red kernel is tried again: %q", name, next)
		}
		// Somebody boots it once more, by hand: it is judged, and there is no second reboot.
		h.Running, h.BootID, h.did = newKernel, "boot-5", nil
		if trial = h.judged(); trial.Verdict != Red || slices.Contains(h.did, "reboot") != (asked && !how.Trial.Rebooted) {
			t.Errorf("%s: %+v, %q", name, trial, h.did)
		}
		// Or takes it for good.
		if err := h.Accept(t.Context()); err != nil {
			t.Fatal(err)
		}
		if saved, _ := variables(t, h.Boot); saved != newEntry || h.state().Good.Kernel != newKernel || h.state().Status(newKernel, true).How != WasAccepted {
			t.Errorf("%s: accepted: %q, %+v", name, saved, h.state())
		}
	}
}

func TestATrialThatThePowerCuts(t *testing.T) {
	h := newHost(t, debian(t, nil))
	h.upgrade()
	cut := func(n int) {
		if err := h.Dir.Update(func(s *State) error { s.Begin(h.Running, h.BootID, h.clock); return nil }); err != nil {
			t.Fatal(err)
		}
		h.boots("after cut")
		if h.Running != oldKernel {
			t.Fatalf("cut %d: %s is booted", n, h.Running)
		}
		h.judged()
	}
	for n := range mostTries {
		h.boots("try")
		if h.Running != newKernel {
			t.Fatalf("try %d: %s is booted", n, h.Running)
		}
		h.BootID += string(rune('a' + n))
		cut(n)
		how := h.state().Status(oldKernel, false)
		if n < mostTries-1 && (how.How != Left || !strings.Contains(how.Words, "once more")) {
			t.Errorf("cut %d: %+v", n, how)
		}
	}
	if h.boots("last"); h.Running != oldKernel {
		t.Errorf("it is tried for ever: %s is booted", h.Running)
	}
	// A menu that cannot be read makes no boot of the good kernel a bad one.
	h = newHost(t, debian(t, nil))
	h.upgrade()
	h.boots("boot-2")
	if err := h.Dir.Update(func(s *State) error { s.Begin(h.Running, h.BootID, h.clock); return nil }); err != nil {
		t.Fatal(err)
	}
	h.boots("boot-3")
	if err := os.Remove(filepath.Join(h.Boot.Root, "boot/grub/grubenv")); err != nil {
		t.Fatal(err)
	}
	if trial := h.judged(); trial != nil || !strings.Contains(strings.Join(h.did, " "), "was cut off: ") {
		t.Errorf("%+v, %q", trial, h.did)
	}
	// One that never came up is not tried again.
	h = newHost(t, debian(t, nil))
	h.upgrade()
	h.boots("boot-2")
	h.boots("boot-3")
	h.judged()
	if _, next := variables(t, h.Boot); h.Running != oldKernel || next != "" || h.state().Status(oldKernel, true).How != Left {
		t.Errorf("%s, %q", h.Running, next)
	}
}

func TestWhatIsNotGreen(t *testing.T) {
	failed := []Unit{{Words: "no card"}}
	for name, tt := range map[string]struct {
		do   func(*host)
		want Verdict
		says string
	}{
		"the profile was not applied":                       {func(h *host) { h.units = failed }, Red, "no card"},
		"it was not confirmed":                              {func(h *host) { h.units = []Unit{{Unconfirmed: true, Words: "went back"}} }, Unknown, "went back"},
		"systemd does not say":                              {func(h *host) { h.Unit = func(context.Context) (Unit, error) { return Unit{}, errSome } }, Unknown, "some error"},
		"nothing can be recorded":                           {func(h *host) { h.verdict = "" }, Unknown, "recording kernel " + newKernel},
		"the baseline is gone":                              {func(h *host) { _ = h.Baselines.Delete(BaselineOf(oldKernel)) }, Unknown, "no such baseline"},
		"another profile was verified":                      {func(h *host) { h.Record = other(h.Record, func(b *baseline.Baseline) { b.Hash = "y" }) }, Unknown, "another profile"},
		"nothing was proved":                                {func(h *host) { h.Record = other(h.Record, func(b *baseline.Baseline) { b.Runs = nil }) }, Unknown, "nobody looked"},
		"what was proved was not tried":                     {func(h *host) { h.Record = other(h.Record, func(b *baseline.Baseline) { b.Runs[0].Proofs = nil }) }, Unknown, "TRY AGAIN"},
		"what is found cannot be kept as the next baseline": {func(h *host) { _ = os.Mkdir(filepath.Join(string(h.Baselines), BaselineOf(newKernel)+".json"), 0o700) }, Unknown, "writing the baseline"},
	} {
		h := newHost(t, debian(t, nil))
		h.FallBack = true
		h.upgrade()
		h.boots("boot-2")
		tt.do(h)
		trial := h.judged()
		if trial.Verdict != tt.want || !strings.Contains(trial.Words, tt.says) || strings.Contains(trial.Words, "\n") {
			t.Errorf("%s: %+v", name, trial)
		}
		if got := slices.Contains(h.did, "reboot"); got != (tt.want == Red) {
			t.Errorf("%s: rebooted: %v", name, got)
		}
		if saved, _ := variables(t, h.Boot); saved != oldEntry || h.state().Good.Kernel != oldKernel {
			t.Errorf("%s: it is the good one all the same", name)
		}
	}
}

func other(record func(context.Context) (*baseline.Baseline, error), change func(*baseline.Baseline)) func(context.Context) (*baseline.Baseline, error) {
	return func(ctx context.Context) (*baseline.Baseline, error) {
		b, err := record(ctx)
		if err == nil {
			change(b)
		}
		return b, err
	}
}

// A unit that failed and is about to be tried again is tried now, once, and what comes of that counts.
func TestTheUnitIsTriedOnceMore(t *testing.T) {
	h := newHost(t, debian(t, nil))
	h.upgrade()
	h.boots("boot-2")
	h.units = []Unit{{Words: "no card yet"}, {Active: true}}
	if trial := h.judged(); trial.Verdict != Green || !slices.Contains(h.did, "start") {
		t.Errorf("%+v, %q", trial, h.did)
	}
}

func TestWhatHooksCannotDoIsKept(t *testing.T) {
	h := newHost(t, debian(t, nil, "${saved_entry}", "0"))
	h.verdict = ""
	before := h.Before(t.Context(), newKernel)
	after := h.After(t.Context(), newKernel)
	if before == nil || !strings.Contains(before.Error(), "some error") || !errors.Is(after, ErrNotTold) {
		t.Fatalf("%v, %v", before, after)
	}
	if err := errors.Join(h.Problem(newKernel, before), h.Problem(newKernel, after)); err != nil {
		t.Fatal(err)
	}
	trial := h.state().Of(newKernel)
	if len(trial.Problems) != 2 || trial.Rehearsal == nil || trial.Loader != nil || len(h.state().Trials) != 1 {
		t.Errorf("%+v", trial)
	}
	// Nothing was ever recorded: the first boot does that, whichever kernel it is.
	h.verdict, h.Running, h.BootID = "offloaded", newKernel, "boot-2"
	if trial := h.judged(); trial != nil || h.state().Good.Kernel != newKernel {
		t.Errorf("%+v", trial)
	}
}

// While a kernel that was not found good runs, the next is held against the one before it.
func TestARedKernelIsNobodysMeasure(t *testing.T) {
	h := newHost(t, debian(t, nil))
	h.upgrade()
	h.boots("boot-2")
	h.verdict = "software"
	h.judged()
	if err := h.Before(t.Context(), "7.4.0"); err != nil {
		t.Fatal(err)
	}
	if next := h.state().Of("7.4.0"); next.Against != oldKernel || h.state().Good.Kernel != oldKernel {
		t.Errorf("%+v", next)
	}
}

func TestAFirstBootThatCannotBeRecordedIsNoBadBoot(t *testing.T) {
	without := newHost(t, debian(t, nil))
	without.units = []Unit{{Words: "no card"}}
	if trial := without.judged(); trial != nil || without.state().Good != nil || !strings.Contains(strings.Join(without.did, " "), "no card") {
		t.Errorf("without the profile: %+v, %q", trial, without.did)
	}
	h := newHost(t, debian(t, nil))
	h.verdict = ""
	if trial := h.judged(); trial != nil || h.state().Good != nil || !strings.Contains(strings.Join(h.did, " "), "some error") {
		t.Errorf("%+v, %q", trial, h.did)
	}
}
