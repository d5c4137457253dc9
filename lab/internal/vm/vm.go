// SPDX-License-Identifier: Apache-2.0

// Package vm boots a kernel of the lab in QEMU and runs one command in it. It
// owns the machine's life: nothing of it is left when Run returns, or when the
// process is killed.
package vm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nicwright/nicwright/lab/internal/guest"
	"github.com/nicwright/nicwright/lab/internal/kernels"
	"github.com/nicwright/nicwright/lab/internal/wire"
)

// Statuses of the lab's own, beside the command's.
const (
	StatusTimeout = 124
	StatusLab     = 125
)

// The memory kept for the card's BARs, in bytes: it must lie within the machine's.
const (
	CardBase = 0x60000000
	CardSize = 256 << 20
)

// MinMemory is the least memory of a machine with a card, in MiB.
const MinMemory = (CardBase+CardSize)>>20 + 64

// Share is a directory of the host's that the machine sees at a path.
type Share struct {
	Host, Guest string
	ReadOnly    bool
}

// Disk is a disk with systemd on it.
type Disk struct {
	// Image is its file, which the machine writes to. What the machine has synced is in it, also when QEMU is
	// killed: it is in the host's page cache then, which only the end of the host loses.
	Image string
	// Dir/boot has the modules that mount it, Modules their files in the order of loading.
	Dir     string
	Modules []string
	// Systemd is what its units do.
	Systemd guest.Systemd
}

// Machine says what to boot and what to run.
type Machine struct {
	Kernel *kernels.Kernel
	// Root is the root's directory, Scratch an empty one of this run.
	Root, Scratch string
	// Disk is what the machine boots from instead of the root; nil: the root.
	Disk *Disk
	// Modules are files that the machine sees in guest.ModulesDir.
	Modules []string
	// QEMU is the command that runs the emulator; nil: the host's.
	QEMU []string
	// IOMMU puts Intel's in front of the IGB.
	IOMMU bool
	// Memory is in MiB; CPUs is the number of processors.
	Memory, CPUs int
	// Icount: time in the machine is instructions executed (4 ns each), so that what is measured in it does not depend on
	// what else the host does, as long as the machine does not wait for the host: what is measured is to be on the machine's own
	// file system, and not in a share. It takes one processor.
	Icount bool
	// KVM has the host's processor run the machine: /dev/kvm is to be usable. Run takes it back where KVM gives up.
	KVM    bool
	Shares []Share
	// Request is the command and how the machine is set up; Mounts and the
	// card's memory are filled in.
	Request wire.Request
	// TimeLimit is for all of it, BootLimit until the agent reports; 0: none.
	TimeLimit, BootLimit time.Duration
	// AllowWarnings leaves the status alone when the kernel reported errors.
	AllowWarnings bool

	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Console gets what the machine's console says, if not nil.
	Console io.Writer
	// Signals are passed on to the command.
	Signals <-chan os.Signal
	// Log takes a line on what happens; Warn one that people must see.
	Log, Warn func(format string, args ...any)
}

// errNoReport is a machine that ended or hung before its agent reported.
var errNoReport = errors.New("the machine did not start")

// Run boots the machine, runs the command and returns its status. An error
// means that the lab failed, and comes with StatusLab or StatusTimeout. A
// machine that does not start is tried a second time.
func (m *Machine) Run(ctx context.Context) (int, error) {
	if m.Request.Card != nil {
		if m.Memory < MinMemory {
			return StatusLab, fmt.Errorf("%d MiB of memory: a machine with a card needs at least %d", m.Memory, MinMemory)
		}
		m.Request.Card.Base, m.Request.Card.Size = CardBase, CardSize
	}
	if m.Disk != nil {
		m.Request.Systemd = true
		m.Disk.Systemd.Card = m.Request.Card
	}
	if m.TimeLimit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, m.TimeLimit, errTimeLimit)
		defer cancel()
	}
	args, err := m.prepare()
	if err != nil {
		return StatusLab, err
	}
	status, err := m.boot(ctx, append(m.processor(), args...))
	if errors.Is(err, errNoReport) && ctx.Err() == nil {
		if m.KVM && errors.Is(err, errKVM) {
			m.Warn("%v: the processor is emulated instead, which takes minutes", err)
			m.KVM = false
		} else {
			m.Warn("%v\nlab: trying once more", err)
		}
		status, err = m.boot(ctx, append(m.processor(), args...))
	}
	return status, err
}

// processor is what runs the machine's instructions.
func (m *Machine) processor() []string {
	switch {
	case m.KVM:
		return []string{"-accel", "kvm", "-smp", fmt.Sprint(m.CPUs)}
	case m.Icount:
		// While all its processors wait, time jumps to the next timer.
		return []string{"-accel", "tcg,thread=single", "-icount", "shift=2,sleep=off", "-smp", "1"}
	}
	return []string{"-accel", "tcg,thread=multi", "-smp", fmt.Sprint(m.CPUs)}
}

var errTimeLimit = errors.New("time limit")

// prepare writes what the machine boots from and returns QEMU's arguments, without those of processor.
func (m *Machine) prepare() ([]string, error) {
	initramfs := filepath.Join(m.Scratch, "initramfs")
	if err := m.writeInitramfs(initramfs); err != nil {
		return nil, err
	}
	modules := filepath.Join(m.Scratch, "modules")
	if err := os.Mkdir(modules, 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of modules: %w", err)
	}
	for _, from := range m.Modules {
		image, err := os.ReadFile(from)
		if err != nil {
			return nil, fmt.Errorf("read a module: %w", err)
		}
		if err := os.WriteFile(filepath.Join(modules, filepath.Base(from)), image, 0o644); err != nil {
			return nil, fmt.Errorf("copy a module: %w", err)
		}
	}
	// QEMU's emulation may keep a stale int3 when the kernel patches code that
	// another processor runs at that very moment. sched_clock is such code: each
	// interrupt runs it. Its late switch to the faster variant, the cause of a
	// panic in one boot of about five, is left out.
	// no_timer_check: where the host has no time for the machine, no tick comes while the kernel tries whether ticks come.
	cmdline := "console=ttyS0 panic=-1 quiet loglevel=4 mitigations=off random.trust_cpu=on watchdog_thresh=30 no_timer_check initcall_blacklist=sched_clock_init_late"
	if m.Request.Card != nil {
		cmdline += fmt.Sprintf(" memmap=%d$%#x", CardSize, CardBase)
	}
	if m.IOMMU {
		cmdline += " intel_iommu=on"
	}
	if m.Disk != nil {
		cmdline += " apparmor=0 audit=0"
		if !m.Request.OVS {
			for _, unit := range []string{"openvswitch-switch", "ovsdb-server", "ovs-vswitchd"} {
				cmdline += " systemd.mask=" + unit + ".service"
			}
		}
	}
	args := []string{
		"-nodefaults", "-display", "none", "-no-reboot", "-no-user-config",
		// Software emulation everywhere but in a rehearsal: what passes on one machine passes on all.
		"-cpu", "max", "-m", fmt.Sprint(m.Memory),
		"-kernel", filepath.Join(m.Kernel.Dir, "vmlinuz"), "-initrd", initramfs, "-append", cmdline,
		"-serial", "stdio",
		"-device", "virtio-rng-pci",
		"-device", "virtio-serial-pci", "-chardev", "socket,id=port,fd=3", "-device", "virtserialport,chardev=port,name=" + wire.PortName,
	}
	// A disk's blocks and names stay in memory by themselves; a shared directory's are asked for again and again.
	m.Request.InMemory = m.Icount && m.Disk == nil
	if m.Request.IGB { // SR-IOV needs PCI Express; the emulated card is on a bus of its own in any machine
		args = append(args, "-machine", "q35")
		if m.IOMMU { // it comes before what is behind it
			args = append(args, "-device", "intel-iommu,intremap=on")
		}
		args = append(args, "-device", "pcie-root-port,id=rp0,slot=1", "-device", "igb,bus=rp0")
	}
	share := func(tag, dir string, readOnly bool) {
		// A comma ends an option's value; QEMU takes two for one.
		o := fmt.Sprintf("local,id=%s,path=%s,security_model=none,multidevs=remap", tag, strings.ReplaceAll(dir, ",", ",,"))
		if readOnly {
			o += ",readonly=on"
		}
		args = append(args, "-fsdev", o, "-device", fmt.Sprintf("virtio-9p-pci,fsdev=%[1]s,mount_tag=%[1]s", tag))
	}
	shares := append([]Share{{modules, guest.ModulesDir, true}}, m.Shares...)
	if m.Disk != nil {
		// A sync of the machine's ends in the host's page cache (cache=writeback is QEMU's default, said for who reads this).
		args = append(args, "-drive", "if=none,id=disk,format=raw,cache=writeback,file="+strings.ReplaceAll(m.Disk.Image, ",", ",,"),
			"-device", "virtio-blk-pci,drive=disk")
		shares = m.Shares // the modules are in the initramfs: units need them before anybody mounts anything
	} else {
		share(guest.TagRoot, m.Root, true)
		share(guest.TagKernel, filepath.Join(m.Kernel.Dir, "tree"), true)
	}
	m.Request.Mounts = nil
	for i, s := range shares {
		tag := fmt.Sprintf("lab-share%d", i)
		share(tag, s.Host, s.ReadOnly)
		m.Request.Mounts = append(m.Request.Mounts, wire.Mount{Tag: tag, Path: s.Guest, ReadOnly: s.ReadOnly})
	}
	return args, nil
}
