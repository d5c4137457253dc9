// SPDX-License-Identifier: Apache-2.0

// Package hook installs the script by which libvirt calls nicwright when a machine
// starts, stops or is migrated.
package hook

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
)

// mark is what a script of ours has in its second line.
const mark = "# nicwright: made by `nicwright vf hook --write`, taken away by `nicwright vf hook --remove`"

// file is its name in the directory.
const file = "nicwright"

// Write makes the script in dir, /etc/libvirt/hooks/qemu.d (libvirt 6.5 and newer run
// what is there, one after the other), mode 0755, and gives its path. It calls program.
// What somebody else put there is not replaced.
func Write(dir, program string) (string, error) {
	path := filepath.Join(dir, file)
	if err := ours(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if !filepath.IsAbs(program) || strings.ContainsAny(program, "'\n") {
		return "", fmt.Errorf("the hook cannot call %q: it has to be a plain absolute path", program)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("making the directory of libvirt's hooks: %w", err)
	}
	text := "#!/bin/sh\n" + mark + "\nexec '" + program + "' vf hook \"$@\"\n"
	if err := renameio.WriteFile(path, []byte(text), 0o755, renameio.WithStaticPermissions(0o755), renameio.WithTempDir(dir)); err != nil {
		return "", fmt.Errorf("writing libvirt's hook %s: %w", path, err)
	}
	return path, nil
}

// Remove takes the script away. That it is not there is no error.
func Remove(dir string) (string, error) {
	path := filepath.Join(dir, file)
	err := ours(path)
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("taking away libvirt's hook: %w", err)
	}
	return path, nil
}

// ours says why a script is not one of ours.
func ours(path string) error {
	info, err := os.Lstat(path)
	var b []byte
	if err == nil && info.Mode().IsRegular() {
		b, err = os.ReadFile(path)
	}
	if err != nil {
		return fmt.Errorf("reading libvirt's hook: %w", err)
	}
	if !bytes.Contains(b, []byte("\n"+mark+"\n")) {
		return fmt.Errorf("%s is not nicwright's: move it away, or let it call `nicwright vf hook \"$@\"` itself", path)
	}
	return nil
}
