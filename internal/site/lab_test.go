// SPDX-License-Identifier: Apache-2.0

package site

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/netns"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/lab/vflab"
)

// killedEnv makes the test binary a run that is to be killed.
const killedEnv = "NICWRIGHT_TEST_SITE_TO_BE_KILLED"

func TestMain(m *testing.M) {
	if os.Getenv(killedEnv) != "" {
		_, err := Enter(context.Background(), true, pci.VF(vflab.PF, 0), pci.VF(vflab.PF, 1))
		fmt.Println("entered", err)
		select {}
	}
	os.Exit(m.Run())
}

func ip(t *testing.T, args ...string) string {
	t.Helper()
	return vflab.Run(t, "ip", args...)
}

// looks is what a run has to leave as it was.
func looks(t *testing.T, links ...netdev.Link) string {
	t.Helper()
	var b strings.Builder
	for _, l := range links {
		b.WriteString(ip(t, "-o", "link", "show", "dev", l.Name))
		b.WriteString(ip(t, "-br", "-4", "addr", "show", "dev", l.Name))
	}
	return b.String() + ip(t, "netns", "list")
}

func TestLabEnterAndLeave(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	links := vflab.Legacy(t, ctx, 2)
	from, to := links[0], links[1]
	ip(t, "link", "set", to.Name, "up", "mtu", "1400")
	before := looks(t, from, to)
	s, err := Enter(ctx, false, from.Function, to.Function)
	if err != nil {
		t.Fatal(err)
	}
	a, b := s.Places[0], s.Places[1]
	for _, remote := range []string{b.V4.Addr().String(), b.V6.Addr().String()} {
		ip(t, "netns", "exec", a.NS.Name(), "ping", "-c", "1", "-W", "10", remote)
	}
	if got := ip(t, "netns", "exec", a.NS.Name(), "ip", "-o", "link", "show", "dev", a.Netdev); !strings.Contains(got, a.MAC.String()) {
		t.Errorf("the place says its MAC is %s: %s", a.MAC, got)
	}
	if err := s.Leave(ctx); err != nil {
		t.Fatal(err)
	}
	if after := looks(t, from, to); after != before {
		t.Errorf("the VFs are not as they were:\n%s\nbefore:\n%s", after, before)
	}
	if _, err := Enter(ctx, false, from.Function, from.Function); err == nil || !strings.Contains(err.Error(), "named twice") {
		t.Errorf("one VF for both ends: %v", err)
	}
}

// A stranger in the same VLAN has the very address, answers for it, and is not heard: nobody asks.
func TestLabStrangerWithTheSameAddress(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	links := vflab.Legacy(t, ctx, 3)
	s, err := Enter(ctx, false, links[0].Function, links[1].Function)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Leave(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}()
	a, b := s.Places[0], s.Places[1]
	ip(t, "netns", "add", "stranger")
	defer ip(t, "netns", "delete", "stranger")
	ip(t, "link", "set", links[2].Name, "netns", "stranger")
	ip(t, "-n", "stranger", "addr", "add", b.V4.Addr().String()+"/15", "dev", links[2].Name)
	ip(t, "-n", "stranger", "-6", "addr", "add", b.V6.Addr().String()+"/64", "dev", links[2].Name, "nodad")
	ip(t, "-n", "stranger", "link", "set", links[2].Name, "up")
	for _, v6 := range []bool{false, true} {
		if err := Reach(ctx, func(ctx context.Context) error {
			client, server, err := Connect(ctx, a, b, v6)
			if err != nil {
				return err
			}
			return errors.Join(client.Close(), server.Close())
		}); err != nil {
			t.Errorf("IPv6 %t: %v", v6, err)
		}
	}
	for _, p := range s.Places {
		neighbours := ip(t, "-n", p.NS.Name(), "neigh", "show", "dev", p.Netdev)
		if n := strings.Count(neighbours, "PERMANENT"); n != 2 {
			t.Errorf("%s has %d permanent neighbours, want the other's two:\n%s", p, n, neighbours)
		}
	}
	if heard := ip(t, "-n", "stranger", "-4", "neigh", "show"); strings.Contains(heard, a.V4.Addr().String()) {
		t.Errorf("the stranger was asked: %s", heard)
	}
}

// A netdev on top of a VF would not outlive the move, and is not put back: no force takes that VF.
func TestLabUpperIsInUse(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	links := vflab.Legacy(t, ctx, 2)
	ip(t, "link", "add", "link", links[0].Name, "name", "vlan7", "type", "vlan", "id", "7")
	defer ip(t, "link", "delete", "vlan7")
	for _, force := range []bool{false, true} {
		if _, err := Enter(ctx, force, links[0].Function, links[1].Function); err == nil || !strings.Contains(err.Error(), "the netdev vlan7 is on it") {
			t.Errorf("force %t: %v", force, err)
		}
	}
}

// What became of a VF that a killed run had is not waited for when it is there no more.
func TestLabCleanWithoutTheVFs(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	links := vflab.Legacy(t, ctx, 2)
	if err := Remember(ctx, links[0].Function, links[1].Function); err != nil {
		t.Fatal(err)
	}
	vflab.Put(t, "/sys/bus/pci/devices/"+string(vflab.PF)+"/sriov_numvfs", "0")
	start := time.Now()
	if err := Clean(ctx); err != nil || time.Since(start) > 10*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	if _, err := os.Stat(recordPath); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", recordPath, err)
	}
}

func TestLabInUse(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	links := vflab.Legacy(t, ctx, 2)
	from, to := links[0], links[1]
	ip(t, "link", "add", "bridge7", "type", "bridge")
	defer ip(t, "link", "delete", "bridge7")
	ip(t, "addr", "add", "192.0.2.77/24", "dev", from.Name)
	ip(t, "link", "set", to.Name, "master", "bridge7")
	before := looks(t, from, to)
	for f, why := range map[pci.Function]string{from.Function: "it has the address 192.0.2.77", to.Function: "it has a master"} {
		if err := Free(ctx, f); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want that %s", f, err, why)
		}
	}
	if _, err := Enter(ctx, false, from.Function, to.Function); err == nil {
		t.Error("VFs in use were taken")
	}
	s, err := Enter(ctx, true, from.Function, to.Function)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Leave(ctx); err != nil {
		t.Fatal(err)
	}
	if after := looks(t, from, to); after != before {
		t.Errorf("the VFs are not as they were:\n%s\nbefore:\n%s", after, before)
	}
	if err := Free(ctx, pci.VF(vflab.PF, 9)); err == nil {
		t.Error("a VF that is not there is free")
	}
}

func TestLabKilledRunIsCleanedUp(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	links := vflab.Legacy(t, ctx, 2)
	from, to := links[0], links[1]
	ip(t, "link", "set", from.Name, "up")
	ip(t, "addr", "add", "192.0.2.77/24", "dev", from.Name)
	before := looks(t, from, to)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), killedEnv+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 64)
	n, err := out.Read(said)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err != nil || !strings.Contains(string(said[:n]), "entered <nil>") {
		t.Fatalf("the run to be killed said %q, %v", said[:n], err)
	}
	if names, err := netns.List(nsPrefix); err != nil || len(names) != 2 {
		t.Fatalf("namespaces of the killed run: %v, %v", names, err)
	}
	if err := Clean(ctx); err != nil {
		t.Fatal(err)
	}
	if after := looks(t, from, to); after != before {
		t.Errorf("the VFs are not as they were:\n%s\nbefore:\n%s", after, before)
	}
	// The kernel mounts its file system, and with it loads the module, for who looks for a server.
	if _, err := os.Stat("/sys/module/nfsd"); !os.IsNotExist(err) {
		t.Errorf("nfsd is loaded, of which nobody knew: %v", err)
	}
	if _, err := os.Stat(recordPath); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", recordPath, err)
	}
}

// Frames arrive, and one that the device's queue drops is lost and no error.
func TestLabFrames(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	links := vflab.Legacy(t, ctx, 2)
	s, err := Enter(ctx, false, links[0].Function, links[1].Function)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Leave(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}()
	// A netdev that is up hears a moment later.
	if err := Reach(ctx, func(ctx context.Context) error {
		client, server, err := Connect(ctx, s.Places[0], s.Places[1], false)
		if err != nil {
			return err
		}
		return errors.Join(client.Close(), server.Close())
	}); err != nil {
		t.Fatal(err)
	}
	var ends [2]*Raw
	for i, p := range s.Places {
		if err := p.NS.Do(func() (err error) { ends[i], err = OpenRaw(p.Index); return err }); err != nil {
			t.Fatal(err)
		}
		defer ends[i].Close()
	}
	send := func(want int, window time.Duration) {
		token, err := NewToken()
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint32(8) {
			if err := ends[0].Send(Frame(Broadcast, s.Places[0].MAC, 0, token, i)); err != nil {
				t.Error(err)
			}
		}
		if n, err := ends[1].Count(ctx, token, 8, time.Now().Add(window)); err != nil || n != want {
			t.Errorf("%d frames arrived (%v), want %d", n, err, want)
		}
	}
	send(8, time.Minute)
	ip(t, "netns", "exec", s.Places[0].NS.Name(), "tc", "qdisc", "replace", "dev", s.Places[0].Netdev, "root", "pfifo", "limit", "0")
	send(0, time.Second)
	ip(t, "netns", "exec", s.Places[0].NS.Name(), "tc", "qdisc", "delete", "dev", s.Places[0].Netdev, "root")
}
