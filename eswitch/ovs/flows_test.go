// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const upcallShow = "system@ovs-system:\n  flows         : (current 12) (avg 4) (max 40) (limit 200000)\n  offloaded flows : 9\n" +
	"  dump duration : 1ms\n  ufid enabled : true\n\n  10: (keys 12)\n"

func TestParseFlowCount(t *testing.T) {
	nine, both := 9, 10
	for name, c := range map[string]struct {
		text string
		want FlowCount
		bad  bool
	}{
		"no datapath":           {text: ""},
		"one":                   {text: upcallShow, want: FlowCount{12, &nine}},
		"two":                   {text: upcallShow + "netdev@ovs-netdev:\n  flows         : (current 3) (avg 3) (max 3) (limit 1)\n  offloaded flows : 1\n", want: FlowCount{15, &both}},
		"without offload":       {text: "system@ovs-system:\n  flows         : (current 3) (avg 3) (max 3) (limit 1)\n", want: FlowCount{All: 3}},
		"a number that is none": {text: "  flows : (current many)\n", bad: true},
		"less than none":        {text: "  offloaded flows : -1\n", bad: true},
	} {
		got, err := parseFlowCount(c.text)
		if (err != nil) != c.bad {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func FuzzFlowCount(f *testing.F) {
	f.Add(upcallShow)
	f.Add("flows:(current 2147483647)\nflows:(current 2147483647)")
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := parseFlowCount(text); err == nil && n.All < 0 {
			t.Errorf("%d flows", n.All)
		}
	})
}
