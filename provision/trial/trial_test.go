// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/golden"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func after(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

// story is a host whose new kernel is recorded, installed, booted and judged.
func story(verdict Verdict) *State {
	s := &State{}
	s.Recorded(oldKernel, noon)
	s.Register(newKernel, "boot-1", []string{oldKernel, newKernel}, after(1))
	s.Begin(newKernel, "boot-2", after(5))
	s.End(newKernel, verdict, "why", "/report", after(6))
	return s
}

func TestWhatIsDoneAtABoot(t *testing.T) {
	registered := &State{}
	registered.Recorded(oldKernel, noon)
	registered.Register(newKernel, "boot-1", nil, after(1))
	cut := &State{}
	cut.Recorded(oldKernel, noon)
	cut.Begin(newKernel, "boot-2", after(5)) // the power went
	rebuilt := &State{}
	rebuilt.Recorded(oldKernel, noon)
	rebuilt.Register(oldKernel, "boot-1", nil, after(1))
	accepted := story(Red)
	accepted.Accept(newKernel, after(9))
	for name, tt := range map[string]struct {
		s             *State
		running, boot string
		want          Do
	}{
		"the first boot of all":       {&State{}, oldKernel, "boot-1", Record},
		"the good kernel":             {registered, oldKernel, "boot-2", Nothing},
		"the new kernel":              {registered, newKernel, "boot-2", Judge},
		"a kernel that nobody told":   {registered, "7.4.0", "boot-2", Judge},
		"after a power cut":           {cut, newKernel, "boot-3", Judge},
		"the old one after that":      {cut, oldKernel, "boot-3", Nothing},
		"after a green one":           {story(Green), newKernel, "boot-3", Nothing},
		"the old one after a green":   {story(Green), oldKernel, "boot-3", Judge},
		"after a red one":             {story(Red), newKernel, "boot-3", Judge},
		"the old one after a red":     {story(Red), oldKernel, "boot-3", Nothing},
		"one that was accepted":       {accepted, newKernel, "boot-3", Nothing},
		"another build, not booted":   {rebuilt, oldKernel, "boot-1", Nothing},
		"another build, first booted": {rebuilt, oldKernel, "boot-2", Judge},
	} {
		if got := tt.s.AtBoot(tt.running, tt.boot); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func TestATrialThatWasCutGoesOn(t *testing.T) {
	s := &State{}
	s.Recorded(oldKernel, noon)
	s.Register(newKernel, "boot-1", nil, after(1)).Loader = &Loader{New: newEntry, Old: oldEntry}
	s.Begin(newKernel, "boot-2", after(5))
	s.Begin(newKernel, "boot-2", after(6)) // once more in the same boot
	if s.Of(newKernel).Boots != 1 {
		t.Errorf("%+v", s.Of(newKernel))
	}
	for running, want := range map[string]How{oldKernel: Left, newKernel: Judging} {
		if got := s.Status(running, true).How; got != want {
			t.Errorf("%s runs: %s, want %s", running, got, want)
		}
	}
	trial := s.Begin(newKernel, "boot-3", after(9))
	if trial.Boots != 2 || trial.Against != oldKernel || trial.Loader == nil || trial.Verdict != Waiting {
		t.Errorf("%+v", trial)
	}
	s.End(newKernel, Green, "", "", after(10))
	if s.Good.Kernel != newKernel || s.Good.Baseline != "kernel-check-"+newKernel || s.Status(newKernel, true).How != IsGreen {
		t.Errorf("%+v", s.Good)
	}
	// One that never came up: GRUB was told to try it, and nobody began a trial.
	s = &State{}
	s.Recorded(oldKernel, noon)
	s.Register(newKernel, "boot-1", nil, after(1)).Loader = &Loader{New: newEntry, Old: oldEntry}
	if s.Status(oldKernel, false).How != Installed || s.Status(oldKernel, true).How != Left {
		t.Error("a kernel that did not come up is not told from one that waits")
	}
}

func TestTheBaselineIsOfAGoodKernel(t *testing.T) {
	for name, tt := range map[string]struct {
		s       *State
		running string
		want    bool
	}{
		"nothing is known":   {&State{}, oldKernel, true},
		"the good one":       {story(Red), oldKernel, true},
		"found good":         {story(Green), newKernel, true},
		"red":                {story(Red), newKernel, false},
		"not known":          {story(Unknown), newKernel, false},
		"nobody told of it":  {story(Green), oldKernel, false},
		"not judged at all":  {story(Waiting), newKernel, false},
		"without its trials": {&State{Good: &Good{Kernel: oldKernel}}, newKernel, false},
	} {
		words, ok := tt.s.MayRecord(tt.running)
		if ok != tt.want || ok != (words == "") {
			t.Errorf("%s: %q, %v", name, words, ok)
		}
	}
}

func TestTrialsOfKernelsThatAreGoneAreForgotten(t *testing.T) {
	s := &State{}
	for _, k := range []string{"7.0", "7.1", "7.2"} {
		s.Register(k, "b", nil, noon)
	}
	s.Register("7.3", "b", []string{"7.1", "7.3"}, noon)
	s.Register("7.1", "b", nil, noon)
	var got []string
	for _, trial := range s.Trials {
		got = append(got, trial.Kernel)
	}
	if diff := cmp.Diff([]string{"7.3", "7.1"}, got); diff != "" {
		t.Error(diff)
	}
	for n := range 2 * keep {
		s.Register(strings.Repeat("x", n+1), "b", nil, noon)
	}
	if len(s.Trials) != keep {
		t.Errorf("%d trials are kept", len(s.Trials))
	}
}

func TestAHostGoesBackOnceAndOnlyWhereThatHolds(t *testing.T) {
	red := func() *Trial { return story(Red).Of(newKernel) }
	way := Way{Asked: true, Running: newKernel, Installed: []string{oldKernel, newKernel}, Default: oldKernel}
	if why, ok := red().MayReboot(way); !ok || why != "" {
		t.Fatalf("it may not: %s", why)
	}
	for want, change := range map[string]func(*Trial, *Way){
		"is not red":                       func(r *Trial, _ *Way) { r.Verdict = Unknown },
		"nobody asked":                     func(_ *Trial, w *Way) { w.Asked = false },
		"that is done once":                func(r *Trial, _ *Way) { r.Rebooted = true },
		"on purpose":                       func(r *Trial, _ *Way) { r.Installed = "" },
		"no other kernel":                  func(r *Trial, _ *Way) { r.Against = "" },
		"not installed any more":           func(_ *Trial, w *Way) { w.Installed = []string{newKernel} },
		"is not known":                     func(_ *Trial, w *Way) { w.Default = "" },
		"default is " + newKernel:          func(_ *Trial, w *Way) { w.Default = newKernel },
		"told to boot " + newKernel:        func(_ *Trial, w *Way) { w.Next = newKernel },
		"told to boot something else next": func(_ *Trial, w *Way) { w.Next = "something else" },
	} {
		r, w := red(), way
		change(r, &w)
		if why, ok := r.MayReboot(w); ok || !strings.Contains(why, want) {
			t.Errorf("%s: %q, %v", want, why, ok)
		}
	}
	// Another build of the good one: there is nothing to go back to.
	r, w := red(), way
	r.Against, w.Running = oldKernel, oldKernel
	if _, ok := r.MayReboot(w); ok {
		t.Error("it goes back to itself")
	}
}

func TestWhatIsToldOfKernels(t *testing.T) {
	back := story(Red)
	back.Of(newKernel).Rebooted = true
	accepted := story(Red)
	accepted.Accept(newKernel, after(9))
	recorded := &State{Good: story(Red).Good}
	waiting := &State{}
	waiting.Recorded(oldKernel, noon)
	waiting.Register(newKernel, "boot-1", nil, after(1)).Loader = &Loader{New: newEntry, Old: oldEntry}
	rebuilt := &State{}
	rebuilt.Recorded(oldKernel, noon)
	rebuilt.Register(oldKernel, "boot-1", nil, after(1))
	rebuilt.Begin(oldKernel, "boot-2", after(2))
	rebuilt.End(oldKernel, Red, "why", "", after(3))
	var b strings.Builder
	for _, tt := range []struct {
		name    string
		s       *State
		running string
		tried   bool
	}{
		{"recorded", recorded, oldKernel, false},
		{"installed", waiting, oldKernel, false},
		{"tried, and the old one runs", waiting, oldKernel, true},
		{"booted", waiting, newKernel, true},
		{"green", story(Green), newKernel, true},
		{"green, and the old one runs", story(Green), oldKernel, true},
		{"red", story(Red), newKernel, true},
		{"red, and the old one runs", story(Red), oldKernel, true},
		{"red, and back by itself", back, oldKernel, true},
		{"not known", story(Unknown), newKernel, true},
		{"accepted", accepted, newKernel, true},
		{"another build of the good one is red", rebuilt, oldKernel, false},
	} {
		got := tt.s.Status(tt.running, tt.tried)
		b.WriteString(tt.name + " [" + string(got.How) + "]\n  " + got.Words + "\n  do: " + got.Do + "\n")
	}
	golden.Text(t, "testdata/status.txt", b.String())
	if got := (&State{}).Status(oldKernel, false); got != nil {
		t.Errorf("nothing is known, and it tells %+v", got)
	}
	r := &Rehearsal{Begun: noon}
	if got := r.Told(); !strings.HasPrefix(got, "under way since ") {
		t.Error(got)
	}
	end := after(1)
	r.Ended, r.Words = &end, "it will go"
	if got := r.Told(); got != "it will go" {
		t.Error(got)
	}
}

// Times are told in the zone of who reads them.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	m.Run()
}

func TestTheDocument(t *testing.T) {
	dir := Dir(filepath.Join(t.TempDir(), "state"))
	if s, err := dir.Load(); err != nil || s.Good != nil || len(s.Trials) != 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	want := story(Red)
	want.Version = Version
	want.Of(newKernel).Rehearsal = &Rehearsal{Begun: after(1), Verdict: "goes", Words: "it will go"}
	want.Of(newKernel).Loader = &Loader{New: newEntry, Old: oldEntry}
	if err := dir.Update(func(s *State) error { *s = *want; return nil }); err != nil {
		t.Fatal(err)
	}
	got, err := dir.Load()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if info, err := os.Stat(dir.file()); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	text, err := os.ReadFile(dir.file())
	if err != nil {
		t.Fatal(err)
	}
	golden.Text(t, "testdata/v1.json", string(text))
	for name, bad := range map[string]string{
		"":                              "no document",
		"{}":                            "version is 0",
		`{"version":2}`:                 "version is 2",
		`{"version":1} {}`:              "more follows",
		`{"version":1,"good":{}}`:       "which kernel is good",
		`{"version":1,"trials":[null]}`: "no kernel of its own",
		`{"version":1,"trials":[{"kernel":"a"},{"kernel":"a"}]}`:         "no kernel of its own",
		`{"version":1,"trials":[{"kernel":"a","verdict":"chartreuse"}]}`: "chartreuse",
	} {
		if _, err := Decode([]byte(name)); err == nil || !strings.Contains(err.Error(), bad) && bad != "no document" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.WriteFile(dir.file(), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := dir.Update(func(*State) error { t.Error("it was changed"); return nil }); err == nil || !strings.Contains(err.Error(), "take it away") {
		t.Errorf("a torn document: %v", err)
	}
}

func TestWritersDoNotLoseOneAnother(t *testing.T) {
	dir := Dir(t.TempDir())
	var all sync.WaitGroup
	for n := range keep {
		all.Go(func() {
			if err := dir.Update(func(s *State) error { s.Register(strings.Repeat("k", n+1), "b", nil, noon); return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if s, err := dir.Load(); err != nil || len(s.Trials) != keep {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestReports(t *testing.T) {
	dir := Dir(t.TempDir())
	file, err := dir.Report(newKernel, "txt", []byte("said\n"))
	if err != nil || file != filepath.Join(string(dir), "trials", newKernel+".txt") {
		t.Errorf("%s, %v", file, err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "said\n" {
		t.Errorf("%s, %v", b, err)
	}
	for _, kernel := range []string{"", "../x", "a/b"} {
		if _, err := dir.Report(kernel, "txt", nil); err == nil {
			t.Errorf("%q is taken", kernel)
		}
	}
}

// What is read can be written, and is then the same.
func FuzzDecode(f *testing.F) {
	text, err := Encode(story(Green))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"version":1,"trials":[{"kernel":"a","loader":{}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Decode(text)
		if err != nil {
			return
		}
		once, err := Encode(s)
		if err != nil {
			return // a year that JSON has no form for
		}
		again, err := Decode(once)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, once)
		}
		if twice, err := Encode(again); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%v\n%s\n%s", err, once, twice)
		}
		s.AtBoot("a", "b")
		s.Begin("a", "b", noon)
		s.End("a", Green, "", "", noon)
		if s.Good == nil || s.Good.Kernel != "a" {
			t.Fatalf("%+v", s.Good)
		}
	})
}
