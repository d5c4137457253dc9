// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"io"
	"sync"
)

// syncWriter lets the two streams of one program share a writer.
type syncWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *syncWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}
