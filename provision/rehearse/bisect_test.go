// SPDX-License-Identifier: Apache-2.0

package rehearse

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/provision/compare"
)

// TestBisect has a letter a kernel: g goes, b will not, ? is not known, r cannot be rehearsed.
func TestBisect(t *testing.T) {
	for _, c := range []struct {
		kernels   string
		good, bad int
		between   int
		most      int // rehearsals
	}{
		{"gb", 0, 1, 0, 1},
		{"ggggbbbb", 3, 4, 0, 4},
		{"gbbbbbbb", 0, 1, 0, 4},
		{"gggggggb", 6, 7, 0, 4},
		{"gg??bb", 1, 4, 2, 6},
		{"gr?b", 0, 3, 2, 3},
		{"ggrbbb", 1, 3, 1, 5},
		{"grgbbb", 2, 3, 0, 5},
	} {
		t.Run(c.kernels, func(t *testing.T) {
			var names []string
			for i := range c.kernels {
				names = append(names, fmt.Sprint("6.", i))
			}
			n := 0
			s, err := Bisect(names, func(i int) (*Judgement, string, error) {
				n++
				switch c.kernels[i] {
				case 'r':
					return nil, "no headers", nil
				case '?':
					return &Judgement{Verdict: Unsure, Kernel: names[i]}, "", nil
				case 'b':
					return &Judgement{Verdict: WillNot, Kernel: names[i]}, "", nil
				}
				return &Judgement{Verdict: Goes, Kernel: names[i], Comparison: &compare.Comparison{}}, "", nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if s.Good != names[c.good] || s.Bad != names[c.bad] || len(s.Between) != c.between || s.Why.Kernel != s.Bad {
				t.Errorf("good %s, bad %s (%s), between %q", s.Good, s.Bad, s.Why.Kernel, s.Between)
			}
			if n > c.most {
				t.Errorf("%d kernels were rehearsed: %+v", n, s.Tried)
			}
			for _, b := range s.Between {
				if !strings.Contains(s.Line(), b) {
					t.Errorf("%q does not name %s", s.Line(), b)
				}
			}
		})
	}
}

func TestBisectOfNothing(t *testing.T) {
	goes, err := Judge(outcome(t, old, nil), outcome(t, fresh, nil), "vm-host", Twin{}, compare.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Bisect([]string{old, fresh}, func(int) (*Judgement, string, error) { return goes, "", nil }); err == nil || !strings.Contains(err.Error(), fresh) {
		t.Errorf("the bad one is good: %v", err)
	}
	broken := errors.New("no QEMU")
	if _, err := Bisect([]string{old, fresh}, func(int) (*Judgement, string, error) { return nil, "", broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

func TestPrintOfASearch(t *testing.T) {
	bad, err := Judge(outcome(t, old, nil), outcome(t, fresh, unapplied), "vm-host", Twin{}, compare.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &Search{Good: old, Bad: fresh, Why: bad, Tried: []Tried{{Kernel: fresh, Verdict: WillNot, Words: bad.Line()}}}
	var out strings.Builder
	if err := s.Print(&out, false); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "the first kernel with which your profile will not go is "+fresh) || !strings.Contains(out.String(), "EOPNOTSUPP") {
		t.Errorf("%s", out.String())
	}
}
