// SPDX-License-Identifier: Apache-2.0

package between

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/provision/bench/sample"
	"github.com/nicwright/nicwright/provision/report"
)

// Header is what is known of this host and of the card whose VFs are measured.
func Header(h report.Host, server, client pci.Function) sample.Header {
	out := onWire(h, server)
	out.Path = "VF to VF of one port"
	if server.PF != client.PF {
		out.Path = "VF to VF of two ports"
	}
	out.Conditions["client-vf"] = client.String()
	return out
}

// WireHeader is what is known of this host, of the card whose VF is measured, and of the
// host on the wire that makes the load.
func WireHeader(h report.Host, server pci.Function, peer netip.AddrPort) sample.Header {
	out := onWire(h, server)
	out.Client = &sample.Host{Name: peer.Addr().String()}
	return out
}

func onWire(h report.Host, server pci.Function) sample.Header {
	out := sample.Header{Clock: sample.Wall, Server: thisHost(), Path: "wire", Conditions: map[string]string{"server": server.String()}}
	for _, c := range h.Cards {
		for _, p := range c.Ports {
			if p.Address != server.PF {
				continue
			}
			out.Card = &sample.Card{Model: c.Model, Address: string(p.Address), Driver: p.Driver, Firmware: c.Firmware, Speed: uint64(max(p.Speed, 0)) * 1e6, Ports: 1}
			out.Conditions["eswitch"] = p.Mode
		}
	}
	return out
}

func thisHost() sample.Host {
	h := sample.Host{Processors: runtime.NumCPU()}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		h.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	var i unix.Sysinfo_t
	if unix.Sysinfo(&i) == nil {
		h.Memory = i.Totalram * uint64(i.Unit)
	}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		h.Processor = processor(string(b))
	}
	return h
}

// processor is the model of the first, "" where /proc/cpuinfo has none.
func processor(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return fmt.Sprintf("%.200s", strings.TrimSpace(value))
		}
	}
	return ""
}
