// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"fmt"
	"io"
	"strings"

	"github.com/nicwright/nicwright/internal/chain"
	"github.com/nicwright/nicwright/internal/style"
)

// Print writes, for each netdev, its chains: the verdict, and the links up to
// the one that is broken, with what mends it.
func (d Diagnosis) Print(w io.Writer) error {
	var b strings.Builder
	if len(d.Devices) == 0 {
		b.WriteString("no SmartNIC: no PCI function here is a network card whose driver has SR-IOV or a devlink eswitch.\n" +
			"Is the card seen (lspci -d 15b3:) and its driver loaded (modprobe mlx5_core)?\n")
		return style.Flush(w, &b)
	}
	fmt.Fprintf(&b, "kernel %s\n", d.Kernel)
	for _, dev := range d.Devices {
		fmt.Fprintf(&b, "\n%s  %s  %s, driver %s\n", style.Bold(dev.Function.String()), style.Bold(style.OrDash(dev.Netdev)), style.OrDash(dev.Card), style.OrDash(dev.Driver))
		if dev.Error != "" {
			fmt.Fprintf(&b, "  %s\n", style.Red("not all of it can be read: "+dev.Error))
		}
		if dev.Absent != "" {
			fmt.Fprintf(&b, "  %s\n", style.Amber(dev.Absent))
		}
		for _, c := range dev.Chains {
			printChain(&b, c)
		}
	}
	return style.Flush(w, &b)
}

func printChain(b *strings.Builder, c chain.Chain) {
	verdict := style.Red(string(c.Verdict))
	switch c.Verdict {
	case chain.CanOffload:
		verdict = style.Green(string(c.Verdict))
	case chain.NotTold:
		verdict = style.Amber("unknown: nothing is found against it")
	}
	fmt.Fprintf(b, "  %s (%s): %s", c.Offload, c.Of, verdict)
	if l := c.Broken(); l != nil {
		b.WriteString(" because " + c.Because)
	}
	b.WriteString("\n")
	var ahead []string
	for _, l := range c.Links {
		switch l.Status {
		case chain.NotReached:
			ahead = append(ahead, l.Name)
		case chain.OK:
			fmt.Fprintf(b, "    %s      %-13s %s\n", style.Green("ok"), l.Name, style.Faint(l.Found))
		case chain.Unknown:
			fmt.Fprintf(b, "    %s %-13s %s\n", style.Amber("unknown"), l.Name, l.Found)
		case chain.Broken:
			fmt.Fprintf(b, "    %s  %-13s %s\n", style.Red("broken"), l.Name, l.Found)
			for _, m := range l.Mend {
				fmt.Fprintf(b, "            mend: %s\n", m)
			}
		}
	}
	if len(ahead) > 0 {
		fmt.Fprintf(b, "    %s\n", style.Faint("not reached: "+strings.Join(ahead, ", ")))
	}
}
