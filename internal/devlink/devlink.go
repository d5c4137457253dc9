// SPDX-License-Identifier: Apache-2.0

// Package devlink talks to the kernel's devlink (genetlink family "devlink",
// include/uapi/linux/devlink.h): ports with their PF and VF numbers, the
// eswitch, params and info. Every error carries the kernel's extended ack.
//
// It is there for what github.com/vishvananda/netlink v1.3.1 does not have (PF,
// VF and controller numbers of ports, setting inline and encap mode) or loses
// (errors of the eswitch query, empty version values, the difference between
// fixed, running and stored versions). What a device means is left to others.
package devlink

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"

	"github.com/nicwright/nicwright/internal/kernel"
	"github.com/nicwright/nicwright/internal/pci"
)

// Device names a devlink instance: bus and device name, as in "pci",
// "0000:3b:00.0" or "netdevsim", "netdevsim10".
type Device struct {
	Bus  string
	Name string
}

// String is the name as the devlink tool prints it: "pci/0000:3b:00.0".
func (d Device) String() string { return d.Bus + "/" + d.Name }

// DeviceOf is the devlink instance of a PF: of a PCI function or netdevsim's.
func DeviceOf(a pci.Address) Device { return Device{Bus: a.Bus(), Name: a.Device()} }

// Client is a connection to devlink in one network namespace: that of the
// thread that called Dial. It is safe for concurrent use.
type Client struct {
	c      *genetlink.Conn
	family genetlink.Family
	stuck  atomic.Bool // the kernel does not let go of a query
}

// Dial connects to devlink in the calling thread's network namespace.
func Dial() (*Client, error) {
	c, err := genetlink.Dial(nil)
	if err != nil {
		return nil, fmt.Errorf("connecting to devlink: %w", err)
	}
	cl, err := NewClient(c)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return cl, nil
}

// NewClient uses an existing connection; it is there for tests.
func NewClient(c *genetlink.Conn) (*Client, error) {
	// An old kernel or a fake socket may not know the option: errors are then only less talkative.
	_ = c.SetOption(netlink.ExtendedAcknowledge, true)
	f, err := c.GetFamily("devlink")
	if err != nil {
		return nil, fmt.Errorf("connecting to devlink: looking up its netlink family (load a driver that uses devlink, as mlx5_core): %w", err)
	}
	return &Client{c: c, family: f}, nil
}

// Close closes the connection. One that did not answer is closed when it does: until then that would wait.
func (c *Client) Close() error {
	if c.stuck.Load() {
		return nil
	}
	return c.c.Close()
}

// patience is how long a query waits where ctx has no end: longer than a driver is at a change of the
// mode with all VFs, for it holds the device's lock meanwhile.
const patience = 5 * time.Minute

// ask sends a query and gives it up when ctx ends: the kernel waits for a device's lock, and no signal
// ends that (net/devlink/netlink.c, devlink_nl_dumpit).
func (c *Client) ask(ctx context.Context, m genetlink.Message, flags netlink.HeaderFlags) ([]genetlink.Message, error) {
	if c.stuck.Load() {
		return nil, errors.New("it did not answer before")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%v are over", patience))
	defer cancel()
	type answer struct {
		msgs []genetlink.Message
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		msgs, err := c.c.Execute(m, c.family.ID, flags)
		answered <- answer{msgs, err}
	}()
	select {
	case a := <-answered:
		return a.msgs, a.err
	case <-ctx.Done():
	}
	c.stuck.Store(true)
	go func() { // where the kernel lets go of it yet
		<-answered
		_ = c.c.Close()
	}()
	return nil, fmt.Errorf("it does not answer: %w: a driver holds one of the devices (dmesg says which task is blocked for how long); where it never lets go, a reboot is all that helps", context.Cause(ctx))
}

// request sends one message and returns the replies. The deadline of ctx holds
// for queries; a set runs in the kernel until it ends, whatever ctx says.
func (c *Client) request(ctx context.Context, op string, dev Device, cmd uint8, flags netlink.HeaderFlags, fill func(*netlink.AttributeEncoder)) ([]genetlink.Message, error) {
	fail := func(err error) error { return newError(op, dev, err) }
	if err := ctx.Err(); err != nil {
		return nil, fail(context.Cause(ctx))
	}
	ae := netlink.NewAttributeEncoder()
	if dev != (Device{}) {
		ae.String(attrBusName, dev.Bus)
		ae.String(attrDevName, dev.Name)
	}
	if fill != nil {
		fill(ae)
	}
	b, err := ae.Encode()
	if err != nil {
		return nil, fail(err)
	}
	m := genetlink.Message{Header: genetlink.Header{Command: cmd, Version: c.family.Version}, Data: b}
	var msgs []genetlink.Message
	if flags&netlink.Acknowledge != 0 { // a set
		msgs, err = c.c.Execute(m, c.family.ID, netlink.Request|flags)
	} else {
		msgs, err = c.ask(ctx, m, netlink.Request|flags)
	}
	if err != nil {
		return nil, fail(err)
	}
	return msgs, nil
}

// dump lists what one dump of a command has, of all devices of the network namespace.
func dump[T any](ctx context.Context, c *Client, op string, cmd uint8, parse func(genetlink.Message) (T, error)) ([]T, error) {
	msgs, err := c.request(ctx, op, Device{}, cmd, netlink.Dump, nil)
	if err != nil {
		return nil, err
	}
	all := make([]T, 0, len(msgs))
	for _, m := range msgs {
		v, err := parse(m)
		if err != nil {
			return nil, newError(op, Device{}, err)
		}
		all = append(all, v)
	}
	return all, nil
}

// newError is the error of a request that the kernel refused or that could not be made.
func newError(op string, dev Device, err error) error {
	name := "devlink"
	if dev != (Device{}) {
		name = dev.String()
	}
	return kernel.Wrap(op, name, err)
}
