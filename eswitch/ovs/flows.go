// SPDX-License-Identifier: Apache-2.0

package ovs

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/unixctl"
)

// FlowCount is how many flows the datapath has.
type FlowCount struct {
	All int
	// Offloaded are those of All that the card has; nil where ovs-vswitchd does not say.
	Offloaded *int
}

// CountFlows asks ovs-vswitchd (upcall/show of ovs-vswitchd(8)), which has the
// numbers at hand: no flow is listed for it.
func CountFlows(ctx context.Context) (FlowCount, error) {
	text, err := unixctl.Call(ctx, "upcall/show")
	if err != nil {
		return FlowCount{}, err
	}
	n, err := parseFlowCount(text)
	if err != nil {
		return n, fmt.Errorf("counting the flows of Open vSwitch (upcall/show): %w", err)
	}
	return n, nil
}

// parseFlowCount reads, of each datapath, "  flows         : (current 5) (avg 4)
// (max 6) (limit 200000)" and "  offloaded flows : 2".
func parseFlowCount(text string) (n FlowCount, err error) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		number := func(s string) int {
			v, perr := strconv.ParseUint(s, 10, 31)
			if perr != nil {
				err = fmt.Errorf("it says %q", strings.TrimSpace(line))
			}
			return int(v)
		}
		switch strings.TrimSpace(name) {
		case "flows":
			s, _, _ := strings.Cut(strings.TrimPrefix(value, "(current "), ")")
			n.All += number(s)
		case "offloaded flows":
			all := number(value)
			if n.Offloaded != nil {
				all += *n.Offloaded
			}
			n.Offloaded = &all
		}
		if err != nil {
			return FlowCount{}, err
		}
	}
	return n, nil
}
