// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/lab/vflab"
	"github.com/nicwright/nicwright/provision/bench/web"
)

// The programs themselves take what `nicwright settings` prints, and then use the card:
// the kernel's counters and xfrm states say so.

// twoPlaces puts two VFs into the namespaces t0 and t1, with addresses of 10.9.0.0/24.
func twoPlaces(t *testing.T, vfs []netdev.Link) {
	t.Helper()
	for i, l := range vfs {
		ns := fmt.Sprintf("t%d", i)
		witness(t, "ip", "netns", "add", ns)
		t.Cleanup(func() { vflab.Run(t, "ip", "netns", "del", ns) }) // the VF comes back
		witness(t, "ip", "link", "set", l.Name, "netns", ns, "name", "vf0")
		witness(t, "ip", "-n", ns, "addr", "add", fmt.Sprintf("10.9.0.1%d/24", i), "dev", "vf0")
		witness(t, "ip", "-n", ns, "link", "set", "lo", "up")
		witness(t, "ip", "-n", ns, "link", "set", "vf0", "up")
		witness(t, "nsenter", "--net=/run/netns/"+ns, "ethtool", "-K", "vf0", "tls-hw-tx-offload", "on")
	}
	witness(t, "nsenter", "--net=/run/netns/t1", "ping", "-c", "3", "-i", "0.3", "-w", "20", "-q", "10.9.0.10")
}

// started runs a program in a namespace until the test, or stop, ends it.
func started(t *testing.T, ns string, env []string, args ...string) (stop func()) {
	t.Helper()
	cmd := exec.Command("nsenter", append([]string{"--net=/run/netns/" + ns}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	stop = func() {
		if !ended {
			ended = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	t.Cleanup(func() {
		stop()
		if text, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("%v:\n%s", args, text)
		}
	})
	return stop
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// serves tells whether the server listens.
func serves() bool {
	out, _ := exec.Command("ip", "netns", "exec", "t0", "ss", "-Hltn", "sport", "=", ":4433").Output()
	return len(out) > 0
}

// tlsStat is a line of /proc/net/tls_stat in the server's namespace.
func tlsStat(t *testing.T, name string) int {
	t.Helper()
	m := regexp.MustCompile(name + `\s+(\d+)`).FindStringSubmatch(witness(t, "nsenter", "--net=/run/netns/t0", "cat", "/proc/net/tls_stat"))
	if m == nil {
		return 0 // the module is not there yet
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// asked opens a connection to the server, asks for the file, and gives what s_client said.
func asked(t *testing.T, args ...string) (said string, ok bool) {
	t.Helper()
	cmd := exec.Command("nsenter", append([]string{"--net=/run/netns/t1", "timeout", "60", "openssl", "s_client", "-connect", "10.9.0.10:4433", "-ign_eof"}, args...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(in, "GET /file HTTP/1.0\r\n\r\n") }()
	out, err := cmd.CombinedOutput()
	return string(out), err == nil && strings.Contains(string(out), "the file is here")
}

// paths asks with TLS 1.2 and 1.3, and a cipher that no card takes, and holds the kernel's counters against it.
func paths(t *testing.T, tls12 bool) {
	t.Helper()
	device, software := tlsStat(t, "TlsTxDevice"), tlsStat(t, "TlsTxSw")
	if said, ok := asked(t, "-tls1_2"); !ok || tlsStat(t, "TlsTxDevice") != device+1 || tlsStat(t, "TlsTxSw") != software {
		t.Errorf("TLS 1.2: TlsTxDevice was %d and is %d, TlsTxSw %d and %d\n%s", device, tlsStat(t, "TlsTxDevice"), software, tlsStat(t, "TlsTxSw"), said)
	}
	if said, ok := asked(t, "-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"); ok || !strings.Contains(said, "alert") {
		t.Errorf("ChaCha20, which the card does not take, is taken:\n%s", said)
	}
	device, software = tlsStat(t, "TlsTxDevice"), tlsStat(t, "TlsTxSw")
	said, ok := asked(t, "-tls1_3")
	if tls12 {
		if ok || !strings.Contains(said, "alert") {
			t.Errorf("TLS 1.3 is still there:\n%s", said)
		}
		return
	}
	if !ok || tlsStat(t, "TlsTxDevice") != device || tlsStat(t, "TlsTxSw") <= software {
		t.Errorf("TLS 1.3: TlsTxDevice was %d and is %d, TlsTxSw %d and %d\n%s", device, tlsStat(t, "TlsTxDevice"), software, tlsStat(t, "TlsTxSw"), said)
	}
}

// site writes a certificate, its key, and the file that is asked for.
func site(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cert, key, err := web.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"cert": cert, "key": key, "file": []byte("HTTP/1.0 200 OK\r\n\r\nthe file is here\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSettingsOfNginxAndOpenSSL(t *testing.T) {
	needLab(t)
	twoPlaces(t, vflab.Legacy(t, t.Context(), 2))
	dir := site(t)
	snippet, conf := filepath.Join(dir, "nicwright.conf"), filepath.Join(dir, "nginx.conf")
	text := "daemon off; user root; pid " + dir + "/pid; error_log stderr; events {}\nhttp {\n\taccess_log off; sendfile on; ssl_protocols TLSv1.2 TLSv1.3; ssl_prefer_server_ciphers off;\n" + // as Debian's
		"\tserver { listen 10.9.0.10:4433 ssl; root " + dir + "; ssl_certificate " + dir + "/cert; ssl_certificate_key " + dir + "/key; include " + snippet + "; }\n}\n"
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	witness(t, "chmod", "-R", "a+rX", dir)
	for _, args := range [][]string{nil, {"--tls12"}} {
		expect(t, exitDone, append([]string{"settings", "nginx", "-p", "tls-server", "--write", "--file", snippet}, args...)...)
		witness(t, "nsenter", "--net=/run/netns/t0", "nginx", "-t", "-c", conf)
		stop := started(t, "t0", nil, "nginx", "-c", conf)
		eventually(t, "nginx listens", serves)
		paths(t, args != nil)
		witness(t, "nsenter", "--net=/run/netns/t0", "nginx", "-s", "quit", "-c", conf)
		eventually(t, "nginx has ended", func() bool { return !serves() })
		stop()
	}
	expect(t, exitDone, "settings", "nginx", "--remove", "--file", snippet)
	if r := command(t, "nginx", "-t", "-c", conf); r.code == 0 || !strings.Contains(r.stderr, snippet) {
		t.Errorf("nginx goes on with a snippet that is taken away: %s", r.stderr)
	}

	// Two servers, of which the second alone has the card; certificates are filled in.
	two := strings.ReplaceAll(expect(t, exitDone, "settings", "nginx", "-p", "vm-host", "--two-addresses", "10.9.0.10,10.9.0.12").stdout,
		"# server_name, root, ssl_certificate, ssl_certificate_key: yours", "root "+dir+"; ssl_certificate "+dir+"/cert; ssl_certificate_key "+dir+"/key;")
	witness(t, "ip", "-n", "t0", "addr", "add", "10.9.0.12/24", "dev", "vf0")
	if err := os.WriteFile(conf, []byte("pid "+dir+"/pid; error_log stderr; events {}\nhttp {\n\taccess_log off;\n"+two+"}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	witness(t, "nsenter", "--net=/run/netns/t0", "nginx", "-t", "-c", conf)

	for _, args := range [][]string{nil, {"--tls12"}} {
		file := filepath.Join(dir, "openssl.cnf")
		expect(t, exitDone, append([]string{"settings", "openssl", "-p", "tls-server", "--write", "--file", file}, args...)...)
		stop := started(t, "t0", []string{"OPENSSL_CONF=" + file}, "sh", "-c", "cd "+dir+" && exec openssl s_server -HTTP -accept 10.9.0.10:4433 -cert cert -key key -no_ticket")
		eventually(t, "s_server listens", serves)
		paths(t, args != nil)
		stop()
		eventually(t, "s_server has ended", func() bool { return !serves() })
	}
}

// charon is strongSwan's daemon with a configuration that refers to the settings.
func charon(t *testing.T, ns, us, them, child, settings string) (swanctl func(args ...string) string) {
	t.Helper()
	dir := t.TempDir()
	socket := "unix://" + dir + "/vici"
	for name, text := range map[string]string{
		"strongswan.conf": "charon-systemd {\n load = random nonce drbg openssl kernel-netlink socket-default vici\n plugins { vici { socket = " + socket + "\n } }\n filelog { f { path = " + dir + "/log\n default = 1\n } }\n}\n",
		"swanctl.conf": "connections { ike {\n version = 2\n proposals = aes128gcm16-prfsha256-x25519\n local_addrs = " + us + "\n remote_addrs = " + them +
			"\n local {\n auth = psk\n id = " + us + "\n }\n remote {\n auth = psk\n id = " + them + "\n }\n children { net " + child + " {\n mode = transport\n } }\n} }\n" +
			"secrets { ike-psk {\n secret = not-a-secret-at-all\n } }\ninclude " + settings + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("STRONGSWAN_CONF", filepath.Join(dir, "strongswan.conf"))
	started(t, ns, nil, "charon-systemd")
	eventually(t, "charon listens", func() bool { _, err := os.Stat(dir + "/vici"); return err == nil })
	swanctl = func(args ...string) string {
		t.Helper()
		return witness(t, "swanctl", append(args, "--uri", socket)...)
	}
	swanctl("--load-all", "--noprompt", "--file", filepath.Join(dir, "swanctl.conf"))
	return swanctl
}

func TestSettingsOfStrongSwan(t *testing.T) {
	needLab(t)
	twoPlaces(t, vflab.Switchdev(t, t.Context(), 2, "ipsec_crypto"))
	file := filepath.Join(t.TempDir(), "nicwright.conf")
	expect(t, exitDone, "settings", "strongswan", "-p", "vm-host", "--write", "--file", file)
	here := charon(t, "t0", "10.9.0.10", "10.9.0.11", ": nicwright.crypto", file)
	charon(t, "t1", "10.9.0.11", "10.9.0.10", "", file) // in software
	here("--initiate", "--child", "net", "--timeout", "60")
	if states := witness(t, "ip", "-n", "t0", "-d", "xfrm", "state"); strings.Count(states, "crypto offload parameters: dev vf0") != 2 || !strings.Contains(states, "rfc4106(gcm(aes))") {
		t.Errorf("it is not in the card:\n%s", states)
	}
	if states := witness(t, "ip", "-n", "t1", "-d", "xfrm", "state"); strings.Contains(states, "offload") || !strings.Contains(states, "rfc4106(gcm(aes))") {
		t.Errorf("the other end, without the settings, has\n%s", states)
	}
	witness(t, "nsenter", "--net=/run/netns/t1", "ping", "-c", "3", "-i", "0.3", "-w", "20", "-q", "10.9.0.10")
	if n := ethtoolInNS(t, "t0", "ipsec_tx_pkts"); n == 0 {
		t.Error("the card has encrypted nothing")
	}
}

// ethtoolInNS reads a counter of vf0 in a namespace.
func ethtoolInNS(t *testing.T, ns, name string) int {
	t.Helper()
	m := regexp.MustCompile(`(?m)^\s*` + name + `: (\d+)$`).FindStringSubmatch(witness(t, "nsenter", "--net=/run/netns/"+ns, "ethtool", "-S", "vf0"))
	if m == nil {
		t.Fatalf("ethtool -S has no %s", name)
	}
	n, _ := strconv.Atoi(m[1])
	return n
}
