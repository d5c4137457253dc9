// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The tests of this file run the binary a user would run, in the lab machine,
// and ask stock tools what it did.

const shared = "/lab/share"

func needLab(t *testing.T) {
	t.Helper()
	if os.Getenv("NICWRIGHT_LAB") == "" {
		t.Skip("needs the lab: make test-lab")
	}
	t.Setenv("PATH", shared+":"+os.Getenv("PATH"))
}

// hangs is how long no command takes, on the slowest machine.
const hangs = 10 * time.Minute

// result is a command that ended.
type result struct {
	stdout, stderr string
	code           int
}

func command(t *testing.T, name string, args ...string) result {
	t.Helper()
	// What hangs says where: a Go program prints its goroutines when it is asked to quit.
	ctx, cancel := context.WithTimeout(t.Context(), hangs)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) }
	cmd.WaitDelay = 10 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	if ctx.Err() != nil {
		t.Fatalf("%s %v took more than %v:\n%s", name, args, hangs, errs.String())
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// expect runs nicwright and checks its exit status.
func expect(t *testing.T, code int, args ...string) result {
	t.Helper()
	r := command(t, "nicwright", args...)
	if r.code != code {
		t.Fatalf("nicwright %s exited %d, want %d\n%s%s", strings.Join(args, " "), r.code, code, r.stdout, r.stderr)
	}
	return r
}

// witness runs a stock tool that has to succeed and gives what it printed.
func witness(t *testing.T, name string, args ...string) string {
	t.Helper()
	r := command(t, name, args...)
	if r.code != 0 {
		t.Fatalf("%s %s exited %d: %s%s", name, strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

func witnessJSON(t *testing.T, v any, name string, args ...string) {
	t.Helper()
	out := witness(t, name, args...)
	if err := json.Unmarshal([]byte(out), v); err != nil {
		t.Fatalf("%s %v printed no JSON: %v\n%s", name, args, err, out)
	}
}

// rollback takes the last operation back, which leaves the machine bare for the next test.
func rollback(t *testing.T) {
	t.Helper()
	expect(t, exitDone, "rollback")
	assertBare(t)
}

// remove takes all of a profile's operations back.
func remove(t *testing.T, profile string) {
	t.Helper()
	expect(t, exitDone, "remove", "-p", profile)
	assertBare(t)
}

func assertBare(t *testing.T) {
	t.Helper()
	for _, pf := range pfs {
		if n, err := os.ReadFile("/sys/bus/pci/devices/" + pf + "/sriov_numvfs"); err != nil || strings.TrimSpace(string(n)) != "0" {
			t.Errorf("it is not bare: %s has %q VFs, %v", pf, n, err)
		}
		if out := witness(t, "devlink", "dev", "eswitch", "show", "pci/"+pf); !strings.Contains(out, "mode legacy") {
			t.Errorf("it is not bare: %s", out)
		}
	}
	if r := command(t, "ip", "link", "show", "dev", "bond0"); r.code == 0 {
		t.Error("it is not bare: the bond is still there")
	}
	if got := strings.TrimSpace(witness(t, "ovs-vsctl", "list-br")); got != "" {
		t.Errorf("it is not bare: OVS has the bridges %s", got)
	}
}

// verdicts is a report's proofs, by kind and cell: the verdict and the reason.
func verdicts(t *testing.T, report string) map[string][2]string {
	t.Helper()
	var r struct {
		Proofs []struct {
			Kind, Verdict, Reason string
			Cell                  []struct{ Value string }
		}
	}
	if err := json.Unmarshal([]byte(report), &r); err != nil {
		t.Fatalf("verify printed no JSON: %v\n%s", err, report)
	}
	all := map[string][2]string{}
	for _, p := range r.Proofs {
		name := p.Kind
		for _, f := range p.Cell {
			name += " " + f.Value
		}
		all[name] = [2]string{p.Verdict, p.Reason}
	}
	if len(all) == 0 {
		t.Fatalf("verify proved nothing:\n%s", report)
	}
	return all
}

// assertVerdict is about the proofs whose name begins with prefix; there has to be one.
func assertVerdict(t *testing.T, report, prefix, want string) {
	t.Helper()
	n := 0
	for name, v := range verdicts(t, report) {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		n++
		if v[0] != want || (v[0] != "offloaded" && v[0] != "holds" && v[1] == "") {
			t.Errorf("%s: the verdict is %q (%s), want %q", name, v[0], v[1], want)
		}
	}
	if n == 0 {
		t.Errorf("there is no proof of %s:\n%s", prefix, report)
	}
}

// setTLS turns TLS TX of every VF on or off, behind nicwright's back.
func setTLS(t *testing.T, state string) {
	t.Helper()
	for _, pf := range pfs {
		nets, err := filepath.Glob("/sys/bus/pci/devices/" + pf + "/virtfn*/net/*")
		if err != nil || len(nets) == 0 {
			t.Fatalf("no VF netdevs below %s: %v", pf, err)
		}
		for _, n := range nets {
			witness(t, "ethtool", "-K", filepath.Base(n), "tls-hw-tx-offload", state)
		}
	}
}
