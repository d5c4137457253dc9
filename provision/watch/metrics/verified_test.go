// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"errors"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/provision/journal"
	"github.com/nicwright/nicwright/provision/trial"
	"github.com/nicwright/nicwright/provision/watch"
)

// Of what is not in force any more nothing is told, and a document that cannot be read is missing.
func TestTheLastVerification(t *testing.T) {
	c := collector(t, full(), watch.State{Profiles: []watch.Profile{{Name: "another"}}})
	if got := text(t, c); strings.Contains(got, "nicwright_verified_") || !strings.Contains(got, `nicwright_source_up{source="verified"} 1`) {
		t.Errorf("of another profile:\n%s", got)
	}
	c = collector(t, full(), state(t))
	c.Verified = func() (*journal.Verified, error) { return nil, errors.New("torn") }
	if got := text(t, c); strings.Contains(got, "nicwright_verified_") || !strings.Contains(got, `nicwright_source_up{source="verified"} 0`) {
		t.Errorf("of a torn document:\n%s", got)
	}
	c.Verified = func() (*journal.Verified, error) { return nil, nil }
	if got := text(t, c); strings.Contains(got, "nicwright_verified_") {
		t.Errorf("of none:\n%s", got)
	}
}

// A trial that cannot be read is missing, and where none is there is none.
func TestTheKernelOnTrial(t *testing.T) {
	c := collector(t, full(), state(t))
	if got := text(t, c); !strings.Contains(got, `nicwright_kernel_trial{kernel="7.3.4",state="red"} 1`) || !strings.Contains(got, `nicwright_source_up{source="trial"} 1`) {
		t.Errorf("of a red one:\n%s", got)
	}
	c.Kernels = func() (*trial.Status, error) { return nil, errors.New("torn") }
	if got := text(t, c); strings.Contains(got, "nicwright_kernel_trial") || !strings.Contains(got, `nicwright_source_up{source="trial"} 0`) {
		t.Errorf("of a torn document:\n%s", got)
	}
	for _, none := range []*trial.Status{nil, {Running: "6.12"}} {
		c.Kernels = func() (*trial.Status, error) { return none, nil }
		if got := text(t, c); strings.Contains(got, "nicwright_kernel_trial") || !strings.Contains(got, `nicwright_source_up{source="trial"} 1`) {
			t.Errorf("of none:\n%s", got)
		}
	}
}
