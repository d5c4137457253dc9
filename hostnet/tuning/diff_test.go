// SPDX-License-Identifier: Apache-2.0

package tuning

import (
	"testing"

	"github.com/nicwright/nicwright/internal/golden"
)

func TestDiff(t *testing.T) { golden.Diff(t, Diff) }
