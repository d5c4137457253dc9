// SPDX-License-Identifier: Apache-2.0

// Package rehearse says what a kernel that has not been booted yet will do to a host's
// profile: it makes the order for a virtual machine with a card like the host's, and
// judges what came of it there with the new kernel and with the one that runs.
package rehearse

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/rehearsal"
	"github.com/nicwright/nicwright/internal/style"
	"github.com/nicwright/nicwright/provision/baseline"
)

// What the emulation can be.
const (
	mostCards = 2
	mostPorts = 2
	mostVFs   = 127
	emulated  = "101d" // ConnectX-6 Dx
)

// ErrNoCard is a host without a card of which there could be a twin.
var ErrNoCard = errors.New("this host has no ConnectX card to make a twin of: say how the emulated one is to be, as in --card ports=2,vfs=8")

// Twin is the emulated card made like a host's.
type Twin struct {
	rehearsal.Card
	// Other is what is not as on the host, in words.
	Other []string
}

// TwinOf makes the twin of the first cards of a baseline's. errors.Is(err, ErrNoCard).
func TwinOf(ports map[string]baseline.Facts) (Twin, error) {
	cards := map[string][]string{} // PFs by address without the function
	for _, address := range slices.Sorted(maps.Keys(ports)) {
		if at := strings.LastIndexByte(address, '.'); at > 0 && ports[address]["vendor"] == "15b3" {
			cards[address[:at]] = append(cards[address[:at]], address)
		}
	}
	slots := slices.Sorted(maps.Keys(cards))
	if len(slots) == 0 {
		return Twin{}, ErrNoCard
	}
	t := Twin{Card: rehearsal.Card{Cards: min(len(slots), mostCards), Crypto: true}}
	other := func(format string, args ...any) { t.Other = append(t.Other, fmt.Sprintf(format, args...)) }
	var slot int
	if _, err := fmt.Sscanf(slots[0], "%x:%x:%x", &t.Domain, &t.Bus, &slot); err != nil || slot != 0 || t.Bus <= 0 || t.Domain < 0 || t.Bus+t.Cards > 0xff {
		t.Domain, t.Bus = 1, 0x3b
		other("the card's PCI address: it is 0001:3b:00.0 there, and %s here", slots[0])
	}
	if len(slots) > t.Cards {
		other("%s more than the %d that there are", style.Count(len(slots)-t.Cards, "card"), t.Cards)
	}
	for i, s := range slots[1:t.Cards] {
		if at := fmt.Sprintf("%04x:%02x:00", t.Domain, t.Bus+i+1); at != s {
			other("the address of another card: it is %s there, and %s here", at, s)
		}
	}
	for _, s := range slots[:t.Cards] {
		for _, address := range cards[s] {
			function, _ := strconv.Atoi(address[strings.LastIndexByte(address, '.')+1:])
			t.Ports = max(t.Ports, function+1)
			vfs, _ := strconv.Atoi(ports[address]["sriov.total_vfs"])
			t.VFs = max(t.VFs, vfs)
		}
	}
	t.Ports = max(t.Ports, 1)
	if t.Ports > mostPorts {
		other("ports: %d there, %d here", mostPorts, t.Ports)
		t.Ports = mostPorts
	}
	if t.VFs > mostVFs {
		other("VFs of a port: %d at most there, %d here", mostVFs, t.VFs)
		t.VFs = mostVFs
	}
	first := ports[cards[slots[0]][0]]
	if d := first["device"]; d != emulated {
		other("the card's model: it is a ConnectX-6 Dx there (%s), and %s here", emulated, cmp.Or(d, "another"))
	}
	t.Serial = plain(first["serial"], 31)
	t.PSID = plain(first["firmware.fixed.fw.psid"], 16)
	if v := cmp.Or(first["firmware.running.fw.version"], first["firmware.running.fw"]); version.MatchString(v) {
		t.Firmware = v
	}
	for name, got := range map[string]string{"serial number": t.Serial, "PSID": t.PSID, "firmware version": t.Firmware} {
		if got == "" {
			other("the card's %s, which is not known here, or is none that could be given", name)
		}
	}
	if t.Cards > 1 {
		other("the serial number of another card than the first")
	}
	slices.Sort(t.Other)
	return t, nil
}

// version is as the emulation can call its firmware.
var version = regexp.MustCompile(`^\d{1,3}\.\d{1,3}\.\d{1,5}$`)

// plain is a value that can be a module's parameter of so many letters, or "".
func plain(s string, most int) string {
	ok := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)
	}
	if len(s) > most || strings.ContainsFunc(s, func(r rune) bool { return !ok(r) }) {
		return ""
	}
	return s
}

// ParseCard reads how the emulated card is to be: ports=2,vfs=8, and cards=2. What is
// not said is one card with two ports and 8 VFs of each.
func ParseCard(s string) (Twin, error) {
	t := Twin{Card: rehearsal.Card{Cards: 1, Ports: 2, VFs: 8, Bus: 0x3b, Crypto: true}}
	for _, kv := range strings.Split(s, ",") {
		name, value, _ := strings.Cut(kv, "=")
		to, most, least := map[string]*int{"cards": &t.Cards, "ports": &t.Ports, "vfs": &t.VFs}[name], map[string]int{"cards": mostCards, "ports": mostPorts, "vfs": mostVFs}[name], 1
		if name == "vfs" {
			least = 0
		}
		n, err := strconv.Atoi(value)
		if to == nil || err != nil || n < least || n > most {
			return Twin{}, fmt.Errorf("--card %s: %q is not cards=1..%d, ports=1..%d or vfs=0..%d", s, kv, mostCards, mostPorts, mostVFs)
		}
		*to = n
	}
	return t, nil
}
