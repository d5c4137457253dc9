// SPDX-License-Identifier: Apache-2.0

package debian

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestParseList(t *testing.T) {
	got := ParseList(`# a comment
deb http://mirror.example/debian bookworm main contrib # the archive
deb-src http://mirror.example/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] https://vendor.example/apt stable main
deb[trusted=yes] http://odd.example/ ./
  deb	http://tab.example/debian	trixie	main
deb http://no-suite.example/
debris http://wrong.example/ x main
deb [unclosed http://wrong.example/ x main
`)
	want := []Source{
		{"http://mirror.example/debian", "bookworm", []string{"main", "contrib"}},
		{"https://vendor.example/apt", "stable", []string{"main"}},
		{"http://odd.example/", "./", []string{}},
		{"http://tab.example/debian", "trixie", []string{"main"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestParseDeb822(t *testing.T) {
	got := ParseDeb822(`# Debian's own
Types: deb deb-src
# a comment within
URIs: http://a.example/debian
 http://b.example/debian
Suites: trixie trixie-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 Types: not a field

Enabled: no
Types: deb
URIs: http://disabled.example/debian
Suites: trixie
Components: main

types: deb-src
URIs: http://source.example/debian
Suites: trixie
Components: main
`)
	var want []Source
	for _, uri := range []string{"http://a.example/debian", "http://b.example/debian"} {
		for _, suite := range []string{"trixie", "trixie-updates"} {
			want = append(want, Source{uri, suite, []string{"main"}})
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestMirror(t *testing.T) {
	const security = "deb http://security.example/debian-security bookworm-security main\n"
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{name: "no sources at all", want: DefaultMirror},
		{
			name:  "only vendors and security",
			files: map[string]string{"sources.list": security + "deb https://vendor.example/node nodistro main\n"},
			want:  DefaultMirror,
		},
		{
			name:  "the archive after security, with a slash",
			files: map[string]string{"sources.list": security + "deb http://mirror.example/debian/ bookworm main\n"},
			want:  "http://mirror.example/debian",
		},
		{
			name: "deb822 beside a vendor's list",
			files: map[string]string{
				"sources.list.d/aaa.list":       "deb https://vendor.example/apt any main\n",
				"sources.list.d/debian.sources": "Types: deb\nURIs: https://mirror.example/debian\nSuites: trixie\nComponents: main\n",
				"sources.list.d/old.save":       "deb http://saved.example/debian trixie main\n",
			},
			want: "https://mirror.example/debian",
		},
		{
			name: "a cloud image's list of mirrors",
			files: map[string]string{
				"sources.list.d/debian.sources": "Types: deb\nURIs: mirror+file:///etc/apt/mirrors/debian.list\nSuites: bookworm\nComponents: main\n",
				"mirrors/debian.list":           "https://cloud.example/debian\n",
			},
			want: "https://cloud.example/debian",
		},
		{
			name:  "a CD-ROM, then the archive",
			files: map[string]string{"sources.list": "deb cdrom:[Debian]/ bookworm main\ndeb http://mirror.example/debian bookworm main\n"},
			want:  "http://mirror.example/debian",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			etc := t.TempDir()
			for name, text := range tt.files {
				p := filepath.Join(etc, "apt", name)
				if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := Mirror(etc)
			if err != nil || got != tt.want {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestRootKeyFollowsTheCompiler(t *testing.T) {
	if RootKey("gcc-14") == RootKey("gcc-12") {
		t.Error("another compiler makes no other root")
	}
}
