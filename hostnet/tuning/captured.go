// SPDX-License-Identifier: Apache-2.0

package tuning

import (
	"maps"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/rtlink"
)

// usual is what mlx5 gives a netdev, as far as it gives all the same (en.h,
// MLX5E_PARAMS_DEFAULT_*; en_main.c, mlx5e_build_nic_netdev). Which private flags and
// which other features it begins with goes with the card and the mode: what somebody has
// set cannot be told from what the driver chose.
var usual = Values{
	attrMTU:    strconv.Itoa(rtlink.DefaultMTU),
	"rings rx": "1024", "rings tx": "1024",
	"coalesce adaptive-rx": "on", "coalesce adaptive-tx": "on",
	"pause autoneg": "off", "pause rx": "on", "pause tx": "on",
	attrFEC: "auto",

	flagPrefix + "rx_no_csum_complete": "off", flagPrefix + "tx_port_ts": "off",

	featurePrefix + "rx-gro": "on", featurePrefix + "rx-checksum": "on", featurePrefix + "rx-hashing": "on",
	featurePrefix + "tx-scatter-gather": "on", featurePrefix + "tx-checksum-ip-generic": "on", featurePrefix + "tx-generic-segmentation": "on",
	featurePrefix + "tx-tcp-segmentation": "on", featurePrefix + "tx-tcp6-segmentation": "on",
	featurePrefix + "rx-all": "off", featurePrefix + "rx-fcs": "off", featurePrefix + "rx-lro": "off", featurePrefix + "rx-gro-hw": "off",
	featurePrefix + "rx-gro-list": "off", featurePrefix + "rx-udp-gro-forwarding": "off", featurePrefix + "tx-nocache-copy": "off",
}

// captured is what of a netdev a profile would say: what is not as it is from the start. How
// long packets wait is said where the driver does not choose it, and channels where there are
// not as many as can be.
func (s State) captured() Values {
	out := Values{}
	for name, v := range s.Values {
		a, _ := find(name)
		first, known := usual[name]
		switch {
		case a.setting == ethtool.Channels:
			known = v != strconv.Itoa(s.Most[name])
		case a.setting == ethtool.Coalesce && !a.onOff:
			direction, _, _ := strings.Cut(a.number, "-")
			known = s.Values["coalesce adaptive-"+direction] == "off"
		case a.setting == ethtool.FEC && (v == noFEC || strings.Contains(v, "+")): // no profile can say it
			known = false
		}
		if known && v != first {
			out[name] = v
		}
	}
	return out
}

// CapturedUplink is what of a PF's netdev a profile would say.
func (s State) CapturedUplink() UplinkSpec {
	var spec UplinkSpec
	whole{Spec: &spec.Spec, Pause: &spec.Pause, FEC: &spec.FEC}.set(s.captured())
	return spec
}

// CapturedVF is what of a VF's netdev a profile would say.
func (s State) CapturedVF() VFSpec { return vfSpecOf(s.captured()) }

func vfSpecOf(v Values) VFSpec {
	var spec VFSpec
	whole{Spec: &spec.Spec, MTU: &spec.MTU}.set(v)
	return spec
}

// Common is what all have alike, and what each has besides.
func Common(all []VFSpec) (common VFSpec, rest []VFSpec) {
	if len(all) == 0 {
		return common, nil
	}
	alike := all[0].Values()
	for _, s := range all[1:] {
		v := s.Values()
		maps.DeleteFunc(alike, func(name, value string) bool { return v[name] != value })
	}
	for _, s := range all {
		v := s.Values()
		maps.DeleteFunc(v, func(name, _ string) bool { _, is := alike[name]; return is })
		rest = append(rest, vfSpecOf(v))
	}
	return vfSpecOf(alike), rest
}
