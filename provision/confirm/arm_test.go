// SPDX-License-Identifier: Apache-2.0

package confirm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/provision/journal"
)

// The test binary is the watchdog where its first argument says so: watchdog MODE STATE RUN.
func TestMain(m *testing.M) {
	if len(os.Args) == 5 && os.Args[1] == "watchdog" {
		os.Exit(beWatchdog(os.Args[2], journal.Dir(os.Args[3]), os.Args[4]))
	}
	os.Exit(m.Run())
}

func beWatchdog(mode string, dir journal.Dir, run string) int {
	switch mode {
	case "dies":
		return 1
	case "hangs":
		<-time.After(time.Minute)
		return 1
	}
	_, closeLog, err := Log(run)
	if err != nil {
		return 1
	}
	defer func() { _ = closeLog() }()
	tell := func(line string) { fmt.Println(line) } // the log, and nothing of a test to the kernel's
	w := &Watch{
		Journal: dir, RunDir: run, Args: os.Args, Armed: func() error { return SayArmed(ArmedFD) }, Try: Try, Tell: tell, Retry: time.Second, Every: time.Second,
		Rollback: func(_ context.Context, o *journal.Operation) error {
			sid, _, errno := syscall.Syscall(syscall.SYS_GETSID, 0, 0, 0)
			fmt.Println("session is its own:", errno == 0 && int(sid) == os.Getpid())
			return takeBack(dir, o.ID)
		},
	}
	if err := w.Run(context.Background()); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func (s *scene) spec(mode string) Spec {
	return Spec{Args: []string{"watchdog", mode, string(s.dir)}, Detached: []string{s.run}, RunDir: s.run, Systemd: "/nonexistent", Limit: 20 * time.Second}
}

func TestADetachedProcessIsArmedAndGoesBack(t *testing.T) {
	s := newScene(t)
	l := s.lock()
	if err := Arm(t.Context(), s.spec("works")); err != nil {
		t.Fatal(err)
	}
	if there, err := Armed(s.run); err != nil || !there {
		t.Fatalf("it is armed, and not there: %v, %v", there, err)
	}
	if err := Arm(t.Context(), s.spec("dies")); err != nil {
		t.Errorf("where one is, another was started: %v", err)
	}
	o := s.begin(journal.Confirm{Within: soon})
	s.end(o, nil)
	s.release(l)
	s.gone()
	if s.now(o.ID).UndoneBy == "" {
		t.Error("it was not taken back")
	}
	log, err := os.ReadFile(LogPath(s.run))
	if err != nil || !strings.Contains(string(log), "session is its own: true") || !strings.Contains(string(log), "was taken back") {
		t.Errorf("%v, the log is:\n%s", err, log)
	}
	if st, err := os.Stat(LogPath(s.run)); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the log's mode is %v, %v", st.Mode(), err)
	}
}

// gone waits until the watchdog has given its place up, after its last change of the journal.
func (s *scene) gone() {
	s.t.Helper()
	ctx, stop := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer stop()
	tick := make(chan struct{})
	go func() {
		t := time.NewTicker(10 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				select {
				case tick <- struct{}{}:
				case <-ctx.Done():
				}
			}
		}
	}()
	if err := await.Until(ctx, "the watchdog is gone", tick, func() (bool, error) {
		there, err := Armed(s.run)
		return !there, err
	}); err != nil {
		s.t.Fatal(err)
	}
}

func TestAWatchdogThatIsNotArmedIsAnError(t *testing.T) {
	s := newScene(t)
	if err := Arm(t.Context(), s.spec("dies")); err == nil || !strings.Contains(err.Error(), "ended before it was armed") || !strings.Contains(err.Error(), LogPath(s.run)) {
		t.Errorf("it died: %v", err)
	}
	hangs := s.spec("hangs")
	hangs.Limit = 300 * time.Millisecond
	if err := Arm(t.Context(), hangs); err == nil || !strings.Contains(err.Error(), "did not say within 300ms") {
		t.Errorf("it hangs: %v", err)
	}
	s.run = filepath.Join(s.run, "file")
	if err := os.WriteFile(s.run, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Arm(t.Context(), s.spec("works")); err == nil {
		t.Error("without a directory to be in, it is armed")
	}
}

func TestTheLocksAndTheLogAreNotWrittenThroughLinks(t *testing.T) {
	run, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "passwd")
	for _, path := range []string{place(run), LogPath(run)} {
		if err := os.Symlink(elsewhere, path); err != nil {
			t.Fatal(err)
		}
	}
	_, err1 := Armed(run)
	_, _, err2 := Log(run)
	if !errors.Is(err1, syscall.ELOOP) || !errors.Is(err2, syscall.ELOOP) {
		t.Errorf("%v, %v", err1, err2)
	}
	if _, err := os.Stat(elsewhere); err == nil {
		t.Error("a file was made through a link")
	}
}

func TestUnit(t *testing.T) {
	got := map[string]string{}
	for _, p := range properties("/usr/sbin/nicwright", Spec{Args: []string{"confirm", "--watch"}, Limit: 10 * time.Second}) {
		got[p.Name] = p.Value.String()
	}
	for name, want := range map[string]string{
		"Type": `"notify"`, "Restart": `"on-failure"`, "RestartUSec": "@t 1000000", "StartLimitIntervalUSec": "@t 0", "TimeoutStartUSec": "@t 10000000",
		"KillMode": `"process"`, "DefaultDependencies": "false", "Conflicts": `["shutdown.target"]`, "Before": `["shutdown.target"]`,
	} {
		if got[name] != want {
			t.Errorf("%s is %s, want %s", name, got[name], want)
		}
	}
	if !strings.Contains(got["ExecStart"], `["/usr/sbin/nicwright", "confirm", "--watch"]`) {
		t.Errorf("ExecStart is %s", got["ExecStart"])
	}
}

func TestAsInit(t *testing.T) {
	proc := t.TempDir()
	link := func(process, ns, to string) {
		t.Helper()
		dir := filepath.Join(proc, process, "ns")
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.RemoveAll(filepath.Join(dir, ns)), os.Symlink(to, filepath.Join(dir, ns))); err != nil {
			t.Fatal(err)
		}
	}
	link("1", "net", "net:[1]")
	link("1", "mnt", "mnt:[1]")
	for _, tt := range []struct {
		net, mnt        string
		process, ofUnit bool
	}{
		{"net:[1]", "mnt:[1]", true, true},
		{"net:[1]", "mnt:[2]", false, true}, // a unit's view of the files
		{"net:[2]", "mnt:[1]", false, false},
		{"net:[2]", "mnt:[2]", false, false},
	} {
		link("self", "net", tt.net)
		link("self", "mnt", tt.mnt)
		if process, ofUnit := asInit(proc, false), asInit(proc, true); process != tt.process || ofUnit != tt.ofUnit {
			t.Errorf("%s and %s: a process %t, a unit %t", tt.net, tt.mnt, process, ofUnit)
		}
	}
	if asInit(t.TempDir(), true) {
		t.Error("what cannot be seen is the same")
	}
}
