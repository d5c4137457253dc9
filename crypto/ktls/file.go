// SPDX-License-Identifier: Apache-2.0

package ktls

import (
	"io"
	"os"
)

// ReadFrom sends what r gives until its end. From an *os.File, or an
// io.LimitedReader of one, the bytes go from the page cache to the card by
// sendfile(2) and never into this process.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	c.write.Lock()
	defer c.unlockWrite()
	if err := c.answer(true); err != nil {
		return 0, err
	}
	// To ask sendfile for more than the file has leaves the last record open in the kernel
	// (MSG_MORE) until something else is written, so it is asked for exactly what there is.
	var n int64
	if file, limit := regular(r); file != nil && limit > 0 {
		var err error
		n, err = c.tcp.ReadFrom(&io.LimitedReader{R: file, N: limit})
		if l, ok := r.(*io.LimitedReader); ok {
			l.N -= n
		}
		if err != nil || n < limit {
			return n, err
		}
	}
	more, err := c.tcp.ReadFrom(r) // what is no file, or grew meanwhile
	return n + more, err
}

// regular gives the regular file that r reads, and how much of it there is to
// send; nil for any other reader.
func regular(r io.Reader) (*os.File, int64) {
	limit := int64(-1)
	if l, ok := r.(*io.LimitedReader); ok {
		r, limit = l.R, l.N
	}
	file, ok := r.(*os.File)
	if !ok {
		return nil, 0
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, 0
	}
	at, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, 0
	}
	left := info.Size() - at
	if limit >= 0 {
		left = min(left, limit)
	}
	return file, left
}
