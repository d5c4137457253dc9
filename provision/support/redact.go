// SPDX-License-Identifier: Apache-2.0

package support

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Redactor takes out of texts what is nobody's business. Keys go in any case. Unless
// addresses are asked for, MAC, IPv4 and IPv6 addresses, GUIDs, names of hosts,
// serial numbers and the kernel's messages that the journal keeps (they have
// addresses in them) give way to placeholders, the same for the same wherever it is
// met. Where it is not clear what is an address, more goes rather than less: a version
// of four numbers looks like one.
type Redactor struct {
	// Addresses keeps all but keys.
	Addresses bool

	names  map[string]string // placeholder by kind and what it stands for
	counts map[string]int    // by kind
	words  []word
}

// word is text that is known beforehand.
type word struct {
	text, placeholder string
	inner             func(byte) bool // what a word goes on with; nil: it is replaced amid anything
}

// HideHosts has names of hosts replaced wherever they stand as a word of their own, in
// upper or lower case. A host called vm leaves the profile vm-host its name.
func (r *Redactor) HideHosts(names ...string) {
	for _, n := range names {
		r.hide("host", n, n, func(b byte) bool { return alnum(b) || b == '-' || b == '_' })
	}
}

func (r *Redactor) hide(kind, value, text string, inner func(byte) bool) {
	text = strings.ToLower(text)
	if len(text) < 2 || slices.ContainsFunc(r.words, func(w word) bool { return w.text == text }) {
		return // one letter would be found in every line
	}
	r.words = append(r.words, word{text, r.placeholder(kind, strings.ToLower(value)), inner})
	// A name that another begins with is not to leave the rest of that.
	slices.SortStableFunc(r.words, func(a, b word) int { return len(b.text) - len(a.text) })
}

func (r *Redactor) placeholder(kind, value string) string {
	if r.names == nil {
		r.names, r.counts = map[string]string{}, map[string]int{}
	}
	p, ok := r.names[kind+" "+value]
	if !ok {
		r.counts[kind]++
		p = fmt.Sprintf("%s-%d", kind, r.counts[kind])
		r.names[kind+" "+value] = p
	}
	return p
}

var (
	pem     = regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(-----END [A-Z0-9 ]*PRIVATE KEY-----|$)`)
	hexKey  = regexp.MustCompile(`0[xX][0-9a-fA-F]{32,}`) // as ip-xfrm(8) prints them
	namedly = regexp.MustCompile(`(?i)((?:^|[^a-z0-9])(?:key|psk|secret|passw(?:or)?d|passphrase|token|aead|auth|enc|salt|iv)["']?\s*(?:[:=]|\s)\s*["']?(?:[a-z0-9()_-]+\([a-z0-9()_-]+\)["']?\s+["']?)?)((?:0x)?[0-9a-f]{16,}|[0-9a-z+/]{22,}={0,2})`)
	// Of JSON documents: names of []byte, as TestEveryBytesOfAHostAreRedacted knows them.
	blob   = regexp.MustCompile(`("(?:body|data|port)":\s*)"([A-Za-z0-9+/]{10,}={0,2})"`)
	serial = regexp.MustCompile(`(?i)(?:serial(?:[ _.-]?(?:number|no))?|switch_id|system-id|machine-id)["']?\s*[:=]\s*["']?([a-z0-9][a-z0-9._-]{2,})`)

	colons = regexp.MustCompile(`[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*`)
	dashes = regexp.MustCompile(`[0-9A-Fa-f]+(?:-[0-9A-Fa-f]+){5,}`)
	dots   = regexp.MustCompile(`[0-9A-Fa-f]+(?:\.[0-9A-Fa-f]+){2,}`)
	v4     = regexp.MustCompile(`[0-9]+(?:\.[0-9]+){3,}`)

	macDashes = regexp.MustCompile(`[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}`)
	macDots   = regexp.MustCompile(`[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}`)
	guid      = regexp.MustCompile(`[0-9A-Fa-f]{4}(?::[0-9A-Fa-f]{4}){3}`)
)

// Learn looks for what stands elsewhere without the mark by which it is known here:
// serial numbers, and MAC addresses that others print without colons.
func (r *Redactor) Learn(text []byte) {
	if r.Addresses {
		return
	}
	for _, m := range serial.FindAllSubmatch(text, -1) {
		r.hide("serial", string(m[1]), string(m[1]), alnum)
	}
	for _, run := range colons.FindAll(text, -1) {
		if mac, err := net.ParseMAC(strings.Trim(string(run), ":.")); err == nil && !nobodys(mac.String()) {
			bare := strings.ReplaceAll(mac.String(), ":", "")
			r.hide("mac", mac.String(), bare, nil)
		}
	}
}

// Redact gives the text without them.
func (r *Redactor) Redact(text []byte) []byte {
	text = pem.ReplaceAll(text, []byte("[private key]"))
	text = namedly.ReplaceAll(text, []byte("${1}[key]"))
	text = hexKey.ReplaceAll(text, []byte("[key]"))
	if r.Addresses {
		return text
	}
	text = blob.ReplaceAllFunc(text, func(b []byte) []byte {
		m := blob.FindSubmatch(b)
		return slices.Concat(m[1], []byte(`"`+r.placeholder("bytes", string(m[2]))+`"`))
	})
	for _, w := range r.words {
		text = w.replace(text)
	}
	text = colons.ReplaceAllFunc(text, r.colons)
	text = dashes.ReplaceAllFunc(text, func(b []byte) []byte { return r.run(b, macDashes) })
	text = v4.ReplaceAllFunc(text, func(b []byte) []byte { return []byte(r.address(string(b))) })
	return dots.ReplaceAllFunc(text, func(b []byte) []byte { return r.run(b, macDots) })
}

// run replaces a whole run of hexadecimal digits that has an address in it: part of
// one that is left tells too much.
func (r *Redactor) run(b []byte, inner *regexp.Regexp) []byte {
	if !inner.Match(b) {
		return b
	}
	return []byte(r.address(string(b)))
}

// colons replaces a run with MAC or IPv6 addresses or a GUID in it. Times and PCI
// addresses have less colons.
func (r *Redactor) colons(b []byte) []byte {
	s := string(b)
	has := func(s string) bool {
		return strings.Count(s, ":") >= 5 || strings.Contains(s, "::") && strings.Trim(s, ":.") != "" || guid.MatchString(s)
	}
	if !has(s) {
		return b
	}
	// What ends a sentence, or begins a value, is not the address's.
	core := strings.TrimRight(s, ".")
	if !strings.HasSuffix(core, "::") {
		core = strings.TrimSuffix(core, ":")
	}
	tail := s[len(core):]
	head := ""
	if strings.HasPrefix(core, ":") && !strings.HasPrefix(core, "::") {
		head, core = ":", core[1:]
	}
	// A word before the address may end in letters that are digits, too: "mac:" has "ac:".
	for rest, at := core, 0; ; at++ {
		if _, ok := parse(rest); ok && !has(core[:len(core)-len(rest)]) {
			return []byte(head + core[:len(core)-len(rest)] + r.address(rest) + tail)
		}
		i := strings.IndexByte(rest, ':')
		if i < 0 || at > 2 {
			return []byte(head + r.address(core) + tail)
		}
		rest = rest[i+1:]
	}
}

// parse gives an address as it is written by rule, and what it is.
func parse(s string) (kind string, ok bool) {
	if _, err := netip.ParseAddr(s); err == nil {
		return "ip", true
	}
	if _, err := net.ParseMAC(s); err == nil {
		return "mac", true
	}
	return "", false
}

// address is the placeholder of one address, however it is written.
func (r *Redactor) address(s string) string {
	if nobodys(strings.ToLower(s)) {
		return s
	}
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap()
		if a.Is4() {
			return r.placeholder("ipv4", a.String())
		}
		return r.placeholder("ipv6", a.String())
	}
	if mac, err := net.ParseMAC(s); err == nil {
		return r.placeholder("mac", mac.String())
	}
	return r.placeholder("address", strings.ToLower(s))
}

// nobodys are addresses that every host has, and that say a lot about a route.
func nobodys(s string) bool {
	return slices.Contains([]string{"0.0.0.0", "127.0.0.1", "255.255.255.255", "::", "::1", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"}, s)
}

// replace replaces all places at which the word stands.
func (w word) replace(text []byte) []byte {
	lower := bytes.ToLower(text)
	if len(lower) != len(text) { // letters whose other case is longer: they are in no name
		lower = text
	}
	var out []byte
	from := 0
	for at := 0; ; {
		i := bytes.Index(lower[at:], []byte(w.text))
		if i < 0 {
			break
		}
		i += at
		end := i + len(w.text)
		if w.inner != nil && (i > 0 && w.inner(lower[i-1]) || end < len(lower) && w.inner(lower[end])) {
			at = i + 1
			continue
		}
		out = append(append(out, text[from:i]...), w.placeholder...)
		from, at = end, end
	}
	return append(out, text[from:]...)
}

func alnum(b byte) bool { return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' }

// HostNames are the names of a host: its own, with and without its domain, and those
// that its /etc/hosts has, but for the names that every host has.
func HostNames(own string, hosts []byte) []string {
	names := []string{own}
	for line := range strings.Lines(string(hosts)) {
		line, _, _ = strings.Cut(line, "#")
		if f := strings.Fields(line); len(f) > 1 {
			names = append(names, f[1:]...)
		}
	}
	var all []string
	for _, n := range names {
		first, _, _ := strings.Cut(n, ".")
		for _, n := range []string{n, first} {
			everyones := n == "" || strings.HasPrefix(n, "localhost") || strings.HasPrefix(n, "ip6-")
			if !everyones && !slices.Contains(all, n) {
				all = append(all, n)
			}
		}
	}
	return all
}
