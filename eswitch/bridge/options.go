// SPDX-License-Identifier: Apache-2.0

package bridge

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/nicwright/nicwright/internal/rtlink"
)

// Attributes of steps that are no options.
const (
	// Present is the attribute of a bridge's being there.
	Present = "bridge"
	// AttrPort is that of a netdev's being a port; its value is the VLANs.
	AttrPort = "port"

	attrVLANs = "vlans" // of a port that is there
	attrMTU   = "mtu"
	attrUp    = "up"

	attrFiltering   = "vlan_filtering"
	attrDefaultPVID = "vlan_default_pvid"
)

// option is one option of a bridge, after include/uapi/linux/if_link.h (IFLA_BR_*) and
// net/bridge/br_netlink.c (br_policy).
type option struct {
	name  string // the kernel's, and the profile's
	nla   uint16 // IFLA_BR_*
	size  int    // bytes of its value
	first int    // what a bridge has that is made (net/bridge/br_device.c, br_dev_setup)
	spec  func(*Spec) any
}

// options are in the order in which they are set.
var options = []option{
	{attrDefaultPVID, 39, 2, 1, func(s *Spec) any { return &s.VLANDefaultPVID }},
	{"stp_state", 5, 4, 0, func(s *Spec) any { return &s.STPState }},
	{"mcast_snooping", 23, 1, 1, func(s *Spec) any { return &s.MulticastSnooping }},
	{attrFiltering, 7, 1, 0, func(s *Spec) any { return &s.VLANFiltering }},
}

func find(name string) *option {
	i := slices.IndexFunc(options, func(o option) bool { return o.name == name })
	if i < 0 {
		return nil
	}
	return &options[i]
}

// isSwitch tells an option that is on or off.
func (o option) isSwitch() bool {
	_, is := o.spec(&Spec{}).(**bool)
	return is
}

// text is a value as steps and profiles write it.
func (o option) text(n int) string {
	if o.isSwitch() {
		return strconv.FormatBool(n != 0)
	}
	return strconv.Itoa(n)
}

// value is a text as the kernel takes it.
func (o option) value(text string) (rtlink.Option, error) {
	out := rtlink.Option{Type: o.nla, Size: o.size}
	if o.isSwitch() {
		on, err := strconv.ParseBool(text)
		if err != nil {
			return out, fmt.Errorf("%s: %q is neither true nor false", o.name, text)
		}
		if on {
			out.Value = 1
		}
		return out, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n >= 1<<(8*o.size) {
		return out, fmt.Errorf("%s: %q is no number that it can be", o.name, text)
	}
	out.Value = n
	return out, nil
}

// wanted is what a Spec says of an option, as text.
func (o option) wanted(s Spec) (string, bool) {
	switch f := o.spec(&s).(type) {
	case **bool:
		if *f != nil {
			return strconv.FormatBool(**f), true
		}
	case **int:
		if *f != nil {
			return strconv.Itoa(**f), true
		}
	}
	return "", false
}

// set writes what a bridge has into a Spec.
func (o option) set(s *Spec, n int) {
	switch f := o.spec(s).(type) {
	case **bool:
		on := n != 0
		*f = &on
	case **int:
		*f = &n
	}
}

// unset empties the field of a Spec.
func (o option) unset(s *Spec) {
	switch f := o.spec(s).(type) {
	case **bool:
		*f = nil
	case **int:
		*f = nil
	}
}
