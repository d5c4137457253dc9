#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A storage host: ports at 9000, by a .link file.
. "$(dirname "$0")/lib.sh"
for p in "${pf[@]}"; do ip link set "$(uplink "$p")" mtu 9000 up; done
