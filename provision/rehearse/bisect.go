// SPDX-License-Identifier: Apache-2.0

package rehearse

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/nicwright/nicwright/internal/style"
)

// Tried is one kernel of a search.
type Tried struct {
	Kernel  string  `json:"kernel"`
	Verdict Verdict `json:"verdict,omitempty"` // "" where it could not be rehearsed
	// Words are the judgement's first line, or why it could not be rehearsed.
	Words string `json:"words"`
}

// Search is a search for the first kernel with which a profile will not go.
type Search struct {
	Good string `json:"good"`
	Bad  string `json:"bad"` // the first of which that is known
	// Between are those before Bad of which nobody knows: the first bad one may be one of them.
	Between []string `json:"between,omitempty"`
	Tried   []Tried  `json:"tried"`
	// Why is the judgement of Bad.
	Why *Judgement `json:"why"`
}

// Bisect searches among kernels, oldest first, of which the first is good. try rehearses
// one: nil and words where that could not be done. The last is tried first: it is an error
// if the profile goes with it.
func Bisect(kernels []string, try func(i int) (*Judgement, string, error)) (*Search, error) {
	s := &Search{Good: kernels[0], Tried: []Tried{}}
	skipped := map[int]bool{}
	one := func(i int) (Verdict, error) {
		j, words, err := try(i)
		if err != nil {
			return "", err
		}
		t := Tried{Kernel: kernels[i], Words: words}
		if j != nil {
			t.Verdict, t.Words = j.Verdict, j.Line()
		}
		s.Tried = append(s.Tried, t)
		if t.Verdict == WillNot {
			s.Bad, s.Why = kernels[i], j
		}
		return t.Verdict, nil
	}
	good, bad := 0, len(kernels)-1
	switch v, err := one(bad); {
	case err != nil:
		return nil, err
	case v != WillNot:
		return nil, fmt.Errorf("there is nothing to search for: the profile is not known not to go with %s: %s", kernels[bad], s.Tried[0].Words)
	}
	for {
		i := middle(good, bad, skipped)
		if i < 0 {
			break
		}
		v, err := one(i)
		switch {
		case err != nil:
			return nil, err
		case v == Goes:
			good = i
		case v == WillNot:
			bad = i
		default:
			skipped[i] = true
		}
	}
	s.Good = kernels[good]
	s.Between = slices.Clone(kernels[good+1 : bad])
	return s, nil
}

// middle is the one next to the middle between two of those that were not skipped, or -1.
func middle(good, bad int, skipped map[int]bool) int {
	best, far := -1, 0
	for i := good + 1; i < bad; i++ {
		if d := max(2*i-good-bad, good+bad-2*i); !skipped[i] && (best < 0 || d < far) {
			best, far = i, d
		}
	}
	return best
}

// Line is the first line: which kernel it was.
func (s *Search) Line() string {
	if len(s.Between) > 0 {
		return fmt.Sprintf("the first kernel with which your profile will not go is %s, or one before it of which nobody knows (%s); it goes with %s", s.Bad, strings.Join(s.Between, ", "), s.Good)
	}
	return fmt.Sprintf("the first kernel with which your profile will not go is %s; it goes with %s", s.Bad, s.Good)
}

// Print writes the search as text, with the judgement of the first bad kernel.
func (s *Search) Print(w io.Writer, verbose bool) error {
	var b strings.Builder
	b.WriteString(style.Bold(style.Red(s.Line())) + "\n\nTried:\n")
	for _, t := range s.Tried {
		fmt.Fprintf(&b, "  %s: %s\n", t.Kernel, t.Words)
	}
	b.WriteString("\n")
	if err := style.Flush(w, &b); err != nil {
		return err
	}
	return s.Why.Print(w, verbose)
}
