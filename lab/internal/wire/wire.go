// SPDX-License-Identifier: Apache-2.0

// Package wire is what the lab on the host and its agent in the machine say to
// each other over one virtio-serial port: frames of a kind, a length and a
// payload. Streams keep their order among each other and are binary-safe.
package wire

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// PortName is the name of the virtio-serial port.
const PortName = "nicwright.lab"

// Kind says what a frame is.
type Kind byte

// The kinds of frames.
const (
	Hello  Kind = iota + 1 // to the host: the agent runs
	Start                  // to the machine: a Request as JSON
	Stdin                  // to the machine: bytes of the command's input; empty: its end
	Signal                 // to the machine: the number of a signal for the command
	Stdout                 // to the host: bytes of the command's output
	Stderr                 // to the host: bytes of the command's error output
	Kernel                 // to the host: lines of a kernel error or warning
	Note                   // to the host: a line about what the agent does
	Failed                 // to the host: the machine could not be set up, and why
	Exit                   // to the host: the command's status, as 4 bytes; the last frame
)

// MaxPayload bounds a frame's payload, in bytes.
const MaxPayload = 1 << 20

// Request is what the machine is to do.
type Request struct {
	Args      []string
	Dir       string
	Env       []string
	Mounts    []Mount
	Card      *Card
	Netdevsim bool
	OVS       bool
	Udev      bool
	IGB       bool
	// Systemd: the machine's units have loaded the card and started Open vSwitch. Early: the command does not wait until
	// the boot is through.
	Systemd, Early bool
	// InMemory: programs and libraries are copied to the machine's memory first, so that to run them asks nothing of the host.
	InMemory bool
}

// Mount is a directory of the host's.
type Mount struct {
	Tag      string
	Path     string
	ReadOnly bool
}

// Card is the emulated card to be put in.
type Card struct {
	// Ports is the number of ports, each a physical function; VFs the most VFs of each.
	Ports, VFs int
	// Base and Size are the reserved memory of its BARs, in bytes.
	Base, Size uint64
	// Params are further parameters of its module, as name=value.
	Params []string
	// NoLoad leaves the modules unloaded.
	NoLoad bool
	// Stock: the driver is the one that the root has for the kernel, by modprobe.
	Stock bool
}

// Conn sends and receives frames. Send may be called concurrently.
type Conn struct {
	rw io.ReadWriter
	mu sync.Mutex
}

// New returns a connection over rw.
func New(rw io.ReadWriter) *Conn { return &Conn{rw: rw} }

// Send sends a payload as one or, if it is long, several frames.
func (c *Conn) Send(k Kind, payload []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		part := payload[:min(len(payload), MaxPayload)]
		payload = payload[len(part):]
		frame := make([]byte, 5+len(part))
		frame[0] = byte(k)
		binary.LittleEndian.PutUint32(frame[1:], uint32(len(part)))
		copy(frame[5:], part)
		if _, err := c.rw.Write(frame); err != nil {
			return fmt.Errorf("send a frame: %w", err)
		}
		if len(payload) == 0 {
			return nil
		}
	}
}

// SendJSON sends v as JSON.
func (c *Conn) SendJSON(k Kind, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode a frame: %w", err)
	}
	return c.Send(k, b)
}

// Note sends a line about what the agent does. A line that is lost stops nothing.
func (c *Conn) Note(line string) { _ = c.Send(Note, []byte(line)) }

// Receive returns the next frame; io.EOF at the connection's end.
func (c *Conn) Receive() (Kind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(c.rw, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.LittleEndian.Uint32(head[1:])
	if n > MaxPayload {
		return 0, nil, fmt.Errorf("a frame of %d bytes: the other side does not speak our language", n)
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(c.rw, payload); err != nil {
		return 0, nil, fmt.Errorf("receive a frame: %w", err)
	}
	return Kind(head[0]), payload, nil
}

// Writer returns a writer whose writes are sent as frames of the kind.
func (c *Conn) Writer(k Kind) io.Writer { return writer{c, k} }

type writer struct {
	c *Conn
	k Kind
}

func (w writer) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := w.c.Send(w.k, p); err != nil {
		return 0, err
	}
	return len(p), nil
}
