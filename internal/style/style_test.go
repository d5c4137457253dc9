// SPDX-License-Identifier: Apache-2.0

package style

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestWords(t *testing.T) {
	for want, got := range map[string]string{
		"1 step": Count(1, "step"), "0 steps": Count(0, "step"), "-": OrDash(""), "x": OrDash("x"), "1.5s": Seconds(1.5), "2ms": Seconds(0.0016),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, s := range []string{Bold("x"), Faint("x"), Red("x"), Green("x"), Amber("x")} {
		if !strings.HasPrefix(s, "\x1b[") || !strings.Contains(s, "x") {
			t.Errorf("%q has no style", s)
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestFlushTellsOfAWriterThatFails(t *testing.T) {
	var b strings.Builder
	b.WriteString("x")
	if err := Flush(broken{}, &b); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
}
