// SPDX-License-Identifier: Apache-2.0

package program

import (
	"bytes"
	"strings"
	"testing"
)

func TestWork(t *testing.T) {
	type question struct{ N int }
	type answer struct{ Twice int }
	double := func(q question) answer { return answer{2 * q.N} }
	var out bytes.Buffer
	if err := Work(strings.NewReader("{\"N\":4}\n{\"N\":21}\n"), &out, double); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != "{\"Twice\":8}\n{\"Twice\":42}\n" {
		t.Errorf("got %q", got)
	}
	if err := Work(strings.NewReader("{\"N\":"), &out, double); err == nil || !strings.Contains(err.Error(), "reading what is to be done") {
		t.Errorf("half a question: %v", err)
	}
}
