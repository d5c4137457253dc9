// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"context"
	"errors"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/site"
)

// TLSFeatures are the switches of TLS in the card, of sending and of receiving, by the
// kernel's names.
var TLSFeatures = []string{featTLSTx, featTLSRx}

// SetTLS sets them on a place's netdev, in its namespace: for a measurement, which
// puts back what was (site.Keep). A switch that the driver does not let be changed is
// an error only where it is not as it shall be.
func SetTLS(ctx context.Context, p *site.Place, tx, rx bool) error {
	return p.NS.Do(func() error {
		d := &Doer{finder: atPlace{p}, dial: func(ctx context.Context) (client, error) { return ethtool.Dial(ctx) }}
		err := d.function(ctx, p.Function, map[string]bool{featTLSTx: tx, featTLSRx: rx})
		if closed := d.Close(); err == nil {
			err = closed
		}
		return err
	})
}

// TLSCounters are what a place counts of TLS: the kernel in its namespace
// (/proc/net/tls_stat) and the card (tx_tls_... and rx_tls_... of ethtool -S).
func TLSCounters(p *site.Place) (all map[string]int64, err error) {
	all = map[string]int64{}
	err = p.NS.Do(func() error {
		kernel, err := TLSStat()
		if err != nil {
			return err
		}
		for name, v := range kernel {
			all[name] = int64(v)
		}
		card, err := ethtool.Statistics(p.Netdev)
		if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
			return err
		}
		for name, v := range card {
			if strings.HasPrefix(name, "tx_tls_") || strings.HasPrefix(name, "rx_tls_") {
				all[name] = int64(v)
			}
		}
		return nil
	})
	return all, err
}

// atPlace finds the netdev of a place, which is not where the host's are.
type atPlace struct{ *site.Place }

func (a atPlace) With(_ context.Context, fn pci.Function, _ bool, act func(netdev.Link) error) error {
	return act(netdev.Link{Name: a.Netdev, Index: a.Index, Function: fn})
}
