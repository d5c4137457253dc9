// SPDX-License-Identifier: Apache-2.0

package tuning

import (
	"maps"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/ethtool"
)

// Values are what a netdev's driver was told, or is to be told, by the attributes of
// steps: numbers as they are, switches as on and off.
type Values map[string]string

// whole is a spec of either kind; what it points at is absent of the other kind.
type whole struct {
	MTU **int
	*Spec
	Pause *Pause
	FEC   **string
}

// attribute is all there is to know of one attribute.
type attribute struct {
	name    string          // of steps, "rings rx"
	setting ethtool.Setting // "" of the MTU
	number  string          // of the setting
	onOff   bool            // its number is 0 or 1
	// One of them is where it is in a spec; nil where the spec has none of it.
	integer  func(whole) **int
	switched func(whole) **bool
	word     func(whole) **string
	// stops: the driver makes its queues anew. bounces: the link goes and comes.
	stops, bounces bool
}

const (
	attrMTU = "mtu"
	attrFEC = "fec"
	// The names of a private flag and a feature come after these.
	flagPrefix    = string(ethtool.PrivateFlags) + " "
	featurePrefix = "features "
)

// attributes are those with a fixed name, in the order in which they are set: channels make
// rings anew. Private flags, which change what coalescing begins with, come after the MTU,
// and features last.
func attributes() []attribute {
	number := func(s ethtool.Setting, name string, at func(whole) **int) attribute {
		return attribute{name: string(s) + " " + name, setting: s, number: name, integer: at, stops: s != ethtool.Coalesce}
	}
	onOff := func(s ethtool.Setting, name string, at func(whole) **bool) attribute {
		return attribute{name: string(s) + " " + name, setting: s, number: name, onOff: true, switched: at}
	}
	pause := func(name string, at func(*Pause) **bool) attribute {
		return onOff(ethtool.Pause, name, func(w whole) **bool {
			if w.Pause == nil {
				return nil
			}
			return at(w.Pause)
		})
	}
	return []attribute{
		{name: attrMTU, integer: func(w whole) **int { return w.MTU }, stops: true},
		number(ethtool.Channels, "combined", func(w whole) **int { return &w.Channels.Combined }),
		number(ethtool.Rings, "rx", func(w whole) **int { return &w.Rings.RX }),
		number(ethtool.Rings, "tx", func(w whole) **int { return &w.Rings.TX }),
		onOff(ethtool.Coalesce, "adaptive-rx", func(w whole) **bool { return &w.Coalesce.AdaptiveRX }),
		onOff(ethtool.Coalesce, "adaptive-tx", func(w whole) **bool { return &w.Coalesce.AdaptiveTX }),
		number(ethtool.Coalesce, "rx-usecs", func(w whole) **int { return &w.Coalesce.RXUsecs }),
		number(ethtool.Coalesce, "rx-frames", func(w whole) **int { return &w.Coalesce.RXFrames }),
		number(ethtool.Coalesce, "tx-usecs", func(w whole) **int { return &w.Coalesce.TXUsecs }),
		number(ethtool.Coalesce, "tx-frames", func(w whole) **int { return &w.Coalesce.TXFrames }),
		pause("autoneg", func(p *Pause) **bool { return &p.Autoneg }),
		pause("rx", func(p *Pause) **bool { return &p.RX }),
		pause("tx", func(p *Pause) **bool { return &p.TX }),
		{name: attrFEC, setting: ethtool.FEC, word: func(w whole) **string { return w.FEC }, bounces: true},
	}
}

// groups are the settings in the order in which they are set, "" for the MTU.
var groups = []ethtool.Setting{"", ethtool.PrivateFlags, ethtool.Channels, ethtool.Rings, ethtool.Coalesce, ethtool.Pause, ethtool.FEC, features}

// features are set by another request than the settings.
const features ethtool.Setting = "features"

// find is the attribute of a step; false for none of this package's.
func find(name string) (attribute, bool) {
	if flag, is := strings.CutPrefix(name, flagPrefix); is {
		return attribute{name: name, setting: ethtool.PrivateFlags, number: flag, onOff: true}, true
	}
	if feature, is := strings.CutPrefix(name, featurePrefix); is {
		return attribute{name: name, setting: features, number: feature, onOff: true}, true
	}
	for _, a := range attributes() {
		if a.name == name {
			return a, true
		}
	}
	return attribute{}, false
}

// get is what a spec says of an attribute.
func (a attribute) get(w whole) (string, bool) {
	switch {
	case a.integer != nil:
		if at := a.integer(w); at != nil && *at != nil {
			return strconv.Itoa(**at), true
		}
	case a.switched != nil:
		if at := a.switched(w); at != nil && *at != nil {
			return onOff(**at), true
		}
	case a.word != nil:
		if at := a.word(w); at != nil && *at != nil {
			return **at, true
		}
	}
	return "", false
}

// set puts a value into a spec; one that it has no place for is left out.
func (a attribute) set(w whole, v string) {
	switch {
	case a.integer != nil:
		if n, err := strconv.Atoi(v); err == nil && a.integer(w) != nil {
			*a.integer(w) = &n
		}
	case a.switched != nil:
		if on := v == "on"; a.switched(w) != nil {
			*a.switched(w) = &on
		}
	case a.word != nil:
		if a.word(w) != nil {
			*a.word(w) = &v
		}
	}
}

func (w whole) values() Values {
	v := Values{}
	for _, a := range attributes() {
		if text, is := a.get(w); is {
			v[a.name] = text
		}
	}
	for name, on := range w.PrivateFlags {
		v[flagPrefix+name] = onOff(on)
	}
	for name, on := range w.Features {
		v[featurePrefix+name] = onOff(on)
	}
	return v
}

func (w whole) set(v Values) {
	w.PrivateFlags, w.Features = maps.Clone(w.PrivateFlags), maps.Clone(w.Features)
	put := func(into *map[string]bool, name, value string) {
		if *into == nil {
			*into = map[string]bool{}
		}
		(*into)[name] = value == "on"
	}
	for name, value := range v {
		switch a, _ := find(name); a.setting {
		case ethtool.PrivateFlags:
			put(&w.PrivateFlags, a.number, value)
		case features:
			put(&w.Features, a.number, value)
		default:
			a.set(w, value)
		}
	}
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// text is a number as steps have it.
func (a attribute) text(n uint32) string {
	if a.onOff {
		return onOff(n != 0)
	}
	return strconv.FormatUint(uint64(n), 10)
}

// numbers is a value as the numbers of its setting.
func (a attribute) numbers(v string) (ethtool.Numbers, error) {
	switch {
	case a.setting == ethtool.FEC && v == "auto":
		return ethtool.Numbers{"auto": 1}, nil
	case a.setting == ethtool.FEC:
		n := ethtool.Numbers{"auto": 0}
		for name := range strings.SplitSeq(v, "+") {
			n[name] = 1
		}
		return n, nil
	case a.onOff && v == "on":
		return ethtool.Numbers{a.number: 1}, nil
	case a.onOff:
		return ethtool.Numbers{a.number: 0}, nil
	}
	n, err := strconv.ParseUint(v, 10, 32)
	return ethtool.Numbers{a.number: uint32(n)}, err
}

// noFEC is what a port has of which nothing was ever set, as netdevsim's; nobody can bring that back.
const noFEC = "none"

// fecText is what a port's FEC is set to; several that are allowed are joined by "+".
func fecText(n ethtool.Numbers) string {
	if n["auto"] != 0 {
		return "auto"
	}
	var all []string
	for _, name := range []string{"off", "rs", "baser", "llrs"} {
		if n[name] != 0 {
			all = append(all, name)
		}
	}
	if len(all) == 0 {
		return noFEC
	}
	return strings.Join(all, "+")
}
