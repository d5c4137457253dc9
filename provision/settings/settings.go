// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/nicwright/nicwright/profiles"
)

// Mark is the first line of every file that is written: by it, and by nothing else, a
// file is known to be ours.
const Mark = "# Written by `nicwright settings`; --remove takes it away. Changes here are lost."

// Program is one whose configuration is made.
type Program string

// The programs.
const (
	Nginx      Program = "nginx"
	HAProxy    Program = "haproxy"
	Tlshd      Program = "tlshd"
	StrongSwan Program = "strongswan"
	OpenSSL    Program = "openssl"
)

// Programs are all that there are, as they are named on a command line.
func Programs() []string {
	return []string{string(Nginx), string(HAProxy), string(Tlshd), string(StrongSwan), string(OpenSSL)}
}

// Options are what is for a person to decide.
type Options struct {
	TLS12 bool // TLS 1.3 is turned off
	// Small and Large are listen addresses of nginx: of one that leaves TLS to nginx, for small files, and
	// of one that uses the card. Both, or neither.
	Small, Large netip.Addr
	ConfigDir    string // of nicwright, where openssl's file goes; "": profiles.DefaultConfigDir
	At           string // the file that it will be; "": that of File
}

// Settings are the configuration of one program.
type Settings struct {
	Program Program `json:"program"`
	Profile string  `json:"profile"`
	File    string  `json:"file,omitempty"` // where it belongs; "": nowhere, it is to be read
	Text    string  `json:"text"`
	Next    string  `json:"next,omitempty"` // what is left to do, in words
}

// ErrNothing is that of a profile that needs nothing of a program: errors.Is.
var ErrNothing = errors.New("it needs nothing of this program")

// suites of TLS 1.2 that a card takes, by OpenSSL's names: AES-GCM, with keys of both kinds.
const suites = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"

//go:embed templates/*.tmpl
var files embed.FS

var templates = template.Must(template.ParseFS(files, "templates/*.tmpl"))

// File is where the configuration of a program belongs, "" of one that gets none.
func File(program Program, o Options) string {
	switch program {
	case Nginx:
		return "/etc/nginx/snippets/nicwright.conf"
	case HAProxy:
		return "/etc/haproxy/nicwright.cfg"
	case StrongSwan:
		return "/etc/swanctl/conf.d/nicwright.conf"
	case OpenSSL:
		return filepath.Join(cmp.Or(o.ConfigDir, profiles.DefaultConfigDir), "openssl.cnf")
	}
	return ""
}

// For makes the configuration of a program that a profile needs. Errors: ErrNothing with
// the reason, options that do not go with the program, an unknown program.
func For(program Program, p *profiles.Profile, o Options) (*Settings, error) {
	n := needsOf(p)
	s := &Settings{Program: program, Profile: p.Name, File: cmp.Or(o.At, File(program, o))}
	switch program {
	case Nginx:
		s.Next = "put `include " + s.File + ";` into the server blocks that are to use it; then `nginx -t`, and reload nginx"
	case HAProxy:
		s.Next = "add `ktls on` to the bind lines, and `-f " + s.File + "` behind the other -f of haproxy (Debian: EXTRAOPTS in /etc/default/haproxy); then check with -c, and reload it"
	case OpenSSL:
		s.Next = "start the program with OPENSSL_CONF=" + s.File + " (of a unit: Environment= in a drop-in)"
	case StrongSwan:
		s.Next = "have the children of your connections refer to it, as the file shows; then `swanctl --load-all`"
	case Tlshd:
	default:
		return nil, fmt.Errorf("there are no settings of %q; there are those of %s", program, strings.Join(Programs(), ", "))
	}
	if err := o.check(program); err != nil {
		return nil, err
	}
	tls := program != StrongSwan
	if tls && len(n.tx) == 0 && len(n.rx) == 0 {
		return nil, fmt.Errorf("profile %q has TLS in the card on nowhere, so of %s %w: set tls-hw-tx-offload: true for the functions that are to send (`nicwright advice` says whether to)", p.Name, program, ErrNothing)
	}
	if !tls && len(n.crypto) == 0 && len(n.packet) == 0 {
		return nil, fmt.Errorf("profile %q gives IPsec to no card, so of %s %w: set ipsec_crypto: true for the VFs, or esp-hw-offload: true for a port in legacy mode", p.Name, program, ErrNothing)
	}
	if o.Large.IsValid() {
		s.File, s.Next = "", "fill in the names, the files and the certificate of both"
	}
	var b bytes.Buffer
	err := templates.ExecuteTemplate(&b, string(program)+".tmpl", map[string]any{
		"Mark": Mark, "Profile": p.Name, "File": s.File, "Suites": suites, "TLS12": o.TLS12, "Two": o.Large.IsValid(), "Small": listen(o.Small), "Large": listen(o.Large),
		"Tx": strings.Join(n.tx, ", "), "Rx": strings.Join(n.rx, ", "), "VFs": n.vfs, "Crypto": strings.Join(n.crypto, ", "), "Packet": strings.Join(n.packet, ", "),
		"SmallIP": o.Small, "LargeIP": o.Large,
	})
	if err != nil {
		return nil, fmt.Errorf("writing the settings of %s: %w", program, err)
	}
	s.Text = b.String()
	return s, nil
}

// check says which option does not go with a program.
func (o Options) check(program Program) error {
	if o.TLS12 && (program == Tlshd || program == StrongSwan) {
		return fmt.Errorf("%s has no TLS 1.3 that a setting could turn off", program)
	}
	if !o.Small.IsValid() && !o.Large.IsValid() {
		return nil
	}
	switch {
	case program != Nginx:
		return fmt.Errorf("two addresses are there for nginx alone, and not for %s", program)
	case !o.Small.IsValid() || !o.Large.IsValid() || o.Small == o.Large:
		return fmt.Errorf("two addresses are two different ones: %s and %s", o.Small, o.Large)
	case o.Small.Zone() != "" || o.Large.Zone() != "":
		return fmt.Errorf("%s and %s: nginx listens on no address with a zone", o.Small, o.Large)
	}
	return nil
}

// listen is an address and the port of HTTPS as nginx writes them.
func listen(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return netip.AddrPortFrom(a, 443).String()
}
