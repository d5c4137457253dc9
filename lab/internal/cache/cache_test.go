// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func openTest(t *testing.T) *Cache {
	t.Helper()
	c, err := Open(filepath.Join(t.TempDir(), "cache"), t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func write(text string) BuildFunc {
	return func(_ context.Context, dir, _ string) error {
		return os.WriteFile(filepath.Join(dir, "f"), []byte(text), 0o644)
	}
}

func TestKeyTellsPartsApart(t *testing.T) {
	keys := map[string][]string{}
	for _, parts := range [][]string{{}, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"b", "a"}, {"a", "b", ""}, {"a\n1:b"}} {
		k := Key(parts...)
		if other, ok := keys[k]; ok {
			t.Errorf("%q and %q have the same key", parts, other)
		}
		keys[k] = parts
		if k != Key(parts...) || !isKey(k) {
			t.Errorf("the key %q of %q is not stable or no key", k, parts)
		}
	}
}

func TestHashTree(t *testing.T) {
	dir := t.TempDir()
	hash := func(keep func(string) bool) string {
		t.Helper()
		h, err := HashTree(dir, keep)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	onlyC := func(rel string) bool { return filepath.Ext(rel) == ".c" }
	put("a.c", "1")
	first := hash(onlyC)
	put("notes", "of no concern")
	if hash(onlyC) != first {
		t.Error("a file that is not kept changed the hash")
	}
	if hash(nil) == first {
		t.Error("a new file did not change the hash of all")
	}
	put("a.c", "2")
	second := hash(onlyC)
	if second == first {
		t.Error("changed content did not change the hash")
	}
	if err := os.Rename(filepath.Join(dir, "a.c"), filepath.Join(dir, "b.c")); err != nil {
		t.Fatal(err)
	}
	if hash(onlyC) == second {
		t.Error("a changed name did not change the hash")
	}
}

func TestConcurrentBuildersBuildOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	var built atomic.Int32
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			c, err := Open(dir, t.Logf) // its own descriptors, as in another process
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = c.Close() }()
			path, err := c.Artefact(t.Context(), "k", Key("x"), func(ctx context.Context, d, work string) error {
				built.Add(1)
				time.Sleep(100 * time.Millisecond)
				return write("whole")(ctx, d, work)
			})
			if err != nil {
				t.Error(err)
				return
			}
			if b, err := os.ReadFile(filepath.Join(path, "f")); err != nil || string(b) != "whole" {
				t.Errorf("the artefact is %q, %v", b, err)
			}
		})
	}
	wg.Wait()
	if built.Load() != 1 {
		t.Errorf("built %d times", built.Load())
	}
}

func TestFailedBuildLeavesNothing(t *testing.T) {
	c := openTest(t)
	boom := errors.New("boom")
	_, err := c.Artefact(t.Context(), "k", Key("x"), func(ctx context.Context, dir, work string) error {
		if err := write("half")(ctx, dir, work); err != nil {
			t.Fatal(err)
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("the error is %v", err)
	}
	for _, pattern := range []string{"k-*", "tmp/*"} {
		if left, _ := filepath.Glob(filepath.Join(c.Dir, pattern)); len(left) != 0 {
			t.Errorf("left: %q", left)
		}
	}
	if _, err := c.Artefact(t.Context(), "k", Key("x"), write("whole")); err != nil {
		t.Errorf("it cannot be built after a failure: %v", err)
	}
}

func TestTorsoOfAKilledBuildIsNotTakenForFinished(t *testing.T) {
	c := openTest(t)
	torso := filepath.Join(c.Dir, "tmp", "k-"+Key("x"))
	if err := os.Mkdir(torso, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(torso, "stale"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	path, err := c.Artefact(t.Context(), "k", Key("x"), write("whole"))
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(path); err != nil || len(entries) != 1 || entries[0].Name() != "f" {
		t.Errorf("the artefact has %v, %v", entries, err)
	}
}

func TestTorsosAreSweptButNotThoseOfLivingBuilders(t *testing.T) {
	c := openTest(t)
	for _, name := range []string{"k-" + Key("gone"), "k-" + Key("gone") + ".work", "old-k-" + Key("gone")} {
		if err := os.Mkdir(filepath.Join(c.Dir, "tmp", name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.Artefact(t.Context(), "k", Key("living"), func(context.Context, string, string) error {
		_, clean, err := c.Scratch()
		if err != nil {
			return err
		}
		defer clean()
		left, err := filepath.Glob(filepath.Join(c.Dir, "tmp", "*"))
		if err != nil || len(left) != 2 || !strings.Contains(left[0], Key("living")) || !strings.Contains(left[1], Key("living")) {
			t.Errorf("left: %q, %v", left, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestWaitingForALockEndsWithTheContext(t *testing.T) {
	c := openTest(t)
	inside, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := c.Artefact(context.Background(), "k", Key("x"), func(context.Context, string, string) error {
			close(inside)
			<-release
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-inside
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Artefact(ctx, "k", Key("x"), write("")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
	close(release)
	wg.Wait()
}

func TestPruneKeepsTheNewestAndThoseInUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	build := func(kind, part string, age time.Duration) *Cache {
		t.Helper()
		c, err := Open(dir, t.Logf)
		if err != nil {
			t.Fatal(err)
		}
		path, err := c.Artefact(t.Context(), kind, Key(part), write(part))
		if err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
		return c
	}
	inUse := build("k", "in use", 9*time.Hour)
	defer func() { _ = inUse.Close() }()
	for i, part := range []string{"oldest", "older"} {
		if err := build("k", part, time.Duration(8-i)*time.Hour).Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := build("k-longer", "of another kind", 99*time.Hour).Close(); err != nil {
		t.Fatal(err)
	}
	if err := build("k", "new", 0).Close(); err != nil {
		t.Fatal(err)
	}
	for part, want := range map[string]bool{"in use": true, "oldest": false, "older": true, "new": true} {
		_, err := os.Stat(filepath.Join(dir, "k-"+Key(part)))
		if (err == nil) != want {
			t.Errorf("%s: kept is %t, want %t", part, err == nil, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "k-longer-"+Key("of another kind"))); err != nil {
		t.Errorf("pruning took another kind's: %v", err)
	}
}

func TestScratchOfDeadRunsIsSweptAndOfLivingKept(t *testing.T) {
	c := openTest(t)
	living, clean, err := c.Scratch()
	if err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(c.Dir, "runs", "run-dead")
	if err := os.Mkdir(dead, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dead+".lock", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, cleanOther, err := c.Scratch()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead); err == nil {
		t.Error("the dead run's directory is still there")
	}
	if _, err := os.Stat(living); err != nil {
		t.Errorf("the living run's directory is gone: %v", err)
	}
	clean()
	cleanOther()
	if left, _ := filepath.Glob(filepath.Join(c.Dir, "runs", "*")); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}
