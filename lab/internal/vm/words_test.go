// SPDX-License-Identifier: Apache-2.0

package vm

import "testing"

func TestKVMThatGivesUp(t *testing.T) {
	w := words{gaveUp: make(chan struct{})}
	for i, part := range []string{"qemu: a warning\nKVM inter", "nal error. Suberror: 1\n", "emulation failure\nKVM internal error. Suberror: 1\n"} {
		if _, err := w.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
		gone := false
		select {
		case <-w.gaveUp:
			gone = true
		default:
		}
		if gone != (i > 0) {
			t.Errorf("after %q: gave up %t", part, gone)
		}
	}
}
