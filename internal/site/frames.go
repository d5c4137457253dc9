// SPDX-License-Identifier: Apache-2.0

package site

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// etherTypeLocal is IEEE 802's local experimental EtherType 1: no host answers it.
const etherTypeLocal = 0x88b5

// Broadcast is everybody's address.
var Broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// Token tells the frames of one burst from all others.
type Token [16]byte

// NewToken makes a random one.
func NewToken() (t Token, err error) {
	if _, err = rand.Read(t[:]); err != nil {
		err = fmt.Errorf("making a token: %w", err)
	}
	return t, err
}

// Frame is an Ethernet frame with the token and a number in it, of 60 bytes,
// with a VLAN tag of 64; vlan 0 is untagged.
func Frame(to, from net.HardwareAddr, vlan int, token Token, number uint32) []byte {
	b := append(append(make([]byte, 0, 64), to...), from...)
	size := 60
	if vlan != 0 {
		b = binary.BigEndian.AppendUint16(b, unix.ETH_P_8021Q)
		b = binary.BigEndian.AppendUint16(b, uint16(vlan))
		size += 4
	}
	b = binary.BigEndian.AppendUint16(b, etherTypeLocal)
	b = append(b, token[:]...)
	b = binary.BigEndian.AppendUint32(b, number)
	return append(b, make([]byte, size-len(b))...)
}

// Raw sends and receives whole frames at a netdev of the calling thread's
// network namespace (packet(7)). CAP_NET_RAW.
type Raw struct {
	file  *os.File
	index int
}

// OpenRaw opens it. Frames that arrive from then on are kept, as far as there is
// room.
func OpenRaw(index int) (*Raw, error) {
	const all = unix.ETH_P_ALL>>8 | unix.ETH_P_ALL&0xff<<8 // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening a packet socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index}); err != nil {
		return nil, errors.Join(fmt.Errorf("binding a packet socket to netdev %d: %w", index, err), unix.Close(fd))
	}
	return &Raw{os.NewFile(uintptr(fd), "packet"), index}, nil
}

// Close ends a Count that waits.
func (r *Raw) Close() error { return r.file.Close() }

// Send sends one frame. It waits while the socket's buffer is full. A frame that
// the device's queue drops (ENOBUFS, as while its carrier goes) is lost, as on a
// wire: whoever counts at the other end sees it.
func (r *Raw) Send(frame []byte) error {
	if _, err := r.file.Write(frame); err != nil && !errors.Is(err, unix.ENOBUFS) {
		return fmt.Errorf("sending a frame through netdev %d: %w", r.index, err)
	}
	return nil
}

// Settle waits for counters to follow what was sent: they have no event. It ends
// with ctx.
func Settle(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// Count receives until there are want different frames with the token, or until
// the deadline, and says how many there were. Absence has no event: only a time
// without an arrival shows it.
func (r *Raw) Count(ctx context.Context, token Token, want int, deadline time.Time) (int, error) {
	if err := r.file.SetReadDeadline(deadline); err != nil {
		return 0, fmt.Errorf("receiving frames from netdev %d: %w", r.index, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = r.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	seen := map[uint32]bool{}
	buf := make([]byte, 2048)
	for len(seen) < want {
		n, err := r.file.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return len(seen), ctx.Err()
		}
		if err != nil && !errors.Is(err, unix.ENETDOWN) {
			return len(seen), fmt.Errorf("receiving frames from netdev %d: %w", r.index, err)
		}
		if at := bytes.Index(buf[:n], token[:]); at >= 0 && at+len(token)+4 <= n {
			seen[binary.BigEndian.Uint32(buf[at+len(token):])] = true
		}
	}
	return len(seen), nil
}
