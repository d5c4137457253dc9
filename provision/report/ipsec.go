// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/nicwright/nicwright/crypto/ipsec"
	"github.com/nicwright/nicwright/internal/style"
)

// IPsec is the security associations of a network namespace, whoever made them.
type IPsec struct {
	States []ipsec.State `json:"states"`
}

// IPsecOf is what ipsec.List found.
func IPsecOf(states []ipsec.State) IPsec {
	if states == nil {
		states = []ipsec.State{} // an empty list in JSON, too
	}
	return IPsec{states}
}

// Print writes one SA a line.
func (p IPsec) Print(w io.Writer) error {
	var b strings.Builder
	if len(p.States) == 0 {
		b.WriteString("no IPsec SAs in this network namespace\n")
		return style.Flush(w, &b)
	}
	// Colour would be counted as width, and a table is for grep as well.
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SRC\tDST\tSPI\tMODE\tDIR\tALGORITHM\tESN\tWINDOW\tOFFLOAD\tBYTES\tPACKETS\tFAILED\tLIMITS")
	for _, s := range p.States {
		esn := "no"
		if s.ESN {
			esn = "yes"
		}
		fmt.Fprintf(t, "%v\t%v\t%v\t%s\t%s\t%s\t%s\t%d\t%s\t%d\t%d\t%s\t%s\n", s.Src, s.Dst, s.SPI, saMode(s), style.OrDash(s.Direction), style.OrDash(s.Algorithms()),
			esn, s.ReplayWindow, saOffload(s.Offload), s.Bytes, s.Packets, saFailures(s.Failures), saLimits(s.Limits))
	}
	_ = t.Flush() // to a strings.Builder: it cannot fail
	return style.Flush(w, &b)
}

func saMode(s ipsec.State) string {
	m := s.Mode.String()
	if s.Proto != "esp" {
		m = s.Proto + " " + m
	}
	if s.Encapsulation != nil {
		m += " " + s.Encapsulation.Type
	}
	return m
}

func saOffload(o ipsec.OffloadState) string {
	if o.Mode == ipsec.None {
		return o.Mode.String()
	}
	netdev := o.Netdev
	if netdev == "" {
		netdev = fmt.Sprintf("netdev %d elsewhere", o.Index)
	}
	return fmt.Sprintf("%v on %s", o.Mode, netdev)
}

func saFailures(f ipsec.Failures) string {
	var all []string
	for _, n := range []struct {
		count uint32
		what  string
	}{{f.Integrity, "ICV"}, {f.Replay, "replay"}, {f.Window, "window"}} {
		if n.count > 0 {
			all = append(all, fmt.Sprintf("%d %s", n.count, n.what))
		}
	}
	return style.OrDash(strings.Join(all, ", "))
}

// saLimits are soft/hard, of what has any.
func saLimits(l ipsec.Limits) string {
	var all []string
	for _, n := range []struct {
		soft, hard uint64
		unit       string
	}{
		{l.SoftBytes, l.HardBytes, "bytes"},
		{l.SoftPackets, l.HardPackets, "packets"},
		{l.SoftSeconds, l.HardSeconds, "s"},
		{l.SoftUseSeconds, l.HardUseSeconds, "s of use"},
	} {
		if n.soft != 0 || n.hard != 0 {
			all = append(all, fmt.Sprintf("%s/%s %s", saLimit(n.soft), saLimit(n.hard), n.unit))
		}
	}
	return style.OrDash(strings.Join(all, ", "))
}

func saLimit(n uint64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}
