#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A card that nobody uses yet: ports up, nothing on them.
. "$(dirname "$0")/lib.sh"
for p in "${pf[@]}"; do ip link set "$(uplink "$p")" up; done
