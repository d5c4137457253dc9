// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// portRef is CARD/PORT.
type portRef struct{ card, port string }

func (r portRef) String() string { return r.card + "/" + r.port }

// vfRef is CARD/PORT/vfN, or CARD/PORT/vfN-M: the VFs first..last.
type vfRef struct {
	portRef
	first, last int
}

func parsePortRef(s string) (portRef, error) {
	card, port, ok := strings.Cut(s, "/")
	if !ok || card == "" || port == "" || strings.Contains(port, "/") {
		return portRef{}, fmt.Errorf("%q is not CARD/PORT, as in nic0/p0", s)
	}
	return portRef{card, port}, nil
}

var vfPattern = regexp.MustCompile(`^([^/]+/[^/]+)/vf([0-9]{1,3})(?:-([0-9]{1,3}))?$`)

func parseVFRef(s string) (vfRef, error) {
	m := vfPattern.FindStringSubmatch(s)
	if m == nil {
		return vfRef{}, fmt.Errorf("%q is not CARD/PORT/vfN or CARD/PORT/vfN-M, as in nic0/p0/vf0 and nic0/p0/vf0-3", s)
	}
	p, err := parsePortRef(m[1])
	if err != nil {
		return vfRef{}, err
	}
	r := vfRef{portRef: p}
	r.first, _ = strconv.Atoi(m[2]) // digits, by the pattern
	r.last = r.first
	if m[3] != "" {
		r.last, _ = strconv.Atoi(m[3])
	}
	if r.last < r.first {
		return vfRef{}, fmt.Errorf("%q: the range ends before it begins", s)
	}
	return r, nil
}

// place is a port of the profile with its indices, for positions.
type place struct {
	card, port int
	*Port
}

// find is the port that r means.
func (p *Profile) find(r portRef) (place, error) {
	var cards []string
	for i := range p.Cards {
		c := &p.Cards[i]
		cards = append(cards, c.Name)
		if c.Name != r.card {
			continue
		}
		var ports []string
		for j := range c.Ports {
			ports = append(ports, c.Ports[j].Name)
			if c.Ports[j].Name == r.port {
				return place{i, j, &c.Ports[j]}, nil
			}
		}
		return place{}, fmt.Errorf("card %s has no port %q (it has: %s)%s", r.card, r.port, orNone(ports), didYouMean(r.port, ports))
	}
	return place{}, fmt.Errorf("the profile has no card %q (it has: %s)%s", r.card, orNone(cards), didYouMean(r.card, cards))
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// At is where the value at a path was written: mapping keys as strings, list
// indices as ints. If it is not set, it is where what encloses it was written.
func (p *Profile) At(path ...any) Position {
	n, _ := p.lookup(path)
	if n == nil {
		return Position{}
	}
	return n.pos
}

// lookup is the node at a path, or the last one on the way to it that there is.
func (p *Profile) lookup(path []any) (n *node, found bool) {
	n = p.doc
	for _, step := range path {
		var next *node
		switch step := step.(type) {
		case string:
			next = n.get(step)
		case int:
			if n != nil && n.kind == list && step >= 0 && step < len(n.items) {
				next = n.items[step]
			}
		}
		if next == nil {
			return n, false
		}
		n = next
	}
	return n, true
}
