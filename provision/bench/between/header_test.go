// SPDX-License-Identifier: Apache-2.0

package between

import "testing"

func TestProcessor(t *testing.T) {
	if p := processor("processor\t: 0\nmodel name\t: EPYC 7232P\n"); p != "EPYC 7232P" || processor("x") != "" {
		t.Errorf("the processor is %q", p)
	}
}

func FuzzProcessor(f *testing.F) {
	f.Add("processor\t: 0\nmodel name\t: EPYC 7232P\n")
	f.Fuzz(func(t *testing.T, text string) {
		if p := processor(text); len(p) > 200*4 {
			t.Errorf("%d bytes", len(p))
		}
	})
}
