// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A directory below testdata/load is a case: profile (a name) or base.yaml,
// over*.yaml (files), etc/ (the configuration directory), env and set (a line
// each); and the outcome, want.yaml (with the origins of values) or error.txt.
// -update writes the outcomes anew: read them before you commit them.
func TestLoad(t *testing.T) {
	cases, err := filepath.Glob("testdata/load/*")
	if err != nil || len(cases) == 0 {
		t.Fatalf("cases: %v, %v", cases, err)
	}
	for _, dir := range cases {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Chdir(dir)
			var file, got, warnings string
			p, err := Load(caseOptions(t))
			if err != nil {
				file, got = "error.txt", err.Error()+"\n"
			} else {
				text, err := p.YAML(true)
				if err != nil {
					t.Fatal(err)
				}
				file, got = "want.yaml", string(text)
				sameAgain(t, p)
				said, _ := p.Check(nil)
				for _, e := range said {
					warnings += e.Error() + "\n"
				}
			}
			if *update {
				for _, f := range []string{"want.yaml", "error.txt", "warnings.txt"} {
					if err := os.Remove(f); err != nil && !errors.Is(err, os.ErrNotExist) {
						t.Fatal(err)
					}
				}
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				if warnings != "" {
					if err := os.WriteFile("warnings.txt", []byte(warnings), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				return
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("the outcome is %s:\n%s\nbut %v", file, got, err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
			said, err := os.ReadFile("warnings.txt")
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(said), warnings); diff != "" {
				t.Errorf("warnings.txt (-want +got):\n%s", diff)
			}
		})
	}
}

func caseOptions(t *testing.T) Options {
	t.Helper()
	lines := func(file string) []string {
		data, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	}
	o := Options{Name: "base.yaml", Sets: lines("set"), Environ: lines("env")}
	if name := lines("profile"); name != nil {
		o.Name = name[0]
	}
	var err error
	if o.Files, err = filepath.Glob("over*.yaml"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("etc"); err == nil {
		o.ConfigDir = "etc"
	}
	return o
}

// sameAgain holds what is printed against what it was printed from.
func sameAgain(t *testing.T, p *Profile) {
	t.Helper()
	text, err := p.YAML(false)
	if err != nil {
		t.Fatal(err)
	}
	n, errs := parse("again", 0, text)
	if len(errs) > 0 {
		t.Fatalf("what YAML wrote does not parse: %v\n%s", errs, text)
	}
	if diff := cmp.Diff(p.doc.plain(), n.plain()); diff != "" {
		t.Errorf("what YAML wrote reads differently (-merged +read):\n%s", diff)
	}
}

func TestLoadFiles(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    Options
		want string
	}{
		{"nothing named", Options{}, "no profile is named; name one with -p (tls-server, vm-host)"},
		{"misspelt", Options{Name: "vm-hots"}, `there is none of this name; did you mean "vm-host"?`},
		{"no such file", Options{Name: "./none.yaml"}, "reading a profile: open ./none.yaml: no such file or directory"},
		{"no such layer", Options{Name: "vm-host", Files: []string{"none.yaml"}}, "reading a profile: open none.yaml: no such file or directory"},
		{"a name that climbs", Options{Name: "..", ConfigDir: t.TempDir()}, "there is none of this name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(tt.o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestErrorsUnwrap(t *testing.T) {
	err := Validate("x.yaml", []byte("version: 1\nvlan: 5000\n"))
	var one *Error
	if !errors.As(err, &one) || one.Line != 2 || one.Column != 1 {
		t.Errorf("errors.As found %+v in %v", one, err)
	}
}

// Whatever the bytes: an answer and no panic; and what is accepted prints as
// something that is accepted and the same.
func FuzzLoad(f *testing.F) {
	seeds, err := filepath.Glob("testdata/load/*/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	own, err := filepath.Glob("builtin/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range append(seeds, own...) {
		data, err := os.ReadFile(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	dir := f.TempDir()
	s, file, base := independent(f), filepath.Join(dir, "f.yaml"), filepath.Join(dir, "base.yaml")
	const small = "version: 1\ncards:\n  - name: nic0\n    select: {vendor: 15b3}\n    ports: [{name: p0, port: 0}, {name: p1, port: 1}]\n" // a layer below costs what it is long
	if err := os.WriteFile(base, []byte(small), 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if n, errs := parse("f.yaml", 0, data); n != nil && len(errs) == 0 { // another validator says the same of it
			bad, err := validate(n)
			if names, _ := theSchema(); err == nil && len(duplicates(names.root, n)) == 0 {
				if theirs := s.Validate(n.plain()); (theirs == nil) != (len(bad) == 0) {
					t.Fatalf("ours: %v; theirs: %v", bad, theirs)
				}
			}
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(Options{Name: base, Files: []string{file}}); err != nil && err.Error() == "" {
			t.Error("an error that says nothing")
		}
		p, err := Load(Options{Name: file})
		if err != nil {
			return
		}
		text, err := p.YAML(false)
		if err != nil {
			t.Fatal(err)
		}
		n, errs := parse("again", 0, text)
		if len(errs) > 0 {
			t.Fatalf("what YAML wrote does not parse: %v\n%q", errs, text)
		}
		a, err := p.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		b, err := (&Profile{doc: n}).MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Fatalf("what YAML wrote reads differently:\n%s\n%s\n%s", a, text, b)
		}
	})
}

// Documents that cost a careless reader minutes are refused at once.
func TestHostileDocuments(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"brackets", "version: 1\ncards: " + strings.Repeat("[", 60000), "x.yaml:2:72: nested too deeply"},
		{"braces", strings.Repeat("{a: ", 10000), "nested too deeply"},
		{"dashes", strings.Repeat("- ", 30000), "x.yaml:1:129: nested too deeply"},
		{"size", "# " + strings.Repeat("x", maxDocument), "x.yaml: the document has 65538 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := Validate("x.yaml", []byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %.200v, want %q in it", err, tt.want)
			}
		})
	}
}
