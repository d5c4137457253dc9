// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWalk(t *testing.T) {
	a, open, bad, last := Held("a", "is so"), Open("b", "cannot be read"), Broke("c", "is off", "turn it on"), Broke("d", "is off, too")
	for _, tt := range []struct {
		name    string
		links   []Link
		verdict Verdict
		because string
		status  []Status
	}{
		{"all hold", []Link{a, a}, CanOffload, "", []Status{OK, OK}},
		{"none", nil, CanOffload, "", nil},
		{"the first that is broken", []Link{a, bad, last, a}, Software, "is off", []Status{OK, Broken, NotReached, NotReached}},
		{"one is not told", []Link{a, open, a}, NotTold, "b: cannot be read", []Status{OK, Unknown, OK}},
		{"one is not told, and one is broken", []Link{open, a, bad}, Software, "is off", []Status{Unknown, OK, Broken}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := Walk("TLS", "", Software, tt.links...)
			var status []Status
			for _, l := range c.Links {
				status = append(status, l.Status)
				if l.Status == NotReached && (l.Found != "" || l.Mend != nil) {
					t.Errorf("%s was not reached, and yet something was found", l.Name)
				}
			}
			if c.Verdict != tt.verdict || c.Because != tt.because || !cmp.Equal(status, tt.status) {
				t.Errorf("got %s because %q, %v", c.Verdict, c.Because, status)
			}
			if broken := c.Broken(); (broken != nil) != (tt.verdict == Software) || broken != nil && broken.Name != "c" {
				t.Errorf("the broken link is %+v", broken)
			}
		})
	}
}
