// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/provision/support"
	"github.com/nicwright/nicwright/provision/top"
)

// until waits for what other processes do, which has no event here.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for late := time.Now().Add(2 * time.Minute); !f(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("not within two minutes: %s", what)
		}
	}
}

// openssl runs until the test ends, and reads what is written to the result.
func openssl(t *testing.T, command ...string) io.Writer {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return stdin
}

// What a host with a card has to say of itself, when something is in the card and something is not.
func TestWhatIsSeen(t *testing.T) {
	needLab(t)
	small := filepath.Join("testdata", "small.yaml")
	expect(t, exitDone, "apply", "-p", small)
	t.Run("top", testTop)
	t.Run("status", testVerifiedIsKept)
	t.Run("support", testSupport)
	remove(t, small)
}

// testTop has one session in the card and one in software; the witnesses are ss, ethtool and the kernel's own counters.
func testTop(t *testing.T) {
	near, far := netOf(t, "/sys/bus/pci/devices/"+pfs[0]+"/virtfn0"), netOf(t, "/sys/bus/pci/devices/"+pfs[1]+"/virtfn0")
	witness(t, "ip", "netns", "add", "far")
	t.Cleanup(func() {
		witness(t, "ip", "-n", "far", "link", "set", far, "netns", strconv.Itoa(os.Getpid()))
		witness(t, "ip", "netns", "del", "far")
		witness(t, "ip", "addr", "flush", "dev", near)
		witness(t, "ip", "link", "set", near, "down")
	})
	witness(t, "ip", "link", "set", far, "netns", "far")
	witness(t, "ip", "-n", "far", "addr", "add", "198.51.100.2/24", "dev", far)
	witness(t, "ip", "-n", "far", "link", "set", far, "up")
	witness(t, "ip", "addr", "add", "198.51.100.1/24", "dev", near)
	witness(t, "ip", "link", "set", near, "up")
	dir := t.TempDir()
	key, cert := filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem")
	witness(t, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-subj", "/CN=far")
	sessions := []struct{ port, by string }{{"4433", "card"}, {"4434", "software"}}
	for i, how := range [][]string{{"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"}, {"-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"}} {
		s := sessions[i]
		server := openssl(t, append([]string{"openssl", "s_server", "-quiet", "-ktls", "-accept", "198.51.100.1:" + s.port, "-cert", cert, "-key", key}, how...)...)
		until(t, "a server at "+s.port, func() bool { return strings.Contains(witness(t, "ss", "-tlnH"), ":"+s.port+" ") })
		openssl(t, "ip", "netns", "exec", "far", "openssl", "s_client", "-quiet", "-connect", "198.51.100.1:"+s.port)
		until(t, "a kTLS session at "+s.port, func() bool { return strings.Contains(ssOf(t, s.port), "txconf: ") })
		if _, err := io.WriteString(server, strings.Repeat("bytes\n", 1000)); err != nil {
			t.Fatal(err)
		}
	}
	var counted string
	until(t, "the card has nothing more to send", func() bool {
		before := counted
		counted = witness(t, "ethtool", "-S", near)
		return before == counted && encrypted.MatchString(counted)
	})

	var f top.Frame
	r := expect(t, exitDone, "top", "--json")
	if err := json.Unmarshal([]byte(r.stdout), &f); err != nil {
		t.Fatalf("top printed no JSON: %v\n%s", err, r.stdout)
	}
	txconf := map[string]string{"card": "txconf: hw", "software": "txconf: sw"}
	for _, s := range sessions {
		i := slices.IndexFunc(f.TLS, func(x top.Session) bool { return strconv.Itoa(int(x.Local.Port())) == s.port })
		if i < 0 {
			t.Fatalf("top lists no session of port %s:\n%s", s.port, r.stdout)
		}
		is := f.TLS[i]
		if string(is.Tx.By) != s.by || is.Netdev != near || !strings.Contains(ssOf(t, s.port), txconf[s.by]) {
			t.Errorf("port %s is sent by %q through %s, want %s and %s; ss says\n%s", s.port, is.Tx.By, is.Netdev, s.by, near, ssOf(t, s.port))
		}
		if is.Tx.Bytes < 6000 {
			t.Errorf("port %s has sent %d bytes, want 6000 at least", s.port, is.Tx.Bytes)
		}
		switch why := is.Tx.Why; {
		case s.by == "card" && (is.Version != "1.2" || why != nil):
			t.Errorf("the session in the card is of version %s, and in software because of %+v", is.Version, why)
		case s.by == "software" && (why == nil || !strings.Contains(why.Text, "TLS 1.3")):
			t.Errorf("why it is in software is %+v, want that of TLS 1.3", why)
		}
	}
	stat := witness(t, "cat", "/proc/net/tls_stat")
	for name, want := range map[string]int{"TlsCurrTxDevice": 1, "TlsCurrTxSw": 1} {
		if !regexp.MustCompile(`(?m)^` + name + `\s+` + strconv.Itoa(want) + `$`).MatchString(stat) {
			t.Errorf("the kernel does not count %s %d:\n%s", name, want, stat)
		}
	}
	i := slices.IndexFunc(f.Netdevs, func(n top.Netdev) bool { return n.Netdev == near })
	bytes := encrypted.FindStringSubmatch(counted)[1]
	if i < 0 || strconv.FormatUint(f.Netdevs[i].TLSBytes["tx"], 10) != bytes {
		t.Errorf("ethtool counts %s bytes of %s, top has %+v", bytes, near, f.Netdevs)
	}
	if screen := expect(t, exitDone, "top").stdout; !strings.Contains(screen, "198.51.100.2") || !strings.Contains(screen, "TLS 1.3") {
		t.Errorf("the screen has not both, and why:\n%s", screen)
	}
}

var encrypted = regexp.MustCompile(`(?m)^\s*tx_tls_encrypted_bytes: ([1-9]\d*)$`)

// ssOf is what ss says of the connections from a port of this host.
func ssOf(t *testing.T, port string) string {
	t.Helper()
	return witness(t, "ss", "-tinHO", "state", "established", "sport", "=", ":"+port)
}

// testVerifiedIsKept: status and watch tell of the last verification, and that an apply came after it.
func testVerifiedIsKept(t *testing.T) {
	if s := expect(t, exitDone, "status").stdout; !strings.Contains(s, "never (nicwright verify)") {
		t.Errorf("before any verification status says:\n%s", s)
	}
	proofs := verdicts(t, expect(t, exitDone, "verify", "--quick", "--json").stdout)
	var s struct {
		Verified *struct {
			Profile string            `json:"profile"`
			Proofs  []json.RawMessage `json:"proofs"`
			OK      bool              `json:"ok"`
			Kernel  string            `json:"kernel"`
			Before  bool              `json:"before_the_last_apply"`
		} `json:"verified"`
	}
	status := expect(t, exitDone, "status", "--json").stdout
	release := strings.TrimSpace(witness(t, "uname", "-r"))
	if err := json.Unmarshal([]byte(status), &s); err != nil || s.Verified == nil ||
		s.Verified.Profile != "small" || !s.Verified.OK || s.Verified.Before || s.Verified.Kernel != release || len(s.Verified.Proofs) != len(proofs) {
		t.Errorf("after a verification with %d proofs status has: %v\n%s", len(proofs), err, status)
	}
	if text := expect(t, exitDone, "status").stdout; !strings.Contains(text, strconv.Itoa(len(proofs))+" proofs, all as required") {
		t.Errorf("status says:\n%s", text)
	}
	file := filepath.Join(t.TempDir(), "nicwright.prom")
	next := startWatch(t, "--textfile", file)
	next("what is in force", func(w watched) bool { return w.Event == "watching" })
	until(t, "the metrics have the verification", func() bool {
		b, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(b), `nicwright_verified_ok{kind="all"} 1`) && strings.Contains(string(b), `nicwright_verified_ok{kind="ktls"} 1`)
	})
}

// testSupport: the archive has what is listed, and neither the key of an IPsec state nor a MAC address of the card.
func testSupport(t *testing.T) {
	const secret = "5ec2e75ec2e75ec2e75ec2e75ec2e75ec2e75e42"
	witness(t, "ip", "xfrm", "state", "add", "src", "198.51.100.1", "dst", "198.51.100.2", "proto", "esp", "spi", "0x4711", "mode", "transport",
		"aead", "rfc4106(gcm(aes))", "0x"+secret, "128")
	defer witness(t, "ip", "xfrm", "state", "delete", "src", "198.51.100.1", "dst", "198.51.100.2", "proto", "esp", "spi", "0x4711")
	dir := t.TempDir()
	archive := filepath.Join(dir, "support.tar.gz")
	var listed struct {
		Files   []support.File
		Missing []support.Missing
	}
	r := expect(t, exitDone, "support", "--yes", "--json", "-o", archive)
	if err := json.Unmarshal([]byte(r.stdout), &listed); err != nil {
		t.Fatalf("support printed no JSON: %v\n%s", err, r.stdout)
	}
	var want []string
	for _, f := range listed.Files {
		want = append(want, "nicwright-support/"+f.Name)
	}
	for _, name := range []string{"status.json", "host.json", "kernel.log"} {
		if !slices.Contains(want, "nicwright-support/"+name) {
			t.Errorf("%s is not among %v; missing are %+v", name, want, listed.Missing)
		}
	}
	if !slices.ContainsFunc(want, func(s string) bool { return strings.HasPrefix(s, "nicwright-support/devlink/") }) {
		t.Errorf("nothing of devlink is among %v; missing are %+v", want, listed.Missing)
	}
	got := strings.Fields(witness(t, "tar", "-tzf", archive))
	if !slices.Equal(got, want) {
		t.Errorf("listed are %v, in the archive is %v", want, got)
	}
	witness(t, "tar", "-xzf", archive, "-C", dir)
	hidden := []string{secret}
	for _, pf := range pfs {
		nets, err := filepath.Glob("/sys/bus/pci/devices/" + pf + "/net/*/address")
		if err != nil || len(nets) == 0 {
			t.Fatalf("%s has the netdevs %v, %v", pf, nets, err)
		}
		for _, n := range nets {
			hidden = append(hidden, strings.TrimSpace(witness(t, "cat", n)))
		}
	}
	for _, h := range hidden {
		if r := command(t, "grep", "-rilF", h, filepath.Join(dir, "nicwright-support")); r.code != 1 {
			t.Errorf("%s is in %s", h, r.stdout)
		}
	}
	if mode := strings.TrimSpace(witness(t, "stat", "-c", "%a", archive)); mode != "600" {
		t.Errorf("the archive's mode is %s, want 600", mode)
	}
}
