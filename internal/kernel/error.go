// SPDX-License-Identifier: Apache-2.0

// Package kernel has the one error of what was asked of the kernel and not had:
// over netlink, devlink, ethtool, sysfs or an ioctl.
package kernel

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	mdnetlink "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Error is a request that the kernel refused, that could not be made, or that
// had no effect in time. errors.Is finds the errno.
type Error struct {
	Op        string // what was being done, as in "setting eswitch-mode to switchdev"
	Resource  string // to what, as in "pci/0000:3b:00.0" or a netdev's name
	Attribute string // of it, where one attribute was meant, or ""
	Err       error  // the errno, or what else went wrong
	ExtAck    string // the kernel's extended ack (NLMSGERR_ATTR_MSG), or ""
	Offset    int    // of the attribute that it is about, in the request (NLMSGERR_ATTR_OFFS), 0 for none
	Remedy    string // what to do next, a clause, or ""
}

// Error is one line: to what, what was being done, the kernel's answer, what to do.
func (e *Error) Error() string {
	s := e.Op
	if e.Resource != "" {
		s = e.Resource + ": " + s
	}
	s += ": " + e.Err.Error()
	if n := Errno(e.Err); n != 0 {
		if name := Name(n); name != "" && !strings.Contains(s, name) {
			s += " (" + name + ")"
		}
	}
	if e.ExtAck != "" {
		s += ": the kernel says: " + e.ExtAck
	}
	if e.Remedy != "" {
		s += ": " + e.Remedy
	}
	return s
}

// Name is the errno's name, as the kernel's sources have it: two names share 95.
func Name(n syscall.Errno) string {
	if n == unix.EOPNOTSUPP {
		return "EOPNOTSUPP"
	}
	return unix.ErrnoName(n)
}

// Unwrap gives the errno.
func (e *Error) Unwrap() error { return e.Err }

// Refused is what was being done, and the extended ack.
func (e *Error) Refused() (op, extack string) { return e.Op, e.ExtAck }

// Wrap is the error of op on resource, nil for nil. The extended ack is taken
// from what github.com/mdlayher/netlink and github.com/vishvananda/netlink put
// into err; of an err that holds an *Error already, what that knows is kept.
func Wrap(op, resource string, err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Op: op, Resource: resource, Err: err}
	var inner *Error
	var oe *mdnetlink.OpError
	var errno syscall.Errno
	switch {
	case errors.As(err, &inner):
		e.Err, e.ExtAck, e.Offset, e.Attribute, e.Remedy = inner.Err, inner.ExtAck, inner.Offset, inner.Attribute, inner.Remedy
	case errors.As(err, &oe):
		e.Err, e.ExtAck, e.Offset = oe.Err, oe.Message, oe.Offset
	case errors.As(err, &errno):
		// vishvananda/netlink puts the extended ack behind the errno's text.
		if _, ack, ok := strings.Cut(err.Error(), errno.Error()+": "); ok {
			e.Err, e.ExtAck = errno, ack
		}
	}
	return e
}

// Wrapf is Wrap with a formatted op.
func Wrapf(resource string, err error, op string, args ...any) error {
	if err == nil {
		return nil
	}
	return Wrap(fmt.Sprintf(op, args...), resource, err)
}

// Remedied is err with what to do next, where it holds an *Error that says
// nothing of it yet; any other err is returned as it is. It comes before err is
// put into words (fmt.Errorf), which are not said anew.
func Remedied(err error, remedy string) error {
	var e *Error
	if errors.As(err, &e) && e.Remedy == "" {
		e.Remedy = remedy
	}
	return err
}

// Errno is the errno in err, 0 for none.
func Errno(err error) syscall.Errno {
	var n syscall.Errno
	errors.As(err, &n)
	return n
}
