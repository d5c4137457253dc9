// SPDX-License-Identifier: Apache-2.0

// Package guest is the part of the lab that runs inside the machine: as
// process 1 it mounts the root and collects orphans; its child, the agent,
// sets the machine up, runs the command and reports.
package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// InitPath is where the initramfs has the program, and BootDir the modules
// that mount the root, with their order in the file "order".
const (
	InitPath = "/init"
	BootDir  = "/boot"
)

// AgentVerb is the first argument with which process 1 starts the agent.
const AgentVerb = "__agent"

// Tags of the shared directories that make up the root.
const (
	TagRoot    = "lab-root"
	TagKernel  = "lab-kernel"
	TagModules = "lab-modules"
)

const (
	rootOptions  = "trans=virtio,version=9p2000.L,msize=512000,cache=loose,access=any,noxattr"
	shareOptions = "trans=virtio,version=9p2000.L,msize=512000,cache=mmap,access=any"
)

// Init is process 1. It does not return: the machine ends with it.
func Init() {
	if err := boot(); err != nil {
		fmt.Fprintln(os.Stderr, "lab init:", err)
	}
	// QEMU is told to end instead of restarting.
	_ = syscall.Reboot(syscall.LINUX_REBOOT_CMD_RESTART)
}

type mount struct {
	source, target, fstype, options string
	flags                           uintptr
}

func mountAll(mounts []mount) error {
	for _, m := range mounts {
		if err := os.MkdirAll(m.target, 0o755); err != nil {
			return fmt.Errorf("make the mount point %s: %w", m.target, err)
		}
		if err := unix.Mount(m.source, m.target, m.fstype, m.flags, m.options); err != nil {
			return fmt.Errorf("mount %s (%s) on %s: %w", m.source, m.fstype, m.target, err)
		}
	}
	return nil
}

func boot() error {
	if err := mountAll([]mount{
		{"proc", "/proc", "proc", "", 0},
		{"sysfs", "/sys", "sysfs", "", 0},
		{"devtmpfs", "/dev", "devtmpfs", "", 0},
	}); err != nil {
		return err
	}
	if err := loadBootModules(); err != nil {
		return err
	}
	if onDisk() {
		return bootDisk()
	}
	// All that is written goes to memory: the shared root is never changed.
	if err := mountAll([]mount{
		{TagRoot, "/lower/root", "9p", rootOptions, unix.MS_RDONLY},
		{TagKernel, "/lower/kernel", "9p", rootOptions, unix.MS_RDONLY},
		{"tmpfs", "/upper", "tmpfs", "size=70%", 0},
	}); err != nil {
		return err
	}
	if err := errors.Join(os.Mkdir("/upper/data", 0o755), os.Mkdir("/upper/work", 0o755)); err != nil {
		return fmt.Errorf("prepare the overlay: %w", err)
	}
	if err := mountAll([]mount{
		{"overlay", "/new", "overlay", "lowerdir=/lower/kernel:/lower/root,upperdir=/upper/data,workdir=/upper/work", 0},
		{"/proc", "/new/proc", "", "", unix.MS_MOVE},
		{"/sys", "/new/sys", "", "", unix.MS_MOVE},
		{"/dev", "/new/dev", "", "", unix.MS_MOVE},
		{"devpts", "/new/dev/pts", "devpts", "mode=620,ptmxmode=666", 0},
		{"tmpfs", "/new/dev/shm", "tmpfs", "mode=1777", 0},
		{"tmpfs", "/new/run", "tmpfs", "mode=755", 0},
		{"tmpfs", "/new/tmp", "tmpfs", "mode=1777", 0},
		{"debugfs", "/new/sys/kernel/debug", "debugfs", "", 0},
		{"tracefs", "/new/sys/kernel/tracing", "tracefs", "", 0},
	}); err != nil {
		return err
	}
	if err := changeRoot(); err != nil {
		return err
	}
	for name, target := range map[string]string{"fd": "fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"} {
		if err := os.Symlink("/proc/self/"+target, "/dev/"+name); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("link /dev/%s: %w", name, err)
		}
	}
	agent, err := os.StartProcess("/proc/self/exe", []string{"lab-agent", AgentVerb}, &os.ProcAttr{
		Env:   []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
	})
	if err != nil {
		return fmt.Errorf("start the agent: %w", err)
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("wait for the agent: %w", err)
		}
		if pid == agent.Pid {
			return fmt.Errorf("the agent ended with status %d, signal %d", status.ExitStatus(), status.Signal())
		}
	}
}

// changeRoot makes /new the root. The kernel's own threads share our root: they will find modprobe in it.
func changeRoot() error {
	if err := errors.Join(unix.Chdir("/new"), unix.Mount(".", "/", "", unix.MS_MOVE, ""), unix.Chroot("."), unix.Chdir("/")); err != nil {
		return fmt.Errorf("change to the new root: %w", err)
	}
	return nil
}

func loadBootModules() error {
	order, err := os.ReadFile(filepath.Join(BootDir, "order"))
	if err != nil {
		return fmt.Errorf("read which modules mount the root: %w", err)
	}
	for _, name := range strings.Fields(string(order)) {
		image, err := os.ReadFile(filepath.Join(BootDir, name))
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if err := unix.InitModule(image, ""); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("load %s: %w", name, err)
		}
	}
	return nil
}
