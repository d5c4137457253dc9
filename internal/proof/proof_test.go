// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"errors"
	"fmt"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/kernel"
)

func TestProof(t *testing.T) {
	p := Proof{Cell: []Field{{"from", "a"}, {"to", "b"}}, Bytes: 2e9, CPUSeconds: 3}
	if p.Get("to") != "b" || p.Get("cipher") != "" {
		t.Errorf("the cell's fields: %q, %q", p.Get("to"), p.Get("cipher"))
	}
	if got := p.CPUPerGB(); got != 1.5 {
		t.Errorf("%v CPU seconds per GB, want 1.5", got)
	}
	if got := (Proof{CPUSeconds: 3}).CPUPerGB(); got != 0 {
		t.Errorf("%v CPU seconds per GB of nothing", got)
	}
	if d := (Counter{Before: 3, After: 10}).Delta(); d != 7 {
		t.Errorf("delta %d", d)
	}
	p.Fail(errors.New("it broke"))
	if p.Verdict != Failed || p.Reason != "it broke" {
		t.Errorf("%+v", p)
	}
	p.Impossible("no %s", "card")
	if p.Verdict != NotPossible || p.Reason != "no card" {
		t.Errorf("%+v", p)
	}
	refused := kernel.Wrap("setting it", "eth0", &netlink.OpError{Op: "receive", Err: unix.EOPNOTSUPP, Message: "no such thing"})
	want := Refusal{Op: "setting it", Errno: "EOPNOTSUPP", ExtAck: "no such thing"}
	if p.Fail(fmt.Errorf("a proof: %w", refused)); p.Refused == nil || *p.Refused != want {
		t.Errorf("%+v", p.Refused)
	}
	p = Proof{}
	if p.Impossible("not here: %v", refused); p.Refused == nil || *p.Refused != want {
		t.Errorf("%+v", p.Refused)
	}
}
