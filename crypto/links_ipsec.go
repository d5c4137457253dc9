// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"fmt"

	"github.com/nicwright/nicwright/internal/chain"
	"github.com/nicwright/nicwright/internal/kconfig"
)

// IPsecBuildLinks are those of IPsec before the card: kernel, driver, modules.
func (d Device) IPsecBuildLinks(b Build, packet bool) []chain.Link {
	kernel := option("kernel", b.XFRMOffload, b.String()+" was built without XFRM_OFFLOAD; it takes another kernel")
	if packet && kernel.Status != chain.Broken {
		switch a := b.PacketOffload.Ask(); {
		case a.Denied():
			kernel = chain.Broke("kernel", b.String()+" has no packet offload, which is in mainline since Linux 6.2; crypto offload is older: "+a.Source)
		case !a.Known && kernel.Status == chain.OK:
			kernel = chain.Open("kernel", "whether it has packet offload: "+a.Source)
		}
	}
	links := []chain.Link{kernel}
	if d.Driver == mlx5 {
		links = append(links, option("driver", b.DriverIPsec, "mlx5_core was built without MLX5_EN_IPSEC, as Debian's is; it takes a kernel with it (RHEL's and its kin have it)"))
	}
	return append(links, moduleESP(b))
}

// moduleESP: unlike tls, these are loaded with the first state that asks for
// offload, which only root can make (net/xfrm/xfrm_state.c, xfrm_get_type_offload).
func moduleESP(b Build) chain.Link {
	const name = "module"
	state4, state6 := b.Modules[modESP4], b.Modules[modESP6]
	both := modESP4 + " and " + modESP6
	switch {
	case state4 == kconfig.Loaded && state6 == kconfig.Loaded:
		return chain.Held(name, both+" are loaded")
	case state4 == kconfig.Missing:
		return chain.Broke(name, "this kernel has no module "+modESP4+": CONFIG_INET_ESP_OFFLOAD is not set, or its package of modules is not installed")
	case state4 == kconfig.Available && b.Locked:
		return chain.Broke(name, modESP4+" is not loaded, and kernel.modules_disabled forbids it: load it at boot",
			"echo "+modESP4+" > /etc/modules-load.d/nicwright-esp.conf, and boot")
	case state4 == kconfig.Uncertain || state4 == "":
		return chain.Open(name, "whether "+modESP4+" is loaded: /proc/modules and /lib/modules/"+b.Release+" do not say")
	}
	found := modESP4 + " is " + string(state4)
	if state4 == kconfig.Available {
		found += ", and will be with the first state that asks for offload"
	}
	return chain.Held(name, found+"; "+modESP6+" (for IPv6) is "+string(state6))
}

// ESPLink is whether the netdev has ESP offload. mlx5 has it always on, or not
// at all (m5/en_accel/ipsec.c): it cannot be switched.
func (d Device) ESPLink() chain.Link {
	const name = "card"
	switch f, ok := d.Features[featESP]; {
	case !ok:
		return chain.Broke(name, "this kernel has no feature "+featESP)
	case f.Active:
		return chain.Held(name, featESP+" is on")
	case !f.Fixed:
		return chain.Broke(name, featESP+" is off", "ethtool -K "+d.Netdev+" "+featESP+" on", "profile: "+d.profileLine(featESP))
	case d.Driver != mlx5:
		return chain.Broke(name, fmt.Sprintf("%s is fixed off: the driver %s has no IPsec offload", featESP, orUnknown(d.Driver)))
	case d.Function.IsVF():
		return chain.Broke(name, featESP+" is fixed off: the card offers IPsec not to this VF: it has no crypto, or crypto is fused off (look at the PF), or the VF was bound to its driver before it was granted")
	}
	return chain.Broke(name, featESP+" is fixed off: the card has no crypto, or it is fused off (part numbers without crypto)")
}

// PacketLink is whether the card takes packet offload. No feature tells: only a
// state that has been accepted does.
func (d Device) PacketLink() chain.Link {
	if d.Packet > 0 {
		return chain.Held("packet", fmt.Sprintf("%d states in packet mode are on %s", d.Packet, d.Netdev))
	}
	return chain.Open("packet", "no file or feature says whether the firmware has packet offload: the first state tells (a refusal is EOPNOTSUPP)")
}
