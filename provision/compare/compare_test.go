// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/hostkernel"
	"github.com/nicwright/nicwright/internal/kconfig"
	"github.com/nicwright/nicwright/provision/baseline"
)

// now is between the dates of the waivers of testdata.
var now = time.Date(2026, 11, 28, 20, 0, 0, 0, time.UTC)

func load(t *testing.T, file string) *baseline.Baseline {
	t.Helper()
	var b baseline.Baseline
	golden.Read(t, file, &b)
	b.Version, b.Taken = baseline.Version, now.Add(-time.Hour)
	if strings.HasSuffix(file, "b.yaml") {
		b.Taken = now
	}
	return &b
}

// A case is files: a.yaml, b.yaml, known.yaml and waivers.yaml where there are some, and what comes of it, as text.
func TestGolden(t *testing.T) {
	dirs, err := filepath.Glob("testdata/cases/*")
	if err != nil || len(dirs) == 0 {
		t.Fatal(dirs, err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			opt := Options{Now: now, Floor: DefaultFloor}
			if _, err := os.Stat(dir + "/known.yaml"); err == nil {
				golden.Read(t, dir+"/known.yaml", &opt.Known)
			}
			if text, err := os.ReadFile(dir + "/waivers.yaml"); err == nil {
				if opt.Waivers, err = ReadWaivers(bytes.NewReader(text)); err != nil {
					t.Fatal(err)
				}
			}
			c, err := Compare(load(t, dir+"/a.yaml"), load(t, dir+"/b.yaml"), opt)
			if err != nil {
				golden.Text(t, dir+"/found.txt", "refused: "+err.Error()+"\n")
				return
			}
			var text, ktap bytes.Buffer
			if err := errors.Join(c.Print(&text, true), c.KTAP(&ktap)); err != nil {
				t.Fatal(err)
			}
			golden.Text(t, dir+"/found.txt", fmt.Sprintf("%s\n%s\nok: %v\n", ansi.Strip(text.String()), ktap.String(), c.OK()))
		})
	}
}

// The same profile on the same emulated card, on three kernels of Debian, as recorded in the lab: the table explains all
// that is different on the way up, and what it says to be seen is there.
func TestKernelsOfTheLab(t *testing.T) {
	known, err := Table()
	if err != nil {
		t.Fatal(err)
	}
	recorded := func(kernel string) *baseline.Baseline {
		text, err := os.ReadFile("testdata/kernels/" + kernel + ".json")
		if err != nil {
			t.Fatal(err)
		}
		b, err := baseline.Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	explained := map[string]bool{}
	for _, pair := range []struct {
		from, to string
		up       bool
	}{{"6.1", "6.12", true}, {"6.12", "7.3", true}, {"7.3", "6.12", false}, {"6.12", "6.1", false}} {
		c, err := Compare(recorded(pair.from), recorded(pair.to), Options{Known: known, Floor: DefaultFloor})
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		if err := c.Print(&text, false); err != nil {
			t.Fatal(err)
		}
		golden.Text(t, fmt.Sprintf("testdata/kernels/%s-to-%s.txt", pair.from, pair.to), ansi.Strip(text.String()))
		for _, f := range c.Findings {
			if f.Known != nil {
				explained[f.Known.ID] = true
			}
			if pair.up && f.Class != Known && f.Class != Noise {
				t.Errorf("%s to %s: %s %s is in no table", pair.from, pair.to, f.Class, f.Name())
			}
		}
	}
	for _, e := range known {
		if strings.Contains(e.Source, "seen in the lab") && !explained[e.ID] {
			t.Errorf("%s is said to be seen in the lab, and is not there", e.ID)
		}
	}
}

// The page of kernels is made of what was recorded in the lab (make kernels-table).
func TestKernelsPage(t *testing.T) {
	known, err := Table()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/kernels/*.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []*baseline.Baseline
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b, err := baseline.Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	slices.SortFunc(all, func(a, b *baseline.Baseline) int {
		return hostkernel.Compare(a.Software["kernel.release"], b.Software["kernel.release"])
	})
	var b bytes.Buffer
	b.WriteString(`# What works on which kernel

What the proofs of the lab's profile found on Debian's kernels, on the emulated card, with the kernel's own mlx5_core built with TLS and IPsec (Debian's has neither: there, what hangs on them is in software). The card is ours, the driver
is real: what is the driver's or the kernel's doing holds for a card of silicon, what is a firmware's may not. Made by ` + "`make kernels-table`" + ` from [what was recorded](../provision/compare/testdata/kernels); what is not proved there is not in the table, and *not possible
here* and *software* may be for a setting of the profile (it leaves the VFs without IPsec). Your own host says it of itself: ` + "`nicwright verify`, `nicwright rehearse`" + ` ([upgrade a kernel](kernel-upgrade.md)).

`)
	if err := KernelsTable(&b, all, known); err != nil {
		t.Fatal(err)
	}
	golden.Text(t, "../../docs/kernels.md", b.String())
	all[0].Hash = "another"
	if err := KernelsTable(&b, all, known); !errors.Is(err, ErrProfile) {
		t.Errorf("of two profiles: %v", err)
	}
}

// What is compared with itself has no difference but that speed is not judged.
func TestNothingIsDifferentFromItself(t *testing.T) {
	files, err := filepath.Glob("testdata/cases/*/a.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b := load(t, file)
		c, err := Compare(b, b, Options{Floor: DefaultFloor})
		if err != nil {
			t.Fatal(file, err)
		}
		for _, f := range c.Findings {
			if f.Class != Noise && f.Class != Flaky && (f.Class != NotTried || len(b.Runs) > 0) {
				t.Errorf("%s: %+v", file, f)
			}
		}
	}
}

func TestForms(t *testing.T) {
	c, err := Compare(load(t, "testdata/cases/worse/a.yaml"), load(t, "testdata/cases/worse/b.yaml"), Options{Floor: DefaultFloor})
	if err != nil {
		t.Fatal(err)
	}
	var junit, html, kcidb bytes.Buffer
	if err := errors.Join(c.JUnit(&junit), c.HTML(&html), c.KCIDB(&kcidb)); err != nil {
		t.Fatal(err)
	}
	golden.Text(t, "testdata/worse.xml", junit.String())
	golden.Text(t, "testdata/worse.html", html.String())
	golden.Text(t, "testdata/worse.kcidb.json", kcidb.String())
	if err := xml.Unmarshal(junit.Bytes(), new(any)); err != nil {
		t.Error(err)
	}
	var report kcidbReport
	if err := json.Unmarshal(kcidb.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, test := range report.Tests {
		if ids[test.ID] || notOfPath.MatchString(strings.ReplaceAll(test.Path, ".", "")) || strings.Contains(test.Path, "..") {
			t.Errorf("%+v", test)
		}
		ids[test.ID] = true
	}
	if len(ids) == 0 || report.Tests[0].Build != report.Builds[0].ID || report.Builds[0].Checkout != report.Checkouts[0].ID {
		t.Errorf("%+v", report)
	}
}

func TestGlob(t *testing.T) {
	for _, tt := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"a", "a", true},
		{"a", "ab", false},
		{"*", "", true},
		{"*", "a/b", true},
		{"a*", "abc", true},
		{"*c", "abc", true},
		{"a*c", "abc", true},
		{"a*c", "ac", true},
		{"a*c", "a", false},
		{"pci/*/vf/* representor", "pci/0000:3b:00.0/vf/3 representor", true},
		{"*b*b*", "abab", true},
		{"*b*b*", "ab", false},
		{"a*a", "a", false},
	} {
		if got := glob(tt.pattern, tt.text); got != tt.want {
			t.Errorf("%q and %q: %v", tt.pattern, tt.text, got)
		}
	}
}

// The table's entries fit the kernels that they name, both ways, and no others.
func TestEntries(t *testing.T) {
	all, err := Table()
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, e := range all {
		if ids[e.ID] {
			t.Errorf("%s is there twice", e.ID)
		}
		ids[e.ID] = true
	}
	e := Entry{Area: Shown, Subject: "bond *", What: "feature.tls*", Before: "on", After: "off*", Since: "6.2"}
	up := Finding{Area: Shown, Subjects: []string{"bond bond0"}, What: "feature.tls-hw-tx-offload", Before: "on", After: "off [fixed]"}
	down := up
	down.Before, down.After = up.After, up.Before
	version := kconfig.ParseVersion
	for _, tt := range []struct {
		f    Finding
		a, b string
		want bool
	}{
		{up, "6.1", "6.12", true},
		{down, "6.12", "6.1", true},
		{up, "6.12", "7.3", false},
		{down, "6.1", "6.12", false},
		{up, "6.12", "6.1", false},
		{Finding{Area: Shown, Subjects: []string{"pci/0000:3b:00.0"}, What: up.What, Before: "on", After: "off"}, "6.1", "6.12", false},
		{Finding{Area: Shown, Subjects: []string{"bond bond0"}, What: "feature.gro", Before: "on", After: "off"}, "6.1", "6.12", false},
	} {
		if got := e.explains(tt.f, version(tt.a), version(tt.b)); got != tt.want {
			t.Errorf("%+v from %s to %s: %v", tt.f, tt.a, tt.b, got)
		}
	}
}

func TestWaiversThatAreNone(t *testing.T) {
	for text, want := range map[string]string{
		"- what: 'proof: *'":                                         "for what reason",
		"- {what: a, reason: b}":                                     "a waiver without an end is forgotten",
		"- {what: a, reason: b, expires: soon}":                      `"soon" is no day`,
		"- {what: a, reason: b, expires: 2027-01-31, since: newest}": "no kernel's version",
		"- {what: a, reason: b, expires: 2027-01-31, wat: x}":        "wat",
		"what: a": "waivers",
	} {
		if _, err := ReadWaivers(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if all, err := ReadWaivers(strings.NewReader("")); err != nil || len(all) != 0 {
		t.Error(all, err)
	}
}

func FuzzWaivers(f *testing.F) {
	f.Add("- {what: 'proof: *', reason: b, expires: 2027-01-31}")
	f.Fuzz(func(_ *testing.T, text string) { _, _ = ReadWaivers(strings.NewReader(text)) })
}

func TestSpread(t *testing.T) {
	for _, tt := range []struct {
		v              []float64
		median, spread float64
	}{
		{[]float64{10, 10, 10, 10, 10}, 10, 0}, {[]float64{1, 8, 10, 12, 90}, 10, 0.4}, {[]float64{8, 9, 11, 12}, 10, 0.2},
	} {
		if d := cmp.Diff([]float64{tt.median, tt.spread}, []float64{median(tt.v), spread(tt.v)}); d != "" || !slices.IsSorted(tt.v) {
			t.Errorf("%v: %s", tt.v, d)
		}
	}
}
