// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/provision/journal"
	"github.com/nicwright/nicwright/provision/lease"
)

// Two ports with 64 VFs each, leases and releases by 50 callers at a time, a third of the calls killed
// after some step: none is given out twice, none is lost, and the host is as it was.
func TestManyLeases(t *testing.T) {
	const callers = 50
	each := 2 // ten take minutes: NICWRIGHT_LEASES=10 go test -run TestManyLeases ./provision
	if n, err := strconv.Atoi(os.Getenv("NICWRIGHT_LEASES")); err == nil {
		each = n
	}
	f := &leasing{flow: newFlow(t), kill: -1}
	for _, pf := range []pci.Address{pf0, pf1} {
		f.m.Port(pf).TotalVFs = 64
	}
	w, doc := wantedOf(t, f.m.copy(t), "testdata/leases-many.yaml")
	f.want, f.name = w, doc.Name
	f.apply(-1, doc.Name, w, Allowed{})
	before := f.m.copy(t)
	seed := rand.Uint64()
	t.Logf("the seed is %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	run := t.TempDir()
	var host sync.Mutex // the model is one; the lock of the calls is the real one
	kills, gave := 0, 0
	held := map[pci.Function]string{}

	// call does something as a process would: it takes the lock, and a kill lets it go.
	call := func(do func(*Road) error) (killed bool, err error) {
		wait, cancel := context.WithCancel(t.Context())
		defer cancel()
		lock, err := WaitLock(wait, run, []string{"test"})
		if err != nil {
			return false, err
		}
		host.Lock()
		defer host.Unlock()
		kill := -1
		if random.IntN(3) == 0 {
			kill = random.IntN(8)
		}
		killed, err = f.run(kill, do)
		if killed {
			kills++
		}
		return killed, errors.Join(err, lock.Release())
	}
	caller := func(name, mac string) error {
		var l *lease.Lease
		for {
			killed, err := call(func(r *Road) (err error) {
				network := []string{"blue", "green"}[len(name)%2]
				if l, err = r.Lease(context.Background(), LeaseRequest{Network: network, VM: name, MAC: mac}); err != nil {
					return err
				}
				if other := held[l.VF]; other != "" {
					return fmt.Errorf("%s was given to %s and %s", l.VF, other, name)
				}
				held[l.VF] = name
				gave++
				return nil
			})
			var none *NoneFreeError
			switch {
			case killed, errors.As(err, &none):
				continue
			case err != nil:
				return err
			}
			break
		}
		for {
			killed, err := call(func(r *Road) error {
				delete(held, l.VF)
				_, err := r.Release(context.Background(), name, false)
				var gone *NoLeaseError
				if errors.As(err, &gone) { // the kill came after its end, or another call took it back
					return nil
				}
				return err
			})
			if !killed {
				return err
			}
		}
	}
	var all sync.WaitGroup
	for n := range callers {
		all.Go(func() {
			for k := range each {
				if err := caller(fmt.Sprintf("vm%d-%d", n, k), fmt.Sprintf("02:00:00:00:%02x:%02x", n, k)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d leases, %d calls killed", gave, kills)
	if gave != callers*each || kills == 0 {
		t.Errorf("%d leases of %d, %d kills", gave, callers*each, kills)
	}
	if _, err := f.road().Settle(context.Background()); err != nil {
		t.Error(err)
	}
	if left := f.road().Leases(); len(left) > 0 {
		t.Errorf("%d leases are left, as %+v", len(left), left[0])
	}
	if d := cmp.Diff(before, f.m.copy(t)); d != "" {
		t.Errorf("the host is another: %s", d)
	}
	if p, err := f.road().Apply(w, journal.Profile{Name: f.name}, Allowed{}); err != nil || len(p.Steps) > 0 {
		t.Errorf("an apply would do %v, %v", p, err)
	}
}
