// SPDX-License-Identifier: Apache-2.0

package lease

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/nicwright/nicwright/internal/pci"
)

// application is nicwright's, for machine-id(5): an ID made of the machine's that
// cannot be led back to it, as sd_id128_get_machine_app_specific(3) makes them.
func application() [16]byte {
	return [16]byte{0x6e, 0x3a, 0x0c, 0x52, 0x1f, 0x7d, 0x4b, 0x0e, 0x9a, 0x41, 0xd7, 0x25, 0x88, 0x03, 0xf6, 0xb9}
}

// machineID is where the host's ID is: machine-id(5).
const machineID = "/etc/machine-id"

// MachineID reads the host's ID.
func MachineID() ([]byte, error) {
	b, err := os.ReadFile(machineID)
	if err != nil {
		return nil, fmt.Errorf("reading the machine's ID, of which MAC addresses are derived: %w; make one (systemd-machine-id-setup), or give the address with --mac", err)
	}
	return parseMachineID(string(b))
}

func parseMachineID(s string) ([]byte, error) {
	id, err := hex.DecodeString(strings.TrimSpace(s))
	if err != nil || len(id) != 16 || strings.Trim(string(id), "\x00") == "" {
		return nil, fmt.Errorf("%s has no machine ID: make one (systemd-machine-id-setup), or give the address with --mac", machineID)
	}
	return id, nil
}

// DeriveMAC is the address of a VF of this machine: always the same for one machine,
// card and VF, locally administered and unicast. card is what the card is known by (its
// serial number, else the PF's address); taken are addresses that others have.
func DeriveMAC(machine []byte, card string, vf pci.Function, taken func(mac string) bool) string {
	app := application()
	h := hmac.New(sha256.New, machine)
	h.Write(app[:])
	key := h.Sum(nil)[:16]
	for n := 0; ; n++ {
		h = hmac.New(sha256.New, key)
		fmt.Fprintf(h, "vf %s %s %d %d", card, vf.PF.Device(), vf.VF, n)
		mac := net.HardwareAddr(h.Sum(nil)[:6])
		mac[0] = mac[0]&^1 | 2 // unicast, locally administered (IEEE 802, 8.2): so it is never zero
		if !taken(mac.String()) {
			return mac.String()
		}
	}
}

// CheckMAC reads an address that a machine can have, in the kernel's spelling.
func CheckMAC(s string) (string, error) {
	mac, err := net.ParseMAC(s)
	if err != nil || len(mac) != 6 {
		return "", fmt.Errorf("%q is no MAC address, as in 02:00:5e:10:00:06", s)
	}
	if mac[0]&1 != 0 || strings.Trim(string(mac), "\x00") == "" {
		return "", errors.New(mac.String() + " is no address of one machine: it is a group's, or zero")
	}
	return mac.String(), nil
}
