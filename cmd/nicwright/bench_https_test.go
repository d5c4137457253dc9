// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
	"time"
)

func readHTTPS(args ...string) (*httpsFlags, error) {
	var f httpsFlags
	if err := f.command(nil).ParseFlags(args); err != nil {
		return nil, err
	}
	return &f, f.read()
}

func TestBenchHTTPSFlags(t *testing.T) {
	f, err := readHTTPS()
	if err != nil || len(f.in.Axes.Cells()) != 42 || f.time != 14*time.Minute || f.interval != 5 || f.limit != 6*time.Second || f.seed == 0 {
		t.Errorf("%+v, %v", f.in, err)
	}
	if f, err = readHTTPS("--quick"); err != nil || len(f.in.Axes.Cells()) != 12 || f.time != 110*time.Second {
		t.Errorf("%+v, %v", f.in, err)
	}
	f, err = readHTTPS("--modes", "user,card-txrx", "--sizes", "1k,1G", "--clients", "1,500", "--keepalive", "both", "--rate", "0,100", "--tls", "1.2", "--seed", "7", "--between", "a,b")
	if err != nil || len(f.in.Axes.Cells()) != 32 || f.seed != 7 || f.in.Axes.Sizes[1] != 1e9 {
		t.Errorf("%+v, %v", f.in, err)
	}
	for want, args := range map[string]string{
		"--keepalive never":         "--keepalive never",
		"the mode":                  "--modes nic",
		"no number of bytes":        "--sizes 1T",
		"names 1 VFs":               "--between x",
		"--turns 0":                 "--turns 0",
		"--control -1":              "--control -1",
		"--interval 100":            "--interval 100",
		"--window 1ms":              "--window 1ms",
		"--workers -1":              "--workers -1",
		"0.001 processors":          "--server-cpu 0.001",
		"without --resumption":      "--kernel-client --resumption on",
		"0 clients":                 "--clients 0",
		"--peer \"a_host\"":         "--peer a_host",
		"with --peer there is one":  "--peer 192.0.2.20 --between a,b",
		"goes with --peer":          "--address 192.0.2.10/24",
		"--address \"192.0.2.10\"":  "--peer 192.0.2.20 --address 192.0.2.10",
		"with --peer there is none": "--peer 192.0.2.20 --client-cpu 1",
	} {
		if _, err := readHTTPS(strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}
