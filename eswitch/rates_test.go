// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/devlink"
)

func TestRateGroupsText(t *testing.T) {
	for text, groups := range map[string][]RateGroup{
		"none":                               nil,
		"a":                                  {{Name: "a"}},
		"a tx_max 10, b tx_max 5 tx_share 1": {{Name: "a", TxMax: 10}, {Name: "b", TxMax: 5, TxShare: 1}},
	} {
		slices.Reverse(groups)
		if have := groupsText(groups); have != text {
			t.Errorf("%v is %q, not %q", groups, have, text)
		}
		slices.Reverse(groups)
		have, err := parseGroups(text)
		if d := cmp.Diff(groups, have); d != "" || err != nil {
			t.Errorf("%q: %v %s", text, err, d)
		}
	}
	for _, text := range []string{"", "a tx_max", "a tx_max x", "a tx_max -1", "a weight 3", ", b"} {
		if g, err := parseGroups(text); err == nil {
			t.Errorf("%q is %v", text, g)
		}
	}
}

// A rate that somebody set in other units could not be brought back.
func TestRateGroupsOfOthers(t *testing.T) {
	dev := devlink.Device{Bus: "pci", Name: "0000:3b:00.0"}
	other := devlink.Device{Bus: "pci", Name: "0000:3b:00.1"}
	groups, err := groupsOf([]devlink.Rate{
		{Device: other, Node: "x"}, {Device: dev, Port: 1, Parent: "gold"}, {Device: dev, Node: "gold", Max: 3 * mbit},
	}, dev)
	if d := cmp.Diff([]RateGroup{{Name: "gold", TxMax: 3}}, groups); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
	if _, err := groupsOf([]devlink.Rate{{Device: dev, Node: "slow", Max: 1000}}, dev); err == nil || !strings.Contains(err.Error(), "slow") {
		t.Errorf("%v", err)
	}
}

func FuzzRateGroups(f *testing.F) {
	f.Add("gold tx_max 5 tx_share 1, rest")
	f.Fuzz(func(t *testing.T, text string) {
		groups, err := parseGroups(text)
		if err != nil {
			return
		}
		again, err := parseGroups(groupsText(groups))
		if err != nil || len(again) != len(groups) {
			t.Errorf("%q: %v, and again %v, %v", text, groups, again, err)
		}
	})
}
