// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/nicwright/nicwright/internal/kconfig"
)

// Entry is a change that kernels are known to have brought. A kernel's version says
// little of a vendor's kernel, so what is seen has to fit as well as the version.
type Entry struct {
	ID    string `yaml:"id" json:"id"`
	Words string `yaml:"words" json:"words"` // what it means, and what to do
	// Since is the first kernel of kernel.org with it, "6.2"; "" where it differs from vendor to vendor.
	Since string `yaml:"since" json:"since,omitempty"`
	// Until is the first kernel without it again, "" for none.
	Until string `yaml:"until" json:"until,omitempty"`
	// Area, What, Before and After are those of the finding, * for any text. Before and After are of the way up;
	// on the way down they are the other way round.
	Area   Area   `yaml:"area" json:"area"`
	What   string `yaml:"what" json:"what"`
	Before string `yaml:"before" json:"before"`
	After  string `yaml:"after" json:"after"`
	// Subject is the kind of thing that it is of, * for any text; "" for all.
	Subject string `yaml:"subject" json:"subject,omitempty"`
	Source  string `yaml:"source" json:"source"` // where it is known from
}

//go:embed known.yaml
var knownText []byte

// Table is the table of known changes.
func Table() ([]Entry, error) {
	var all []Entry
	if err := yaml.UnmarshalWithOptions(knownText, &all, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("the table of known changes: %w", err)
	}
	for _, e := range all {
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("the table of known changes: %s: %w", e.ID, err)
		}
	}
	return all, nil
}

func (e Entry) check() error {
	if e.ID == "" || e.Words == "" || e.Source == "" || e.What == "" {
		return fmt.Errorf("an entry has id, words, what and source: %+v", e)
	}
	for _, v := range []string{e.Since, e.Until} {
		if v != "" && kconfig.ParseVersion(v) == (kconfig.Version{}) {
			return fmt.Errorf("%q is no kernel's version", v)
		}
	}
	if !slices.Contains([]Area{Software, Cards, Shown, Proofs, Said}, e.Area) {
		return fmt.Errorf("there is no area %q", e.Area)
	}
	return nil
}

// explains tells whether the finding is that change, between kernels a and b.
func (e *Entry) explains(f Finding, a, b kconfig.Version) bool {
	if e.Area != f.Area || !glob(e.What, f.What) {
		return false
	}
	if e.Subject != "" && !slices.ContainsFunc(f.Subjects, func(s string) bool { return glob(e.Subject, s) }) {
		return false
	}
	has := func(v kconfig.Version) bool {
		return (e.Since == "" || !less(v, kconfig.ParseVersion(e.Since))) && (e.Until == "" || less(v, kconfig.ParseVersion(e.Until)))
	}
	up := glob(e.Before, f.Before) && glob(e.After, f.After)
	down := glob(e.After, f.Before) && glob(e.Before, f.After)
	if e.Since == "" && e.Until == "" {
		return up || down
	}
	return up && !has(a) && has(b) || down && has(a) && !has(b)
}

func less(a, b kconfig.Version) bool {
	return a.Major < b.Major || a.Major == b.Major && a.Minor < b.Minor
}

// glob matches a text with a pattern in which * is any text, also with slashes in it.
func glob(pattern, text string) bool {
	first, rest, more := strings.Cut(pattern, "*")
	if !more {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, first)
	if !ok {
		return false
	}
	if !strings.Contains(rest, "*") {
		return strings.HasSuffix(text, rest)
	}
	for i := 0; i <= len(text); i++ {
		if glob(rest, text[i:]) {
			return true
		}
	}
	return false
}

// Waiver says that something may be broken.
type Waiver struct {
	// What is the finding's name, as text and JSON have it; * for any text.
	What string `json:"what"`
	// Since and Before bound the kernels for which it holds, "7.3"; "" for all.
	Since  string `json:"since,omitempty"`
	Before string `json:"before,omitempty"`
	Reason string `json:"reason"`
	// Expires is the last day on which it holds, 2027-01-31.
	Expires string `json:"expires"`
}

// ReadWaivers reads a list of waivers as YAML.
func ReadWaivers(r io.Reader) ([]Waiver, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("reading the waivers: %w", err)
	}
	// By way of JSON: the decoder of YAML into types does not survive every document (v1.19.2, decodeSlice).
	if text, err = yaml.YAMLToJSON(text); err != nil {
		return nil, fmt.Errorf("reading the waivers: %w", err)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, nil
	}
	var all []Waiver
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&all); err != nil {
		return nil, fmt.Errorf("reading the waivers: %w", err)
	}
	for _, w := range all {
		if w.What == "" || w.Reason == "" {
			return nil, fmt.Errorf("reading the waivers: %+v: what is waived, and for what reason?", w)
		}
		if _, err := w.end(); err != nil {
			return nil, fmt.Errorf("reading the waivers: %s: expires: %q is no day, as 2027-01-31 is: a waiver without an end is forgotten", w.What, w.Expires)
		}
		for _, v := range []string{w.Since, w.Before} {
			if v != "" && kconfig.ParseVersion(v) == (kconfig.Version{}) {
				return nil, fmt.Errorf("reading the waivers: %s: %q is no kernel's version", w.What, v)
			}
		}
	}
	return all, nil
}

// end is when it has expired.
func (w Waiver) end() (time.Time, error) {
	t, err := time.Parse(time.DateOnly, w.Expires)
	return t.AddDate(0, 0, 1), err
}

// waive marks what is broken and may be.
func (c *comparison) waive() {
	v := kconfig.ParseVersion(c.b.Software["kernel.release"])
	for _, w := range c.o.Waivers {
		if w.Since != "" && less(v, kconfig.ParseVersion(w.Since)) || w.Before != "" && !less(v, kconfig.ParseVersion(w.Before)) {
			continue
		}
		expired := false
		if end, err := w.end(); err != nil || !c.o.Now.Before(end) {
			expired = true
		}
		for i := range c.Findings {
			f := &c.Findings[i]
			if f.Class != Broken || !glob(w.What, f.Name()) {
				continue
			}
			if expired {
				c.Expired = append(c.Expired, w)
				break
			}
			f.Class, f.Waiver = Waived, &w
		}
	}
}
