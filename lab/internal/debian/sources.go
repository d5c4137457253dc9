// SPDX-License-Identifier: Apache-2.0

// Package debian makes Debian root directories: it finds the machine's mirror,
// runs debootstrap and apt, and keeps all of it out of the host's system.
package debian

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// DefaultMirror is used on a machine that names no mirror of its own.
const DefaultMirror = "http://deb.debian.org/debian"

// Source is one line of a machine's apt sources (sources.list(5)): one
// address, one suite.
type Source struct {
	URI        string
	Suite      string
	Components []string
}

// ParseList reads the one-line format (*.list). Lines that are no deb lines
// are passed over.
func ParseList(text string) []Source {
	var out []Source
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb")
		if !ok || rest == "" || (rest[0] != ' ' && rest[0] != '\t' && rest[0] != '[') {
			continue
		}
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, "[") {
			_, after, ok := strings.Cut(rest, "]")
			if !ok {
				continue
			}
			rest = after
		}
		if f := strings.Fields(rest); len(f) >= 2 {
			out = append(out, Source{URI: f[0], Suite: f[1], Components: f[2:]})
		}
	}
	return out
}

// ParseDeb822 reads the paragraph format (*.sources). Disabled paragraphs and
// those without "deb" among their types are passed over.
func ParseDeb822(text string) []Source {
	var out []Source
	fields, last := map[string]string{}, ""
	flush := func() {
		enabled := strings.ToLower(strings.TrimSpace(fields["enabled"]))
		if slices.Contains(strings.Fields(fields["types"]), "deb") && enabled != "no" && enabled != "false" {
			for _, uri := range strings.Fields(fields["uris"]) {
				for _, suite := range strings.Fields(fields["suites"]) {
					out = append(out, Source{URI: uri, Suite: suite, Components: strings.Fields(fields["components"])})
				}
			}
		}
		fields, last = map[string]string{}, ""
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.TrimSpace(line) == "":
			flush()
		case line[0] == ' ' || line[0] == '\t':
			if last != "" {
				fields[last] += " " + strings.TrimSpace(line)
			}
		default:
			name, value, ok := strings.Cut(line, ":")
			if !ok {
				continue
			}
			last = strings.ToLower(strings.TrimSpace(name))
			fields[last] = strings.TrimSpace(value)
		}
	}
	flush()
	return out
}

// suites which a Debian mirror's archive (not security, not a vendor's) has.
var archiveSuites = []string{"bookworm", "trixie", "forky", "duke", "sid", "stable", "testing", "unstable"}

// Mirror returns the address of the Debian archive that the machine whose /etc
// is given is set up to use, or DefaultMirror.
func Mirror(etc string) (string, error) {
	sources, err := readSources(filepath.Join(etc, "apt"))
	if err != nil {
		return "", err
	}
	for _, s := range sources {
		if !slices.Contains(archiveSuites, s.Suite) || !slices.Contains(s.Components, "main") {
			continue
		}
		uri, err := resolve(etc, s.URI)
		if err != nil {
			return "", err
		}
		if uri != "" {
			return strings.TrimRight(uri, "/"), nil
		}
	}
	return DefaultMirror, nil
}

// readSources reads sources.list and sources.list.d as apt does; what is not
// there is no error.
func readSources(apt string) ([]Source, error) {
	paths := []string{filepath.Join(apt, "sources.list")}
	entries, err := os.ReadDir(filepath.Join(apt, "sources.list.d"))
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("read the machine's apt sources: %w", err)
	}
	for _, e := range entries {
		paths = append(paths, filepath.Join(apt, "sources.list.d", e.Name()))
	}
	sort.Strings(paths[1:])
	var out []Source
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the machine's apt sources: %w", err)
		}
		switch filepath.Ext(p) {
		case ".list":
			out = append(out, ParseList(string(b))...)
		case ".sources":
			out = append(out, ParseDeb822(string(b))...)
		}
	}
	return out, nil
}

// resolve turns an address into one that debootstrap can fetch from, or "".
// Debian's cloud images name a file with mirrors in it.
func resolve(etc, uri string) (string, error) {
	file, isFile := strings.CutPrefix(uri, "mirror+file:")
	if !isFile {
		if strings.HasPrefix(uri, "http://") || strings.HasPrefix(uri, "https://") {
			return uri, nil
		}
		return "", nil
	}
	file = "/" + strings.TrimLeft(file, "/")
	if rel, ok := strings.CutPrefix(file, "/etc/"); ok {
		file = filepath.Join(etc, rel)
	}
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("read the list of mirrors that the apt sources name: %w", err)
	}
	defer func() { _ = f.Close() }()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if fs := strings.Fields(sc.Text()); len(fs) > 0 && strings.HasPrefix(fs[0], "http") {
			return fs[0], nil
		}
	}
	return "", nil
}
