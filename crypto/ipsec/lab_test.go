// SPDX-License-Identifier: Apache-2.0

package ipsec

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/netns"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/lab/vflab"
)

const labPF = vflab.PF

// endpoint is a netdev in a network namespace of its own, with addresses.
type endpoint struct {
	t      *testing.T
	ns     *netns.NS
	netdev string
	index  int
}

func needLab(t *testing.T) {
	t.Helper()
	if os.Getenv("NICWRIGHT_LAB") == "" {
		t.Skip("needs the lab: make test-lab")
	}
}

func witness(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// addresses of endpoint n, IPv4 and IPv6.
func addresses(n int) [2]netip.Addr {
	return [2]netip.Addr{netip.AddrFrom4([4]byte{10, 9, 0, byte(n)}), netip.MustParseAddr(fmt.Sprintf("fd09::%x", n))}
}

// emptyEndpoint is a new namespace that a netdev is to come to.
func emptyEndpoint(t *testing.T, name, netdevName string) *endpoint {
	t.Helper()
	ns, err := netns.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = ns.Close()
		if err := netns.Delete(name); err != nil {
			t.Error(err)
		}
	})
	return &endpoint{t: t, ns: ns, netdev: netdevName}
}

// findIndex reads the netdev's ifindex.
func (e *endpoint) findIndex() {
	e.t.Helper()
	err := e.ns.Do(func() error {
		l, err := net.InterfaceByName(e.netdev)
		if err == nil {
			e.index = l.Index
		}
		return err
	})
	if err != nil {
		e.t.Fatal(err)
	}
}

// newEndpoint moves a netdev into a new namespace, and back at the end, and
// gives it the addresses n.
func newEndpoint(t *testing.T, name, netdevName string, n int) *endpoint {
	t.Helper()
	e := emptyEndpoint(t, name, netdevName)
	t.Cleanup(func() { e.ip("link", "set", netdevName, "netns", "1") })
	witness(t, "ip", "link", "set", netdevName, "netns", name)
	e.ip("link", "set", "lo", "up")
	for _, a := range addresses(n) {
		args := []string{"addr", "add", fmt.Sprintf("%v/%d", a, a.BitLen()/2), "dev", netdevName}
		if a.Is6() {
			args = append(args, "nodad")
		}
		e.ip(args...)
	}
	err := e.ns.Do(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		events, err := await.Links(ctx)
		if err != nil {
			return err
		}
		if out, err := exec.Command("ip", "-n", name, "link", "set", netdevName, "up").CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return await.Until(ctx, netdevName+" has a carrier", events, func() (bool, error) {
			l, err := net.InterfaceByName(netdevName)
			if err != nil {
				return false, err
			}
			return l.Flags&net.FlagRunning != 0, nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	e.findIndex()
	return e
}

// ip runs ip in the endpoint's namespace.
func (e *endpoint) ip(args ...string) string {
	e.t.Helper()
	return witness(e.t, "ip", append([]string{"-n", e.ns.Name()}, args...)...)
}

// add makes a Pair in the endpoint's namespace.
func (e *endpoint) add(p Params) (pair *Pair, err error) {
	err = e.ns.Do(func() (err error) { pair, err = Add(context.Background(), p); return err })
	return pair, err
}

func (e *endpoint) stat(name string) uint64 {
	e.t.Helper()
	var n uint64
	err := e.ns.Do(func() error {
		all, err := Stat()
		n = all[name]
		return err
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return n
}

// counter is one of ethtool -S.
func (e *endpoint) counter(name string) uint64 {
	e.t.Helper()
	out := witness(e.t, "ip", "netns", "exec", e.ns.Name(), "ethtool", "-S", e.netdev)
	for line := range strings.Lines(out) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), name+": "); ok {
			n, err := strconv.ParseUint(v, 10, 64)
			if err != nil {
				e.t.Fatal(err)
			}
			return n
		}
	}
	e.t.Fatalf("%s has no counter %s", e.netdev, name)
	return 0
}

// exchange sends bytes from one endpoint to the other and back, over TCP.
func exchange(from, to *endpoint, at netip.Addr, size int) error {
	deadline := time.Now().Add(30 * time.Second)
	var l net.Listener
	if err := to.ns.Do(func() (err error) { l, err = net.Listen("tcp", net.JoinHostPort(at.String(), "0")); return err }); err != nil {
		return err
	}
	defer l.Close()
	echoed := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			_ = c.SetDeadline(deadline)
			_, err = io.Copy(c, c)
			_ = c.Close()
		}
		echoed <- err
	}()
	var c net.Conn
	dialer := net.Dialer{Deadline: deadline, FallbackDelay: -1}
	if err := from.ns.Do(func() (err error) { c, err = dialer.Dial("tcp", l.Addr().String()); return err }); err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(deadline)
	line := "in the clear, line after line\n"
	sent := strings.Repeat(line, size/len(line)+1)
	go func() {
		_, _ = io.WriteString(c, sent)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil {
		return err
	}
	if string(got) != sent {
		return fmt.Errorf("%d bytes came back of %d, or others", len(got), len(sent))
	}
	return <-echoed
}

// capture records what passes a netdev until the returned function is called,
// which counts the packets that a filter lets through.
func (e *endpoint) capture() func(filter string) int {
	e.t.Helper()
	file := e.t.TempDir() + "/pcap"
	cmd := exec.Command("ip", "netns", "exec", e.ns.Name(), "tcpdump", "-Uni", e.netdev, "-w", file, "--immediate-mode")
	errs, err := cmd.StderrPipe()
	if err != nil {
		e.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	first := make([]byte, 256) // "listening on ..."
	if _, err := errs.Read(first); err != nil {
		e.t.Fatal(err)
	}
	ended := false
	return func(filter string) int {
		if !ended {
			_ = cmd.Process.Signal(os.Interrupt)
			_, _ = io.Copy(io.Discard, errs)
			_ = cmd.Wait()
			ended = true
		}
		out, err := exec.Command("tcpdump", "-nr", file, filter).Output()
		if err != nil {
			e.t.Fatal(err)
		}
		return strings.Count(string(out), "\n")
	}
}

// vfs are of a port in switchdev: the PF grants IPsec there alone.
func vfs(t *testing.T, n int) []netdev.Link {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	return vflab.Switchdev(t, ctx, n, "ipsec_crypto", "ipsec_packet")
}

// newCable makes a far end for the card's first port that does IPsec in software, and
// between the two a bridge that does none: what passes there is what is on the wire.
// The far end's own netdev would show packets a second time when they are decrypted.
func newCable(t *testing.T) (peer, cable *endpoint) {
	t.Helper()
	const wire = "wire0" // in the lab's bond
	cable = emptyEndpoint(t, "ipsec-cable", wire)
	witness(t, "ip", "-n", "peer", "link", "set", wire, "nomaster")
	witness(t, "ip", "-n", "peer", "link", "set", wire, "netns", "ipsec-cable")
	t.Cleanup(func() {
		cable.ip("link", "set", wire, "nomaster")
		cable.ip("link", "set", wire, "down")
		cable.ip("link", "set", wire, "netns", "peer")
		witness(t, "ip", "-n", "peer", "link", "set", wire, "master", "bond0")
		witness(t, "ip", "-n", "peer", "link", "set", wire, "up")
	})
	cable.ip("link", "add", "br0", "type", "bridge")
	cable.ip("link", "add", "v1", "type", "veth", "peer", "name", "v0", "netns", "1")
	for _, l := range []string{wire, "v1"} {
		cable.ip("link", "set", l, "master", "br0")
		cable.ip("link", "set", l, "up")
	}
	cable.ip("link", "set", "br0", "up")
	return newEndpoint(t, "ipsec-peer", "v0", 2), cable
}

func pf(t *testing.T) netdev.Link {
	t.Helper()
	l, err := netdev.OfFunction(t.Context(), pci.PF(labPF))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// agrees compares what States says with what ip-xfrm(8) prints, which has the keys too.
func agrees(t *testing.T, e *endpoint, pair *Pair, p Params) {
	t.Helper()
	states, err := pair.States()
	if err != nil {
		t.Fatal(err)
	}
	if len(states) != 2 || states[0].Src != p.Local || states[1].Dst != p.Local {
		t.Fatalf("%+v", states)
	}
	text, err := json.Marshal(states)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range states {
		out := e.ip("-d", "xfrm", "state", "get", "src", s.Src.String(), "dst", s.Dst.String(), "proto", "esp", "spi", s.SPI.String())
		key := regexp.MustCompile(`rfc4106\(gcm\(aes\)\) 0x([0-9a-f]+) (?:\((\d+) bits\) )?128`).FindStringSubmatch(out)
		if key == nil || len(key[1])*4 != s.Encryption.Bits+32 {
			t.Fatalf("%d bits: %s", s.Encryption.Bits, out)
		}
		raw, err := hex.DecodeString(key[1])
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.ToLower(string(text)), key[1][:8]) || strings.Contains(fmt.Sprintf("%v %+v", states, pair), fmt.Sprintf("%d", raw)[1:12]) {
			t.Errorf("the key shows in %s", text)
		}
		want := []string{fmt.Sprintf("mode %v", p.Mode), fmt.Sprintf("reqid %d", s.ReqID)}
		if p.ESN {
			want = append(want, "flag esn", fmt.Sprintf("replay_window %d", s.ReplayWindow))
		}
		if p.Offload != None {
			want = append(want, fmt.Sprintf("crypto offload parameters: dev %s dir %s mode %v", e.netdev, [2]string{"out", "in"}[i], p.Offload))
			if s.Offload != (OffloadState{p.Offload, p.Netdev, e.netdev}) {
				t.Errorf("offload %+v", s.Offload)
			}
		} else if strings.Contains(out, "offload") || s.Offload != (OffloadState{}) {
			t.Errorf("an offload that was not asked for: %+v, %s", s.Offload, out)
		}
		for _, w := range want {
			if !strings.Contains(strings.ReplaceAll(out, "replay-window", "replay_window"), w) {
				t.Errorf("ip says nothing of %q:\n%s", w, out)
			}
		}
		if s.Mode != p.Mode || s.ESN != p.ESN || !s.Ours || (i == 1 && s.ReplayWindow != uint32(p.ReplayWindow)) {
			t.Errorf("%+v, ip says %s", s, out)
		}
	}
	out := e.ip("xfrm", "policy")
	for _, dir := range []string{"dir out", "dir in"} {
		if strings.Count(out, dir) != 1 || strings.Count(out, fmt.Sprintf("reqid %d", states[0].ReqID)) != 2 {
			t.Errorf("policies: %s", out)
		}
	}
	var policies []Policy
	if err := e.ns.Do(func() (err error) { policies, err = Policies(t.Context()); return err }); err != nil || len(policies) != 2 {
		t.Fatalf("%+v, %v", policies, err)
	}
	for _, q := range policies {
		if !q.Ours || len(q.Templates) != 1 || q.Templates[0].Mode != p.Mode || q.Src.Addr().BitLen() != q.Src.Bits() {
			t.Errorf("policy %+v", q)
		}
	}
}

// gone says that an endpoint's namespace has no IPsec left.
func (e *endpoint) gone() {
	e.t.Helper()
	if out := e.ip("xfrm", "state") + e.ip("xfrm", "policy"); out != "" {
		e.t.Errorf("something is left:\n%s", out)
	}
}
