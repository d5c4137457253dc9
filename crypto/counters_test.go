// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWorkIn(t *testing.T) {
	resyncs := uint64(4)
	for name, c := range map[string]struct {
		stats map[string]uint64
		want  Work
	}{
		"no such counters": {map[string]uint64{"tx_packets": 3}, Work{TLSOpen: map[string]uint64{}, TLSBytes: map[string]uint64{}, IPsecBytes: map[string]uint64{}}},
		"all": {
			map[string]uint64{
				"tx_tls_ctx": 7, "tx_tls_del": 5, "rx_tls_ctx": 2, "rx_tls_del": 2, "tx_tls_encrypted_bytes": 100, "rx_tls_decrypted_bytes": 200,
				"ipsec_tx_bytes": 300, "ipsec_rx_bytes": 400, "rx_tls_resync_req_pkt": 4,
			},
			Work{
				TLSOpen: map[string]uint64{Tx: 2, Rx: 0}, TLSBytes: map[string]uint64{Tx: 100, Rx: 200},
				IPsecBytes: map[string]uint64{Tx: 300, Rx: 400}, Resyncs: &resyncs,
			},
		},
	} {
		if d := cmp.Diff(c.want, workIn(c.stats)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}
