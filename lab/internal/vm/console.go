// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"io"
	"strings"
	"sync"
)

// console keeps the last lines that the machine's console said.
type console struct {
	mu   sync.Mutex
	copy io.Writer // nil: kept only
	part []byte
	last []string
	oops string // the last line with which the kernel began to report that it cannot go on
}

const consoleLines = 60

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.copy != nil {
		_, _ = c.copy.Write(p)
	}
	c.part = append(c.part, p...)
	for {
		line, rest, ok := bytes.Cut(c.part, []byte("\n"))
		if !ok {
			break
		}
		c.part = rest
		c.add(string(line))
	}
	return len(p), nil
}

func (c *console) add(line string) {
	line = strings.TrimRight(line, "\r \t")
	if line == "" {
		return
	}
	c.last = append(c.last, line)
	if strings.Contains(line, "Oops: ") {
		c.oops = line
	}
	if len(c.last) > consoleLines {
		c.last = c.last[len(c.last)-consoleLines:]
	}
}

// died is the line with which the kernel began to die, "" for none: its report may be longer than what is kept.
func (c *console) died() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.oops
}

// tail returns the last lines, indented, or a remark that there are none.
func (c *console) tail(n int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	lines := c.last
	if rest := strings.TrimSpace(string(c.part)); rest != "" {
		lines = append(append([]string{}, lines...), rest)
	}
	if len(lines) == 0 {
		return "  (the console said nothing)"
	}
	return "  " + strings.Join(lines[max(0, len(lines)-n):], "\n  ")
}
