// SPDX-License-Identifier: Apache-2.0

package support

import (
	"encoding"
	"encoding/json"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision"
)

func TestRedact(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"ipv4":               {"via 192.0.2.1 dev eth0", "via ipv4-1 dev eth0"},
		"the same twice":     {"192.0.2.1, 192.0.2.2 and 192.0.2.1/24", "ipv4-1, ipv4-2 and ipv4-1/24"},
		"with a port":        {"192.0.2.1:4711 [2001:db8::1]:4711", "ipv4-1:4711 [ipv6-1]:4711"},
		"ends a sentence":    {"no answer from 192.0.2.1.", "no answer from ipv4-1."},
		"ipv6, other forms":  {"2001:DB8::1 2001:db8:0:0:0:0:0:1", "ipv6-1 ipv6-1"},
		"ipv6 with a zone":   {"fe80::1%eth0", "ipv6-1%eth0"},
		"ipv4 in ipv6":       {"::ffff:192.0.2.1 192.0.2.1", "ipv4-1 ipv4-1"},
		"mac, other forms":   {"b8:59:9f:00:00:01 B8-59-9F-00-00-01 b859.9f00.0001", "mac-1 mac-1 mac-1"},
		"mac of infiniband":  {"80:00:00:48:fe:80:00:00:00:00:00:00:b8:59:9f:03:00:00:00:01", "mac-1"},
		"mac after a word":   {"mac:b8:59:9f:00:00:01", "mac:mac-1"},
		"mac without colons": {"b8:59:9f:00:00:01 dpid 0000b8599f000001", "mac-1 dpid 0000mac-1"},
		"guid":               {"sys_image_guid b859:9f03:0000:0001", "sys_image_guid address-1"},
		"everybody's":        {"default 0.0.0.0/0 ::/0 ::1 127.0.0.1 ff:ff:ff:ff:ff:ff", "default 0.0.0.0/0 ::/0 ::1 127.0.0.1 ff:ff:ff:ff:ff:ff"},
		"host":               {"vm7.example.net VM7 vm7-tap0 xvm7", "host-1 host-2 vm7-tap0 xvm7"},
		"serial":             {`{"serial": "MT2115X0001", "x": "MT2115X0001"}`, `{"serial": "serial-1", "x": "serial-1"}`},
		"serial in yaml":     {"serial: MT2115X0001\n", "serial: serial-1\n"},
		"not addresses":      {"0000:3b:00.0 12:55:01.5 22.31.1014 std: 2026-11-28 pci/0000:3b:00.1/vf/3 8f14e45f-ceea-467f-a0e6-5b1d0c2f4a11", "0000:3b:00.0 12:55:01.5 22.31.1014 std: 2026-11-28 pci/0000:3b:00.1/vf/3 8f14e45f-ceea-467f-a0e6-5b1d0c2f4a11"},
		"bytes":              {`"body": "AgiAAAEAAAAIAAEAwAACAQ=="`, `"body": "bytes-1"`},
		"xfrm key":           {"auth hmac(sha256) 0x00112233445566778899aabbccddeeff", "auth hmac(sha256) [key]"},
		"key by name":        {`"key": "00112233445566778899aabb"`, `"key": "[key]"`},
		"password":           {"password=hunter2hunter2hunter2hunter2", "password=[key]"},
		"private key":        {"a\n-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----\nb", "a\n[private key]\nb"},
		"half a private key": {"-----BEGIN PRIVATE KEY-----\nMHcCAQEE", "[private key]"},
		"a hash is no key":   {`"hash": "4f1c00112233445566778899aabbccddeeff0011"`, `"hash": "4f1c00112233445566778899aabbccddeeff0011"`},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Redactor{}
			r.HideHosts("vm7.example.net", "vm7")
			r.Learn([]byte(tt.in))
			if d := cmp.Diff(tt.want, string(r.Redact([]byte(tt.in)))); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

func TestWithAddressesKeysGoAllTheSame(t *testing.T) {
	r := &Redactor{Addresses: true}
	r.HideHosts("vm7")
	in := "vm7 192.0.2.1 serial: MT2115X0001 b8:59:9f:00:00:01 "
	r.Learn([]byte(in))
	if got := string(r.Redact([]byte(in + "aead 0x00112233445566778899aabbccddeeff"))); got != in+"aead [key]" {
		t.Error(got)
	}
}

func TestHostNames(t *testing.T) {
	got := HostNames("vm7.example.net", []byte("127.0.0.1 localhost localhost.localdomain\n::1 ip6-loopback\n192.0.2.9 store.example.net store # vm8\n\n192.0.2.10\n"))
	if d := cmp.Diff([]string{"vm7.example.net", "vm7", "store.example.net", "store"}, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// In documents, the kernel's own messages are []byte: each such field is known by its
// name, and what is a list of numbers would not be found at all.
func TestEveryBytesOfAHostAreRedacted(t *testing.T) {
	found := 0
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type, string)
	walk = func(typ reflect.Type, key string) {
		switch {
		case typ.Implements(reflect.TypeFor[json.Marshaler]()) || typ.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
			return // text of its own
		case typ.Kind() == reflect.Array && typ.Elem().Kind() == reflect.Uint8:
			t.Errorf("%s is written as a list of numbers, in which no address is found", key)
		case typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Uint8:
			found++
			text, err := json.Marshal(map[string][]byte{key: []byte("\x02\x08\x80\x00\x01\x00\x00\x00\xc0\x00\x02\x01")})
			if err != nil {
				t.Fatal(err)
			}
			if got := string((&Redactor{}).Redact(text)); !strings.Contains(got, "bytes-1") {
				t.Errorf("%q is []byte, and is left: %s", key, got)
			}
		}
		if seen[typ] {
			return
		}
		switch typ.Kind() {
		case reflect.Struct:
			seen[typ] = true
			for i := range typ.NumField() {
				name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
				if name != "-" && (typ.Field(i).IsExported() || typ.Field(i).Anonymous) {
					walk(typ.Field(i).Type, name)
				}
			}
		case reflect.Pointer, reflect.Slice, reflect.Array:
			walk(typ.Elem(), key)
		case reflect.Map:
			walk(typ.Elem(), key)
		}
	}
	walk(reflect.TypeFor[provision.Host](), "host")
	walk(reflect.TypeFor[profiles.Want](), "want")
	walk(reflect.TypeFor[provision.Plan](), "plan")
	if found < 3 {
		t.Errorf("%d fields of bytes were found: has the walk lost its way?", found)
	}
}

// Whatever stands around it, an address, a serial number and a name that are hidden
// are in no output.
func FuzzRedact(f *testing.F) {
	f.Add("mac ", " up", []byte{192, 0, 2, 1}, []byte{0xb8, 0x59, 0x9f, 0, 0, 1})
	f.Add("1", ".2", []byte{10, 0, 0, 1}, []byte{2, 0, 0, 0, 0, 1})
	f.Add("fe80::", ":", []byte("\x20\x01\x0d\xb8............"), []byte{2, 0, 0, 0, 0, 1})
	f.Add("00-11-", "-22", []byte("\xfe\x80............\xff\xfe"), []byte{0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff})
	f.Add("\"body\": \"", "\"", []byte{198, 51, 100, 7}, []byte{2, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, before, after string, ip, hw []byte) {
		var all []string
		if a, ok := netip.AddrFromSlice(ip); ok {
			all = append(all, a.String(), a.StringExpanded())
		}
		if len(hw) == 6 {
			mac := net.HardwareAddr(hw).String()
			all = append(all, mac, strings.ToUpper(mac), strings.ReplaceAll(mac, ":", "-"), mac[:2]+mac[3:5]+"."+mac[6:8]+mac[9:11]+"."+mac[12:14]+mac[15:])
		}
		for _, a := range all {
			// One that is part of what is around it would be found there.
			if nobodys(strings.ToLower(a)) || nobodys(strings.ToLower(strings.ReplaceAll(a, "-", ":"))) || len(strings.Trim(a, ":0.f-F")) < 3 {
				continue
			}
			text := before + a + after
			r := &Redactor{}
			r.HideHosts("vm7")
			r.Learn([]byte(text))
			got := r.Redact([]byte(text + "\nserial: " + "MT2115X0001" + "\n(vm7)"))
			if strings.Contains(strings.ToLower(string(got)), strings.ToLower(a)) {
				t.Errorf("%q in %q is in %q", a, text, got)
			}
			if strings.Contains(string(got), "(vm7)") && !strings.Contains(text, "PRIVATE KEY") {
				t.Errorf("the host's name is in %q", got)
			}
			if again := r.Redact([]byte(text + "\nserial: " + "MT2115X0001" + "\n(vm7)")); !slices.Equal(got, again) {
				t.Errorf("%q gives %q, and then %q", text, got, again)
			}
		}
	})
}
