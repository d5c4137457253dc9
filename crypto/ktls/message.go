// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// receiver reads records with recvmsg(2), whose control message has the type of
// the record. Everything it needs for a call is in it, so that a record costs no
// allocation.
type receiver struct {
	message unix.Msghdr
	vector  unix.Iovec
	control [32]byte // a cmsghdr and one byte, and room to spare

	n     int
	errno syscall.Errno
	try   func(fd uintptr) bool
}

func (r *receiver) init() {
	r.try = func(fd uintptr) bool {
		for {
			r.message.Control = &r.control[0]
			r.message.SetControllen(len(r.control))
			n, _, errno := unix.Syscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&r.message)), unix.MSG_DONTWAIT)
			if errno == unix.EINTR {
				continue
			}
			r.n, r.errno = int(n), errno
			return errno != unix.EAGAIN
		}
	}
}

// receive waits for a record, or a part of one, and reads it into p, which is
// not empty. kind is 0 when TCP ended.
func (r *receiver) receive(raw syscall.RawConn, p []byte) (n int, kind byte, err error) {
	r.vector.Base = &p[0]
	r.vector.SetLen(len(p))
	r.message = unix.Msghdr{Iov: &r.vector}
	r.message.SetIovlen(1)
	err = raw.Read(r.try)
	r.vector.Base = nil
	if err != nil {
		return 0, 0, err
	}
	if r.errno != 0 {
		return 0, 0, r.errno
	}
	if kind = r.kind(); kind == 0 && r.n > 0 {
		return 0, 0, fmt.Errorf("ktls: the kernel gave %d bytes without the type of their record", r.n)
	}
	return r.n, kind, nil
}

// kind reads the control message TLS_GET_RECORD_TYPE; 0 when there is none.
func (r *receiver) kind() byte {
	h := (*unix.Cmsghdr)(unsafe.Pointer(&r.control[0]))
	if int(r.message.Controllen) < unix.CmsgLen(1) || h.Level != solTLS || h.Type != tlsGetRecordType {
		return 0
	}
	return r.control[unix.CmsgLen(0)]
}

// sendRecord sends a short record of another type than data: the type goes in a
// control message. Unless it waits, it answers EAGAIN when there is no room.
func (c *Conn) sendRecord(kind byte, record []byte, wait bool) error {
	control := make([]byte, unix.CmsgSpace(1))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
	h.Level, h.Type = solTLS, tlsSetRecordType
	h.SetLen(unix.CmsgLen(1))
	control[unix.CmsgLen(0)] = kind
	var err error
	rawErr := c.raw.Write(func(fd uintptr) bool {
		for {
			_, err = unix.SendmsgN(int(fd), record, control, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
			if err != unix.EINTR {
				return !wait || err != unix.EAGAIN
			}
		}
	})
	if rawErr != nil {
		return rawErr
	}
	return os.NewSyscallError("sendmsg", err)
}

func (c *Conn) sendAlert(level, description byte) error {
	return c.sendRecord(recordAlert, []byte{level, description}, true)
}
