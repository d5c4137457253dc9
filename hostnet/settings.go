// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/internal/sysctl"
)

// Settings are what somebody may have told a netdev, by attribute: only what is not
// as it would be by itself, as far as the kernel lets that be known.
type Settings map[string]string

// The attributes. An altname and a sysctl have their names in the attribute:
// "altname storage", "sysctl ipv4/rp_filter".
const (
	AttrMAC      = "mac" // set by hand, or taken at random
	attrTxQLen   = "txqueuelen"
	attrGroup    = "group"
	attrAlias    = "alias"
	attrAltname  = "altname "
	attrSysctl   = "sysctl "
	attrFeatures = "features" // those that could be on and are off
	attrEthtool  = "ethtool " // rings, channels, coalesce
)

// settingOrder is that in which the kernel takes them: channels make rings anew, and
// a netdev's sysctls are to be there before it is up.
var settingOrder = []string{
	AttrMAC, attrTxQLen, attrGroup, attrAlias, attrAltname, attrEthtool + string(ethtool.Channels), attrEthtool + string(ethtool.Rings),
	attrEthtool + string(ethtool.Coalesce), attrFeatures, attrSysctl,
}

// defaultTxQLen is DEFAULT_TX_QUEUE_LEN (include/net/sch_generic.h), in packets.
const defaultTxQLen = 1000

// alsoCryptos are the features that crypto plans (crypto/features.go).
var alsoCryptos = []string{"hw-tc-offload", "tls-hw-tx-offload", "tls-hw-rx-offload", "tls-hw-record", "esp-hw-offload", "esp-tx-csum-hw-offload", "tx-esp-segmentation"}

// settingsOf are those of a netdev: of a function, its representor, a bond or what is
// on top of them. A bridge and whatever is of nobody here is never made again.
func settingsOf(s *snapshot.Snapshot, l rtlink.Link, id resource.ID) Settings {
	if id.Kind == resource.Link && l.Lower == 0 {
		return nil
	}
	out := Settings{}
	if l.TxQLen > 0 && l.TxQLen != defaultTxQLen && l.Kind == "" {
		out[attrTxQLen] = strconv.Itoa(l.TxQLen)
	}
	if l.Group != 0 {
		out[attrGroup] = strconv.Itoa(l.Group)
	}
	if l.Alias != "" && id.Kind != resource.Bond { // a bond's is the bond's mark
		out[attrAlias] = l.Alias
	}
	for _, name := range l.AltNames {
		out[attrAltname+name] = present
	}
	if ownMAC(l, id) {
		out[AttrMAC] = l.MAC.String()
	}
	for name, v := range sysctl.Of(l).Other(s.Sysctls) {
		out[attrSysctl+name] = strconv.Itoa(int(v))
	}
	for setting, numbers := range s.Numbers[l.Index] {
		out[attrEthtool+string(setting)] = numbers.String()
	}
	if id.Kind == resource.Netdev {
		if f, ok := s.Features[l.Index]; ok {
			out[attrFeatures] = off(f)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// ownMAC tells an address that the netdev would not have again by itself: one that was
// set by hand, or that the driver of a VF to which nobody gave one took at random
// (net/core/dev.c, register_netdevice: such a netdev has no permanent one).
func ownMAC(l rtlink.Link, id resource.ID) bool {
	switch {
	case l.SlaveKind == "bond" || l.Kind != "" || len(l.MAC) == 0: // a member has the bond's
		return false
	case len(l.PermMAC) == 0:
		return ofVF(id)
	}
	return l.MAC.String() != l.PermMAC.String()
}

// allOn is the value of the features of a netdev with all on that could be.
const allOn = "all on"

// off are the features that could be on and are not asked for.
func off(f ethtool.Features) string {
	var names []string
	for _, name := range f.Names() {
		if one, _ := f.Get(name); !one.Fixed() && !one.Wanted && !slices.Contains(alsoCryptos, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return allOn
	}
	return "off: " + strings.Join(names, " ")
}

// kindOf is a setting's attribute without the name in it.
func kindOf(attribute string) string {
	for _, k := range settingOrder {
		if attribute == k || strings.HasSuffix(k, " ") && strings.HasPrefix(attribute, k) {
			return k
		}
	}
	return ""
}

func isSetting(attribute string) bool { return kindOf(attribute) != "" }

// sorted are the attributes in the order in which they can be set.
func (s Settings) sorted() []string {
	return slices.SortedFunc(maps.Keys(s), func(a, b string) int {
		if d := slices.Index(settingOrder, kindOf(a)) - slices.Index(settingOrder, kindOf(b)); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
}

// reset tells what a driver sets to its defaults when the netdev stays, as mlx5 does
// with an uplink whose eswitch changes its mode.
func reset(attribute string) bool {
	return attribute == attrFeatures || strings.HasPrefix(attribute, attrEthtool)
}

// settings puts back what a netdev was told. What it has besides is left alone.
func (d *differ) settings(id resource.ID, h Netdev, f fate) {
	w := d.want.Netdevs[id].Settings
	isReset := d.effects.On(id, step.Reset)
	for _, attribute := range w.sorted() {
		is, has := h.Settings[attribute]
		why, from := f.why, step.Unknown()
		switch {
		case f.remade:
		case isReset && reset(attribute):
			why = "the driver goes back to its defaults"
		case reset(attribute) && slices.Contains(d.want.Again[id], attribute) && unlike(attribute, is, w[attribute]):
			why = "an interrupted operation was to put it back"
		case reset(attribute), has:
			// Which features and numbers there are depends on the mode: they are compared when they are set.
			// And what has another value by now was given it by somebody since.
			continue
		default:
			why, from = "it is not so any more", step.Absent()
		}
		if to := besides(attribute, w[attribute], d.want.Told[id]); to != "" {
			d.add(step.Step{Phase: d.phase(id), Resource: id, Attribute: attribute, From: from, To: step.Text(to), Reason: why})
		}
	}
}

// unlike tells whether setting would change anything: a step that never comes to its end
// would be the first of every apply. While moderation is adaptive mlx5 ignores the numbers that it
// decides, and says that it has set them (mlx5/core/en_ethtool.c, mlx5e_ethtool_set_coalesce).
func unlike(attribute, is, want string) bool {
	if attribute == attrFeatures {
		return is != want
	}
	now, errNow := ethtool.ParseNumbers(is)
	to, errTo := ethtool.ParseNumbers(want)
	if errNow != nil || errTo != nil {
		return is != want
	}
	maps.DeleteFunc(to, func(name string, _ uint32) bool {
		direction, what, _ := strings.Cut(name, "-")
		return (what == "usecs" || what == "frames") && to["adaptive-"+direction] != 0
	})
	return len(to.Unlike(now)) > 0
}

// but parts the features that are put back from those that are left to others.
const but = " but "

// besides is what of a setting that a driver has is not told it by somebody else, "" for
// nothing.
func besides(attribute, value string, told []string) string {
	if !reset(attribute) || len(told) == 0 {
		return value
	}
	of := strings.TrimPrefix(attribute, attrEthtool) + " "
	var names []string
	for _, t := range told {
		if name, is := strings.CutPrefix(t, of); is {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return value
	}
	if attribute == attrFeatures {
		return value + but + strings.Join(names, " ")
	}
	n, err := ethtool.ParseNumbers(value)
	if err != nil {
		return value
	}
	maps.DeleteFunc(n, func(name string, _ uint32) bool { return slices.Contains(names, name) })
	return n.String()
}

// phase is that of what is on a netdev: it has to wait for those below.
func (d *differ) phase(id resource.ID) step.Phase {
	return d.phaseOf(d.belows(id)...)
}

// belows are a netdev and those below it.
func (d *differ) belows(id resource.ID) []resource.ID {
	var all []resource.ID
	for at := id; !at.IsZero() && !slices.Contains(all, at); {
		all = append(all, at)
		n, there := d.want.Netdevs[at]
		if !there {
			n = d.have.Netdevs[at]
		}
		at = n.Lower
	}
	return all
}
