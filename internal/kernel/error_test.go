// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"testing"

	mdnetlink "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

func TestErrorTellsAllOfIt(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"an errno": {Wrap("setting mtu to 9", "eth0", unix.EINVAL), "eth0: setting mtu to 9: invalid argument (EINVAL)"},
		"mdlayher's extended ack": {
			Wrap("setting the mode", "pci/0000:3b:00.0", &mdnetlink.OpError{Op: "receive", Err: unix.EBUSY, Message: "E-Switch is busy", Offset: 24}),
			"pci/0000:3b:00.0: setting the mode: device or resource busy (EBUSY): the kernel says: E-Switch is busy",
		},
		"vishvananda's extended ack": {
			Wrap("adding it", "bond0", fmt.Errorf("%w: %s", unix.EOPNOTSUPP, "no such kind")),
			"bond0: adding it: operation not supported (EOPNOTSUPP): the kernel says: no such kind",
		},
		"what an inner error knows": {
			Wrap("binding", "pci/0000:3b:00.0/vf/0", &Error{Op: "write", Err: unix.EBUSY, ExtAck: "held", Remedy: "let go of it"}),
			"pci/0000:3b:00.0/vf/0: binding: device or resource busy (EBUSY): the kernel says: held: let go of it",
		},
		"a remedy": {Remedied(Wrap("x", "y", unix.EPERM), "be root"), "y: x: operation not permitted (EPERM): be root"},
		"no errno": {Wrapf("y", errors.New("too late"), "waiting for %s", "it"), "y: waiting for it: too late"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, c.want)
		}
	}
	if Wrap("x", "y", nil) != nil || Wrapf("y", nil, "x") != nil {
		t.Error("no error became one")
	}
	err := fmt.Errorf("outer: %w", Wrap("x", "y", &mdnetlink.OpError{Err: unix.EBUSY, Message: "m", Offset: 24}))
	var e *Error
	if !errors.Is(err, unix.EBUSY) || Errno(err) != unix.EBUSY || !errors.As(err, &e) || e.ExtAck != "m" || e.Offset != 24 {
		t.Errorf("the errno, the ack or its offset is lost: %#v", e)
	}
}
