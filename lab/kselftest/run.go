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

// Places in the machine.
const (
	// fetched is where the lab has the self-tests (lab run --selftests); they are copied to work.
	fetched = "/lab/selftests"
	work    = "/tmp/kselftest"
	// Selftests is the directory that names of tests are below.
	selftests = work + "/tools/testing/selftests"
)

// config is what net/forwarding reads: these netdevs are there, and all here takes longer than its authors' machines need. mlx5 reads
// the counters of flows once a second.
const config = `NETIF_CREATE=no
TC_HIT_TIMEOUT=3500
HIT_TIMEOUT=3500
WAIT_TIME=2
WAIT_TIMEOUT=60
INTERFACE_TIMEOUT=60
PING_TIMEOUT=30
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

// RunMachine makes the topology and runs the machine's tests, in the machine. topology is the script, out a directory for the outputs. A test that
// fails is no error; who reads out judges it.
func RunMachine(ctx context.Context, machine, kernel, topology, out string, log io.Writer) error {
	m, err := FindMachine(machine)
	if err != nil {
		return err
	}
	for _, d := range []string{"tools", "Documentation", "headers"} {
		if err := os.CopyFS(filepath.Join(work, d), os.DirFS(filepath.Join(fetched, d))); err != nil {
			return fmt.Errorf("copy the kernel's self-tests: %w", err)
		}
	}
	fmt.Fprintf(log, "making the netdevs: %s\n", m.Topology)
	if err := os.WriteFile(filepath.Join(selftests, "net/forwarding/forwarding.config"), []byte(config), 0o644); err != nil {
		return fmt.Errorf("configure net/forwarding: %w", err)
	}
	if output, err := exec.CommandContext(ctx, topology, m.Topology).CombinedOutput(); err != nil {
		return fmt.Errorf("make the topology %s: %w: %s", m.Topology, err, output)
	}
	fmt.Fprintln(log, "made")
	edited := map[string]bool{}
	for i := range Table {
		t := &Table[i]
		if t.Machine != machine || !t.On(kernel) {
			continue
		}
		fmt.Fprintf(log, "%s\n", t.Name)
		start := time.Now()
		rec, output := t.run(ctx, kernel, edited)
		rec.Seconds = time.Since(start).Seconds()
		fmt.Fprintf(log, "%s: status %d after %.0f s %s\n", t.Name, rec.Status, rec.Seconds, rec.Problem)
		b, err := json.Marshal(rec)
		if err != nil {
			return fmt.Errorf("write down how %s ended: %w", t.Name, err)
		}
		for file, content := range map[string][]byte{t.file() + ".log": output, t.file() + ".json": b} {
			if err := os.WriteFile(filepath.Join(out, file), content, 0o644); err != nil {
				return fmt.Errorf("write down how %s ended: %w", t.Name, err)
			}
		}
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

func (t *Test) run(ctx context.Context, kernel string, edited map[string]bool) (record, []byte) {
	for _, e := range t.Edits {
		if err := e.apply(kernel, edited); err != nil {
			return record{Problem: err.Error()}, nil
		}
	}
	dir := filepath.Join(selftests, t.dir())
	var all []byte
	if len(t.Build) > 0 {
		rec, output := command(ctx, buildLimit, dir, nil, "bash", "-exc", strings.Join(t.Build, "\n"))
		all = output
		if !rec.Ended || rec.Status != 0 {
			rec.Ended, rec.Problem = false, "it does not compile"
			return rec, all
		}
	}
	rec, output := command(ctx, t.Limit, dir, t.Env, t.Command...)
	return rec, append(all, output...)
}

func (e Edit) apply(kernel string, edited map[string]bool) error {
	if (&Expect{Kernels: e.Kernels}).on(kernel) && !edited[e.File+"\x00"+e.From] {
		path := filepath.Join(selftests, e.File)
		before, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("edit %s: %w", e.File, err)
		}
		after, err := e.edit(string(before))
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(after), 0o755); err != nil {
			return fmt.Errorf("edit %s: %w", e.File, err)
		}
		edited[e.File+"\x00"+e.From] = true
	}
	return nil
}

// buildLimit is never reached: while a compiler is read from the host, the clock of a machine that counts instructions runs ahead. The machine's own limit, which
// the host keeps, is the one that holds.
const buildLimit = 24 * time.Hour

// killGrace is what a test has to clean up in, after its limit.
const killGrace = 30 * time.Second

// command runs args and returns all that it wrote. What it started is ended with it.
func command(ctx context.Context, limit time.Duration, dir string, env []string, args ...string) (record, []byte) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), environment...), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = killGrace
	output, err := cmd.CombinedOutput()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // there is nobody, as a rule
	}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return record{Status: -1, Problem: fmt.Sprintf("it was ended at its limit of %s", limit)}, output
	case err == nil:
		return record{Ended: true}, output
	case errors.As(err, &exit):
		return record{Status: exit.ExitCode(), Ended: true}, output
	default:
		return record{Status: -1, Problem: err.Error()}, output
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
