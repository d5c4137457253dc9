// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"fmt"
	"math/rand/v2"

	"github.com/nicwright/nicwright/hostnet/tuning"
	"github.com/nicwright/nicwright/internal/step"
)

// newTuning is how the driver of a new netdev runs it.
func newTuning(netdev string, vf bool) tuning.State {
	st := tuning.State{
		Netdev: netdev,
		Values: tuning.Values{"rings rx": "1024", "channels combined": "8", "coalesce adaptive-rx": "on", "private_flags rx_cqe_compress": "off", "features rx-lro": "off"},
		Most:   map[string]int{"rings rx": 8192, "channels combined": 8},
	}
	if vf {
		st.Values["mtu"] = "1500"
	} else {
		st.Values["fec"], st.Values["pause rx"] = "auto", "on"
	}
	return st
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
