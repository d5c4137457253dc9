// SPDX-License-Identifier: Apache-2.0

package install

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maxName is the length of a netdev's name in bytes (IFNAMSIZ - 1, include/uapi/linux/if.h).
const maxName = 15

// Template makes the names of a profile's netdevs: {card} and {port} are the names
// that the profile gives them; {vf} is nothing of an uplink, v3 of VF 3's own netdev
// and r3 of its representor.
type Template struct{ text string }

var field = regexp.MustCompile(`\{[^{}]*\}`)

// ParseTemplate reads a template; where it has no {vf}, that is at its end. An error
// says what is allowed.
func ParseTemplate(text string) (Template, error) {
	for _, f := range field.FindAllString(text, -1) {
		if !slices.Contains([]string{"{card}", "{port}", "{vf}"}, f) {
			return Template{}, fmt.Errorf("the names' template %q has %s: it may have {card}, {port} and {vf}, as in {card}{port}{vf}", text, f)
		}
	}
	if !strings.Contains(text, "{vf}") {
		text += "{vf}"
	}
	t := Template{text}
	if _, err := t.name("c", "p", "v0"); err != nil {
		return Template{}, err
	}
	return t, nil
}

// name is that of one netdev; vf is "" of an uplink.
func (t Template) name(card, port, vf string) (string, error) {
	name := strings.NewReplacer("{card}", card, "{port}", port, "{vf}", vf).Replace(t.text)
	switch {
	case len(name) > maxName:
		return "", fmt.Errorf("the name %q has %d bytes, and the kernel allows %d: shorten the template %s, or what the profile calls the card or the port", name, len(name), maxName, t.text)
	case strings.Trim(name, nameSigns) != "", name == "", strings.Trim(name, "0123456789.") == "":
		// A number alone would be taken for an ifindex.
		return "", fmt.Errorf("%q cannot name a netdev: letters, digits, ., _ and -, and not digits alone (template %s)", name, t.text)
	case slices.Contains([]string{"lo", "all", "default"}, name):
		return "", fmt.Errorf("%q is a name that the kernel keeps for itself (template %s)", name, t.text)
	}
	return name, nil
}

const nameSigns = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

// template is that of the names, held against all netdevs of the ports. Two names
// alike are an error: one netdev would be left without its own.
func (o Options) template() (Template, error) {
	t, err := ParseTemplate(o.Names)
	if err != nil {
		return t, err
	}
	if len(o.Ports) == 0 {
		return t, ErrNoCard
	}
	of := map[string]string{}
	for _, p := range o.Ports {
		who := p.Card + "/" + p.Port
		for _, d := range p.netdevs() {
			name, err := t.name(p.Card, p.Port, d.text())
			if err != nil {
				return t, err
			}
			if other, taken := of[name]; taken {
				return t, fmt.Errorf("the name %q is that of a netdev of %s and of one of %s: have {card} and {port} in the template %s, and what tells them from {vf} between", name, other, who, t.text)
			}
			of[name] = who
		}
	}
	return t, nil
}
