// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

func TestLockKeepsASecondWriterOutAndNamesTheFirst(t *testing.T) {
	dir := t.TempDir()
	first, err := TakeLock(dir, []string{"nicwright", "apply", "-p", "vm-host"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = TakeLock(dir, nil)
	var locked *LockedError
	if !errors.As(err, &locked) {
		t.Fatalf("the second lock gave %v, want a LockedError", err)
	}
	if locked.Holder.PID != os.Getpid() || !strings.Contains(err.Error(), `"nicwright apply -p vm-host"`) {
		t.Errorf("the error does not say who holds the lock: %v", err)
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	second, err := TakeLock(dir, nil)
	if err != nil {
		t.Fatalf("the lock is not free after its release: %v", err)
	}
	if err := second.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestWaitLockWaitsUntilItIsFreeOrItsTimeIsOver(t *testing.T) {
	dir := t.TempDir()
	first, err := TakeLock(dir, []string{"nicwright", "apply"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	var locked *LockedError
	if _, err := WaitLock(ctx, dir, nil); !errors.As(err, &locked) || locked.Holder.PID != os.Getpid() {
		t.Fatalf("when its time is over: %v", err)
	}
	got := make(chan error)
	go func() {
		second, err := WaitLock(t.Context(), dir, nil)
		if err == nil {
			err = second.Release()
		}
		got <- err
	}()
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Errorf("after the release: %v", err)
	}
	// Who gave up waiting does not keep it.
	third, err := WaitLock(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := third.Release(); err != nil {
		t.Error(err)
	}
}
