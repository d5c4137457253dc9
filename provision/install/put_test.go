// SPDX-License-Identifier: Apache-2.0

package install

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const configDir = "/etc/nicwright"

// files are those of vm-host with everybody on the host.
func files(t *testing.T, change func(*Options)) []File {
	t.Helper()
	p := load(t, "vm-host", withFlows)
	o := options(t, p)
	if change != nil {
		change(&o)
	}
	all, err := Files(p, o)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func put(t *testing.T, h Host, all []File) []Change {
	t.Helper()
	changes, err := h.Put(all, configDir)
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

// tree is what is below a directory: modes, contents and where links point.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := strings.TrimPrefix(path, root)
		if d.Type() == fs.ModeSymlink {
			to, err := os.Readlink(path)
			all[name] = "-> " + to
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		all[name] = info.Mode().String() + " " + string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func did(changes []Change, d Did) []string {
	var all []string
	for _, c := range changes {
		if c.Did == d {
			all = append(all, c.Path)
		}
	}
	return all
}

func TestASecondInstallWritesNothing(t *testing.T) {
	root := t.TempDir()
	h, all := Host(root), files(t, nil)
	first := put(t, h, all)
	if len(first) != len(all) || len(did(first, Written)) != len(all) || first[len(first)-1].Path != wantsPath {
		t.Errorf("the first did %v", first)
	}
	before := tree(t, root)
	for _, f := range all {
		want := "-> " + f.Link
		if f.Link == "" {
			want = fs.FileMode(f.Mode).String() + " " + f.Text
		}
		if before[f.Path] != want {
			t.Errorf("%s is %q", f.Path, before[f.Path])
		}
	}
	again := put(t, h, all)
	if len(did(again, Unchanged)) != len(all) {
		t.Errorf("the second did %v", again)
	}
	if d := cmp.Diff(before, tree(t, root)); d != "" {
		t.Error(d)
	}
}

func TestWhatBecameOtherwiseIsWrittenAgain(t *testing.T) {
	root := t.TempDir()
	h, all := Host(root), files(t, nil)
	put(t, h, all)
	write(t, h.at(unitPath), Mark+"\nsomething else\n")
	if err := os.Chmod(h.at(rulesPath), 0o666); err != nil {
		t.Fatal(err)
	}
	if got := did(put(t, h, all), Written); !slices.Equal(got, []string{rulesPath, unitPath}) {
		t.Errorf("written: %v", got)
	}
	if info, err := os.Stat(h.at(rulesPath)); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info, err)
	}
	// With other options what is not made any more goes.
	bare := files(t, func(o *Options) { o.Managers = Managers{} })
	if got := did(put(t, h, bare), TakenAway); !slices.Equal(got, []string{cloudPath, networkPath}) {
		t.Errorf("taken away: %v", got)
	}
}

func TestAKilledInstallIsFinishedByTheNext(t *testing.T) {
	all := files(t, nil)
	for n := range all {
		root := t.TempDir()
		h := Host(root)
		for _, f := range all[:n] {
			if err := h.write(f); err != nil {
				t.Fatal(err)
			}
		}
		dir, base := filepath.Split(h.at(all[n].Path))
		half := filepath.Join(dir, "."+base+"4711") // as renameio names it
		write(t, half, all[n].Text[:len(all[n].Text)/2])
		foreign := filepath.Join(dir, ".other4711")
		write(t, foreign, "x")
		put(t, h, all)
		if _, err := os.Lstat(half); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("killed at %s: what was half written is there: %v", all[n].Path, err)
		}
		if err := os.Remove(foreign); err != nil {
			t.Errorf("somebody else's went: %v", err)
		}
		if got := tree(t, root); len(got) != len(all) {
			t.Errorf("killed at %s: %d files, want %d", all[n].Path, len(got), len(all))
		}
	}
}

func TestWhatIsInTheWayIsRefusedAndNothingIsWritten(t *testing.T) {
	for name, tt := range map[string]struct {
		make func(t *testing.T, h Host)
		says string
	}{
		"somebody's unit":    {func(t *testing.T, h Host) { write(t, h.at(unitPath), "[Unit]\n") }, "somebody else's"},
		"an empty file":      {func(t *testing.T, h Host) { write(t, h.at(networkPath), "") }, "somebody else's"},
		"mark not first":     {func(t *testing.T, h Host) { write(t, h.at(cloudPath), "x: y\n"+Mark+"\n") }, "somebody else's"},
		"a directory":        {func(t *testing.T, h Host) { write(t, h.at(rulesPath)+"/x", "") }, "is not what `nicwright install` makes"},
		"a file as the link": {func(t *testing.T, h Host) { write(t, h.at(wantsPath), Mark+"\n") }, "is not what `nicwright install` makes"},
		"a link as the file": {func(t *testing.T, h Host) {
			write(t, h.at("/etc/shadow"), Mark+"\n")
			link(t, h.at("/etc/shadow"), h.at(unitPath))
		}, "symbolic link"},
		"a dangling link": {func(t *testing.T, h Host) { link(t, "/dev/null", h.at(unitPath)) }, "symbolic link (to /dev/null)"}, // masked
		"another link":    {func(t *testing.T, h Host) { link(t, "/usr/lib/systemd/system/nicwright.service", h.at(wantsPath)) }, "symbolic link"},
		"a linked directory": {func(t *testing.T, h Host) {
			write(t, h.at("/elsewhere/x"), "")
			link(t, h.at("/elsewhere"), h.at("/etc/nicwright"))
		}, "behind the symbolic link /etc/nicwright"},
		"no directory": {func(t *testing.T, h Host) { write(t, h.at("/etc/udev"), "") }, "/etc/udev is no directory"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			h := Host(root)
			tt.make(t, h)
			before := tree(t, root)
			_, err := h.Put(files(t, nil), configDir)
			var foreign *ForeignError
			if !errors.As(err, &foreign) || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "nothing was written") {
				t.Errorf("got %v, want %q", err, tt.says)
			}
			if d := cmp.Diff(before, tree(t, root)); d != "" {
				t.Error(d)
			}
			// And uninstall leaves it.
			if _, err := h.Remove(configDir); err != nil {
				t.Error(err)
			}
			if d := cmp.Diff(before, tree(t, root)); d != "" {
				t.Error(d)
			}
		})
	}
}

func link(t *testing.T, to, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}

// Without --watch there is no unit that watches, also where there was.
func TestTheWatchComesAndGoes(t *testing.T) {
	h := Host(t.TempDir())
	with := files(t, func(o *Options) { o.Watch = true })
	put(t, h, with)
	if to, err := os.Readlink(h.at(watchWants)); err != nil || to != watchPath {
		t.Errorf("it is not started: %q, %v", to, err)
	}
	if got := did(put(t, h, with), Unchanged); len(got) != len(with) {
		t.Errorf("the second did %v", got)
	}
	if got := did(put(t, h, files(t, nil)), TakenAway); !slices.Equal(got, []string{watchWants, watchPath}) {
		t.Errorf("taken away: %v", got)
	}
	link(t, "/dev/null", h.at(watchWants))
	var foreign *ForeignError
	if _, err := h.Put(with, configDir); !errors.As(err, &foreign) || foreign.Path != watchWants {
		t.Errorf("over somebody's link: %v", err)
	}
}

func allOptions(o *Options) {
	o.Watch, o.Kernels = true, Kernels{Check: true, Hooks: Hooks{Dpkg: true, KernelInstall: true, Greenboot: true}}
}

// Without --kernel-checks there are neither hooks nor the unit, also where there were.
func TestTheKernelChecksComeAndGo(t *testing.T) {
	h := Host(t.TempDir())
	with := files(t, func(o *Options) { o.Kernels = Kernels{Check: true, Hooks: Hooks{Dpkg: true}} })
	put(t, h, with)
	for _, link := range []string{trialWants, trialNeeds} {
		if to, err := os.Readlink(h.at(link)); err != nil || to != trialPath {
			t.Errorf("%s: %q, %v", link, to, err)
		}
	}
	if info, err := os.Stat(h.at(postinstPath)); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the hook: %v, %v", info, err)
	}
	if got := did(put(t, h, with), Unchanged); len(got) != len(with) {
		t.Errorf("the second did %v", got)
	}
	if got := did(put(t, h, files(t, nil)), TakenAway); !slices.Equal(got, []string{postinstPath, preinstPath, trialNeeds, trialWants, trialPath}) {
		t.Errorf("taken away: %v", got)
	}
	write(t, h.at(postinstPath), "#!/bin/sh\n# mine\n")
	var foreign *ForeignError
	if _, err := h.Put(with, configDir); !errors.As(err, &foreign) || foreign.Path != postinstPath {
		t.Errorf("over somebody's hook: %v", err)
	}
}

func TestUninstallTakesOursAwayAndNothingElse(t *testing.T) {
	root := t.TempDir()
	h := Host(root)
	put(t, h, files(t, allOptions))
	others := []string{"/etc/nicwright/config.yaml", "/etc/nicwright/profiles.d/vm-host/10.yaml", "/etc/systemd/system/nicwright.service.d/mine.conf", "/etc/udev/rules.d/70-other.rules"}
	for _, o := range others {
		write(t, h.at(o), "mine\n")
	}
	write(t, h.at(cloudPath), "# mine now\n")
	write(t, h.at("/etc/udev/rules.d/.70-nicwright.rules99"), "") // of an install that was killed
	installed, err := h.Installed(configDir)
	if err != nil || len(installed) != len(Known(configDir))-1 {
		t.Errorf("installed: %v, %v", installed, err)
	}
	changes, err := h.Remove(configDir)
	if err != nil {
		t.Fatal(err)
	}
	if got := did(changes, TakenAway); len(got) != 18 || got[0] != wantsPath || got[1] != switchWants || got[2] != unitPath {
		t.Errorf("taken away: %v", got)
	}
	if got := did(changes, Left); !slices.Equal(got, []string{cloudPath}) {
		t.Errorf("left: %v", got)
	}
	rest := tree(t, root)
	if len(rest) != len(others)+1 {
		t.Errorf("there is left: %v", rest)
	}
	if _, err := os.Stat(h.at("/etc/nicwright/boot")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory of ours: %v", err)
	}
	if changes, err := h.Remove(configDir); err != nil || len(did(changes, TakenAway)) != 0 {
		t.Errorf("once more: %v, %v", changes, err)
	}
}

func TestADirectoryThatCannotBeWrittenIsAnError(t *testing.T) {
	root := t.TempDir()
	h := Host(root)
	if err := h.write(File{Path: "/etc/x", Mode: 0o644, Text: "x"}); err != nil {
		t.Fatal(err)
	}
	if err := h.write(File{Path: "/etc/x/y", Mode: 0o644}); err == nil || !strings.Contains(err.Error(), "/etc/x/y") {
		t.Errorf("got %v", err)
	}
}
