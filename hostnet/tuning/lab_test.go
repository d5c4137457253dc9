// SPDX-License-Identifier: Apache-2.0

package tuning

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
)

// witness is what ethtool(8) says.
func witness(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("ethtool", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("ethtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func bring(ctx context.Context, t *testing.T, fn pci.Function, v Values) error {
	t.Helper()
	want := map[pci.Function]Want{fn: {Values: v}}
	r, err := Diff(observe(ctx, t), want, nil, step.Options{})
	if err != nil {
		return err
	}
	for range 2 { // steps may be done again
		if err := NewDoer(want).Do(ctx, r.Steps); err != nil {
			return err
		}
	}
	if r, err = Diff(observe(ctx, t), want, nil, step.Options{}); err != nil || len(r.Steps) > 0 {
		t.Errorf("left to do: %v, %v", r.Steps, err)
	}
	return nil
}

func observe(ctx context.Context, t *testing.T) map[pci.Function]State {
	t.Helper()
	s, err := snapshot.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return Observe(s)
}

// netdevsim is a device nobody here wrote: it has rings, coalescing, pause and FEC.
func TestNetdevsim(t *testing.T) {
	if os.Getenv("NICWRIGHT_LAB") == "" {
		t.Skip("needs the lab: make test-lab")
	}
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Minute)
	defer stop()
	if err := os.WriteFile("/sys/bus/netdevsim/new_device", []byte("11 1"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile("/sys/bus/netdevsim/del_device", []byte("11"), 0); err != nil {
			t.Error(err)
		}
	})
	nets, err := filepath.Glob("/sys/bus/netdevsim/devices/netdevsim11/net/*")
	if err != nil || len(nets) != 1 {
		t.Fatalf("netdevsim11 has the netdevs %v, %v", nets, err)
	}
	l, fn := filepath.Base(nets[0]), pci.PF("netdevsim/netdevsim11")
	before := observe(ctx, t)[fn]
	t.Logf("%+v", before)
	err = bring(ctx, t, fn, Values{
		"rings rx": "256", "rings tx": "1024", "coalesce rx-usecs": "7", "coalesce tx-frames": "9", "pause rx": "on", "pause tx": "on", "fec": "rs", "features tx-nocache-copy": "on",
	})
	if err != nil {
		t.Fatal(err)
	}
	var rings []struct{ RX, TX int }
	if err := json.Unmarshal([]byte(witness(t, "--json", "-g", l)), &rings); err != nil || rings[0].RX != 256 || rings[0].TX != 1024 {
		t.Errorf("rings: %v, %v", rings, err)
	}
	var coalesce []map[string]any
	if err := json.Unmarshal([]byte(witness(t, "--json", "-c", l)), &coalesce); err != nil || coalesce[0]["rx-usecs"] != 7.0 || coalesce[0]["tx-frames"] != 9.0 {
		t.Errorf("coalescing: %v, %v", coalesce, err)
	}
	var pause []struct{ RX, TX bool }
	if err := json.Unmarshal([]byte(witness(t, "--json", "-a", l)), &pause); err != nil || !pause[0].RX || !pause[0].TX {
		t.Errorf("pause: %v, %v", pause, err)
	}
	if out := witness(t, "--show-fec", l); !strings.Contains(strings.Join(strings.Fields(out), " "), "FEC encodings: RS") {
		t.Errorf("FEC: %s", out)
	}
	if out := witness(t, "-k", l); !strings.Contains(out, "tx-nocache-copy: on") {
		t.Errorf("features: %s", out)
	}

	// Rollback: as at first.
	was := Specs(map[pci.Function]State{fn: before})[fn].Values
	if err := bring(ctx, t, fn, was); err != nil {
		t.Fatal(err)
	}

	// What the kernel says is too much, and what the driver has not.
	if err := bring(ctx, t, fn, Values{"rings rx": "1000000"}); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("1000000 descriptors: %v", err)
	}
	if err := bring(ctx, t, fn, Values{"private_flags any": "on"}); err == nil || !strings.Contains(err.Error(), "no such setting") {
		t.Errorf("a private flag of a driver without: %v", err)
	}
	// A plan from elsewhere: the kernel itself refuses.
	err = NewDoer(nil).Do(ctx, []step.Step{{Resource: resource.OfNetdev(fn), Attribute: "rings rx", To: step.Text("1000000")}})
	if err == nil || !strings.Contains(err.Error(), "EINVAL") || !strings.Contains(err.Error(), "ethtool -g") {
		t.Errorf("the kernel's refusal: %v", err)
	} else {
		t.Log(err)
	}
}
