// SPDX-License-Identifier: Apache-2.0

package site

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/netns"
)

// The unit of the boot has no CAP_SYS_ADMIN, and looks for what a killed run left.
func TestNothingIsUnmountedWhereNothingIs(t *testing.T) {
	if _, err := os.Lstat(yard); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%s: %v", yard, err)
	}
	err := netns.Thread(func() error { // which ends with its rights
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&hdr, &none[0]); err != nil {
			return err
		}
		if err := unix.Unmount(t.TempDir(), 0); !errors.Is(err, unix.EPERM) {
			t.Errorf("this thread may unmount: %v", err)
		}
		return unmountYard()
	})
	if err != nil {
		t.Error(err)
	}
}
