// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// What an IKE daemon sets up is set up here by ip: one SA in the card, one in
// software, and nicwright has to tell them apart and print no key.
func TestLabShowIPsec(t *testing.T) {
	needLab(t)
	var links []struct {
		IfName    string `json:"ifname"`
		ParentDev string `json:"parentdev"`
	}
	witnessJSON(t, &links, "ip", "-d", "-j", "link")
	netdev := ""
	for _, l := range links {
		if l.ParentDev == pfs[0] {
			netdev = l.IfName
		}
	}
	if r := expect(t, exitDone, "show", "ipsec"); r.stdout != "no IPsec SAs in this network namespace\n" {
		t.Errorf("on a bare machine: %s", r.stdout)
	}
	witness(t, "ip", "link", "set", netdev, "up")
	defer func() {
		witness(t, "ip", "xfrm", "state", "flush")
		witness(t, "ip", "link", "set", netdev, "down")
	}()
	const gcm, cbc, hmac = "0xdeadbeefcafef00ddeadbeefcafef00d01020304", "0xdeadbeefcafef00ddeadbeefcafef00d", "0xdeadbeefcafef00ddeadbeefcafef00ddeadbeefcafef00ddeadbeefcafef00d"
	witness(t, "ip", "xfrm", "state", "add", "src", "192.0.2.1", "dst", "192.0.2.2", "proto", "esp", "spi", "0xc0ffee", "reqid", "1", "mode", "transport",
		"replay-window", "64", "flag", "esn", "limit", "packet-soft", "1000", "limit", "packet-hard", "2000",
		"aead", "rfc4106(gcm(aes))", gcm, "128", "offload", "crypto", "dev", netdev, "dir", "in")
	witness(t, "ip", "xfrm", "state", "add", "src", "2001:db8::1", "dst", "2001:db8::2", "proto", "esp", "spi", "0x77", "reqid", "2", "mode", "tunnel",
		"auth-trunc", "hmac(sha256)", hmac, "128", "enc", "cbc(aes)", cbc)

	text := expect(t, exitDone, "show", "ipsec").stdout
	lines := strings.Split(text, "\n")
	if len(lines) != 4 {
		t.Fatalf("not a line for each SA: %s", text)
	}
	for i, words := range [][]string{
		{"192.0.2.1", "192.0.2.2", "0x00c0ffee", "transport", " in ", "rfc4106(gcm(aes)) 128", " yes ", " 64 ", "crypto on " + netdev, "1000/2000 packets"},
		{"2001:db8::1", "2001:db8::2", "0x00000077", "tunnel", "cbc(aes) 128 + hmac(sha256) 256", " no ", "none"},
	} {
		for _, w := range words {
			if !strings.Contains(lines[i+1], w) {
				t.Errorf("%q is not in %q", w, lines[i+1])
			}
		}
	}
	doc := expect(t, exitDone, "show", "ipsec", "--json").stdout
	if strings.Contains(strings.ToLower(text+doc), "deadbeef") {
		t.Errorf("a key shows:\n%s\n%s", text, doc)
	}
	var raw struct {
		States []struct {
			SPI     string
			Offload struct{ Mode, Netdev string }
		}
	}
	if err := json.Unmarshal([]byte(doc), &raw); err != nil || len(raw.States) != 2 || raw.States[0].Offload.Mode != "crypto" ||
		raw.States[0].Offload.Netdev != netdev || raw.States[0].SPI != "0x00c0ffee" || raw.States[1].Offload.Mode != "none" {
		t.Errorf("%v: %s", err, doc)
	}
	if r := command(t, "setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin", shared+"/nicwright", "show", "ipsec"); r.code != exitError || !strings.Contains(r.stderr, "CAP_NET_ADMIN") {
		t.Errorf("without the capability it exited %d: %s%s", r.code, r.stdout, r.stderr)
	}
}
