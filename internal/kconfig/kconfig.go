// SPDX-License-Identifier: Apache-2.0

// Package kconfig says what the running kernel and its modules were built with,
// as far as this host lets it be read: the kernel's configuration, the symbols
// and types of what is loaded, and which modules are loaded or could be. What
// cannot be read is said to be unknown, with what was tried.
package kconfig

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/probe"
)

// maxConfig bounds what is read of a configuration, in bytes: that of a
// distribution's kernel has some 300 KB.
const maxConfig = 16 << 20

// Config is a kernel's configuration.
type Config struct {
	file    string // "" if there is none
	tried   string
	options map[string]string // without CONFIG_
}

// Option says whether an option is built in or a module (y, m). name is without CONFIG_.
// An option that the file does not name is not set: its Kconfig file was not
// reached, or what it depends on is not set.
func (c Config) Option(name string) probe.Answer {
	if c.file == "" {
		return probe.Unknown("no configuration of this kernel is readable: " + c.tried)
	}
	switch v := c.options[name]; v {
	case "y", "m":
		return probe.Yes(fmt.Sprintf("CONFIG_%s=%s in %s", name, v, c.file))
	default:
		return probe.No(fmt.Sprintf("CONFIG_%s is not set in %s", name, c.file))
	}
}

// Host is where the running kernel is asked; the zero value is this host.
type Host struct{ root string }

// At is a kernel whose files are below another root directory.
func At(root string) Host { return Host{root: root} }

// Release is the kernel's release, as uname -r prints it.
func (h Host) Release() (string, error) {
	if h.root != "" {
		b, err := os.ReadFile(filepath.Join(h.root, "/proc/sys/kernel/osrelease"))
		if err != nil {
			return "", fmt.Errorf("asking for the kernel's release: %w", err)
		}
		return strings.TrimSpace(string(b)), nil
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", fmt.Errorf("asking for the kernel's release (uname): %w", err)
	}
	return unix.ByteSliceToString(u.Release[:]), nil
}

// Config reads the running kernel's configuration from the first of these that
// is there: /proc/config.gz (with IKCONFIG_PROC), /boot/config-RELEASE,
// /lib/modules/RELEASE/config (Fedora, newer Debian), the headers' .config. None
// of them is no error.
func (h Host) Config() (Config, error) {
	release, err := h.Release()
	if err != nil {
		return Config{}, err
	}
	files := []string{
		"/proc/config.gz",
		"/boot/config-" + release,
		"/lib/modules/" + release + "/config",
		"/lib/modules/" + release + "/build/.config",
		"/usr/src/linux-headers-" + release + "/.config",
	}
	var tried []string
	for _, file := range files {
		options, err := readConfig(filepath.Join(h.root, file))
		if err == nil {
			return Config{file: file, options: options}, nil
		}
		why := file
		if !errors.Is(err, fs.ErrNotExist) {
			why += " (" + err.Error() + ")"
		}
		tried = append(tried, why)
	}
	return Config{tried: strings.Join(tried, ", ")}, nil
}

func readConfig(file string) (map[string]string, error) {
	text, err := os.ReadFile(file) // at once: see listed
	if err != nil {
		return nil, err
	}
	var r io.Reader = bytes.NewReader(text)
	if filepath.Ext(file) == ".gz" {
		if r, err = gzip.NewReader(r); err != nil {
			return nil, fmt.Errorf("unpacking it: %w", err)
		}
	}
	return parseConfig(io.LimitReader(r, maxConfig))
}

// parseConfig reads the lines CONFIG_NAME=VALUE; all others say that something is not set.
func parseConfig(r io.Reader) (map[string]string, error) {
	options := map[string]string{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), "=")
		if name, is := strings.CutPrefix(name, "CONFIG_"); ok && is {
			options[name] = value
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading it: %w", err)
	}
	if len(options) == 0 {
		return nil, errors.New("it has no CONFIG_ lines")
	}
	return options, nil
}
