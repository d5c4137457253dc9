// SPDX-License-Identifier: Apache-2.0

package advice

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/nicwright/nicwright/internal/tcpdiag"
)

func TestAWorkloadOfConnections(t *testing.T) {
	to := func(port uint16, sent uint64) tcpdiag.Connection {
		return tcpdiag.Connection{Local: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port), Sent: sent, Received: sent / 10, Segments: 100, Retransmits: 1}
	}
	c := Connections{Port: 443}
	for range 30 {
		c.Add(to(443, 10_000))
		c.Add(to(22, 5_000_000)) // another port's
		c.Add(to(443, 0))        // nothing was sent
	}
	w, err := c.Workload(time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if w.Transfers != 30 || len(w.Sizes) != 1 || w.Mean() != 10_000 || w.Busiest != 0.5 || *w.Received != 0.1 || *w.Retransmits != 0.01 {
		t.Errorf("%+v, received %v, again %v", w, *w.Received, *w.Retransmits)
	}
	few := Connections{Port: 443}
	few.Add(to(443, 1))
	if _, err := few.Workload(time.Minute); !errors.Is(err, ErrFewConnections) {
		t.Error(err)
	}
}
