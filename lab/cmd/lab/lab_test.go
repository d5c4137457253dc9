// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program builds the lab once, as the Makefile does, for tests that boot
// machines; they run where NICWRIGHT_LAB=1 says that they may.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "lab-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "lab")
	cmd := exec.Command("go", "build", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	status := m.Run()
	if needsLab() == "" {
		if p, err := program(); err == nil {
			_ = os.RemoveAll(filepath.Dir(p))
		}
	}
	os.Exit(status)
}

// needsLab says why machines cannot be booted here, or "".
func needsLab() string {
	switch {
	case os.Getenv("NICWRIGHT_LAB") != "1":
		return "boots a virtual machine: set NICWRIGHT_LAB=1 to run it"
	case os.Getenv("NICWRIGHT_IN_LAB") != "":
		return "boots a virtual machine, and this is one"
	case os.Geteuid() != 0:
		return "boots a virtual machine, which needs root"
	}
	return ""
}

// runLab runs the lab and returns what it wrote and its status.
func runLab(t *testing.T, in string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := labCommand(t, args...)
	var out, errOut bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(in), &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

func labCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	if why := needsLab(); why != "" {
		t.Skip(why)
	}
	p, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), p, args...)
	cmd.Env = append(os.Environ(), "LAB_FLAGS=")
	return cmd
}

func TestCommandsStreamsAndStatusPassThrough(t *testing.T) {
	share := t.TempDir()
	if err := os.WriteFile(filepath.Join(share, "in"), []byte("from the host"), 0o644); err != nil {
		t.Fatal(err)
	}
	binary := strings.Repeat("\x00\xff\r\n", 50_000)
	stdout, stderr, status := runLab(t, binary, "run", "--time-limit", "2m", "--share", share, "--env", "GREETING=a b", "--", "bash", "-c",
		`cat; echo "err $GREETING $(uname -r) $(cat /lab/share/in)" >&2; echo from the machine >/lab/share/out; rm -rf /usr/bin/tcpdump; exit 7`)
	if status != 7 {
		t.Errorf("the status is %d, want 7; stderr: %s", status, stderr)
	}
	if stdout != binary {
		t.Errorf("stdout has %d bytes, want the %d of stdin", len(stdout), len(binary))
	}
	if !strings.HasPrefix(stderr, "err a b 6.12.") || !strings.HasSuffix(stderr, " from the host\n") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("stderr is %q", stderr)
	}
	if b, err := os.ReadFile(filepath.Join(share, "out")); err != nil || string(b) != "from the machine\n" {
		t.Errorf("what the machine wrote to the share is %q, %v", b, err)
	}
	// The root is shared by all runs: what this one removed is still there for the next.
	if stdout, _, status = runLab(t, "", "run", "--", "test", "-x", "/usr/bin/tcpdump"); status != 0 {
		t.Errorf("a run changed the root: %d, %q", status, stdout)
	}
}

func TestCommandThatCannotBeRun(t *testing.T) {
	if _, stderr, status := runLab(t, "", "run", "--", "no-such-command"); status != 127 || !strings.Contains(stderr, "no-such-command") {
		t.Errorf("the status is %d, stderr %q", status, stderr)
	}
}

func TestTimeLimit(t *testing.T) {
	start := time.Now()
	// The machine has to be up before that, also on a busy host.
	stdout, stderr, status := runLab(t, "", "run", "--time-limit", "1m", "--", "sh", "-c", "echo started; sleep 1000")
	if status != 124 || stdout != "started\n" || !strings.Contains(stderr, "time limit of 1m0s") {
		t.Errorf("the status is %d, stdout %q, stderr %q", status, stdout, stderr)
	}
	if took := time.Since(start); took > 2*time.Minute {
		t.Errorf("it took %s", took)
	}
}

func TestPanicIsReportedWithTheConsole(t *testing.T) {
	stdout, stderr, status := runLab(t, "", "run", "--", "sh", "-c", "echo before; echo c >/proc/sysrq-trigger; echo after")
	if status != 125 || stdout != "before\n" || !strings.Contains(stderr, "sysrq triggered crash") {
		t.Errorf("the status is %d, stdout %q, stderr %q", status, stdout, stderr)
	}
}

func TestKernelWarningFailsTheRun(t *testing.T) {
	const command = `echo "WARNING: CPU: 0 PID: 1 at lab/test.c:1" >/dev/kmsg`
	if _, stderr, status := runLab(t, "", "run", "--", "sh", "-c", command); status != 125 || !strings.Contains(stderr, "lab/test.c:1") {
		t.Errorf("the status is %d, stderr %q", status, stderr)
	}
	if _, stderr, status := runLab(t, "", "run", "--allow-warnings", "--", "sh", "-c", command); status != 0 || !strings.Contains(stderr, "lab/test.c:1") {
		t.Errorf("allowed, the status is %d, stderr %q", status, stderr)
	}
}

func TestConcurrentRunsDoNotDisturbOneAnother(t *testing.T) {
	if why := needsLab(); why != "" {
		t.Skip(why)
	}
	var wg sync.WaitGroup
	for _, me := range []string{"one", "two"} {
		wg.Go(func() {
			// Both write the same file of the root, and look again when the other has as well.
			stdout, stderr, status := runLab(t, "", "run", "--time-limit", "2m", "--", "sh", "-c", "echo "+me+" >/etc/mark; sleep 4; cat /etc/mark")
			if status != 0 || stdout != me+"\n" {
				t.Errorf("%s: status %d, stdout %q, stderr %q", me, status, stdout, stderr)
			}
		})
	}
	wg.Wait()
}

func TestNothingIsLeftOfAKilledRun(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			cmd := labCommand(t, "run", "--time-limit", "2m", "--", "sh", "-c", "echo up; sleep 1000")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(out, make([]byte, 3)); err != nil {
				t.Fatalf("wait for the command's output: %v", err)
			}
			children := childrenOf(t, cmd.Process.Pid)
			if len(children) != 1 {
				t.Fatalf("the lab has the children %v", children)
			}
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err == nil {
				t.Error("a stopped run has status 0")
			}
			for deadline := time.Now().Add(10 * time.Second); alive(children[0]); time.Sleep(20 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("QEMU (process %d) outlived the lab", children[0])
				}
			}
		})
	}
}

func childrenOf(t *testing.T, pid int) []int {
	t.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, l := range lists {
		b, err := os.ReadFile(l)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range strings.Fields(string(b)) {
			n, err := strconv.Atoi(f)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, n)
		}
	}
	return pids
}

// alive tells whether a process runs; one that is dead and not yet collected does not.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

// TestGoTestExec is go test itself, on a module of its own.
func TestGoTestExec(t *testing.T) {
	if why := needsLab(); why != "" {
		t.Skip(why)
	}
	p, err := program()
	if err != nil {
		t.Fatal(err)
	}
	module := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":         "module tiny\n\ngo 1.24\n",
		"in/in.go":       "package in\n\n// F is covered by half.\nfunc F(a int) int {\n\tif a > 0 {\n\t\treturn 1\n\t}\n\treturn 2\n}\n",
		"in/testdata/x":  "data",
		"in/in_test.go":  tinyTest,
		"out/out.go":     "package out\n",
		"out/o_test.go":  "package out\n\nimport (\n\t\"testing\"\n\t\"time\"\n)\n\nfunc TestStuck(t *testing.T) { time.Sleep(time.Hour) }\n",
		"in/testdata/.x": "",
	} {
		path := filepath.Join(module, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	goTest := func(env string, args ...string) (string, int) {
		t.Helper()
		cmd := exec.Command("go", append([]string{"test", "-count=1", "-exec", p + " exec --time-limit 2m"}, args...)...)
		cmd.Dir = module
		cmd.Env = append(os.Environ(), "LAB_FLAGS=", env)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	profile := filepath.Join(t.TempDir(), "cover")
	out, status := goTest("TINY=passes on", "-v", "-coverprofile", profile, "./in")
	if status != 0 || !strings.Contains(out, "--- PASS: TestInTheMachine") || !strings.Contains(out, "coverage: 66.7%") {
		t.Errorf("status %d:\n%s", status, out)
	}
	if b, err := os.ReadFile(profile); err != nil || !strings.Contains(string(b), "tiny/in/in.go:") {
		t.Errorf("the coverage profile is %q, %v", b, err)
	}
	if out, status = goTest("TINY=something else", "./in"); status == 0 || !strings.Contains(out, "TINY is something else") {
		t.Errorf("a failing test: status %d:\n%s", status, out)
	}
	if out, status = goTest("TINY=", "-timeout", "3s", "./out"); status == 0 || !strings.Contains(out, "test timed out after 3s") {
		t.Errorf("a stuck test: status %d:\n%s", status, out)
	}
}

const tinyTest = `package in

import (
	"os"
	"testing"
)

func TestInTheMachine(t *testing.T) {
	if b, err := os.ReadFile("testdata/x"); err != nil || string(b) != "data" {
		t.Errorf("testdata: %q, %v", b, err)
	}
	if v := os.Getenv("TINY"); v != "passes on" {
		t.Error("TINY is", v)
	}
	if h, err := os.Hostname(); err != nil || h != "lab" {
		t.Error("this is", h, err)
	}
	if err := os.WriteFile("testdata/x", nil, 0o644); err == nil {
		t.Error("the host's files can be written to")
	}
	F(1)
}
`
