// SPDX-License-Identifier: Apache-2.0

package apart

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/kernel"
)

// This test is also the other process, and one that wants an act and is killed.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "parent" {
		_ = Self("act")(context.Background(), []string{"wait", os.Args[2]})
		return
	}
	if len(os.Args) < 4 || os.Args[1] != "act" {
		os.Exit(m.Run())
	}
	err := Answer(os.Args[2], func() error {
		switch act := os.Args[3:]; act[0] {
		case "fail":
			return fmt.Errorf("setting it: %w: the card says no", unix.EBUSY)
		case "words":
			return errors.New("words")
		case "die":
			os.Exit(7)
		case "wait": // for a file to go, and then says so by another
			if err := os.WriteFile(act[1]+".begun", nil, 0o600); err != nil {
				return err
			}
			for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
				if _, err := os.Stat(act[1]); err != nil {
					return os.WriteFile(act[1]+".ended", nil, 0o600)
				}
			}
		}
		return nil
	})
	if err != nil {
		os.Exit(1)
	}
}

func TestAnActApart(t *testing.T) {
	ctx := With(t.Context(), Self("act"))
	do := func(act ...string) error { return Do(ctx, act, func() error { return errors.New("it was done here") }) }
	if err := do("well"); err != nil {
		t.Error(err)
	}
	err := do("fail")
	var e *kernel.Error
	if !errors.Is(err, unix.EBUSY) || !errors.As(err, &e) || e.ExtAck != "the card says no" {
		t.Errorf("a refusal arrives as %v", err)
	}
	if err := do("words"); err == nil || err.Error() != "words" {
		t.Errorf("an error without an errno arrives as %v", err)
	}
	if err := do("die"); err == nil || !strings.Contains(err.Error(), "ended without a word") {
		t.Errorf("one that dies: %v", err)
	}
	if err := Do(t.Context(), nil, func() error { return unix.EPERM }); !errors.Is(err, unix.EPERM) {
		t.Errorf("without a runner it is done here: %v", err)
	}
	if err := start(t.Context(), []string{os.Args[0], "act", "1", "well"}); err == nil || !strings.Contains(err.Error(), "ended without a word") {
		t.Errorf("of another parent: %v", err)
	}
}

func TestAnActGoesOnWithoutItsParent(t *testing.T) {
	for name, begin := range map[string]func(gate string) (end func()){
		"given up": func(gate string) func() {
			ctx, cancel := context.WithCancel(With(t.Context(), Self("act")))
			ended := make(chan error)
			go func() { ended <- Do(ctx, []string{"wait", gate}, nil) }()
			return func() {
				cancel()
				if err := <-ended; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "goes on with") {
					t.Errorf("given up: %v", err)
				}
			}
		},
		"killed": func(gate string) func() {
			parent := exec.CommandContext(t.Context(), "/proc/self/exe", "parent", gate)
			if err := parent.Start(); err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := parent.Process.Kill(); err != nil {
					t.Error(err)
				}
				if err := parent.Wait(); err == nil || parent.ProcessState.Exited() {
					t.Errorf("it was not killed: %v", err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			gate := filepath.Join(t.TempDir(), "gate")
			if err := os.WriteFile(gate, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			there := func(name string) {
				t.Helper()
				for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
					if _, err := os.Stat(name); err == nil {
						return
					}
				}
				t.Fatalf("%s did not come", name)
			}
			end := begin(gate)
			there(gate + ".begun")
			end()
			if err := os.Remove(gate); err != nil {
				t.Fatal(err)
			}
			there(gate + ".ended")
		})
	}
}
