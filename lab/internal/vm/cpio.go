// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nicwright/nicwright/lab/internal/guest"
)

// file is one entry of an initramfs.
type file struct {
	name         string
	mode         uint32
	major, minor uint32
	data         []byte
}

// cpioArchive writes the "newc" format of cpio that the kernel unpacks
// (Documentation/driver-api/early-userspace/buffer-format.rst).
func cpioArchive(files []file) []byte {
	var b bytes.Buffer
	pad := func() {
		for b.Len()%4 != 0 {
			b.WriteByte(0)
		}
	}
	for i, f := range append(files, file{name: "TRAILER!!!"}) {
		fmt.Fprintf(&b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
			i+1, f.mode, 0, 0, 1, 0, len(f.data), 0, 0, f.major, f.minor, len(f.name)+1, 0)
		b.WriteString(f.name)
		b.WriteByte(0)
		pad()
		b.Write(f.data)
		pad()
	}
	return b.Bytes()
}

const (
	modeDir     = 0o040755
	modeFile    = 0o100755
	modeConsole = 0o020600
)

// writeInitramfs writes the initramfs: our own program as process 1, and the
// modules that mount the root. It is not compressed: to unpack it would take
// the emulated processor longer than to load it takes QEMU.
func (m *Machine) writeInitramfs(path string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find our own program: %w", err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		return fmt.Errorf("read our own program: %w", err)
	}
	if program, err = loadedPart(program); err != nil {
		return fmt.Errorf("use %s as the machine's first process: %w", self, err)
	}
	files := []file{
		{name: "dev", mode: modeDir},
		{name: "dev/console", mode: modeConsole, major: 5, minor: 1},
		{name: inArchive(guest.InitPath), mode: modeFile, data: program},
	}
	boot := inArchive(guest.BootDir)
	files = append(files, file{name: boot, mode: modeDir})
	var order []string
	add := func(dir string, modules []string) error {
		for _, name := range modules {
			image, err := os.ReadFile(filepath.Join(dir, "boot", name))
			if err != nil {
				return fmt.Errorf("read a module of kernel %s: %w", m.Kernel.Row.Name, err)
			}
			files = append(files, file{name: boot + "/" + name, mode: modeFile, data: image})
			order = append(order, name)
		}
		return nil
	}
	if err := add(m.Kernel.Dir, m.Kernel.BootModules); err != nil {
		return err
	}
	if m.Disk != nil {
		if err := add(m.Disk.Dir, m.Disk.Modules); err != nil {
			return err
		}
		more, err := m.systemdFiles()
		if err != nil {
			return err
		}
		files = append(files, more...)
	}
	files = append(files, file{name: boot + "/order", mode: modeFile, data: []byte(strings.Join(order, "\n"))})
	if err := os.WriteFile(path, cpioArchive(files), 0o644); err != nil {
		return fmt.Errorf("write the initramfs: %w", err)
	}
	return nil
}

// systemdFiles are what a machine with a disk has in its initramfs beside that.
func (m *Machine) systemdFiles() ([]file, error) {
	what, err := json.Marshal(m.Disk.Systemd)
	if err != nil {
		return nil, fmt.Errorf("tell the machine how it boots: %w", err)
	}
	files := []file{
		{name: inArchive(guest.SystemdFile), mode: modeFile, data: what},
		{name: inArchive(guest.LabModules), mode: modeDir},
	}
	for _, from := range m.Modules {
		image, err := os.ReadFile(from)
		if err != nil {
			return nil, fmt.Errorf("read a module: %w", err)
		}
		files = append(files, file{name: inArchive(guest.LabModules) + "/" + filepath.Base(from), mode: modeFile, data: image})
	}
	return files, nil
}

func inArchive(path string) string { return strings.TrimPrefix(path, "/") }

// loadedPart cuts off what the kernel does not load (symbols, debug
// information: a third), and refuses a program that needs an interpreter:
// there is none in an initramfs.
func loadedPart(program []byte) ([]byte, error) {
	e, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return nil, fmt.Errorf("read it as ELF: %w", err)
	}
	var end uint64
	for _, p := range e.Progs {
		switch p.Type {
		case elf.PT_INTERP:
			return nil, errors.New("it is linked dynamically; build it with CGO_ENABLED=0 and without -race")
		case elf.PT_LOAD:
			end = max(end, p.Off+p.Filesz)
		}
	}
	return program[:min(end, uint64(len(program)))], nil
}
