// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/journal"
	"github.com/nicwright/nicwright/provision/lease"
)

const leasesProfile = "../cmd/nicwright/testdata/leases.yaml"

// leasesProfiles are the same networks by the switch that they are at.
var leasesProfiles = map[string]string{"br-vm": leasesProfile, "vmbr0": "../cmd/nicwright/testdata/leases-bridge.yaml"}

// atEach runs a test at each switch.
func atEach(t *testing.T, test func(t *testing.T, bridge string)) {
	for bridge := range leasesProfiles {
		t.Run(bridge, func(t *testing.T) { test(t, bridge) })
	}
}

// killed is what a test's kill panics with.
type killed struct{}

// leasing is a model host with a profile in force that has networks.
type leasing struct {
	*flow
	want *profiles.Want
	name string
	// kill is how many steps, or writes of the document, are done until a kill; below 0: none comes.
	kill int
}

func newLeasing(t *testing.T) *leasing { return newLeasingAt(t, "br-vm") }

func newLeasingAt(t *testing.T, bridge string) *leasing {
	f := &leasing{flow: newFlow(t), kill: -1}
	w, doc := wantedOf(t, f.m.copy(t), leasesProfiles[bridge])
	f.want, f.name = w, doc.Name
	f.apply(-1, doc.Name, w, Allowed{})
	return f
}

// road looks at the model, and does steps there until the kill.
func (f *leasing) road() *Road {
	r := f.look()
	leases, err := lease.Dir(f.dir).Read()
	if err != nil {
		f.t.Fatal(err)
	}
	r.leases = leases
	r.sees = func() Host { return f.m.copy(f.t) }
	r.does = func(all []step.Step) error {
		for _, s := range all {
			if f.kill == 0 {
				panic(killed{})
			}
			f.kill--
			if err := f.m.run([]step.Step{s}); err != nil {
				return err
			}
		}
		return nil
	}
	r.mark()
	return r
}

// run does something with a road, and tells whether it was killed meanwhile.
func (f *leasing) run(kill int, do func(*Road) error) (was bool, err error) {
	f.kill = kill
	defer func() {
		f.kill = -1
		if r := recover(); r != nil {
			if _, is := r.(killed); !is {
				panic(r)
			}
			was = true
		}
	}()
	return false, do(f.road())
}

func (f *leasing) lease(q LeaseRequest) *lease.Lease {
	f.t.Helper()
	l, err := f.road().Lease(context.Background(), q)
	if err != nil {
		f.t.Fatal(err)
	}
	return l
}

func (f *leasing) release(name string) {
	f.t.Helper()
	if _, err := f.road().Release(context.Background(), name, false); err != nil {
		f.t.Fatal(err)
	}
}

// planned are the steps of an apply of the profile now.
func (f *leasing) planned() []step.Step {
	f.t.Helper()
	p, err := f.road().Apply(f.want, journal.Profile{Name: f.name}, Allowed{})
	if err != nil {
		f.t.Fatal(err)
	}
	return p.Steps
}

func vfOf(h Host, f pci.Function) eswitch.VF { return h.Port(f.PF).VFs[f.VF] }

// A lease and its release leave the host as it was; a plan of the profile has nothing to say in between.
func TestLeaseAndRelease(t *testing.T) { atEach(t, testLeaseAndRelease) }

func testLeaseAndRelease(t *testing.T, bridge string) {
	f := newLeasingAt(t, bridge)
	before := f.m.copy(t)
	l := f.lease(LeaseRequest{Network: "tenants", VM: "web1", MAC: "02:00:5E:10:00:06"})
	if l.Name != "web1.tenants" || l.VF != pci.VF(pf0, 0) || l.MAC() != "02:00:5e:10:00:06" || l.Driver() != "mlx5_core" || l.State != lease.Leased {
		t.Errorf("the lease is %+v", l)
	}
	vf := vfOf(f.m.Host, l.VF)
	if vf.Admin.MAC != l.MAC() || vf.Admin.MaxTxRate != 1000 || vf.Driver != "mlx5_core" || !vf.Representor.Up {
		t.Errorf("the VF is %+v, %+v, %+v", vf, vf.Admin, vf.Representor)
	}
	s, err := f.road().ShowLease(l)
	if err != nil || s.Port == nil || s.Port.Bridge != bridge || s.Port.Tag == nil || *s.Port.Tag != 100 || s.VLAN == nil || *s.VLAN != 100 || len(s.Differs) > 0 || s.State != "leased" {
		t.Errorf("it is shown as %+v, %v", s, err)
	}
	if p := f.planned(); len(p) > 0 {
		t.Errorf("an apply would do %v", p)
	}
	// What somebody changes of it is drift.
	f.m.Port(pf0).VFs[0].Admin.MaxTxRate = 7
	if p := f.planned(); len(p) != 1 || p[0].Attribute != "max_tx_rate" || p[0].To.Str() != "1000" {
		t.Errorf("an apply would do %v", p)
	}
	f.m.Port(pf0).VFs[0].Admin.MaxTxRate = 1000
	f.release("web1")
	if d := cmp.Diff(before, f.m.copy(t)); d != "" {
		t.Errorf("after the release the host is another: %s", d)
	}
	if p := f.planned(); len(p) > 0 {
		t.Errorf("an apply would do %v", p)
	}
}

// Killed after any step of a lease, of the taking back, or of a release, the next call finds the host
// so that it can give all VFs out again, and in the end nothing is left.
func TestKilledLeases(t *testing.T) { atEach(t, testKilledLeases) }

func testKilledLeases(t *testing.T, bridge string) {
	for _, network := range []string{"tenants", "storage"} {
		ended := false
		for kill := 0; !ended; kill++ {
			if kill > 100 {
				t.Fatal("a lease does not come to its end")
			}
			f := newLeasingAt(t, bridge)
			before := f.m.copy(t)
			q := LeaseRequest{Network: network, VM: "web1", MAC: "02:00:5e:10:00:06", Driver: "none"}
			var l *lease.Lease
			was, err := f.run(kill, func(r *Road) (err error) { l, err = r.Lease(context.Background(), q); return err })
			if err != nil {
				t.Fatal(err)
			}
			if ended = !was; ended {
				f.release("web1")
			} else {
				// Each kill of what takes it back, too.
				for again := 0; ; again++ {
					was, err := f.run(again, func(r *Road) error { _, err := r.Settle(context.Background()); return err })
					if err != nil {
						t.Fatalf("killed after %d steps, then %d: %v", kill, again, err)
					}
					if !was {
						break
					}
				}
			}
			if d := cmp.Diff(before, f.m.copy(t)); d != "" {
				t.Errorf("network %s, killed after %d steps (%v): the host is another: %s", network, kill, l, d)
			}
			if all := f.road().Leases(); len(all) > 0 {
				t.Errorf("killed after %d steps: %+v is left", kill, all[0])
			}
		}
		// And of a release.
		for kill := 0; ; kill++ {
			f := newLeasingAt(t, bridge)
			before := f.m.copy(t)
			f.lease(LeaseRequest{Network: network, VM: "web1", MAC: "02:00:5e:10:00:06", Driver: "none"})
			was, err := f.run(kill, func(r *Road) error { _, err := r.Release(context.Background(), "web1", false); return err })
			if err != nil {
				t.Fatal(err)
			}
			if was && len(f.road().leases.Half()) != 1 {
				t.Errorf("a release that was killed after %d steps is not seen", kill)
			}
			if _, err := f.road().Settle(context.Background()); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(before, f.m.copy(t)); d != "" {
				t.Errorf("network %s, the release killed after %d steps: the host is another: %s", network, kill, d)
			}
			if !was {
				break
			}
		}
	}
}

// A lease is kept over a boot: the apply that makes the VFs again sets what the lease set.
func TestLeaseOverABoot(t *testing.T) { atEach(t, testLeaseOverABoot) }

func testLeaseOverABoot(t *testing.T, bridge string) {
	f := newLeasingAt(t, bridge)
	l := f.lease(LeaseRequest{Network: "tenants", VM: "web1", MAC: "02:00:5e:10:00:06"})
	short := f.lease(LeaseRequest{Network: "tenants", Name: "short", MAC: "02:00:5e:10:00:07", PID: 1})
	as := f.m.copy(t)
	f.m, f.boot = newModel(t, "bare"), "next"
	f.m.Switch = as.Switch // OVSDB survives
	if s, err := f.road().ShowLease(l); err != nil || s.State != "gone" {
		t.Errorf("after the boot it is shown as %+v, %v", s, err)
	}
	r := f.road()
	if names, err := r.Settle(context.Background()); err != nil || !slices.Equal(names, []string{short.Name}) {
		t.Errorf("the lease of a process of the last boot: %v, %v", names, err)
	}
	p, err := r.Apply(f.want, journal.Profile{Name: f.name}, Allowed{})
	if err == nil {
		err = f.walkOver(p)
	}
	if err != nil {
		t.Fatal(err)
	}
	if vf := vfOf(f.m.Host, l.VF); vf.Admin.MAC != l.MAC() || vf.Admin.MaxTxRate != 1000 {
		t.Errorf("after the boot the VF is %+v", vf.Admin)
	}
	if s, err := f.road().ShowLease(l); err != nil || s.State != "leased" || len(s.Differs) > 0 {
		t.Errorf("after the apply it is shown as %+v, %v", s, err)
	}
	// Asked again it is the same.
	if again := f.lease(LeaseRequest{Network: "tenants", VM: "web1"}); again.VF != l.VF || again.MAC() != l.MAC() {
		t.Errorf("asked again it is %+v", again)
	}
}

// walkOver does an apply's plan on the model.
func (f *leasing) walkOver(p *Plan) error {
	if err := f.begin(p); err != nil {
		return err
	}
	if err := f.m.run(p.Steps); err != nil {
		return err
	}
	left, _, err := steps(f.m.copy(f.t), lease.Over(p.Want, p.leases), p.before, p.opt)
	if err == nil && len(left.Steps) > 0 {
		err = fmt.Errorf("not converged: %v", left.Steps)
	}
	return errors.Join(err, f.end(p, err))
}

// What would take leased VFs away is refused, each with what to do.
func TestLeasedVFsAreNotTaken(t *testing.T) {
	f := newLeasing(t)
	f.lease(LeaseRequest{Network: "tenants", VM: "web1", MAC: "02:00:5e:10:00:06"})
	want := *f.want
	want.Ports = map[pci.Address]eswitch.PortSpec{pf0: f.want.Ports[pf0]}
	spec := want.Ports[pf0]
	n := 8
	spec.VFs = &n
	want.Ports[pf0] = spec
	for what, err := range map[string]error{
		"another count": second(f.road().Apply(&want, journal.Profile{Name: f.name}, Allowed{})),
		"a rollback":    second(f.road().Rollback("", Allowed{})),
		"a removal":     second(f.road().Remove(f.name, Allowed{})),
	} {
		if err == nil || !strings.Contains(err.Error(), "leased") || !strings.Contains(err.Error(), "release") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := f.road().Remove(f.name, Allowed{Take: []string{"all"}}); err != nil {
		t.Errorf("a removal that may take all: %v", err)
	}
}

// Each refusal of a lease.
func TestLeasesThatAreRefused(t *testing.T) {
	node := 7
	for _, c := range []struct {
		what string
		q    LeaseRequest
		do   func(*leasing)
		want string
	}{
		{what: "no such network", q: LeaseRequest{Network: "tenant"}, want: "has no network tenant (it has: storage, tenants)"},
		{what: "a group's address", q: LeaseRequest{Network: "tenants", MAC: "01:00:5e:00:00:01"}, want: "a group's, or zero"},
		{what: "no address", q: LeaseRequest{Network: "tenants", MAC: "1"}, want: "is no MAC address"},
		{what: "no name", q: LeaseRequest{Network: "tenants", Name: "../x"}, want: "cannot name a lease"},
		{what: "no machine", q: LeaseRequest{Network: "tenants", VM: "a\nb"}, want: "cannot name a machine"},
		{what: "no process", q: LeaseRequest{Network: "tenants", PID: 1 << 30}, want: "looking for process"},
		{what: "another NUMA node", q: LeaseRequest{Network: "tenants", NUMA: &node}, want: "on NUMA node"},
		{what: "an address that is leased", q: LeaseRequest{Network: "tenants", Name: "b", MAC: "02:00:5e:10:00:06"}, want: "another lease has the MAC address", do: func(f *leasing) {
			f.lease(LeaseRequest{Network: "tenants", Name: "a", MAC: "02:00:5e:10:00:06"})
		}},
		{what: "another network", q: LeaseRequest{Network: "storage", Name: "a"}, want: `with the network "tenants" and not "storage"`, do: func(f *leasing) {
			f.lease(LeaseRequest{Network: "tenants", Name: "a", MAC: "02:00:5e:10:00:06"})
		}},
		{what: "all in use", q: LeaseRequest{Network: "storage"}, want: "no free VF", do: func(f *leasing) {
			for i := range f.m.Port(pf1).VFs {
				f.m.Port(pf1).VFs[i].Uses = []eswitch.Use{{Kind: eswitch.Addressed, By: "192.0.2.1/24"}}
			}
		}},
		{what: "the other mode", q: LeaseRequest{Network: "storage"}, want: "eswitch mode is legacy", do: func(f *leasing) { f.m.Port(pf1).Mode = legacy }},
		{what: "an operation that was interrupted", q: LeaseRequest{Network: "storage"}, want: "was interrupted", do: func(f *leasing) {
			n := 3
			p, err := f.look().Apply(&profiles.Want{Ports: map[pci.Address]eswitch.PortSpec{pf1: {MTU: &n}}}, journal.Profile{Name: f.name}, Allowed{})
			if err == nil {
				err = f.begin(p)
			}
			if err != nil {
				f.t.Fatal(err)
			}
		}},
	} {
		f := newLeasing(t)
		if c.do != nil {
			c.do(f)
		}
		had := len(f.road().Leases())
		if _, err := f.road().Lease(context.Background(), c.q); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.what, err)
		}
		if now := len(f.road().Leases()); now != had {
			t.Errorf("%s: there are %d leases, and were %d", c.what, now, had)
		}
	}
	f := newLeasing(t)
	var none *NoLeaseError
	if _, err := f.road().Release(context.Background(), "web1", false); !errors.As(err, &none) {
		t.Errorf("nothing is leased: %v", err)
	}
}

// Who holds a leased VF keeps it, unless it is said.
func TestReleaseOfAVFInUse(t *testing.T) {
	f := newLeasing(t)
	l := f.lease(LeaseRequest{Network: "tenants", VM: "web1", MAC: "02:00:5e:10:00:06"})
	f.m.Port(pf0).VFs[0].Uses = []eswitch.Use{{Kind: eswitch.Held, By: "the virtual machine web1"}}
	if _, err := f.road().Release(context.Background(), l.Name, false); err == nil || !strings.Contains(err.Error(), "the virtual machine web1 holds it") {
		t.Errorf("a VF that a machine holds was released: %v", err)
	}
	if _, err := f.road().Release(context.Background(), l.Name, true); err != nil {
		t.Error(err)
	}
}

// A step that fails is taken back, and the VF can be leased again.
func TestLeaseThatFails(t *testing.T) {
	f := newLeasing(t)
	before := f.m.copy(t)
	r := f.road()
	does, n := r.does, 0
	r.does = func(all []step.Step) error {
		if n++; n == 1 {
			return errors.Join(does(all[:2]), errors.New("the card says no"))
		}
		return does(all)
	}
	if _, err := r.Lease(context.Background(), LeaseRequest{Network: "tenants", VM: "web1", MAC: "02:00:5e:10:00:06"}); err == nil || !strings.Contains(err.Error(), "the card says no") {
		t.Errorf("it failed with %v", err)
	}
	if d := cmp.Diff(before, f.m.copy(t)); d != "" || len(f.road().Leases()) > 0 {
		t.Errorf("the host is another: %s", d)
	}
}
