// SPDX-License-Identifier: Apache-2.0

// Package guest reads the domain XML that libvirt gives to its hooks: which of a
// machine's interfaces are VFs, and of which networks. It changes nothing of the
// document but the addresses of VFs, byte by byte.
package guest

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/pci"
)

// Namespace of the element in <metadata> that says of which network a VF is:
//
//	<metadata>
//	  <nicwright:lease xmlns:nicwright="https://github.com/nicwright/nicwright/libvirt/1">
//	    <nicwright:interface mac="02:00:5e:10:00:06" network="tenants"/>
//	  </nicwright:lease>
//	</metadata>
const Namespace = "https://github.com/nicwright/nicwright/libvirt/1"

// MaxSize of a document in bytes: domains have some ten thousand.
const MaxSize = 4 << 20

// Domain is what is to be known of a machine.
type Domain struct {
	Name       string
	Interfaces []Interface

	text []byte
}

// Interface is a VF of a machine.
type Interface struct {
	MAC     string      // as it is written
	Network string      // by the metadata, else the libvirt network that it is of; "": neither
	Address pci.Address // of the VF

	from, to int64 // of the element that has the address
}

// walker goes over the document's elements.
type walker struct {
	dec      *xml.Decoder
	path     []string
	domain   *Domain
	now      Interface         // being read
	hostdev  bool              // it is a VF
	source   string            // its libvirt network
	networks map[string]string // of the metadata, by MAC
}

// Parse reads a domain.
func Parse(text []byte) (*Domain, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("the domain XML has %d bytes, more than %d", len(text), MaxSize)
	}
	w := walker{dec: xml.NewDecoder(bytes.NewReader(text)), domain: &Domain{text: text}, networks: map[string]string{}}
	for {
		from := w.dec.InputOffset()
		token, err := w.dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading the domain XML: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			w.path = append(w.path, name(t.Name))
			if err := w.start(t, from); err != nil {
				return nil, err
			}
		case xml.EndElement:
			w.end()
			w.path = w.path[:len(w.path)-1]
		case xml.CharData:
			if w.at("domain", "name") {
				w.domain.Name += string(t)
			}
		}
	}
	d := w.domain
	if d.Name == "" {
		return nil, errors.New("it is no domain of libvirt: it has no <name>")
	}
	for i := range d.Interfaces {
		if n := w.networks[strings.ToLower(d.Interfaces[i].MAC)]; n != "" {
			d.Interfaces[i].Network = n
		}
	}
	return d, nil
}

// name is an element's, with the namespace if it is ours.
func name(n xml.Name) string {
	if n.Space == Namespace {
		return "nicwright:" + n.Local
	}
	return n.Local
}

func (w *walker) at(path ...string) bool { return slices.Equal(w.path, path) }

// inInterface tells what of an interface this is; what libvirt made of it (<actual>)
// counts as it does.
func (w *walker) inInterface() (path []string, actual, is bool) {
	if len(w.path) < 3 || w.path[0] != "domain" || w.path[1] != "devices" || w.path[2] != "interface" {
		return nil, false, false
	}
	path = w.path[3:]
	if len(path) > 0 && path[0] == "actual" {
		return path[1:], true, true
	}
	return path, false, true
}

func (w *walker) start(t xml.StartElement, from int64) error {
	if w.at("domain", "metadata", "nicwright:lease", "nicwright:interface") {
		mac, network := attr(t, "mac"), attr(t, "network")
		if mac == "" || network == "" {
			return errors.New("an <interface> of nicwright's <lease> in the metadata has no mac or no network")
		}
		w.networks[strings.ToLower(mac)] = network
		return nil
	}
	path, actual, is := w.inInterface()
	switch {
	case !is:
	case len(path) == 0 && !actual:
		w.now, w.source, w.hostdev = Interface{}, "", attr(t, "type") == "hostdev"
	case len(path) == 0:
		w.hostdev = attr(t, "type") == "hostdev"
	case slices.Equal(path, []string{"mac"}):
		w.now.MAC = attr(t, "address")
	case slices.Equal(path, []string{"source"}) && !actual:
		w.source = attr(t, "network")
	case slices.Equal(path, []string{"source", "address"}) && attr(t, "type") == "pci":
		a, err := address(t)
		if err != nil {
			return err
		}
		w.now.Address, w.now.from, w.now.to = a, from, w.dec.InputOffset()
	}
	return nil
}

func (w *walker) end() {
	if path, actual, is := w.inInterface(); is && !actual && len(path) == 0 && w.hostdev && w.now.Address != "" {
		w.now.Network = w.source
		w.domain.Interfaces = append(w.domain.Interfaces, w.now)
	}
}

func attr(t xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

// address is a PCI address in libvirt's four numbers.
func address(t xml.StartElement) (pci.Address, error) {
	var n [4]uint64
	for i, name := range []string{"domain", "bus", "slot", "function"} {
		v := attr(t, name)
		if v == "" && name == "domain" {
			continue
		}
		var err error
		if n[i], err = strconv.ParseUint(v, 0, 32); err != nil {
			return "", fmt.Errorf("the PCI address of an interface has the %s %q", name, v)
		}
	}
	a, err := pci.ParseAddress(fmt.Sprintf("%04x:%02x:%02x.%x", n[0], n[1], n[2], n[3]))
	if err != nil {
		return "", fmt.Errorf("the PCI address of an interface: %w", err)
	}
	return a, nil
}

// With is the document with other addresses, by the place of the interface in
// Interfaces. All else is as it was.
func (d *Domain) With(addresses map[int]pci.Address) ([]byte, error) {
	var out []byte
	at := int64(0)
	order := make([]int, 0, len(addresses))
	for i := range addresses {
		order = append(order, i)
	}
	slices.SortFunc(order, func(a, b int) int { return int(d.Interfaces[a].from - d.Interfaces[b].from) })
	for _, i := range order {
		f := d.Interfaces[i]
		out = append(out, d.text[at:f.from]...)
		var domain, bus, slot, function uint
		if _, err := fmt.Sscanf(string(addresses[i]), "%x:%x:%x.%x", &domain, &bus, &slot, &function); err != nil {
			return nil, fmt.Errorf("reading the PCI address %q: %w", addresses[i], err)
		}
		out = fmt.Appendf(out, `<address type="pci" domain="0x%04x" bus="0x%02x" slot="0x%02x" function="0x%x"`, domain, bus, slot, function)
		if bytes.HasSuffix(d.text[f.from:f.to], []byte("/>")) {
			out = append(out, '/')
		}
		out, at = append(out, '>'), f.to
	}
	return append(out, d.text[at:]...), nil
}
