// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtnet"
)

// LeftOut is an address or a route that a captured profile does not say, and why.
type LeftOut struct {
	What string // "address 192.0.2.10/24"
	Why  string // completes the sentence: "it is ..."
}

// Captured is what of a netdev's addresses and routes a profile would say: what somebody
// put there for good, and no program looks after.
func (s State) Captured(id resource.ID) (AddressSpec, []LeftOut) {
	n := s.Netdevs[id]
	var spec AddressSpec
	var left []LeftOut
	for _, i := range n.Items {
		if !Sayable(i.attribute()) {
			continue
		}
		why := s.unsayable(id, n, i)
		if why == "" {
			with := spec.Clone()
			if i.Kind == rtnet.Address {
				with.Addresses = append(with.Addresses, i.Text)
			} else {
				with.Routes = append(with.Routes, i.routeSpec())
			}
			if faults := with.Faults(); len(faults) == 0 {
				spec = with
				continue
			}
			why = "no profile says it: " + with.Faults()[0].Err.Error()
		}
		left = append(left, LeftOut{i.attribute(), why})
	}
	return spec, left
}

// ours and what people's own commands and files give routes (include/uapi/linux/rtnetlink.h).
var staticProtocols = []int{rtnet.Protocol, unix.RTPROT_UNSPEC, unix.RTPROT_BOOT, unix.RTPROT_STATIC}

// unsayable is why no profile would say an item, "" where one would.
func (s State) unsayable(id resource.ID, n Netdev, i Item) string {
	switch {
	case i.Daemon != "":
		return "it is there by " + i.Daemon + ", and goes with that"
	case !n.Master.IsZero() && n.MasterKind != "vrf":
		return fmt.Sprintf("%s is a port of %s, and what comes in is that one's", n.Name, n.MasterName)
	case !n.Up:
		return n.Name + " is down"
	case i.Kind == rtnet.Address && strings.Contains(i.Text, " peer "):
		return "no profile can say a peer"
	case i.Kind == rtnet.Address && i.Flags()&unix.IFA_F_NOPREFIXROUTE != 0:
		return "it is noprefixroute, as NetworkManager's are: who put it there makes the routes to its network as well"
	case i.Kind == rtnet.Address:
		return ""
	case !slices.Contains(staticProtocols, i.Protocol()):
		return "it is of protocol " + strconv.Itoa(i.Protocol()) + " (ip route show proto " + strconv.Itoa(i.Protocol()) + "), whose program looks after it"
	case i.Source().IsValid():
		return "no profile can say its src, " + i.Source().String()
	}
	for _, word := range []string{" nhid ", " nexthop ", " from ", " tos ", " inet6 "} {
		if strings.Contains(i.Text, word) {
			return "no profile can say " + strings.TrimSpace(word) + " of a route"
		}
	}
	for at, o := range s.Netdevs {
		for _, r := range o.Items {
			if i.Rivals(r.Entry) && (at != id || r.attribute() != i.attribute()) {
				return "there are others to the same place with the same metric, as no profile can say"
			}
		}
	}
	return ""
}

// routeSpec is a route, which is one that a profile can say, as it says it.
func (i Item) routeSpec() RouteSpec {
	words := strings.Fields(i.Text)
	r := RouteSpec{To: words[0]}
	number := func(word string) *int {
		n, _ := strconv.Atoi(word) // as the kernel told it
		return &n
	}
	for n := 1; n+1 < len(words); n += 2 {
		switch words[n] {
		case "via":
			r.Via = words[n+1]
		case "metric":
			r.Metric = number(words[n+1])
		case "table":
			r.Table = number(words[n+1])
		}
	}
	if r.To == "default" && r.Via == "" {
		r.To = "0.0.0.0/0" // IPv6's is ::/0 there
	}
	if mtu := i.MTU(); mtu > 0 {
		r.MTU = &mtu
	}
	return r
}
