// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSystemdOnADiskThatSurvives: systemd comes up as process 1 with the card and Open vSwitch; what is written is
// there after a reboot, and at the end of a run, which is a cut after a sync.
func TestSystemdOnADiskThatSurvives(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "disk.img")
	boot := func(command string) string {
		t.Helper()
		stdout, stderr, status := runLab(t, "", "run", "--systemd", "--disk", disk, "--card", "ports=2,vfs=2", "--ovs",
			"--boot-limit", "5m", "--time-limit", "10m", "--", "bash", "-c", "set -e\n"+command)
		if status != 0 {
			t.Fatalf("the status is %d, stdout %q; stderr: %s", status, stdout, stderr)
		}
		return stdout
	}
	const up = `cat /proc/1/comm
systemctl is-active lab-card openvswitch-switch
ls -d /sys/bus/pci/drivers/mlx5_core/*/net/* | wc -l
ip -n peer -br link show type bond | wc -l
`
	const isUp = "systemd\nactive\nactive\n2\n1\n"
	if got := boot(up + "echo first >/root/mark; systemctl reboot; sleep 1000"); got != isUp {
		t.Errorf("the first boot says %q, want %q", got, isUp)
	}
	if got := boot("cat /root/mark; modprobe -r mlx5_core; modprobe mlx5_core; ls /sys/bus/pci/drivers/mlx5_core/*/net | grep -c np; " +
		"echo second >/root/mark"); got != "first\n2\n" {
		t.Errorf("after the reboot: %q", got)
	}
	if info, err := os.Stat(disk); err != nil || info.Size() < 1<<30 {
		t.Fatalf("the disk: %v, %v", info, err)
	}
	if got := boot(up + "cat /root/mark"); got != isUp+"second\n" {
		t.Errorf("after the cut: %q", got)
	}
}

func TestFlagsGoTogether(t *testing.T) {
	for args, want := range map[string]string{
		"--disk d":                   "go with --systemd",
		"--early":                    "go with --systemd",
		"--card-after 5s":            "go with --systemd",
		"--systemd --card-after 5s":  "--card",
		"--systemd --card-after -5s": "whole seconds",
		"--iommu":                    "--igb",
	} {
		f, _, err := parseAll(t, "", strings.Fields(args)...)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.checkTogether(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
	if f, _, err := parseAll(t, "", "--systemd", "--disk", "d", "--card", "ports=1", "--card-after", "5s", "--early"); err != nil || f.checkTogether() != nil {
		t.Error(err, f.checkTogether())
	}
}
