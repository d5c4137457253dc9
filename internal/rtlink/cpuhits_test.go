// SPDX-License-Identifier: Apache-2.0

package rtlink

import (
	"encoding/binary"
	"testing"
)

func cpuHitAnswer(received, sent uint64) []byte {
	b := make([]byte, 12)
	stats := binary.NativeEndian.AppendUint64(binary.NativeEndian.AppendUint64(nil, received), sent)
	stats = append(stats, make([]byte, 160)...)
	attr := func(kind uint16, v []byte) []byte {
		a := binary.NativeEndian.AppendUint16(nil, uint16(4+len(v)))
		return append(binary.NativeEndian.AppendUint16(a, kind), v...)
	}
	return append(b, attr(4, attr(1, stats))...)
}

func TestParseCPUHits(t *testing.T) {
	if n, err := parseCPUHits(cpuHitAnswer(30, 12)); err != nil || n != 42 {
		t.Errorf("got %d, %v", n, err)
	}
	for _, bad := range [][]byte{nil, make([]byte, 11), make([]byte, 12), cpuHitAnswer(1, 2)[:20]} {
		if n, err := parseCPUHits(bad); err == nil {
			t.Errorf("%v gave %d", bad, n)
		}
	}
}

func FuzzParseCPUHits(f *testing.F) {
	f.Add(cpuHitAnswer(30, 12))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = parseCPUHits(b) })
}
