// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"fmt"

	"github.com/nicwright/nicwright/internal/chain"
	"github.com/nicwright/nicwright/internal/kconfig"
	"github.com/nicwright/nicwright/internal/probe"
)

// Ask is what a chain of TLS or IPsec is asked about.
type Ask struct {
	TLSVersion string // 1.2, 1.3
	Cipher     string // as verify.ktls.ciphers has it
	IPsecMode  string // transport, tunnel
}

// Direction of TLS on a netdev.
type Direction string

// The directions, as counters and features have them.
const (
	Transmit Direction = "tx"
	Receive  Direction = "rx"
)

func (d Direction) feature() string {
	if d == Receive {
		return featTLSRx
	}
	return featTLSTx
}

// option is a link about something that the kernel or the driver was built with.
func option(name string, f probe.Fact, broken string) chain.Link {
	a := f.Ask()
	switch {
	case !a.Known:
		return chain.Open(name, a.Source)
	case a.Yes:
		return chain.Held(name, a.Source)
	}
	return chain.Broke(name, broken+": "+a.Source)
}

// BuildLinks are those of TLS before the card: kernel, driver, module.
func (d Device) BuildLinks(b Build) []chain.Link {
	links := []chain.Link{option("kernel", b.TLSDevice, b.String()+" was built without TLS_DEVICE; it takes another kernel")}
	if d.Driver == mlx5 {
		links = append(links, option("driver", b.DriverTLS, "mlx5_core was built without MLX5_EN_TLS, as Debian's is; it takes a kernel with it (RHEL's and its kin have it)"))
	}
	return append(links, moduleTLS(b))
}

func moduleTLS(b Build) chain.Link {
	const name = "module"
	switch b.Modules[modTLS] {
	case kconfig.Loaded:
		return chain.Held(name, "tls is loaded")
	case kconfig.Missing:
		return chain.Broke(name, "this kernel has no module tls: its package of modules is not installed, or CONFIG_TLS is not set")
	case kconfig.Available:
		if b.Locked {
			return chain.Broke(name, "tls is not loaded, and kernel.modules_disabled forbids it: load it at boot",
				"echo tls > /etc/modules-load.d/nicwright-tls.conf, and boot")
		}
		// The kernel loads it for a caller with CAP_NET_ADMIN only (net/ipv4/tcp_ulp.c, __tcp_ulp_find_autoload).
		return chain.Broke(name, "tls is not loaded, and the kernel loads it for root only: a server without privileges gets ENOENT and goes on without kernel TLS",
			"modprobe tls")
	}
	return chain.Open(name, "whether tls is loaded: /proc/modules and /lib/modules/"+b.Release+" do not say")
}

// TLSLinks are those of TLS on the netdev itself: what the card offers, what TLS
// depends on, the switch.
func (d Device) TLSLinks(dir Direction) []chain.Link {
	return []chain.Link{d.tlsOffered(dir), d.checksum(dir), d.tlsSwitch(dir)}
}

func (d Device) tlsOffered(dir Direction) chain.Link {
	const name = "card"
	feature := dir.feature()
	switch f, ok := d.Features[feature]; {
	case !ok:
		return chain.Broke(name, "this kernel has no feature "+feature)
	case !f.Fixed || f.Active:
		return chain.Held(name, "the driver lets "+feature+" be set")
	case d.Driver != mlx5:
		return chain.Broke(name, fmt.Sprintf("%s is fixed off: the driver %s has no TLS offload", feature, orUnknown(d.Driver)))
	case d.Function.IsVF():
		return chain.Broke(name, feature+" is fixed off: the card offers TLS not to this VF: it has no crypto, or crypto is fused off (look at the PF), or its firmware does not give it to VFs")
	}
	return chain.Broke(name, feature+" is fixed off: the card has no crypto, or it is fused off (part numbers without crypto), or it is Socket Direct")
}

// Checksums tells whether the netdev has the checksum offload without which the
// kernel drops TLS of a direction (net/core/dev.c, netdev_fix_features).
func (d Device) Checksums(dir Direction) bool {
	on := func(f string) bool { return d.Features[f].Active }
	if dir == Receive {
		return on(featRxCsum)
	}
	return on(featTxCsum) || on(featTxCsumV4) && on(featTxCsumV6)
}

func (d Device) checksum(dir Direction) chain.Link {
	const name = "checksum"
	word, flag := "transmit", "tx"
	if dir == Receive {
		word, flag = "receive", "rx"
	}
	if d.Checksums(dir) {
		return chain.Held(name, word+" checksum offload is on")
	}
	return chain.Broke(name, word+" checksum offload is off, and without it the kernel drops "+dir.feature(), "ethtool -K "+d.Netdev+" "+flag+" on")
}

func (d Device) tlsSwitch(dir Direction) chain.Link {
	const name = "switch"
	feature := dir.feature()
	f := d.Features[feature]
	switch {
	case f.Active:
		return chain.Held(name, feature+" is on")
	case f.Wanted:
		return chain.Broke(name, feature+" was asked for and the driver does not keep it on: dmesg may say why")
	}
	found := feature + " is off"
	if dir == Receive {
		found += ", as it is by default"
	}
	return chain.Broke(name, found, "ethtool -K "+d.Netdev+" "+feature+" on", "profile: "+d.profileLine(feature))
}

// profileLine is where a profile says it, below the entry of the port.
func (d Device) profileLine(feature string) string {
	if d.Function.IsVF() {
		return "vf: {offload: {" + feature + ": true}} at the port"
	}
	return "offload: {" + feature + ": true} at the port"
}

// UpLink is broken while the netdev is administratively down: the kernel asks
// only a netdev that is up (net/tls/tls_device.c, tls_set_device_offload), and
// takes IPsec states back when it goes down (net/xfrm/xfrm_device.c, xfrm_dev_down).
func (d Device) UpLink() chain.Link {
	switch {
	case d.Up && d.Carrier:
		return chain.Held("interface", d.Netdev+" is up")
	case d.Up: // nothing is against offload, and nothing passes
		return chain.Held("interface", d.Netdev+" is up, and there is no link on it")
	}
	mend := []string{"ip link set " + d.Netdev + " up"}
	if !d.Function.IsVF() {
		mend = append(mend, "profile: up: true at the port")
	}
	return chain.Broke("interface", d.Netdev+" is down", mend...)
}

// SessionLinks are those of one TLS connection: room in the card, version, cipher.
func (d Device) SessionLinks(dir Direction, ask Ask, b Build) []chain.Link {
	room := "a connection past the card's limit of contexts is done in software: the limit is the firmware's and not readable"
	if n, ok := d.Contexts[string(dir)]; ok {
		room = fmt.Sprintf("%d contexts are open; %s", n, room)
	}
	return []chain.Link{chain.Held("contexts", room), version(ask, b), cipherLink(ask, b)}
}

// version is of the core's code and not of a driver's: there is nothing to probe,
// and no vendor's kernel is known to have what mainline has not.
func version(ask Ask, b Build) chain.Link {
	const name = "version"
	switch {
	case ask.TLSVersion != "1.3":
		return chain.Held(name, "TLS "+ask.TLSVersion+" is offloaded")
	case b.Kernel.Before(lastMajor, lastMinor+1):
		// net/tls/tls_device.c: version != TLS_1_2_VERSION.
		return chain.Broke(name, fmt.Sprintf("no mainline kernel up to %d.%d gives TLS 1.3 to a card: the kernel does it in software", lastMajor, lastMinor),
			"offer TLS 1.2 only, in the server or the client (nginx: ssl_protocols TLSv1.2)")
	}
	return chain.Open(name, fmt.Sprintf("TLS 1.3 is offloaded by no kernel up to %d.%d; nothing is known of %s", lastMajor, lastMinor, b.Release))
}

// The newest kernel whose source was read.
const lastMajor, lastMinor = 7, 3

func cipherLink(ask Ask, b Build) chain.Link {
	const name = "cipher"
	switch ask.Cipher {
	case "AES-128-GCM":
		return chain.Held(name, ask.Cipher+" is one of the card's")
	case "AES-256-GCM":
		switch a := b.AES256.Ask(); {
		case !a.Known:
			return chain.Open(name, "whether the driver gives "+ask.Cipher+" to the card: "+a.Source)
		case !a.Yes:
			return chain.Broke(name, "the driver gives no "+ask.Cipher+" to the card: "+a.Source, "offer AES-128-GCM first")
		}
		return chain.Held(name, ask.Cipher+" is one of the card's")
	}
	return chain.Broke(name, ask.Cipher+" is not for the card: it has AES-GCM only", "offer AES-GCM suites first (nginx: ssl_ciphers ECDHE+AESGCM)")
}

func orUnknown(s string) string {
	if s == "" {
		return "(unknown)"
	}
	return s
}
