// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Requests and constants of linux/vfio.h.
const (
	vfioSetIOMMU      = 0x3b66
	vfioSetContainer  = 0x3b68
	vfioGetDeviceFD   = 0x3b6a
	vfioGetRegionInfo = 0x3b6c
	vfioSetIRQs       = 0x3b6e
	vfioReset         = 0x3b6f
	vfioMapDMA        = 0x3b71
	vfioUnmapDMA      = 0x3b72

	type1v2      = 3
	barRegion    = 0
	configRegion = 7
	msixIRQ      = 2
	requestIRQ   = 4
	irqEventFD   = 1<<2 | 1<<5 // data is file descriptors, they are triggered

	mapRead, mapWrite = 1, 2
)

func ioctl(fd int, request, arg uintptr) (int, error) {
	r, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, arg)
	if e != 0 {
		return -1, e
	}
	return int(r), nil
}

// words makes the argument of a request: argsz and what comes after it.
func words(rest ...uint32) []byte {
	b := binary.NativeEndian.AppendUint32(nil, uint32(4+4*len(rest)))
	for _, w := range rest {
		b = binary.NativeEndian.AppendUint32(b, w)
	}
	return b
}

func ask(fd int, request uintptr, arg []byte) (int, error) {
	return ioctl(fd, request, uintptr(unsafe.Pointer(&arg[0])))
}

// container is a VFIO container: one map of memory for all its devices.
type container struct{ fd int }

func newContainer() (*container, error) {
	fd, err := unix.Open("/dev/vfio/vfio", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/vfio/vfio: %w", err)
	}
	return &container{fd}, nil
}

// mapDMA shows memory to the devices at iova, with the rights given.
func (c *container) mapDMA(mem []byte, iova uint64, rights uint32) error {
	b := words(rights, 0, 0, 0, 0, 0, 0)
	binary.NativeEndian.PutUint64(b[8:], uint64(uintptr(unsafe.Pointer(&mem[0]))))
	binary.NativeEndian.PutUint64(b[16:], iova)
	binary.NativeEndian.PutUint64(b[24:], uint64(len(mem)))
	if _, err := ask(c.fd, vfioMapDMA, b); err != nil {
		return fmt.Errorf("map %d bytes at 0x%x: %w", len(mem), iova, err)
	}
	return nil
}

func (c *container) unmapDMA(iova, size uint64) error {
	b := words(0, 0, 0, 0, 0)
	binary.NativeEndian.PutUint64(b[8:], iova)
	binary.NativeEndian.PutUint64(b[16:], size)
	if _, err := ask(c.fd, vfioUnmapDMA, b); err != nil {
		return fmt.Errorf("unmap %d bytes at 0x%x: %w", size, iova, err)
	}
	return nil
}

// device is a function of the card and the memory that it is driven with.
type device struct {
	*container
	fd   int
	bar  []byte
	mem  []byte
	iova uint64
}

// regions of a device's memory, of which the program makes the layout
const (
	memSize  = 2 << 20
	inBoxes  = 0x1000
	outBoxes = 0x20000
	eqAt     = 0x100000
	cqAt     = 0x110000
	sqAt     = 0x120000
	dbrAt    = 0x130000
	dataAt   = 0x140000
)

// open takes a device into the container, with memory at an address of its own.
func (c *container) open(address string) (*device, error) {
	link, err := os.Readlink(filepath.Join("/sys/bus/pci/devices", address, "iommu_group"))
	if err != nil {
		return nil, err
	}
	group, err := unix.Open("/dev/vfio/"+filepath.Base(link), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open group %s: %w", filepath.Base(link), err)
	}
	fd := int32(c.fd)
	if _, err := ioctl(group, vfioSetContainer, uintptr(unsafe.Pointer(&fd))); err != nil {
		return nil, fmt.Errorf("put the group into the container: %w", err)
	}
	// The first group decides on the kind of IOMMU; then it is set already.
	if _, err := ioctl(c.fd, vfioSetIOMMU, type1v2); err != nil && !errors.Is(err, unix.EINVAL) {
		return nil, fmt.Errorf("set the kind of IOMMU: %w", err)
	}
	name, err := unix.BytePtrFromString(address)
	if err != nil {
		return nil, err
	}
	d := &device{container: c}
	if d.fd, err = ioctl(group, vfioGetDeviceFD, uintptr(unsafe.Pointer(name))); err != nil {
		return nil, fmt.Errorf("get the device: %w", err)
	}
	size, offset, err := d.region(barRegion)
	if err != nil {
		return nil, err
	}
	if d.bar, err = unix.Mmap(d.fd, int64(offset), int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, fmt.Errorf("map BAR 0: %w", err)
	}
	if d.mem, err = unix.Mmap(-1, 0, memSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS); err != nil {
		return nil, fmt.Errorf("get memory: %w", err)
	}
	d.iova = 1<<30 + uint64(group)<<24
	if err := d.mapDMA(d.mem, d.iova, mapRead|mapWrite); err != nil {
		return nil, err
	}
	return d, d.start()
}

func (d *device) region(index uint32) (size, offset uint64, err error) {
	b := words(0, index, 0, 0, 0, 0, 0)
	if _, err := ask(d.fd, vfioGetRegionInfo, b); err != nil {
		return 0, 0, fmt.Errorf("ask about region %d: %w", index, err)
	}
	return binary.NativeEndian.Uint64(b[16:]), binary.NativeEndian.Uint64(b[24:]), nil
}

// reset is a function level reset.
func (d *device) reset() error {
	if _, err := ioctl(d.fd, vfioReset, 0); err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	return nil
}

// busMaster lets the device reach memory.
func (d *device) busMaster() error {
	_, offset, err := d.region(configRegion)
	if err != nil {
		return err
	}
	var b [2]byte
	if _, err := unix.Pread(d.fd, b[:], int64(offset)+4); err != nil {
		return fmt.Errorf("read the command register: %w", err)
	}
	b[0] |= 6
	if _, err := unix.Pwrite(d.fd, b[:], int64(offset)+4); err != nil {
		return fmt.Errorf("write the command register: %w", err)
	}
	return nil
}

// eventFD has the first interrupt of an index come to a descriptor.
func (d *device) eventFD(index uint32) (int, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("make an eventfd: %w", err)
	}
	if _, err := ask(d.fd, vfioSetIRQs, words(irqEventFD, index, 0, 1, uint32(fd))); err != nil {
		return -1, fmt.Errorf("set the interrupts of index %d: %w", index, err)
	}
	return fd, nil
}

// wait waits for an interrupt; false: there was none in time.
func wait(fd int, limit time.Duration) (bool, error) {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(p, int(limit.Milliseconds()))
	if errors.Is(err, unix.EINTR) {
		return wait(fd, limit)
	}
	if n > 0 {
		var b [8]byte
		_, err = unix.Read(fd, b[:])
	}
	return n > 0, err
}
