// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"fmt"
	"math/rand/v2"

	"github.com/nicwright/nicwright/hostnet/tuning"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/step"
)

// newTuning is how the driver of a new netdev runs it.
func newTuning(netdev string, vf bool) tuning.State {
	st := tuning.State{
		Netdev: netdev,
		Values: tuning.Values{
			"rings rx": "1024", "rings tx": "1024", "channels combined": "8", "coalesce adaptive-rx": "on", "coalesce rx-usecs": "8", "coalesce rx-frames": "128",
			"private_flags rx_cqe_compress": "off", "private_flags rx_no_csum_complete": "off",
			"features rx-lro": "off", "features rx-gro": "on", "features rx-udp-gro-forwarding": "off",
		},
		Most: map[string]int{"rings rx": 8192, "channels combined": 8},
	}
	if vf {
		st.Values["mtu"] = "1500"
	} else {
		st.Values["fec"], st.Values["pause rx"], st.Values["pause tx"] = "auto", "on", "on"
	}
	return st
}

// tuningOf is how the drivers run the netdevs of a host of testdata, whose files are of a nicwright that did not look
// at it.
func tuningOf(h Host) map[pci.Function]tuning.State {
	all := map[pci.Function]tuning.State{}
	for f, st := range h.Offload {
		if all[f] = newTuning(st.Netdev, f.IsVF()); st.Netdev == "" {
			all[f] = tuning.State{Absent: st.Absent}
		}
	}
	return all
}

func (m *model) tuning(s step.Step) error {
	st := m.Tuning[s.Resource.Function]
	if _, has := st.Values[s.Attribute]; st.Netdev == "" || !has {
		return fmt.Errorf("EOPNOTSUPP: there is no such netdev, or setting")
	}
	st.Values[s.Attribute] = s.To.Str()
	return nil
}

// randomTuning is what a profile could tell a netdev, each thing or not.
func randomTuning(r *rand.Rand, vf bool) tuning.Values {
	v := tuning.Values{}
	put := func(name string, of ...string) {
		if to := maybe(r, of...); to != nil {
			v[name] = *to
		}
	}
	put("rings rx", "512", "1024")
	put("channels combined", "4", "8")
	put("coalesce adaptive-rx", "on", "off")
	put("private_flags rx_cqe_compress", "on", "off")
	put("features rx-lro", "on", "off")
	if vf {
		put("mtu", "1500", "9000")
	} else {
		put("fec", "rs", "auto")
		put("pause rx", "on", "off")
	}
	return v
}
