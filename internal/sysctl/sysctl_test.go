// SPDX-License-Identifier: Apache-2.0

package sysctl

import (
	"maps"
	"testing"

	"github.com/nicwright/nicwright/internal/rtlink"
)

func TestOfALink(t *testing.T) {
	v4 := make([]int32, 33)
	v4[7] = 2 // rp_filter
	c := Of(rtlink.Link{Conf4: v4, Conf6: []int32{1, 64, 1500}})
	if c["ipv4/rp_filter"] != 2 || c["ipv6/forwarding"] != 1 || c["ipv6/hop_limit"] != 64 {
		t.Errorf("got %v", c)
	}
	if _, ok := c["ipv6/accept_ra"]; ok {
		t.Error("a sysctl that the kernel did not tell is there")
	}
	other := c.Other(Conf{"ipv4/rp_filter": 0, "ipv6/forwarding": 1, "ipv6/accept_ra": 1})
	if !maps.Equal(other, Conf{"ipv4/rp_filter": 2}) {
		t.Errorf("got %v", other)
	}
}

func TestOnlyWhatIsKnownIsWritten(t *testing.T) {
	for _, name := range []string{"ipv4/../../kernel/panic", "ipv4/nothing", "", "core/rmem_max"} {
		if err := Write("lo", name, 1); err == nil {
			t.Errorf("%q is written", name)
		}
	}
}

func TestDefaultsAreThoseOfTheKernel(t *testing.T) {
	c, err := Defaults()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c["ipv4/forwarding"]; !ok {
		t.Errorf("got %v", c)
	}
}
