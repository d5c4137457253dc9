// SPDX-License-Identifier: Apache-2.0

// Package chain has what has to hold, one thing after the other, for a card to
// take over some work: links, each with what was found, and the verdict at the
// chain's end. Every domain makes the links that it knows of; provision puts
// them in order.
package chain

import "strings"

// Status is what became of one link.
type Status string

// The statuses.
const (
	OK         Status = "ok"
	Broken     Status = "broken"
	Unknown    Status = "unknown"     // this host does not let it be told
	NotReached Status = "not reached" // a link before it is broken
)

// Link is one thing that has to hold.
type Link struct {
	// Name is a word or two, the same on every netdev: "kernel", "driver", "checksum".
	Name   string `json:"name"`
	Status Status `json:"status"`
	// Found is what was seen; of a broken link, why it is.
	Found string `json:"found,omitempty"`
	// Mend is what would mend a broken link: commands and lines of a profile, each complete; none
	// where nothing on this host does.
	Mend []string `json:"mend,omitempty"`
}

// Held is a link that holds, by what was found.
func Held(name, found string) Link { return Link{Name: name, Status: OK, Found: found} }

// Open is a link of which nothing can be told.
func Open(name, found string) Link { return Link{Name: name, Status: Unknown, Found: found} }

// Broke is a broken link: why, and what mends it.
func Broke(name, found string, mend ...string) Link {
	return Link{Name: name, Status: Broken, Found: found, Mend: mend}
}

// Verdict is how a chain ends.
type Verdict string

// The verdicts.
const (
	CanOffload Verdict = "can offload"
	Software   Verdict = "software" // it works, and the CPU does it
	Refused    Verdict = "refused"  // the kernel refuses it rather than do it in software
	NotTold    Verdict = "unknown"  // nothing is found against it, and not all could be told
)

// Chain is the links of one kind of offload on one netdev.
type Chain struct {
	// Offload is what the chain is about: "TLS transmit".
	Offload string `json:"offload"`
	// Of narrows it: "TLS 1.2, AES-128-GCM".
	Of      string  `json:"of"`
	Links   []Link  `json:"links"`
	Verdict Verdict `json:"verdict"`
	// Because is why not, in words; "" where it can be offloaded.
	Because string `json:"because,omitempty"`
}

// Walk goes along links to the first that is broken. otherwise is the verdict if
// one is: Software or Refused.
func Walk(offload, of string, otherwise Verdict, links ...Link) Chain {
	c := Chain{Offload: offload, Of: of, Verdict: CanOffload}
	var open []string
	for _, l := range links {
		switch {
		case c.Verdict == otherwise:
			l = Link{Name: l.Name, Status: NotReached}
		case l.Status == Broken:
			c.Verdict, c.Because = otherwise, l.Found
		case l.Status == Unknown:
			open = append(open, l.Name+": "+l.Found)
		}
		c.Links = append(c.Links, l)
	}
	if c.Verdict == CanOffload && open != nil {
		c.Verdict, c.Because = NotTold, strings.Join(open, "; ")
	}
	return c
}

// Broken is the link that is, or nil.
func (c Chain) Broken() *Link {
	for i := range c.Links {
		if c.Links[i].Status == Broken {
			return &c.Links[i]
		}
	}
	return nil
}
