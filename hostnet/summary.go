// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"fmt"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtnet"
	"github.com/nicwright/nicwright/internal/step"
)

// Summary is what a plan's effects do to what is in use, a line each.
func Summary(effects step.Effects, have State) []string {
	var lines []string
	seen := map[string]bool{}
	say := func(format string, args ...any) {
		if l := fmt.Sprintf(format, args...); !seen[l] {
			seen[l] = true
			lines = append(lines, l)
		}
	}
	for _, e := range effects {
		name := have.called(e.On)
		switch e.Kind {
		case step.Stops:
			say("%s: traffic stops: %s", name, e.Words())
		case step.Down:
			say("%s goes down%s%s", name, span(e.For), interrupts(have, e.On))
		case step.Joins:
			say("%s goes into %s%s", name, have.called(e.From), interrupts(have, e.On))
		case step.Leaves:
			say("%s leaves %s", name, have.called(e.From))
		case step.Remade:
			if _, there := have.Netdevs[e.On]; there {
				say("%s is made again: its ifindex changes, and programs that hold it have to open it again%s", name, interrupts(have, e.On))
			}
		case step.Gone:
			if _, there := have.Netdevs[e.On]; there {
				say("%s ceases to be%s", name, interrupts(have, e.On))
			}
		}
	}
	return lines
}

func span(s step.Span) string {
	switch s {
	case step.Moment:
		return " for a moment"
	case step.Apply:
		return " until the plan is done"
	}
	return ""
}

// interrupts names the addresses and routes on a netdev and on those above it.
func interrupts(have State, id resource.ID) string {
	counts := map[rtnet.Kind][]string{}
	for _, at := range have.sorted() {
		n := have.Netdevs[at]
		for below, seen := at, map[resource.ID]bool{}; !below.IsZero() && !seen[below]; below = have.Netdevs[below].Lower {
			seen[below] = true
			if below != id {
				continue
			}
			for _, i := range n.Items {
				counts[i.Kind] = append(counts[i.Kind], i.Text)
			}
		}
	}
	words := ""
	for _, k := range []rtnet.Kind{rtnet.Address, rtnet.Route} {
		if all := counts[k]; len(all) > 0 {
			words += fmt.Sprintf("; %s: %s", plural(string(k), len(all)), list(all, 6))
		}
	}
	if words == "" {
		return ""
	}
	return ", and with it" + words[1:]
}

func plural(what string, n int) string {
	switch {
	case n == 1:
		return what
	case what == string(rtnet.Address):
		return "addresses"
	}
	return what + "s"
}

func list(all []string, most int) string {
	text := ""
	for i, s := range all {
		switch {
		case i == most:
			return text + fmt.Sprintf(" and %d more", len(all)-most)
		case i > 0:
			text += ", "
		}
		text += s
	}
	return text
}
