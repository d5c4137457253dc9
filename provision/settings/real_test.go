// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/provision/bench/web"
)

// The programs themselves say whether they take it, where they are installed; those of
// the lab do in cmd/nicwright, with connections and counters.

func installed(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

// written puts settings into a file.
func written(t *testing.T, program Program, o Options) string {
	t.Helper()
	s, err := For(program, profile(t, "tls-server"), o)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), string(program)+".cfg")
	if _, err := Write(t.Context(), file, s); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestOpenSSLTakesIt(t *testing.T) {
	openssl := installed(t, "openssl")
	suites := func(text string) (string, error) {
		conf := filepath.Join(t.TempDir(), "openssl.cnf")
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(openssl, "ciphers", "-s", "-tls1_2")
		cmd.Env = append(os.Environ(), "OPENSSL_CONF="+conf)
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	for _, o := range []Options{{}, {TLS12: true}} {
		text, err := os.ReadFile(written(t, OpenSSL, o))
		if err != nil {
			t.Fatal(err)
		}
		switch got, err := suites(string(text)); {
		case err != nil:
			t.Errorf("%+v: %v\n%s", o, err, got)
		case strings.Count(got, ":") != 3 || strings.Count(got, "-GCM-") != 4:
			t.Errorf("%+v: its suites are %s", o, got)
		}
		// It is this file that is read: with another line there are other suites.
		if got, err := suites(strings.Replace(string(text), "CipherString = ", "CipherString = AES128-SHA:", 1)); err != nil || !strings.HasPrefix(got, "AES128-SHA:") {
			t.Errorf("%+v: with another suite it has %s, %v", o, got, err)
		}
	}
}

// Of HAProxy before 3.3, which has no ktls, the file itself is taken as well.
func TestHAProxyTakesIt(t *testing.T) {
	haproxy := installed(t, "haproxy")
	cert, key, err := web.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	pem, own := filepath.Join(dir, "site.pem"), filepath.Join(dir, "haproxy.cfg")
	version, err := exec.Command(haproxy, "-v").Output()
	if err != nil {
		t.Fatal(err)
	}
	ktls := ""
	if m := regexp.MustCompile(`version (\d+)\.(\d+)`).FindStringSubmatch(string(version)); m != nil {
		major, _ := strconv.Atoi(m[1])
		minor, _ := strconv.Atoi(m[2])
		if major > 3 || major == 3 && minor >= 3 {
			ktls = " ktls on"
		}
	}
	conf := "defaults\n\tmode http\n\ttimeout connect 1s\n\ttimeout client 1s\n\ttimeout server 1s\nfrontend f\n\tbind 127.0.0.1:8443 ssl crt " + pem + ktls + "\n\thttp-request return status 200\n"
	if err := os.WriteFile(pem, append(cert, key...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(own, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{}, {TLS12: true}} {
		if out, err := exec.Command(haproxy, "-c", "-f", own, "-f", written(t, HAProxy, o)).CombinedOutput(); err != nil {
			t.Errorf("%+v: %v\n%s", o, err, out)
		}
	}
}
