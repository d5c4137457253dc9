#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two cards of one model: the first is free, the second has the host's bond.
. "$(dirname "$0")/lib.sh"
for p in "${pf[0]}" "${pf[1]}"; do ip link set "$(uplink "$p")" up; done
modprobe bonding
ip link add mgmt type bond mode active-backup miimon 100
for p in "${pf[2]}" "${pf[3]}"; do
	ip link set "$(uplink "$p")" down
	ip link set "$(uplink "$p")" master mgmt
done
ip link set mgmt up
ip address add 198.51.100.10/24 dev mgmt
vfs "${pf[2]}" 2
