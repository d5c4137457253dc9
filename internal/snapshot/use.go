// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/sysfs"
)

// Holder is a process that holds a device over vfio.
type Holder struct {
	PID   int
	Name  string // comm
	Guest string // the name of the machine that it runs, where it is qemu and says so (-name)
}

// String is the holder as a message names it.
func (h Holder) String() string {
	s := fmt.Sprintf("process %d (%s)", h.PID, h.Name)
	if h.Guest != "" {
		s = fmt.Sprintf("the virtual machine %s, %s", h.Guest, s)
	}
	return s
}

// readUses finds out by whom VFs are used: one pass over /proc at most, and only
// where there is something to be found there.
func (s *Snapshot) readUses(ctx context.Context, sys sysfs.FS, own map[pci.Function]netdev.Link) error {
	var errs []error
	elsewhere := map[pci.Address]*string{} // devices whose netdev is in another network namespace
	held := map[string][]*[]Holder{}       // by the name below /dev/vfio
	for i := range s.PFs {
		p := &s.PFs[i]
		if _, here := own[pci.PF(p.Address)]; !here && p.HasNet && p.Address.Bus() == "pci" {
			elsewhere[p.Address] = &p.Namespace
		}
		for n := range p.VFs {
			vf := &p.VFs[n]
			l, here := own[pci.VF(p.Address, n)]
			switch {
			case vf.Address == "" || vf.Driver == "":
			case here:
				var err error
				vf.Uppers, err = sys.Uppers(vf.Address, l.Name)
				errs = append(errs, err)
			case vf.HasNet:
				elsewhere[vf.Address] = &vf.Namespace
			default: // a driver for user space may be behind it
				names, err := sys.VFIO(vf.Address)
				errs = append(errs, err)
				for _, name := range names {
					held[name] = append(held[name], &vf.Holders)
				}
			}
		}
	}
	s.setAddresses(own)
	errs = append(errs, s.readFilters(ctx, own), s.readTransforms(ctx, own))
	if len(elsewhere) > 0 || len(held) > 0 {
		proc := procFS("/proc")
		found, err := proc.scan(len(elsewhere) > 0, held)
		errs = append(errs, err)
		errs = append(errs, findElsewhere(ctx, found, elsewhere))
	}
	return errors.Join(errs...)
}

// Holders are the processes that hold a device over vfio now.
func Holders(sys sysfs.FS, a pci.Address) ([]Holder, error) {
	names, err := sys.VFIO(a)
	if err != nil {
		return nil, err
	}
	var all []Holder
	held := map[string][]*[]Holder{}
	for _, name := range names {
		held[name] = append(held[name], &all)
	}
	if len(held) == 0 {
		return nil, nil
	}
	_, err = procFS("/proc").scan(false, held)
	return all, err
}

// procFS is where proc(5) is mounted.
type procFS string

// scan goes over all processes once: it finds the network namespaces, each with
// the path of one process that is in it, and who holds what below /dev/vfio. A
// process that ends meanwhile holds nothing.
func (p procFS) scan(namespaces bool, held map[string][]*[]Holder) (map[string]string, error) {
	entries, err := os.ReadDir(string(p))
	if err != nil {
		return nil, fmt.Errorf("looking for whoever uses VFs: %w", err)
	}
	found := map[string]string{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if namespaces {
			path := p.path(pid, "ns/net")
			if ns, err := os.Readlink(path); err == nil && found[ns] == "" {
				found[ns] = path
			}
		}
		if len(held) > 0 {
			p.holds(pid, held)
		}
	}
	return found, nil
}

func (p procFS) path(pid int, name string) string {
	return filepath.Join(string(p), strconv.Itoa(pid), name)
}

func (p procFS) holds(pid int, held map[string][]*[]Holder) {
	fds, err := os.ReadDir(p.path(pid, "fd"))
	if err != nil {
		return
	}
	seen := map[string]bool{}
	for _, fd := range fds {
		target, err := os.Readlink(p.path(pid, "fd/"+fd.Name()))
		name, isVFIO := strings.CutPrefix(target, "/dev/vfio/")
		if err != nil || !isVFIO || seen[name] {
			continue
		}
		seen[name] = true
		for _, to := range held[name] {
			h := p.holder(pid)
			if !slices.Contains(*to, h) { // a process may hold the group and the device
				*to = append(*to, h)
			}
		}
	}
}

func (p procFS) holder(pid int) Holder {
	h := Holder{PID: pid}
	if b, err := os.ReadFile(p.path(pid, "comm")); err == nil {
		h.Name = strings.TrimSpace(string(b))
	}
	if b, err := os.ReadFile(p.path(pid, "cmdline")); err == nil {
		h.Guest = guestName(strings.Split(string(b), "\x00"))
	}
	return h
}

// guestName is what qemu's -name says: "NAME", or "guest=NAME,debug-threads=on" as
// libvirt writes it.
func guestName(args []string) string {
	if len(args) == 0 || !strings.Contains(filepath.Base(args[0]), "qemu") && filepath.Base(args[0]) != "kvm" {
		return ""
	}
	for i, a := range args[:len(args)-1] {
		if a != "-name" && a != "--name" {
			continue
		}
		for _, part := range strings.Split(args[i+1], ",") {
			key, value, named := strings.Cut(part, "=")
			switch {
			case !named:
				return key
			case key == "guest":
				return value
			}
		}
	}
	return ""
}

// nameOf is how a namespace is called: by ip-netns(8) or a container runtime, else
// by a process in it.
func nameOf(ns string, path string, named map[string]string) string {
	if name := named[ns]; name != "" {
		return "the network namespace " + name
	}
	dir := filepath.Dir(filepath.Dir(path))
	comm, err := os.ReadFile(filepath.Join(dir, "comm"))
	if err != nil {
		return "the network namespace of process " + filepath.Base(dir)
	}
	return fmt.Sprintf("the network namespace of process %s (%s)", filepath.Base(dir), strings.TrimSpace(string(comm)))
}

// namedNamespaces are those with a name below dir, by the text of their link in proc(5).
func namedNamespaces(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing the named network namespaces: %w", err)
	}
	named := map[string]string{}
	for _, e := range entries {
		if inode, ok := inodeOf(filepath.Join(dir, e.Name())); ok {
			named[fmt.Sprintf("net:[%d]", inode)] = e.Name()
		}
	}
	return named, nil
}
