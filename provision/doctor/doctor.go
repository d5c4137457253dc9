// SPDX-License-Identifier: Apache-2.0

// Package doctor says of each netdev of each card what it can take over of TLS and
// IPsec, and why not: it walks the chain of what has to hold, up to the first link
// that is broken. The links are the domains'; their order is here.
package doctor

import (
	"slices"
	"strings"

	"github.com/nicwright/nicwright/crypto"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/internal/chain"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/provision/facts"
)

// Diagnosis says of each netdev of each card what it can take over, and why not.
type Diagnosis struct {
	Kernel  string   `json:"kernel"` // its release
	Devices []Device `json:"devices"`
}

// Device is the part of one function.
type Device struct {
	Function pci.Function `json:"function"`
	Card     string       `json:"card"` // its model
	Netdev   string       `json:"netdev,omitempty"`
	Driver   string       `json:"driver,omitempty"`
	// Error is what could not be read of it; the rest is what could.
	Error string `json:"error,omitempty"`
	// Absent is why there is no netdev to look at; Chains is empty then.
	Absent string        `json:"absent,omitempty"`
	Chains []chain.Chain `json:"chains,omitempty"`
}

// Examine diagnoses, and reads for it what only the doctor wants to know: which
// modules are loaded, and the TLS contexts that are open on the netdevs that are
// asked for.
func Examine(f facts.Facts, ask crypto.Ask, want ...string) (Diagnosis, []string, error) {
	if f.Unread != nil {
		return Diagnosis{}, nil, f.Unread
	}
	if err := f.Build.ReadModules(f.Kernel); err != nil {
		return Diagnosis{}, nil, err
	}
	d, unmatched := diagnose(examination{f, ask, crypto.OpenContexts}, want...)
	return d, unmatched, nil
}

// examination is what is looked at, and for what. contexts counts the TLS contexts
// open on a netdev.
type examination struct {
	facts.Facts
	ask      crypto.Ask
	contexts func(netdev string) (map[string]uint64, error)
}

// diagnose walks the chains of every PF and VF of every card. want, if there are
// any, are the only ones: by netdev, by one of its other names, by PCI address, or
// by pci.Function.String. Those that match nothing are returned.
func diagnose(x examination, want ...string) (d Diagnosis, unmatched []string) {
	d.Kernel = x.Build.Release
	matched := map[string]bool{}
	asked := func(fn pci.Function, names ...string) bool {
		if dev := x.device(fn); dev != nil {
			names = append(names, dev.Netdev)
			names = append(names, x.AltNames[dev.Index]...)
		}
		found := len(want) == 0
		for _, n := range append(names, fn.String()) {
			if n != "" && slices.Contains(want, n) {
				matched[n], found = true, true
			}
		}
		return found
	}
	for _, card := range x.Cards {
		for _, p := range card.Ports {
			if fn := pci.PF(p.Address); asked(fn, p.Netdev, string(p.Address)) {
				dev := x.diagnose(card, p, fn, eswitch.VF{Driver: p.Driver})
				dev.Error = joined(p.Err, dev.Error)
				d.Devices = append(d.Devices, dev)
			}
			for _, vf := range p.VFs {
				if fn := pci.VF(p.Address, vf.Index); asked(fn, vf.Netdev, string(vf.Address)) {
					d.Devices = append(d.Devices, x.diagnose(card, p, fn, vf))
				}
			}
		}
	}
	for _, w := range want {
		if !matched[w] {
			unmatched = append(unmatched, w)
		}
	}
	return d, unmatched
}

func joined(a, b string) string {
	if a != "" && b != "" {
		return a + "; " + b
	}
	return a + b
}

func (x examination) device(fn pci.Function) *crypto.Device {
	i := slices.IndexFunc(x.Devices, func(d crypto.Device) bool { return d.Function == fn })
	if i < 0 {
		return nil
	}
	return &x.Devices[i]
}

// diagnose looks at one function; of a PF, vf has its driver alone.
func (x examination) diagnose(card eswitch.Card, p eswitch.Port, fn pci.Function, vf eswitch.VF) Device {
	out := Device{Function: fn, Card: card.Model, Driver: vf.Driver}
	found := x.device(fn)
	if found == nil {
		out.Absent = absent(p, fn, vf)
		return out
	}
	dev := *found
	out.Netdev = dev.Netdev
	var err error
	if dev.Contexts, err = x.contexts(dev.Netdev); err != nil {
		out.Error = err.Error()
	}
	out.Chains = []chain.Chain{
		x.tls(dev, p, crypto.Transmit), x.tls(dev, p, crypto.Receive),
		x.ipsec(dev, p, false), x.ipsec(dev, p, true),
	}
	return out
}

// absent is why a function has no netdev here.
func absent(p eswitch.Port, fn pci.Function, vf eswitch.VF) string {
	use := func(kind eswitch.UseKind) string {
		for _, u := range vf.Uses {
			if u.Kind == kind {
				return u.By
			}
		}
		return ""
	}
	switch where := use(eswitch.Elsewhere); {
	case fn.PF.Bus() != "pci" && fn.IsVF():
		return "it is a port of the simulated switch only, without a netdev of its own"
	case vf.Driver == "" && fn.IsVF():
		return "no driver is bound to it: nicwright binds VFs (profile: vf: {driver: mlx5_core})"
	case vf.Driver == "":
		return "no driver is bound to it: modprobe mlx5_core"
	case fn.IsVF() && where != "":
		return "its netdev is " + in(where)
	case !fn.IsVF() && p.DevlinkIn != "":
		return "its devlink instance and its netdev are " + in(p.DevlinkIn)
	case !fn.IsVF() && p.NetdevIn != "":
		return "its netdev is " + in(p.NetdevIn)
	case vf.Driver == "vfio-pci" && use(eswitch.Held) != "":
		return "it is bound to vfio-pci, and " + use(eswitch.Held) + " holds it: look inside the machine that has it"
	case vf.Driver == "vfio-pci":
		return "it is bound to vfio-pci: look inside the machine that has it"
	}
	return "its driver " + vf.Driver + " has made no netdev, or it is " + in("")
}

// in is where a netdev is, and how the doctor gets there. where is as the look has
// it: the network namespace NAME, or of process PID (COMM).
func in(where string) string {
	const other = "in another network namespace"
	name, known := strings.CutPrefix(where, "the network namespace ")
	process, ofProcess := strings.CutPrefix(name, "of process ")
	switch pid, _, _ := strings.Cut(process, " "); {
	case ofProcess:
		return other + ", that of process " + process + ": run the doctor there (nsenter -t " + pid + " -n nicwright doctor)"
	case known:
		return other + ", " + name + ": run the doctor there (ip netns exec " + name + " nicwright doctor)"
	}
	return other + ": run the doctor there (ip netns exec NAME nicwright doctor)"
}
