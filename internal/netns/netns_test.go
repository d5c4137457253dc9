// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestNamesAreFileNames(t *testing.T) {
	for _, name := range []string{"", ".", "..", "../x", "a/b"} {
		if _, err := Open(name); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open(%q): got %v, want a refusal", name, err)
		}
		if err := Delete(name); err == nil {
			t.Errorf("Delete(%q) did not refuse", name)
		}
	}
}

func TestCreateIsSeenByIPNetnsAndDeleted(t *testing.T) {
	if os.Getenv("NICWRIGHT_LAB") == "" {
		t.Skip("needs the lab: make test-lab")
	}
	const name = "nicwright-test-netns"
	ns, err := Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	t.Cleanup(func() { _ = Delete(name) })
	if _, err := Create(name); !errors.Is(err, fs.ErrExist) {
		t.Errorf("making it twice: got %v, want ErrExist", err)
	}
	if out, err := exec.Command("ip", "netns", "list").CombinedOutput(); err != nil || !strings.Contains(string(out), name) {
		t.Errorf("ip netns list does not have it: %v: %s", err, out)
	}
	var inside []net.Interface
	if err := ns.Do(func() (err error) { inside, err = net.Interfaces(); return err }); err != nil {
		t.Fatal(err)
	}
	if len(inside) != 1 || inside[0].Name != "lo" {
		t.Errorf("a new namespace has %v, want lo alone", inside)
	}
	if names, err := List("nicwright-test-"); err != nil || len(names) != 1 {
		t.Errorf("List: %v, %v", names, err)
	}
	for range 2 { // twice: deleting what is not there is fine
		if err := Delete(name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}
