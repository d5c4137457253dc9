// SPDX-License-Identifier: Apache-2.0

package ethtool

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"
	"unsafe"

	safchain "github.com/safchain/ethtool"
	"golang.org/x/sys/unix"
)

// anyDriver finds a netdev whose driver can be read.
func anyDriver(t *testing.T) (string, Driver) {
	t.Helper()
	ifs, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range ifs {
		d, err := DriverInfo(i.Name)
		if err == nil {
			return i.Name, d
		}
	}
	t.Skip("no netdev here tells its driver")
	return "", Driver{}
}

// The stack of guarded's goroutine stays where it is while the collector runs
// and while as much of it is used as safchain/ethtool can use.
func TestGuardedStackDoesNotMove(t *testing.T) {
	for range 200 {
		err := guarded(func(*safchain.Ethtool) error {
			var here byte
			before := uintptr(unsafe.Pointer(&here))
			deep()
			runtime.GC()
			runtime.GC()
			if after := uintptr(unsafe.Pointer(&here)); after != before {
				return errors.New("the stack moved")
			}
			touch(&here)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

//go:noinline
func deep() {
	var frame [16 << 10]byte
	touch(&frame[9])
}

// Without the guard the same look at the stack does see it move: the test above
// can fail.
func TestUnguardedStackMoves(t *testing.T) {
	moved := make(chan bool)
	go func() {
		var here byte
		before := uintptr(unsafe.Pointer(&here))
		deep()
		runtime.GC()
		touch(&here)
		moved <- uintptr(unsafe.Pointer(&here)) != before
	}()
	if !<-moved {
		t.Error("a stack that nobody guarded did not move")
	}
}

func TestHammer(t *testing.T) {
	name, want := anyDriver(t)
	stop := make(chan struct{})
	var collector, readers sync.WaitGroup
	collector.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	})
	for range 4 {
		readers.Go(func() {
			for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); {
				got, err := DriverInfo(name)
				if err != nil || got != want {
					t.Errorf("got %+v, %v; want %+v", got, err, want)
					return
				}
				if _, err := Statistics(name); err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
					t.Error(err)
					return
				}
			}
		})
	}
	readers.Wait()
	close(stop)
	collector.Wait()
}

func TestErrorsNameTheNetdevAndTheErrno(t *testing.T) {
	_, err := Statistics("no-such-netdev")
	if !errors.Is(err, unix.ENODEV) {
		t.Errorf("got %v, want ENODEV", err)
	}
	if _, err := DriverInfo("no-such-netdev"); !errors.Is(err, unix.ENODEV) {
		t.Errorf("got %v, want ENODEV", err)
	}
}
