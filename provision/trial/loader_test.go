// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/grub"
)

const (
	oldKernel = "6.12.117+deb13-amd64"
	newKernel = "7.3.4+deb13-amd64"
	oldEntry  = "gnulinux-advanced-8f3a>gnulinux-6.12.117+deb13-amd64-advanced-8f3a"
	newEntry  = "gnulinux-advanced-8f3a>gnulinux-7.3.4+deb13-amd64-advanced-8f3a"
)

// debian is a Debian with GRUB, whose menu is changed by pairs of texts; its block has these variables.
func debian(t *testing.T, env map[string]string, change ...string) Boot {
	t.Helper()
	menu, err := os.ReadFile("../../internal/grub/testdata/debian.cfg")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	dir := filepath.Join(root, "boot/grub")
	text := strings.NewReplacer(change...).Replace(string(menu))
	const signature = "# GRUB Environment Block\n"
	if err := errors.Join(
		os.MkdirAll(dir, 0o755),
		os.WriteFile(filepath.Join(dir, "grub.cfg"), []byte(text), 0o644),
		os.WriteFile(filepath.Join(dir, "grubenv"), []byte(signature+strings.Repeat("#", grub.Size-len(signature))), 0o644),
	); err != nil {
		t.Fatal(err)
	}
	b := Boot{Root: root, canWrite: func(*grub.Host) error { return nil }}
	set(t, b, env)
	return b
}

func set(t *testing.T, b Boot, env map[string]string) {
	t.Helper()
	h, err := grub.Open(b.Root)
	if err == nil {
		err = h.Write(env)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func variables(t *testing.T, b Boot) (saved, next string) {
	t.Helper()
	h, err := grub.Open(b.Root)
	if err != nil {
		t.Fatal(err)
	}
	env, err := h.Read()
	if err != nil {
		t.Fatal(err)
	}
	return env.Get(grub.SavedEntry), env.Get(grub.NextEntry)
}

func TestAKernelIsTriedOnceAndMadeTheDefault(t *testing.T) {
	for name, saved := range map[string]string{"nothing chosen": "", "the old one": oldEntry, "the newest": "gnulinux-simple-8f3a", "the new one, by its package": newEntry} {
		b := debian(t, map[string]string{grub.SavedEntry: saved})
		l, err := b.TryOnce(newKernel, oldKernel)
		if err != nil || l == nil || *l != (Loader{New: newEntry, Old: oldEntry}) {
			t.Fatalf("%s: %+v, %v", name, l, err)
		}
		if s, n := variables(t, b); s != oldEntry || n != newEntry {
			t.Errorf("%s: saved %q, next %q", name, s, n)
		}
		if def, next, tried, err := b.Look(l); def != oldKernel || next != newKernel || tried || err != nil {
			t.Errorf("%s: %q, %q, %v, %v", name, def, next, tried, err)
		}
		set(t, b, map[string]string{grub.NextEntry: ""}) // GRUB boots it
		if def, next, tried, err := b.Look(l); def != oldKernel || next != "" || !tried || err != nil {
			t.Errorf("%s: booted: %q, %q, %v, %v", name, def, next, tried, err)
		}
		for range 2 {
			if err := b.MakeDefault(newKernel, l); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if s, n := variables(t, b); s != newEntry || n != "" {
			t.Errorf("%s: after it: saved %q, next %q", name, s, n)
		}
	}
}

func TestGRUBIsNotToldWhereThatWouldNotHold(t *testing.T) {
	ok := debian(t, nil)
	cannot := debian(t, nil)
	cannot.canWrite = func(*grub.Host) error { return grub.ErrCannotWrite }
	for name, tt := range map[string]struct {
		b        Boot
		new, old string
		says     string
	}{
		"no good kernel":  {ok, newKernel, "", "no other kernel"},
		"the same":        {ok, newKernel, newKernel, "no other kernel"},
		"not saved":       {debian(t, nil, "${saved_entry}", "0"), newKernel, oldKernel, "GRUB_DEFAULT=saved"},
		"not once":        {debian(t, nil, `"${next_entry}"`, `"x"`), newKernel, oldKernel, "GRUB_DEFAULT=saved"},
		"LVM":             {cannot, newKernel, oldKernel, "for ever"},
		"no entry":        {ok, "7.4.0", oldKernel, "no entry for kernel 7.4.0"},
		"no old entry":    {ok, newKernel, "6.1.0", "no entry for kernel 6.1.0"},
		"somebody's own":  {debian(t, map[string]string{grub.SavedEntry: "Somebody's other system"}), newKernel, oldKernel, "somebody has chosen"},
		"another is next": {debian(t, map[string]string{grub.NextEntry: "uefi-firmware"}), newKernel, oldKernel, "boot \"uefi-firmware\" next"},
		"what is no more": {debian(t, map[string]string{grub.SavedEntry: "gone"}), newKernel, oldKernel, "somebody has chosen"},
	} {
		before, nextBefore := variables(t, tt.b)
		l, err := tt.b.TryOnce(tt.new, tt.old)
		if l != nil || !errors.Is(err, ErrNotTold) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
		if s, n := variables(t, tt.b); s != before || n != nextBefore {
			t.Errorf("%s: it was told all the same: %q, %q", name, s, n)
		}
	}
	if l, err := (Boot{Root: t.TempDir()}).TryOnce(newKernel, oldKernel); l != nil || err != nil {
		t.Errorf("no GRUB: %+v, %v", l, err)
	}
	if def, next, tried, err := (Boot{Root: t.TempDir()}).Look(&Loader{}); def != "" || next != "" || tried || err != nil {
		t.Errorf("no GRUB: %q, %q, %v, %v", def, next, tried, err)
	}
}

func TestWhatSomebodyChoseMeanwhileStays(t *testing.T) {
	b := debian(t, nil)
	l, err := b.TryOnce(newKernel, oldKernel)
	if err != nil {
		t.Fatal(err)
	}
	set(t, b, map[string]string{grub.SavedEntry: "Somebody's other system"})
	if err := b.MakeDefault(newKernel, l); err == nil || !strings.Contains(err.Error(), "somebody has chosen") {
		t.Errorf("%v", err)
	}
	if s, _ := variables(t, b); s != "Somebody's other system" {
		t.Errorf("the default is %q", s)
	}
	set(t, b, map[string]string{grub.SavedEntry: oldEntry})
	if err := b.MakeDefault("7.4.0", l); err == nil || !strings.Contains(err.Error(), "no entry for it") {
		t.Errorf("%v", err)
	}
	if err := b.MakeDefault(newKernel, nil); err != nil {
		t.Errorf("nothing was told: %v", err)
	}
	if s, _ := variables(t, b); s != oldEntry {
		t.Errorf("the default is %q", s)
	}
	if def, _, _, err := debian(t, map[string]string{grub.SavedEntry: oldEntry}, "${saved_entry}", "0").Look(nil); def != "" || err != nil {
		t.Errorf("GRUB_DEFAULT=0: %q, %v", def, err)
	}
}
