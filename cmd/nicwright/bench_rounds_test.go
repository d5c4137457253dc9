// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

func parsed(t *testing.T, c *cobra.Command, args string) {
	t.Helper()
	if err := c.ParseFlags(strings.Fields(args)); err != nil {
		t.Fatal(err)
	}
}

func TestBenchIPsecFlags(t *testing.T) {
	read := func(args string) (*ipsecFlags, error) {
		var f ipsecFlags
		parsed(t, f.command(nil), args)
		return &f, f.read()
	}
	f, err := read("")
	if err != nil || len(f.axes.Cells()) != 40 || f.time != 14*time.Minute || f.interval != 5 || f.limit != 10*time.Second || f.seed == 0 {
		t.Errorf("%+v, %v", f, err)
	}
	if f, err = read("--quick"); err != nil || len(f.axes.Cells()) != 7 || f.time != 110*time.Second {
		t.Errorf("%+v, %v", f, err)
	}
	f, err = read("--modes software,packet --encapsulation tunnel --ciphers AES-128-GCM --sas 1,64 --mtu 9000 --streams 2 --sizes 16k,1M --seed 3")
	if err != nil || len(f.axes.Cells()) != 8 || f.seed != 3 || f.axes.Cells()[0].Size != 16000 {
		t.Errorf("%+v, %v", f, err)
	}
	for args, want := range map[string]string{
		"--modes user": "the mode", "--sas 0": "0 pairs of SAs", "--mtu 100": "an MTU of 100", "--sizes 1T": "no number of bytes", "--turns 0": "--turns 0",
		"--interval 100": "--interval 100", "--window 1ms": "--window 1ms", "--limit 1ms": "--limit 1ms", "--control -1": "--control -1", "--between x": "names 1 VFs", "--encapsulation beet": "beet",
	} {
		if _, err := read(args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}

func TestBenchNFSFlags(t *testing.T) {
	read := func(args string) (*nfsFlags, error) {
		var f nfsFlags
		parsed(t, f.command(nil), args)
		return &f, f.read()
	}
	f, err := read("")
	if err != nil || len(f.axes.Cells()) != 40 || f.time != 14*time.Minute || f.reader != "auto" {
		t.Errorf("%+v, %v", f, err)
	}
	if f, err = read("--quick"); err != nil || len(f.axes.Cells()) != 8 {
		t.Errorf("%+v, %v", f, err)
	}
	f, err = read("--modes plain,kernel --op write --pattern sequential --block 4096,65536 --depth 1 --jobs 1,2 --nconnect 16 --size 1G --reader own")
	if err != nil || len(f.axes.Cells()) != 8 || f.axes.Size != 1e9 || f.axes.Cells()[0].Op != "write" {
		t.Errorf("%+v, %v", f, err)
	}
	for args, want := range map[string]string{
		"--modes user": "the mode", "--op append": "append", "--nconnect 17": "nconnect of 17", "--block 1k": "blocks of 1000", "--block x": "--block", "--size 1": "a file of 1 bytes",
		"--reader dd": "--reader dd", "--threads 0": "--threads 0", "--turns -1": "--turns -1",
	} {
		if _, err := read(args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}

func TestBenchEndOfNoKind(t *testing.T) {
	c := newBenchEnd()
	if err := c.RunE(c, []string{"ftp"}); err == nil || !strings.Contains(err.Error(), "no end of a bench") {
		t.Errorf("got %v", err)
	}
}
