// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"errors"
)

// errKVM is a host whose /dev/kvm makes machines and cannot run all of their code, as in a machine of a machine without
// "unrestricted guest". QEMU stops the processors then and waits for somebody to look.
var errKVM = errors.New("KVM cannot run its code here (KVM internal error)")

// words are what QEMU says beside the console. It is written by one goroutine, and read when QEMU has ended.
type words struct {
	said bytes.Buffer // not embedded: with its ReadFrom, Write would be passed by
	// gaveUp is closed when KVM gives up.
	gaveUp chan struct{}
	closed bool
}

// Write implements io.Writer.
func (w *words) Write(p []byte) (int, error) {
	n, err := w.said.Write(p)
	if !w.closed && bytes.Contains(w.said.Bytes(), []byte("KVM internal error")) { // accel/kvm/kvm-all.c, kvm_handle_internal_error
		w.closed = true
		close(w.gaveUp)
	}
	return n, err
}

// String is all of it.
func (w *words) String() string { return w.said.String() }
