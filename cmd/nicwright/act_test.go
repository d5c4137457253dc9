// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/apart"
)

// Nobody but the process that started it has an act done.
func TestActIsForItsParentAlone(t *testing.T) {
	out, err := ran(t, actVerb, "1", "eswitch-mode", "0000:3b:00.0", "switchdev")
	if err == nil || !strings.Contains(err.Error(), apart.ErrAlone.Error()) {
		t.Errorf("%v\n%s", err, out)
	}
}
