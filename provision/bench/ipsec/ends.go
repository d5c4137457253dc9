// SPDX-License-Identifier: Apache-2.0

package ipsec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/nicwright/nicwright/internal/program"
	"github.com/nicwright/nicwright/provision/bench/rounds"
	"github.com/nicwright/nicwright/provision/bench/stream"
)

// The two ends are processes of their own, each in the namespace of its VF and in a
// cgroup, so that what sending costs is told from what receiving costs.

// job is what an end is asked for.
type job struct {
	// Listen: make the listening socket, on all addresses; the namespace has no other VF.
	Listen bool          `json:"listen,omitempty"`
	Config stream.Config `json:"config"`
	// From and To are addresses in pairs: whoever has them sends, over each in turn.
	From []netip.Addr `json:"from,omitempty"`
	To   []netip.Addr `json:"to,omitempty"`
	Port uint16       `json:"port,omitempty"`
	// Server and Client are the cpu.stat of the two.
	Server string `json:"server,omitempty"`
	Client string `json:"client,omitempty"`
}

// done is the answer.
type done struct {
	Port     uint16          `json:"port,omitempty"`
	Sent     stream.Sent     `json:"sent"`
	Received stream.Received `json:"received"`
	Used     rounds.Used     `json:"used"`
	Error    string          `json:"error,omitempty"`
}

// end is a process that does jobs.
type end struct{ listener *net.TCPListener }

// End does what it is asked, until there is no more.
func End(ctx context.Context, in io.Reader, out io.Writer) error {
	e := &end{}
	err := program.Work(in, out, func(j job) done {
		d, err := e.do(ctx, j)
		if err != nil {
			d.Error = err.Error()
		}
		return d
	})
	if e.listener != nil {
		err = errors.Join(err, e.listener.Close())
	}
	return err
}

func (e *end) do(ctx context.Context, j job) (d done, err error) {
	switch {
	case j.Listen:
		var lc net.ListenConfig
		lc.SetMultipathTCP(false) // Go's listeners are of MPTCP: what is measured is TCP
		l, err := lc.Listen(ctx, "tcp4", ":0")
		if err != nil {
			return d, fmt.Errorf("listening: %w", err)
		}
		e.listener = l.(*net.TCPListener)
		d.Port = e.listener.Addr().(*net.TCPAddr).AddrPort().Port()
	case len(j.To) > 0:
		d.Sent, err = stream.Send(ctx, j.Config, j.dial)
	case e.listener != nil:
		used := rounds.NewMeter(j.Server, j.Client).Window()
		var usedErr error
		d.Received, err = stream.Receive(ctx, e.listener, j.Config, used.At)
		d.Used, usedErr = used.Used()
		err = errors.Join(err, usedErr)
	default:
		err = errors.New("nothing is asked for")
	}
	return d, err
}

// dial connects over the pair of addresses whose turn it is.
func (j job) dial(ctx context.Context, i int) (*net.TCPConn, error) {
	i %= len(j.To)
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(j.From[i], 0))}
	c, err := d.DialContext(ctx, "tcp4", netip.AddrPortFrom(j.To[i], j.Port).String())
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}
