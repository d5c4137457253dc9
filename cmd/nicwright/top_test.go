// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// What is no terminal is given one frame.
func TestTopPrintsOnce(t *testing.T) {
	out, err := ran(t, "top")
	if err != nil || !strings.HasPrefix(out, "nicwright top  ") || !strings.Contains(out, "\nIPsec  ") {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = ran(t, "top", "--json")
	var f struct {
		Seconds float64            `json:"seconds"`
		TLS     *[]json.RawMessage `json:"tls"`
		IPsec   *[]json.RawMessage `json:"ipsec"`
	}
	if err := errors.Join(err, json.Unmarshal([]byte(out), &f)); err != nil || f.TLS == nil || f.IPsec == nil {
		t.Errorf("%v\n%s", err, out)
	}
	if f.Seconds != 0 || strings.Contains(out, "per_second") {
		t.Errorf("one frame has rates:\n%s", out)
	}
	var status exitStatus
	if _, err := ran(t, "top", "surplus"); !errors.As(err, &status) || status.code != exitUsage {
		t.Errorf("with an argument: %v", err)
	}
}
