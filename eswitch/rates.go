// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/step"
)

// RateGroup is a rate node of the eswitch (devlink-rate(8)): what it has, the VFs in it
// have together. In switchdev only; Linux 5.14. mlx5 has no priorities and weights of them.
type RateGroup struct {
	// Name of the node, as devlink shows it. Letters, digits, ".", "_" and "-".
	Name string `yaml:"name" json:"name" jsonschema:"required,minLength=1,maxLength=64,pattern=^[A-Za-z0-9][A-Za-z0-9._-]*$"`
	// TxMax is the highest rate of all its VFs together in Mbit/s, 0 = no limit.
	TxMax int `yaml:"tx_max,omitempty" json:"tx_max,omitempty" jsonschema:"minimum=0"`
	// TxShare is their guaranteed rate in Mbit/s, 0 = none.
	TxShare int `yaml:"tx_share,omitempty" json:"tx_share,omitempty" jsonschema:"minimum=0"`
}

// NoGroup is what is said of a VF that is in no rate group.
const NoGroup = "none"

// mbit is one Mbit/s in devlink's bytes a second.
const mbit = 125000

// groupsText is rate groups as steps have them: "gold tx_max 500 tx_share 100, rest tx_max 200", by name.
func groupsText(groups []RateGroup) string {
	var words []string
	for _, g := range slices.SortedFunc(slices.Values(groups), func(a, b RateGroup) int { return cmp.Compare(a.Name, b.Name) }) {
		w := g.Name
		if g.TxMax != 0 {
			w += " tx_max " + strconv.Itoa(g.TxMax)
		}
		if g.TxShare != 0 {
			w += " tx_share " + strconv.Itoa(g.TxShare)
		}
		words = append(words, w)
	}
	return cmp.Or(strings.Join(words, ", "), NoGroup)
}

// parseGroups reads what groupsText wrote.
func parseGroups(text string) ([]RateGroup, error) {
	if text == NoGroup {
		return nil, nil
	}
	var groups []RateGroup
	for part := range strings.SplitSeq(text, ", ") {
		words := strings.Split(part, " ")
		g := RateGroup{Name: words[0]}
		if g.Name == "" || len(words)%2 == 0 {
			return nil, fmt.Errorf("%q is no rate group", part)
		}
		for i := 1; i < len(words); i += 2 {
			n, err := strconv.Atoi(words[i+1])
			switch {
			case err != nil || n < 0:
				return nil, fmt.Errorf("%q is no rate group: %s is no rate", part, words[i+1])
			case words[i] == "tx_max":
				g.TxMax = n
			case words[i] == "tx_share":
				g.TxShare = n
			default:
				return nil, fmt.Errorf("%q is no rate group: %s is not known", part, words[i])
			}
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// groupsField is the rate groups that a profile names, or of a rollback all that there shall be.
type groupsField struct {
	named *[]RateGroup
	all   **string
}

func (f groupsField) get() step.Value {
	if *f.all == nil && *f.named != nil {
		return step.Text(groupsText(*f.named))
	}
	return textOf(*f.all)
}

func (f groupsField) set(v step.Value) {
	*f.named = nil
	textField{f.all}.set(v)
}

// beside is the rate groups that there shall be: those that are named, and others that are there already.
func beside(named, there []RateGroup) []RateGroup {
	all := slices.Clone(named)
	for _, g := range there {
		if !slices.ContainsFunc(named, func(n RateGroup) bool { return n.Name == g.Name }) {
			all = append(all, g)
		}
	}
	return all
}

func probeGroups(p Port, to, mode string) error {
	if to != NoGroup && mode != switchdev {
		return fmt.Errorf("%s is wanted, but there are rate groups in switchdev mode only: set eswitch-mode to switchdev, or leave it unset", attrRateGroups)
	}
	return nil
}

func probeGroup(_ Port, to, mode string) error {
	if to != NoGroup && mode != switchdev {
		return fmt.Errorf("%s %s is wanted, but there are rate groups in switchdev mode only: set eswitch-mode to switchdev, or leave it unset", attrRateGroup, to)
	}
	return nil
}

// writeGroups makes, sets and removes rate groups until there are those of to. What is below one that goes is
// below none then.
func (d *Doer) writeGroups(ctx context.Context, f pci.Function, to map[string]string) error {
	want, err := parseGroups(to[attrRateGroups])
	if err != nil {
		return err
	}
	return withDevlink(func(c *devlink.Client) error {
		rates, err := c.Rates(ctx)
		if err != nil {
			return err
		}
		dev := device(f.PF)
		have, err := groupsOf(rates, dev)
		if err != nil {
			return err
		}
		for _, g := range want {
			i := slices.IndexFunc(have, func(h RateGroup) bool { return h.Name == g.Name })
			if i < 0 {
				if err := c.NewRateNode(ctx, dev, g.Name); err != nil {
					return err
				}
			}
			if i >= 0 && have[i] == g || i < 0 && g == (RateGroup{Name: g.Name}) {
				continue
			}
			if err := c.SetRateNode(ctx, dev, g.Name, uint64(g.TxShare)*mbit, uint64(g.TxMax)*mbit); err != nil {
				return err
			}
		}
		for _, h := range have {
			if slices.ContainsFunc(want, func(g RateGroup) bool { return g.Name == h.Name }) {
				continue
			}
			for _, r := range rates {
				if r.Device == dev && r.Node == "" && r.Parent == h.Name {
					if err := c.SetRateParent(ctx, dev, r.Port, ""); err != nil {
						return err
					}
				}
			}
			if err := c.DelRateNode(ctx, dev, h.Name); err != nil {
				return err
			}
		}
		return nil
	})
}

// groupsOf are the rate groups of a device. A rate that is no whole number of Mbit/s is an error: nothing could bring it back.
func groupsOf(rates []devlink.Rate, dev devlink.Device) ([]RateGroup, error) {
	var groups []RateGroup
	var errs []error
	for _, r := range rates {
		if r.Device != dev || r.Node == "" {
			continue
		}
		if r.Max%mbit != 0 || r.Share%mbit != 0 {
			errs = append(errs, fmt.Errorf("the rate node %s has tx_max %d and tx_share %d bytes a second, which are no whole Mbit/s", r.Node, r.Max, r.Share))
		}
		groups = append(groups, RateGroup{Name: r.Node, TxMax: int(r.Max / mbit), TxShare: int(r.Share / mbit)})
	}
	return groups, errors.Join(errs...)
}

// writeGroup puts a VF into a rate group, or out of it.
func (d *Doer) writeGroup(ctx context.Context, f pci.Function, to map[string]string) error {
	name := to[attrRateGroup]
	if name == NoGroup {
		name = ""
	}
	return d.withPort(ctx, f, func(c *devlink.Client, p devlink.Port) error { return c.SetRateParent(ctx, p.Device, p.Index, name) })
}
