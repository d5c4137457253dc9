// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/profiles"
)

func profile(t *testing.T, name string) *profiles.Profile {
	t.Helper()
	p, err := profiles.Load(profiles.Options{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// cases are profiles with what a person has decided, and the directory of what is made of them.
var cases = map[string]struct {
	profile string
	options Options
}{
	"tls-server":       {"tls-server", Options{}},
	"tls-server-tls12": {"tls-server", Options{TLS12: true}},
	"vm-host":          {"vm-host", Options{ConfigDir: "/srv/nicwright"}},
	"vm-host-two":      {"vm-host", Options{Small: netip.MustParseAddr("192.0.2.10"), Large: netip.MustParseAddr("2001:db8::11")}},
	"ranges":           {"testdata/profiles/ranges.yaml", Options{}},
	"nothing":          {"testdata/profiles/nothing.yaml", Options{}},
	"backup":           {"testdata/profiles/backup.yaml", Options{}},
}

func TestSettings(t *testing.T) {
	for name, c := range cases {
		for _, program := range Programs() {
			t.Run(name+"/"+program, func(t *testing.T) {
				s, err := For(Program(program), profile(t, c.profile), c.options)
				var got string
				if err != nil {
					got = "error: " + err.Error() + "\n"
				} else {
					got = s.Text + "-- file: " + s.File + "\n-- next: " + s.Next + "\n"
				}
				golden.Text(t, filepath.Join("testdata", name, program+".txt"), got)
			})
		}
	}
}

// lines are those that a program reads: no comments.
func lines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// To turn TLS 1.3 off is a decision of a person's, and nothing else does it; what was
// decided is done.
func TestTLS13IsTurnedOffWhereThatIsSaid(t *testing.T) {
	for _, program := range []Program{Nginx, HAProxy, OpenSSL} {
		for _, name := range []string{"tls-server", "vm-host", "testdata/profiles/ranges.yaml"} {
			for _, off := range []bool{false, true} {
				s, err := For(program, profile(t, name), Options{TLS12: off})
				if err != nil {
					t.Fatal(err)
				}
				if got := strings.Contains(lines(s.Text), "TLSv1"); got != off {
					t.Errorf("%s of %s, --tls12 %t: a version of TLS is set: %t\n%s", program, name, off, got, s.Text)
				}
				if !strings.Contains(s.Text, "7.3") || !strings.HasPrefix(s.Text, Mark+"\n") {
					t.Errorf("%s of %s has no mark, or does not say why TLS 1.3 is in software:\n%s", program, name, s.Text)
				}
			}
		}
	}
}

// Each setting says what it gives or what it costs.
func TestEachSettingSaysWhatItCosts(t *testing.T) {
	for _, program := range []Program{Nginx, HAProxy, OpenSSL, StrongSwan} {
		s, err := For(program, profile(t, "vm-host"), Options{TLS12: program != StrongSwan})
		if err != nil {
			t.Fatal(err)
		}
		comment := ""
		for line := range strings.Lines(s.Text) {
			switch text := strings.TrimSpace(line); {
			case strings.HasPrefix(text, "#"):
				comment += text
			case text == "" || strings.HasPrefix(text, "["):
				comment = ""
			case strings.Contains(text, "{"), text == "}", text == "global", strings.Contains(text, "= nicwright_"):
			default:
				if !strings.Contains(comment, "costs:") {
					t.Errorf("%s: %q does not say what it costs: %q", program, text, comment)
				}
			}
		}
	}
}

func TestWhatCannotBeSaid(t *testing.T) {
	a, b := netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("192.0.2.11")
	for want, c := range map[string]struct {
		program Program
		options Options
	}{
		`no settings of "apache"`:                       {"apache", Options{}},
		"tlshd has no TLS 1.3":                          {Tlshd, Options{TLS12: true}},
		"strongswan has no TLS 1.3":                     {StrongSwan, Options{TLS12: true}},
		"for nginx alone":                               {HAProxy, Options{Small: a, Large: b}},
		"two different ones: 192.0.2.10 and invalid IP": {Nginx, Options{Small: a}},
		"two different ones: 192.0.2.11":                {Nginx, Options{Small: b, Large: b}},
		"no address with a zone":                        {Nginx, Options{Small: a, Large: netip.MustParseAddr("fe80::1%eth0")}},
	} {
		if _, err := For(c.program, profile(t, "vm-host"), c.options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", c.program, err, want)
		}
	}
	if _, err := For(Nginx, profile(t, "testdata/profiles/nothing.yaml"), Options{}); !errors.Is(err, ErrNothing) {
		t.Error(err)
	}
}
