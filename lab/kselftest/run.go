// SPDX-License-Identifier: Apache-2.0

package kselftest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// work is where the machine has the tests, and below it where their names begin.
const (
	work      = "/tmp/kselftest"
	selftests = work + "/" + testsDir
)

// config is what net/forwarding reads: these netdevs are there, and all here takes longer than its authors' machines need. mlx5 reads
// the counters of flows once a second.
const config = `NETIF_CREATE=no
TC_HIT_TIMEOUT=6000
HIT_TIMEOUT=6000
WAIT_TIME=2
WAIT_TIMEOUT=60
INTERFACE_TIMEOUT=60
PING_TIMEOUT=20
KSFT_MACHINE_SLOW=yes
`

// environment is that of all tests; drivers/net asks for the far end with it.
var environment = []string{
	"KSFT_MACHINE_SLOW=yes", "NETIF=p0", "LOCAL_V4=10.9.0.1", "LOCAL_V6=fd09::1", "REMOTE_V4=10.9.0.2", "REMOTE_V6=fd09::2",
	"REMOTE_TYPE=netns", "REMOTE_ARGS=far", "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1",
}

// record is what is kept of a run beside its output.
type record struct {
	Status  int
	Ended   bool
	Problem string
	Seconds float64
}

// RunMachine makes the topology and runs the machine's tests, in the machine. prepared is the archive that Prepare made, out a directory for the outputs. A test
// that fails is no error; who reads out judges it.
func RunMachine(ctx context.Context, machine, kernel, prepared, out string, log io.Writer) error {
	m, err := FindMachine(machine)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(work, 0o755); err != nil {
		return fmt.Errorf("unpack the kernel's self-tests: %w", err)
	}
	if output, err := exec.CommandContext(ctx, "tar", "-x", "-C", work, "-f", prepared).CombinedOutput(); err != nil {
		return fmt.Errorf("unpack the kernel's self-tests: %w: %s", err, output)
	}
	fmt.Fprintf(log, "making the netdevs: %s\n", m.Topology)
	if output, err := exec.CommandContext(ctx, "bash", filepath.Join(work, machineDir, "topology.sh"), m.Topology).CombinedOutput(); err != nil {
		return fmt.Errorf("make the topology %s: %w: %s", m.Topology, err, output)
	}
	fmt.Fprintln(log, "made")
	for i := range Table {
		t := &Table[i]
		if t.Machine != machine || !t.On(kernel) {
			continue
		}
		fmt.Fprintf(log, "%s\n", t.Name)
		rec, err := t.run(ctx, out)
		if err != nil {
			return err
		}
		fmt.Fprintf(log, "%s: status %d after %.0f s %s\n", t.Name, rec.Status, rec.Seconds, rec.Problem)
	}
	return nil
}

// file is the name of a test's files in the directory of outputs.
func (t *Test) file() string {
	return strings.Map(func(r rune) rune {
		if r == '/' || r == ' ' {
			return '-'
		}
		return r
	}, t.Name)
}

// dir is the test's directory below selftests.
func (t *Test) dir() string {
	path, _, _ := strings.Cut(t.Name, " ")
	return filepath.Dir(path)
}

// run runs the test and writes down what it says, as it says it, and how it ended.
func (t *Test) run(ctx context.Context, out string) (record, error) {
	said, err := os.Create(filepath.Join(out, t.file()+".log"))
	if err != nil {
		return record{}, fmt.Errorf("write down what %s says: %w", t.Name, err)
	}
	start := time.Now()
	var rec record
	if problem, err := os.ReadFile(filepath.Join(work, problemsDir, t.file())); err == nil {
		rec.Problem = string(problem)
	} else {
		rec = command(ctx, t.Limit, filepath.Join(selftests, t.dir()), t.Env, said, t.Command...)
	}
	rec.Seconds = time.Since(start).Seconds()
	if err := said.Close(); err != nil {
		return record{}, fmt.Errorf("write down what %s says: %w", t.Name, err)
	}
	b, err := json.Marshal(rec)
	if err != nil {
		return record{}, fmt.Errorf("write down how %s ended: %w", t.Name, err)
	}
	if err := os.WriteFile(filepath.Join(out, t.file()+".json"), b, 0o644); err != nil {
		return record{}, fmt.Errorf("write down how %s ended: %w", t.Name, err)
	}
	return rec, nil
}

// killGrace is what a test has to clean up in, after its limit.
const killGrace = 30 * time.Second

// command runs args; what it writes goes to said. What it started is ended with it.
func command(ctx context.Context, limit time.Duration, dir string, env []string, said *os.File, args ...string) record {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), environment...), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = killGrace
	cmd.Stdout, cmd.Stderr = said, said
	err := cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // there is nobody, as a rule
	}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return record{Status: -1, Problem: fmt.Sprintf("it was ended at its limit of %s", limit)}
	case err == nil:
		return record{Ended: true}
	case errors.As(err, &exit):
		return record{Status: exit.ExitCode(), Ended: true}
	default:
		return record{Status: -1, Problem: err.Error()}
	}
}

// Read returns the run of the test that is written down in out, the directory of the test's machine.
func (t *Test) Read(out string) (Run, error) {
	b, err := os.ReadFile(filepath.Join(out, t.file()+".json"))
	if errors.Is(err, os.ErrNotExist) {
		return Run{Problem: "its machine was gone before it ended" + machineEnd(out)}, nil
	}
	if err != nil {
		return Run{}, fmt.Errorf("read how %s ended: %w", t.Name, err)
	}
	var rec record
	if err := json.Unmarshal(b, &rec); err != nil {
		return Run{}, fmt.Errorf("read how %s ended: %w", t.Name, err)
	}
	output, err := os.ReadFile(filepath.Join(out, t.file()+".log"))
	if err != nil {
		return Run{}, fmt.Errorf("read what %s said: %w", t.Name, err)
	}
	return Run{
		Status: rec.Status, Ended: rec.Ended, Problem: rec.Problem,
		Time: time.Duration(rec.Seconds * float64(time.Second)), Report: Parse(string(output)),
	}, nil
}

// machineEnd says how the machine ended, from the status that the lab's runner ended with.
func machineEnd(out string) string {
	b, err := os.ReadFile(filepath.Join(out, "status"))
	switch status := strings.TrimSpace(string(b)); {
	case err != nil:
		return ", and it was never started"
	case status == "124":
		return ": it was killed at its limit"
	default:
		return ": status " + status + " of the lab"
	}
}
