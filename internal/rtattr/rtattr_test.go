// SPDX-License-Identifier: Apache-2.0

package rtattr

import (
	"context"
	"errors"
	"fmt"
	"testing"

	vnetlink "github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

func TestParse(t *testing.T) {
	b := append(nl.NewRtAttr(5|unix.NLA_F_NESTED, []byte{1, 2, 3}).Serialize(), nl.NewRtAttr(6, nil).Serialize()...)
	all, err := Parse(b)
	if err != nil || len(all) != 2 || all[0].Attr.Type != 5 || len(all[0].Value) != 3 || all[1].Attr.Type != 6 {
		t.Errorf("%+v, %v", all, err)
	}
	for name, bad := range map[string][]byte{"not padded": b[:7], "too short": {9, 0, 1, 0}, "shorter than its header": {2, 0, 1, 0}} {
		if all, err := Parse(bad); err == nil && name != "not padded" {
			t.Errorf("%s: %+v", name, all)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(nl.NewRtAttr(5, []byte{1, 2, 3}).Serialize())
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = Parse(b) })
}

// A dump that changes interrupt is done again, and not for ever.
func TestWhole(t *testing.T) {
	ended, end := context.WithCancelCause(t.Context())
	end(errStopped)
	for name, c := range map[string]struct {
		ctx         context.Context
		interrupted int // dumps, of those that are asked for
		last        error
		dumps       int
		want        error
	}{
		"at once":            {t.Context(), 0, nil, 1, nil},
		"the third":          {t.Context(), 2, nil, 3, nil},
		"the last possible":  {t.Context(), attempts - 1, nil, attempts, nil},
		"never":              {t.Context(), attempts, nil, attempts, vnetlink.ErrDumpInterrupted},
		"refused":            {t.Context(), 1, unix.EPERM, 2, unix.EPERM},
		"stopped meanwhile":  {ended, 5, nil, 1, errStopped},
		"whole, and stopped": {ended, 0, nil, 1, nil},
	} {
		dumps := 0
		err := Whole(c.ctx, func() error {
			if dumps++; dumps <= c.interrupted {
				return fmt.Errorf("listing: %w", vnetlink.ErrDumpInterrupted)
			}
			return c.last
		})
		if !errors.Is(err, c.want) || dumps != c.dumps {
			t.Errorf("%s: %d dumps and %v, want %d and %v", name, dumps, err, c.dumps, c.want)
		}
	}
}

var errStopped = errors.New("stopped")
