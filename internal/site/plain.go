// SPDX-License-Identifier: Apache-2.0

package site

import (
	"context"

	"github.com/nicwright/nicwright/internal/proof"
)

// SendPlain sends size bytes over TCP from one place to another, and gives the packets
// that the connection took, both directions.
func SendPlain(ctx context.Context, from, to *Place, size int64, p *proof.Proof, rate func(int64, float64)) (uint64, error) {
	client, server, err := Connect(ctx, from, to, false)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	defer server.Close()
	if err := Pump(ctx, client, server, size, p, rate); err != nil {
		return 0, err
	}
	info, err := TCPInfo(client)
	if err != nil {
		return 0, err
	}
	return uint64(info.Segs_out) + uint64(info.Segs_in), nil
}
