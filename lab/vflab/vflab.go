// SPDX-License-Identifier: Apache-2.0

// Package vflab makes VFs of the emulated card for tests that run in the lab
// machine, with stock tools and sysfs.
package vflab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
)

// PF is the first port of the card.
const PF = pci.Address("0001:3b:00.0")

const (
	device = "/sys/bus/pci/devices/" + string(PF) + "/"
	driver = "/sys/bus/pci/drivers/mlx5_core/"
	bridge = "vflab"
)

// Need skips a test that is not in the lab machine.
func Need(t *testing.T) {
	t.Helper()
	if os.Getenv("NICWRIGHT_LAB") == "" {
		t.Skip("needs the lab: make test-lab")
	}
}

// Run runs a stock tool that has to succeed and gives what it printed.
func Run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// Put writes a file of sysfs or debugfs.
func Put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o200); err != nil {
		t.Fatal(err)
	}
}

// Legacy makes n VFs in legacy mode, until the test ends, and gives their
// netdevs.
func Legacy(t *testing.T, ctx context.Context, n int) []netdev.Link {
	t.Helper()
	Need(t)
	Put(t, device+"sriov_numvfs", "0")
	t.Cleanup(func() { Put(t, device+"sriov_numvfs", "0") })
	Run(t, "devlink", "dev", "eswitch", "set", "pci/"+string(PF), "mode", "legacy")
	events, err := await.Links(ctx)
	if err != nil {
		t.Fatal(err)
	}
	Put(t, device+"sriov_numvfs", strconv.Itoa(n))
	links := make([]netdev.Link, n)
	for i := range links {
		links[i] = wait(t, ctx, events, func() (netdev.Link, error) { return netdev.OfFunction(ctx, pci.VF(PF, i)) })
	}
	return links
}

// Switchdev is Legacy in switchdev mode: the port functions have the attributes
// on (ipsec_crypto, ...), and the representors and the uplink are in one bridge
// of the kernel.
func Switchdev(t *testing.T, ctx context.Context, n int, attributes ...string) []netdev.Link {
	t.Helper()
	Legacy(t, ctx, n)
	vfs := make([]string, n)
	for i := range vfs {
		target, err := filepath.EvalSymlinks(fmt.Sprintf("%svirtfn%d", device, i))
		if err != nil {
			t.Fatal(err)
		}
		vfs[i] = filepath.Base(target)
		Put(t, driver+"unbind", vfs[i])
	}
	events, err := await.Links(ctx)
	if err != nil {
		t.Fatal(err)
	}
	Run(t, "devlink", "dev", "eswitch", "set", "pci/"+string(PF), "mode", "switchdev")
	// Before the VFs go (cleanups run backwards): with SR-IOV off mlx5 stays in switchdev.
	t.Cleanup(func() {
		Put(t, device+"sriov_numvfs", "0")
		Run(t, "devlink", "dev", "eswitch", "set", "pci/"+string(PF), "mode", "legacy")
	})
	Run(t, "ip", "link", "add", bridge, "type", "bridge")
	t.Cleanup(func() { Run(t, "ip", "link", "delete", bridge) })
	Run(t, "ip", "link", "set", bridge, "up")
	uplink := wait(t, ctx, events, func() (netdev.Link, error) { return netdev.OfFunction(ctx, pci.PF(PF)) })
	Run(t, "ip", "link", "set", uplink.Name, "master", bridge, "up")
	links := make([]netdev.Link, n)
	for i := range links {
		rep := wait(t, ctx, events, func() (netdev.Link, error) { return netdev.Representor(ctx, pci.VF(PF, i)) })
		Run(t, "ip", "link", "set", rep.Name, "master", bridge, "up")
		for _, a := range attributes {
			Run(t, "devlink", "port", "function", "set", portOf(t, rep.Name), a, "enable")
		}
		Put(t, driver+"bind", vfs[i])
		links[i] = wait(t, ctx, events, func() (netdev.Link, error) { return netdev.OfFunction(ctx, pci.VF(PF, i)) })
	}
	return links
}

func portOf(t *testing.T, name string) string {
	t.Helper()
	var ports struct {
		Port map[string]struct{ Netdev string }
	}
	if err := json.Unmarshal([]byte(Run(t, "devlink", "-j", "port", "show")), &ports); err != nil {
		t.Fatal(err)
	}
	for port, p := range ports.Port {
		if p.Netdev == name {
			return port
		}
	}
	t.Fatalf("devlink has no port of %s", name)
	return ""
}

func wait(t *testing.T, ctx context.Context, events <-chan struct{}, find func() (netdev.Link, error)) (l netdev.Link) {
	t.Helper()
	err := await.Until(ctx, "the netdev is there", events, func() (bool, error) {
		var err error
		l, err = find()
		if errors.Is(err, netdev.ErrNone) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}
