// SPDX-License-Identifier: Apache-2.0

package site

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"
)

func TestFrame(t *testing.T) {
	token, err := NewToken()
	if err != nil {
		t.Fatal(err)
	}
	mac := []byte{2, 0, 0, 0, 0, 1}
	for vlan, size := range map[int]int{0: 60, 100: 64} {
		f := Frame(Broadcast, mac, vlan, token, 7)
		if len(f) != size || !bytes.Equal(f[:6], Broadcast) || !bytes.Equal(f[6:12], mac) {
			t.Errorf("VLAN %d: %x", vlan, f)
		}
		if tagged := binary.BigEndian.Uint16(f[12:]) == 0x8100; tagged != (vlan != 0) || tagged && binary.BigEndian.Uint16(f[14:]) != uint16(vlan) {
			t.Errorf("VLAN %d: tag %x", vlan, f[12:16])
		}
		if at := bytes.Index(f, token[:]); at < 0 || binary.BigEndian.Uint32(f[at+len(token):]) != 7 {
			t.Errorf("VLAN %d: no token and number in %x", vlan, f)
		}
	}
}

func TestSettleEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if err := Settle(ctx, time.Hour); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	if err := Settle(t.Context(), 0); err != nil {
		t.Errorf("got %v", err)
	}
}
