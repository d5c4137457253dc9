// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"fmt"
	"slices"
	"strings"

	"nicwright/internal/kconfig"
)

// What is known of proofs of TLS and IPsec, over the plain values that a
// profile's verify section has. "" is that nothing is against it.

// versionsUnmet: TLS 1.3 is offloaded by no mainline kernel up to 7.3
// (net/tls/tls_device.c: version != TLS_1_2_VERSION).
func versionsUnmet(require *string, versions []string) string {
	if isSet(require, "offloaded") && slices.Contains(versions, "1.3") {
		return "TLS 1.3 is never offloaded; take 1.3 out of versions, or prove it with require: software"
	}
	return ""
}

// ciphersUnmet: the card has AES-GCM only, with keys of 256 bits from Linux 6.1
// on (m5/en_accel/ktls.h, mlx5e_ktls_type_check). An unknown kernel is
// taken for a new one.
func ciphersUnmet(require *string, ciphers []string, kernel kconfig.Version) string {
	if !isSet(require, "offloaded") {
		return ""
	}
	var never []string
	for _, c := range ciphers {
		switch {
		case !slices.Contains([]string{"AES-128-GCM", "AES-256-GCM"}, c):
			never = append(never, c+" is never offloaded")
		case c == "AES-256-GCM" && kernel.Before(6, 1):
			never = append(never, fmt.Sprintf("AES-256-GCM is offloaded from Linux 6.1 on, and this is %s", kernel))
		}
	}
	return strings.Join(never, ", and ")
}

// ipsecWish is IPsec as a profile asks for it, with the port that it is about.
type ipsecWish struct {
	modes   []string // transport, tunnel
	offload []string // crypto, packet
	vf      bool     // on VFs, not on the PF
	// The port's, as the profile sets them; nil is left alone.
	mode, steering, encap *string
}

// packetUnmet says why IPsec in packet mode cannot be: it takes dmfs, set
// before switchdev, or a legacy eswitch (m5/en_accel/ipsec_offload.c,
// mlx5_ipsec_device_caps); tunnels in switchdev take encap-mode none
// (m5/en_accel/ipsec.c); and Linux 6.2, on VFs 6.6.
func packetUnmet(w ipsecWish, kernel kconfig.Version) []string {
	if !slices.Contains(w.offload, "packet") {
		return nil
	}
	var why []string
	if kernel.Before(6, 2) {
		why = append(why, fmt.Sprintf("packet offload is in Linux 6.2 and later, and this is %s", kernel))
	} else if w.vf && kernel.Before(6, 6) {
		why = append(why, fmt.Sprintf("packet offload on VFs is in Linux 6.6 and later, and this is %s", kernel))
	}
	if !isSet(w.mode, "switchdev") || w.vf {
		return why
	}
	if !isSet(w.steering, "dmfs") {
		why = append(why, "flow_steering_mode is "+orUnset(w.steering)+" in switchdev, and packet offload takes dmfs")
	}
	if slices.Contains(w.modes, "tunnel") && !isSet(w.encap, "none") {
		why = append(why, "encap-mode is "+orUnset(w.encap)+" in switchdev, and packet offload of tunnels takes none")
	}
	return why
}

// bothUnmet: IPsec on a PF and on its VFs exclude each other (m5/eswitch.c,
// mlx5_eswitch_block_ipsec: EBUSY). states are those that are on the PF now.
func bothUnmet(pf, vfs bool, states int) string {
	switch {
	case pf && vfs:
		return "IPsec is wanted on the PF and on its VFs, which exclude each other"
	case vfs && states > 0:
		return fmt.Sprintf("IPsec is wanted on the VFs, and %d states are on the PF: the kernel answers EBUSY", states)
	}
	return ""
}
