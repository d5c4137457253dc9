// SPDX-License-Identifier: Apache-2.0

package grub

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Host is GRUB as it is installed on a host.
type Host struct {
	Menu
	env string // its environment block's file
}

// ErrNone is what errors.Is finds on a host that GRUB does not boot.
var ErrNone = errors.New("no GRUB is installed here")

// ErrCannotWrite is what errors.Is finds where GRUB could not empty next_entry: what is to be
// booted once would be booted for ever.
var ErrCannotWrite = errors.New("GRUB cannot write to where its environment block is")

// dirs are where distributions have it: Debian, Fedora.
var dirs = []string{"boot/grub", "boot/grub2"}

// Open looks for GRUB below a root directory, and reads its menu. errors.Is(err, ErrNone).
func Open(root string) (*Host, error) {
	for _, dir := range dirs {
		text, err := os.ReadFile(filepath.Join(root, dir, "grub.cfg"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading GRUB's menu: %w", err)
		}
		h := &Host{Menu: ParseMenu(string(text))}
		if h.BLS {
			if err := h.readBLS(filepath.Join(root, "boot/loader/entries")); err != nil {
				return nil, err
			}
		}
		h.env, err = findEnv(root, dir)
		return h, err
	}
	return nil, ErrNone
}

func (h *Host) readBLS(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.conf"))
	if err != nil {
		return fmt.Errorf("looking for the entries of GRUB's menu: %w", err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return fmt.Errorf("reading an entry of GRUB's menu: %w", err)
		}
		if e, ok := ParseBLS(filepath.Base(f), string(text)); ok {
			h.Entries = append(h.Entries, e)
		}
	}
	return nil
}

// findEnv is the block's file. Fedora has a link there to the one on the EFI partition
// where it boots by EFI: that is looked for by itself, for nothing is written through links.
func findEnv(root, dir string) (string, error) {
	at := filepath.Join(root, dir, "grubenv")
	info, err := os.Lstat(at)
	if err == nil && info.Mode().IsRegular() {
		return at, nil
	}
	found, _ := filepath.Glob(filepath.Join(root, "boot/efi/EFI/*/grubenv")) // the pattern is well formed
	if len(found) == 1 {
		if info, err := os.Lstat(found[0]); err == nil && info.Mode().IsRegular() {
			return found[0], nil
		}
	}
	return "", fmt.Errorf("looking for GRUB's environment block: neither %s is a file, nor is there one for it on the EFI partition: `grub-editenv create` makes it", at)
}

// Read reads the block.
func (h *Host) Read() (*Env, error) {
	b, err := os.ReadFile(h.env)
	if err != nil {
		return nil, fmt.Errorf("reading GRUB's environment block: %w", err)
	}
	e, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", h.env, err)
	}
	return e, nil
}

// Write changes variables of the block, "" to take one away.
//
// It is written in place, by one write of its whole length, and synced, and is not
// replaced by a new file: GRUB does not read a file system's journal, so a name that has
// moved to another file is not so for it until the journal is worked off, and what it then
// writes to the old file's blocks may be anybody's by then. grub-editenv does the same.
func (h *Host) Write(values map[string]string) (err error) {
	fail := func(err error) error { return fmt.Errorf("writing GRUB's environment block %s: %w", h.env, err) }
	f, err := os.OpenFile(h.env, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return fail(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b := make([]byte, Size+1)
	n, err := f.ReadAt(b, 0)
	if n != Size {
		return fail(errors.Join(ErrForm, err))
	}
	e, err := Parse(b[:Size])
	if err != nil {
		return fail(err)
	}
	if e.Get("env_block") != "" { // GRUB 2.14: the file is not what counts
		return fail(fmt.Errorf("%w: it has its block apart, for the file system is Btrfs; use grub-reboot and grub-set-default", ErrCannotWrite))
	}
	for name, value := range values {
		e.Set(name, value)
	}
	if b, err = e.Bytes(); err != nil {
		return fail(err)
	}
	if _, err := f.WriteAt(b, 0); err != nil {
		return fail(err)
	}
	if err := f.Sync(); err != nil {
		return fail(err)
	}
	return nil
}

// writable are the file systems that GRUB writes to: those without checksums or copies.
var writable = map[int64]bool{unix.EXT4_SUPER_MAGIC: true, unix.XFS_SUPER_MAGIC: true, unix.MSDOS_SUPER_MAGIC: true}

// CanWrite tells whether GRUB can write to its block: on a plain disk, on a file system
// that has no checksums (GRUB manual, "The GRUB environment block"). errors.Is(err, ErrCannotWrite).
func (h *Host) CanWrite(sys string) error {
	var s unix.Statfs_t
	var st unix.Stat_t
	if err := errors.Join(unix.Statfs(h.env, &s), unix.Stat(h.env, &st)); err != nil {
		return fmt.Errorf("looking at what GRUB's environment block is on: %w", err)
	}
	if !writable[s.Type] {
		return fmt.Errorf("%w: its file system is neither ext4, XFS nor FAT", ErrCannotWrite)
	}
	return plainDisk(sys, st.Dev)
}

func plainDisk(sys string, dev uint64) error {
	at := filepath.Join(sys, "dev/block", fmt.Sprintf("%d:%d", unix.Major(dev), unix.Minor(dev)))
	for _, layer := range []string{"dm", "md"} {
		if _, err := os.Lstat(filepath.Join(at, layer)); err == nil {
			name, _ := os.ReadFile(filepath.Join(at, layer, "name"))
			return fmt.Errorf("%w: it is on LVM, RAID or an encrypted disk (%s)", ErrCannotWrite, strings.TrimSpace(layer+" "+string(name)))
		}
	}
	return nil
}
