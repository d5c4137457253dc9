// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/profiles"
)

// needs is what of a profile concerns programs: who of its functions does what, in words.
type needs struct {
	tx, rx         []string // TLS in the card is on, for sending and receiving
	crypto, packet []string // IPsec can be given to the card
	vfs            bool     // VFs are among those that send or receive
}

// needsOf reads them from the profile.
func needsOf(p *profiles.Profile) needs {
	var n needs
	for _, c := range p.Cards {
		for i := range c.Ports {
			n.port(c.Name+"/"+c.Ports[i].Name, &c.Ports[i])
		}
	}
	return n
}

func (n *needs) port(name string, port *profiles.Port) {
	if port.Mode == nil || *port.Mode != "switchdev" { // of an uplink in switchdev the kernel takes no TLS
		n.tls(name, port.Offload)
		if on(port.Offload.ESP) {
			n.crypto = append(n.crypto, name) // in a bond it is refused, rule NW104
		}
	}
	rest, left := "the VFs of ", port.VFs == nil || *port.VFs > covered(port.VFList.Ranges)
	if port.VFList.Ranges != nil {
		rest = "the other VFs of "
	}
	if left {
		n.functions(rest+name, port.VF)
	}
	for _, r := range port.VFList.Ranges {
		n.functions(fmt.Sprintf("%s/vf%s (%s)", name, r.Indices, r.Name), over(port.VF, r.VF))
	}
}

// covered is how many VFs are in ranges, which do not overlap in a profile that was loaded.
func covered(ranges []profiles.Range) (n int) {
	for _, r := range ranges {
		first, last, is := strings.Cut(r.Indices, "-")
		if !is {
			last = first
		}
		a, _ := strconv.Atoi(first) // digits, by the profile's schema
		b, _ := strconv.Atoi(last)
		n += b - a + 1
	}
	return n
}

// functions are VFs that are alike.
func (n *needs) functions(name string, vf profiles.VF) {
	n.vfs = n.tls(name, vf.Offload) || n.vfs
	if on(vf.IPsecPacket) {
		n.packet = append(n.packet, name)
	}
	if on(vf.IPsecCrypto) {
		n.crypto = append(n.crypto, name)
	}
}

func (n *needs) tls(name string, s crypto.Spec) bool {
	if on(s.TLSTx) {
		n.tx = append(n.tx, name)
	}
	if on(s.TLSRx) {
		n.rx = append(n.rx, name)
	}
	return on(s.TLSTx) || on(s.TLSRx)
}

// over is a range laid over what holds for all VFs, of what programs need.
func over(all, r profiles.VF) profiles.VF {
	for _, field := range []struct{ to, from **bool }{
		{&all.Offload.TLSTx, &r.Offload.TLSTx},
		{&all.Offload.TLSRx, &r.Offload.TLSRx},
		{&all.IPsecCrypto, &r.IPsecCrypto},
		{&all.IPsecPacket, &r.IPsecPacket},
	} {
		if *field.from != nil {
			*field.to = *field.from
		}
	}
	return all
}

func on(b *bool) bool { return b != nil && *b }
