// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"libvirt.org/go/libvirtxml"

	"github.com/nicwright/nicwright/internal/pci"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A domain as libvirt 9 gives it to the hook: VFs by address, by a network, and what is no VF.
func TestDomain(t *testing.T) {
	text := read(t, "web1.xml")
	d, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	want := &Domain{Name: "web & 1", Interfaces: []Interface{
		{MAC: "02:00:5E:10:00:06", Network: "tenants", Address: "0000:3b:00.5"},
		{MAC: "02:00:5e:10:00:07", Network: "storage", Address: "0000:3b:01.2"},
		{MAC: "02:00:5e:10:00:08", Address: "0000:3b:00.6"},
	}}
	if diff := cmp.Diff(want, d, cmpopts.IgnoreUnexported(Domain{}, Interface{})); diff != "" {
		t.Error(diff)
	}

	// Of the document the addresses alone become others.
	moved, err := d.With(map[int]pci.Address{1: "0001:41:1f.7", 0: "0000:5e:00.2"})
	if err != nil {
		t.Fatal(err)
	}
	var domain libvirtxml.Domain
	if err := domain.Unmarshal(string(moved)); err != nil {
		t.Fatalf("%v\n%s", err, moved)
	}
	again, err := Parse(moved)
	if err != nil || again.Interfaces[0].Address != "0000:5e:00.2" || again.Interfaces[1].Address != "0001:41:1f.7" || again.Interfaces[2].Address != "0000:3b:00.6" {
		t.Errorf("it is read back as %+v, %v", again, err)
	}
	back, err := again.With(map[int]pci.Address{0: "0000:3b:00.5", 1: "0000:3b:01.2"})
	strip := strings.NewReplacer("'", `"`)
	if err != nil || strip.Replace(string(back)) != strip.Replace(string(text)) {
		t.Errorf("more than the addresses has changed: %v\n%s", err, cmp.Diff(string(text), string(back)))
	}
	if same, err := d.With(nil); err != nil || !bytes.Equal(same, text) {
		t.Errorf("without a change it is another: %v", err)
	}
}

func TestDomainsThatAreNone(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "has no <name>",
		"<domain>":                          "unexpected EOF",
		"<network><name>x</name></network>": "has no <name>",
		`<domain><name>a</name><devices><interface type='hostdev'><source><address type='pci' domain='0x0000' bus='x' slot='0x00' function='0x5'/></source></interface></devices></domain>`: `has the bus "x"`,
		`<domain><name>a</name><devices><interface type='hostdev'><source><address type='pci' bus='0x3b' slot='0xff' function='0x5'/></source></interface></devices></domain>`:              "the PCI address of an interface",
		`<domain><name>a</name><metadata><n:lease xmlns:n='` + Namespace + `'><n:interface mac='02:00:5e:10:00:06'/></n:lease></metadata></domain>`:                                         "no network",
		strings.Repeat(" ", MaxSize+1): "more than",
	} {
		if d, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q is %+v, %v; want %q", text, d, err, want)
		}
	}
}

// Whatever is read, other addresses are found in what is written, and nothing else is another.
func FuzzParse(f *testing.F) {
	f.Add(read(f, "web1.xml"))
	f.Add([]byte("<domain><name>a</name></domain>"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Parse(text)
		if err != nil {
			return
		}
		all := map[int]pci.Address{}
		for i := range d.Interfaces {
			all[i] = "0001:41:1f.7"
		}
		b, err := d.With(all)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(b)
		if err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		for i, f := range again.Interfaces {
			if f.Address != all[i] || f.MAC != d.Interfaces[i].MAC || f.Network != d.Interfaces[i].Network {
				t.Errorf("%+v became %+v", d.Interfaces[i], f)
			}
		}
		if len(again.Interfaces) != len(d.Interfaces) || again.Name != d.Name {
			t.Errorf("%+v became %+v", d, again)
		}
	})
}
