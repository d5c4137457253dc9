// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"errors"
	"os"
	"strings"
	"testing"
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
