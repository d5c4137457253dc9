// SPDX-License-Identifier: Apache-2.0

package boot

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Limits of one boot with its command: the machine is emulated, and shares this host with others.
const (
	bootLimit = "6m"
	timeLimit = "25m"
)

// card is that of the profile small, with its two VFs a port.
const card = "ports=2,vfs=2"

// built is a directory with the lab, nicwright, the witness and the profile.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "boot-test-")
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(filepath.Join(dir, "share"), 0o755); err != nil {
		return "", err
	}
	for to, from := range map[string]string{
		"lab": "../cmd/lab", "share/nicwright": "../../cmd/nicwright", "share/witness": "../hosts/cmd/witness",
	} {
		cmd := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, to), from)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("go build %s: %w: %s", from, err, out)
		}
	}
	profile, err := os.ReadFile("../../cmd/nicwright/testdata/small.yaml")
	if err != nil {
		return "", err
	}
	library, err := os.ReadFile("testdata/lib.sh")
	if err != nil {
		return "", err
	}
	return dir, errors.Join(os.WriteFile(filepath.Join(dir, "share/small.yaml"), profile, 0o644), os.WriteFile(filepath.Join(dir, "share/lib.sh"), library, 0o644))
})

func TestMain(m *testing.M) {
	status := m.Run()
	if os.Getenv("NICWRIGHT_BOOT") != "" {
		if dir, err := built(); err == nil {
			_ = os.RemoveAll(dir)
		}
	}
	os.Exit(status)
}

// needBoot skips a test where machines may not be booted.
func needBoot(t *testing.T) string {
	t.Helper()
	if os.Getenv("NICWRIGHT_BOOT") != "1" {
		t.Skip("boots virtual machines: NICWRIGHT_BOOT=1 or make test-boot runs it")
	}
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// newDisk is the path of a disk that is made at its first boot.
func newDisk(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "disk.img")
}

// machine is one boot.
type machine struct {
	t   *testing.T
	cmd *exec.Cmd
	out *bufio.Reader
	err bytes.Buffer
	all strings.Builder // what was read
}

// start boots the disk and runs a script, which has the functions of testdata/lib.sh. flags are more of the lab's, as are
// those of NICWRIGHT_BOOT_FLAGS (--cpus 1, on a host with much to do).
func start(t *testing.T, disk, script string, flags ...string) *machine {
	t.Helper()
	dir := needBoot(t)
	args := []string{"run", "--systemd", "--disk", disk, "--ovs", "--boot-limit", bootLimit, "--time-limit", timeLimit, "--share", filepath.Join(dir, "share")}
	args = append(args, flags...)
	if !strings.Contains(strings.Join(flags, " "), "--card ") {
		args = append(args, "--card", card)
	}
	m := &machine{t: t}
	m.cmd = exec.CommandContext(t.Context(), filepath.Join(dir, "lab"), append(args, "--", "bash", "-c", "set -eu; . /lab/share/lib.sh\n"+script)...)
	m.cmd.Env = append(os.Environ(), "LAB_FLAGS="+os.Getenv("NICWRIGHT_BOOT_FLAGS"))
	m.cmd.Stderr = &m.err
	out, err := m.cmd.StdoutPipe()
	if err == nil {
		err = m.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	m.out = bufio.NewReader(out)
	return m
}

// until reads what the script says up to a line, and fails the test when that does not come.
func (m *machine) until(line string) {
	m.t.Helper()
	for {
		text, err := m.out.ReadString('\n')
		m.all.WriteString(text)
		if err != nil {
			m.fail(fmt.Sprintf("it did not say %q: %v", line, err))
		}
		if strings.TrimSpace(text) == line {
			return
		}
	}
}

// cut is a power cut: QEMU is killed with the lab. What the machine had synced is in this host's page cache and so in
// the disk's file; what it had not is lost with its memory.
func (m *machine) cut() {
	m.t.Helper()
	if err := m.cmd.Process.Kill(); err != nil {
		m.t.Fatal(err)
	}
	rest, _ := io.ReadAll(m.out)
	m.all.Write(rest)
	_ = m.cmd.Wait() // it was killed
}

// end waits until the script has ended, or the machine after `reboot`, and gives what it said.
func (m *machine) end() string {
	m.t.Helper()
	rest, err := io.ReadAll(m.out)
	m.all.Write(rest)
	if err := errors.Join(err, m.cmd.Wait()); err != nil {
		m.fail(err.Error())
	}
	m.t.Logf("the machine said:\n%s", m.all.String())
	return m.all.String()
}

func (m *machine) fail(why string) {
	m.t.Helper()
	_ = m.cmd.Process.Kill()
	_ = m.cmd.Wait()
	m.t.Fatalf("%s; the machine said:\n%s\n%s", why, m.all.String(), m.err.String())
}

// boot is start and end.
func boot(t *testing.T, disk, script string, flags ...string) {
	t.Helper()
	began := time.Now()
	start(t, disk, script, flags...).end()
	t.Logf("a boot with its script: %.0f s", time.Since(began).Seconds())
}
