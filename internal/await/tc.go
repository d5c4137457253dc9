// SPDX-License-Identifier: Apache-2.0

package await

import (
	"context"

	"golang.org/x/sys/unix"
)

// TC reports changes of qdiscs and filters (RTNLGRP_TC). Otherwise as Links.
func TC(ctx context.Context) (<-chan struct{}, error) {
	return listen(ctx, nil, "TC rules and qdiscs", unix.NETLINK_ROUTE, unix.RTNLGRP_TC)
}
