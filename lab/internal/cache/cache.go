// SPDX-License-Identifier: Apache-2.0

// Package cache keeps what the lab builds: one directory an artefact, named
// after a hash of what it is made from. An artefact is built beside its place
// and renamed there when whole, so that what carries its name is complete. It
// owns the locks that make concurrent builders wait and that keep an artefact
// in use from being pruned; what is in an artefact is its builder's affair.
package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Cache is a directory of artefacts. Locks of the artefacts it handed out are
// held until Close or the end of the process.
type Cache struct {
	// Dir is the cache's directory.
	Dir string
	// Keep is how many artefacts of a kind survive pruning. Default 2.
	Keep int
	// Log is called when something takes long: waiting, building, pruning.
	Log func(format string, args ...any)

	mu   sync.Mutex
	held []*os.File
}

// DefaultDir returns ${XDG_CACHE_HOME:-$HOME/.cache}/nicwright.
func DefaultDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory: %w; set XDG_CACHE_HOME or HOME", err)
	}
	return filepath.Join(dir, "nicwright"), nil
}

// Open makes the cache's directory and returns the cache.
func Open(dir string, log func(string, ...any)) (*Cache, error) {
	for _, d := range []string{dir, filepath.Join(dir, "locks"), filepath.Join(dir, "tmp"), filepath.Join(dir, "runs")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("make the cache directory: %w", err)
		}
	}
	return &Cache{Dir: dir, Keep: 2, Log: log}, nil
}

// Key returns a short hash of the parts; their number and borders count.
func Key(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s\n", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// HashTree returns a hash of the regular files below dir for which keep
// answers true (nil: all): their paths relative to dir and their content.
func HashTree(dir string, keep func(rel string) bool) (string, error) {
	h := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if !d.Type().IsRegular() || (keep != nil && !keep(rel)) {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%s %d\n", rel, len(b))
		h.Write(b)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("hash the files of %s: %w", dir, err)
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// BuildFunc fills dir, an empty directory that becomes the artefact; work is
// an empty one beside it for what is needed only meanwhile.
type BuildFunc func(ctx context.Context, dir, work string) error

// Artefact returns the directory of the artefact kind-key. If there is none it
// is built; an error of build leaves nothing behind. Of concurrent callers, in any process, one builds and the
// others wait.
func (c *Cache) Artefact(ctx context.Context, kind, key string, build BuildFunc) (string, error) {
	name := kind + "-" + key
	path := filepath.Join(c.Dir, name)
	lock, err := os.OpenFile(filepath.Join(c.Dir, "locks", name), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return "", fmt.Errorf("open the lock of %s: %w", name, err)
	}
	for {
		// A reader's lock while the artefact is used keeps pruning away.
		if err := c.lock(ctx, lock, syscall.LOCK_SH, name); err != nil {
			return "", errors.Join(err, lock.Close())
		}
		if _, err := os.Stat(path); err == nil {
			now := time.Now()
			_ = os.Chtimes(path, now, now) // pruning goes by age of use; a failure only ages it
			c.mu.Lock()
			c.held = append(c.held, lock)
			c.mu.Unlock()
			return path, nil
		}
		if err := c.lock(ctx, lock, syscall.LOCK_EX, name); err != nil {
			return "", errors.Join(err, lock.Close())
		}
		if _, err := os.Stat(path); err == nil {
			continue // built by another while we waited
		}
		if err := c.build(ctx, kind, name, path, build); err != nil {
			return "", errors.Join(err, lock.Close())
		}
	}
}

func (c *Cache) build(ctx context.Context, kind, name, path string, build BuildFunc) error {
	tmp := filepath.Join(c.Dir, "tmp", name)
	work := tmp + ".work"
	clean := func() error { return errors.Join(os.RemoveAll(tmp), os.RemoveAll(work)) }
	// A builder that was killed left its directories; the lock says nobody else is in them.
	if err := clean(); err != nil {
		return fmt.Errorf("remove what an earlier build of %s left: %w", name, err)
	}
	if err := errors.Join(os.Mkdir(tmp, 0o755), os.Mkdir(work, 0o700)); err != nil {
		return fmt.Errorf("build %s: %w", name, err)
	}
	start := time.Now()
	c.Log("building %s", name)
	if err := build(ctx, tmp, work); err != nil {
		return errors.Join(fmt.Errorf("build %s: %w", name, err), clean())
	}
	if err := os.Rename(tmp, path); err != nil {
		return errors.Join(fmt.Errorf("put %s in place: %w", name, err), clean())
	}
	if err := clean(); err != nil {
		return fmt.Errorf("clean up after building %s: %w", name, err)
	}
	c.Log("built %s in %.1f s", name, time.Since(start).Seconds())
	c.prune(kind, name)
	return nil
}

// lock waits for the lock, saying so once, until ctx ends.
func (c *Cache) lock(ctx context.Context, f *os.File, how int, name string) error {
	said := false
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("lock %s: %w", name, err)
		}
		if !said {
			c.Log("waiting for another process that builds %s", name)
			said = true
		}
		// flock cannot be waited for together with a context.
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the lock of %s: %w", name, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// prune removes the artefacts of the kind that nobody uses, but for the
// newest Keep. Failures are logged: a cache that is too big still works.
func (c *Cache) prune(kind, justBuilt string) {
	entries, err := os.ReadDir(c.Dir)
	if err != nil {
		c.Log("prune %s: %v", kind, err)
		return
	}
	type item struct {
		name string
		used time.Time
	}
	var items []item
	for _, e := range entries {
		key, ok := strings.CutPrefix(e.Name(), kind+"-")
		if !ok || !isKey(key) || e.Name() == justBuilt {
			continue
		}
		if info, err := e.Info(); err == nil {
			items = append(items, item{e.Name(), info.ModTime()})
		}
	}
	sort.Slice(items, func(i, j int) bool { return items[i].used.After(items[j].used) })
	for i, it := range items {
		if i+1 < c.Keep {
			continue
		}
		if err := c.remove(it.name); err != nil {
			c.Log("prune: %v", err)
		}
	}
}

func (c *Cache) remove(name string) error {
	lockPath := filepath.Join(c.Dir, "locks", name)
	lock, err := os.OpenFile(lockPath, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("open the lock of %s: %w", name, err)
	}
	defer func() { _ = lock.Close() }()
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return nil // in use
	}
	// Renamed first, so that a kill half way leaves no torso under the name.
	tmp := filepath.Join(c.Dir, "tmp", "old-"+name)
	if err := os.RemoveAll(tmp); err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	if err := os.Rename(filepath.Join(c.Dir, name), tmp); err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	c.Log("removing %s, replaced by newer ones", name)
	return os.RemoveAll(tmp)
}

// Scratch makes a directory for one run and removes those that killed runs
// left. The returned function removes it.
func (c *Cache) Scratch() (string, func(), error) {
	runs := filepath.Join(c.Dir, "runs")
	sweep(runs)
	c.sweepTorsos()
	dir, err := os.MkdirTemp(runs, "run-")
	if err != nil {
		return "", nil, fmt.Errorf("make the run's directory: %w", err)
	}
	lock, err := os.OpenFile(dir+".lock", os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("make the run's lock: %w", err), os.RemoveAll(dir))
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", nil, errors.Join(fmt.Errorf("lock the run's directory: %w", err), os.RemoveAll(dir), lock.Close())
	}
	return dir, func() {
		if err := errors.Join(os.RemoveAll(dir), os.Remove(dir+".lock"), lock.Close()); err != nil {
			c.Log("clean up after the run: %v", err)
		}
	}, nil
}

// sweep removes the directories of runs whose process is gone.
func sweep(runs string) {
	entries, err := os.ReadDir(runs)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		dir := filepath.Join(runs, e.Name())
		lock, err := os.OpenFile(dir+".lock", os.O_RDWR, 0)
		if err != nil {
			// Between MkdirTemp and the lock there is a moment: leave the young alone.
			if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > time.Hour {
				_ = os.RemoveAll(dir)
			}
			continue
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = errors.Join(os.RemoveAll(dir), os.Remove(dir+".lock")) // tried again by the next run
		}
		_ = lock.Close()
	}
}

// sweepTorsos removes what killed builders left whose artefact may never be
// asked for again. What cannot be removed now is tried again by the next run.
func (c *Cache) sweepTorsos() {
	entries, err := os.ReadDir(filepath.Join(c.Dir, "tmp"))
	if err != nil {
		return
	}
	for _, e := range entries {
		name := strings.TrimPrefix(strings.TrimSuffix(e.Name(), ".work"), "old-")
		lock, err := os.OpenFile(filepath.Join(c.Dir, "locks", name), os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			continue
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(filepath.Join(c.Dir, "tmp", e.Name()))
		}
		_ = lock.Close()
	}
}

// Close lets go of the artefacts handed out.
func (c *Cache) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, f := range c.held {
		errs = append(errs, f.Close())
	}
	c.held = nil
	return errors.Join(errs...)
}

func isKey(s string) bool {
	if len(s) != 16 {
		return false
	}
	_, err := hex.DecodeString(s)
	return err == nil
}
