// SPDX-License-Identifier: Apache-2.0

package advice

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// maxLogLine is the longest line of a log that is read, in bytes.
const maxLogLine = 64 << 10

// entry is what a line of a log says.
type entry struct {
	at      time.Time // zero: not known
	method  string
	bytes   uint64
	version string // of TLS: "1.2", "1.3", "" where it is not said
}

// ReadAccessLog reads the access log of a web server: nginx's combined form, Apache's
// common and combined, with or without the name of the virtual host before it. The
// size is the field behind the status: of the body in nginx and with Apache's %b, of all
// that is sent with %O. Where a line has TLSv1.2 or TLSv1.3 as a word behind that
// ($ssl_protocol, %{SSL_PROTOCOL}x), the versions are counted, too. Lines of another form
// are counted and left out; where they are the greater part, that is an error.
func ReadAccessLog(r io.Reader, source string) (*Workload, error) {
	in := bufio.NewReaderSize(r, maxLogLine)
	sizes, minutes := counter{}, map[int64]uint64{}
	var unread, v12, v13, asking, read uint64
	for {
		line, err := in.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("reading the access log %s: %w", source, err)
		}
		if line = bytes.TrimSpace(line); long || len(line) > 0 {
			e, ok := parseLine(line)
			if long || !ok {
				unread++
			} else {
				read++
				sizes.add(e.bytes)
				if !e.at.IsZero() {
					minutes[e.at.Unix()/60]++
				}
				switch e.version {
				case "1.2":
					v12++
				case "1.3":
					v13++
				}
				if e.method == "GET" || e.method == "HEAD" {
					asking++
				}
			}
		}
		if err != nil {
			break
		}
	}
	if read == 0 || unread > read {
		return nil, fmt.Errorf("reading the access log %s: %d of %d lines are not in a form that is known: nginx's combined, Apache's common or combined, as in `192.0.2.1 - - [28/Nov/2026:12:00:00 +0000] \"GET / HTTP/1.1\" 200 10240`", source, unread, unread+read)
	}
	w := &Workload{Source: source, Unread: unread}
	w.Sizes, w.Transfers = sizes.shares()
	for _, n := range minutes {
		w.Busiest = max(w.Busiest, float64(n)/60)
	}
	if v12+v13 > 0 {
		share := float64(v13) / float64(v12+v13)
		w.TLS13 = &share
	}
	if float64(asking) >= 0.99*float64(read) {
		nothing := 0.0 // but for the requests themselves
		w.Received = &nothing
	}
	return w, nil
}

// parseLine reads one line. It takes no copy of what it does not keep.
func parseLine(line []byte) (e entry, ok bool) {
	open := bytes.IndexByte(line, '"')
	if open < 0 {
		return e, false
	}
	if from := bytes.IndexByte(line[:open], '['); from >= 0 {
		if to := bytes.IndexByte(line[from:open], ']'); to > 0 {
			e.at, _ = time.Parse("02/Jan/2006:15:04:05 -0700", string(line[from+1:from+to])) // not known, then
		}
	}
	request := line[open+1:]
	end := closing(request)
	if end < 0 {
		return e, false
	}
	method, _, _ := bytes.Cut(request[:end], []byte(" "))
	if len(method) <= 16 {
		e.method = string(method)
	}
	rest := bytes.TrimLeft(request[end+1:], " ")
	status, rest, _ := bytes.Cut(rest, []byte(" "))
	if len(status) != 3 || status[0] < '1' || status[0] > '5' {
		return e, false
	}
	size, rest, _ := bytes.Cut(rest, []byte(" "))
	if string(size) != "-" { // Apache's %b for nothing
		n, err := strconv.ParseUint(string(size), 10, 50)
		if err != nil {
			return e, false
		}
		e.bytes = n
	}
	e.version = version(rest)
	return e, true
}

// closing is where a quoted text ends: both servers write a quote in it as \" or \x22.
func closing(b []byte) int {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// version looks for the version of TLS as a word of its own. What the client says of
// itself is in quotes, with other words: it is passed over.
func version(rest []byte) string {
	for len(rest) > 0 {
		rest = bytes.TrimLeft(rest, " ")
		var word []byte
		if len(rest) > 0 && rest[0] == '"' {
			end := closing(rest[1:])
			if end < 0 {
				return ""
			}
			word, rest = rest[1:end+1], rest[end+2:]
		} else {
			word, rest, _ = bytes.Cut(rest, []byte(" "))
		}
		switch string(word) {
		case "TLSv1.2":
			return "1.2"
		case "TLSv1.3":
			return "1.3"
		}
	}
	return ""
}
