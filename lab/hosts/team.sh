#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A port in a team device, as RHEL 7 and 8 installed them.
. "$(dirname "$0")/lib.sh"
modprobe -a team team_mode_activebackup
n=$(uplink "${pf[0]}")
ip link add team0 type team
ip link set "$n" down
ip link set "$n" master team0
ip link set "$n" up
ip link set team0 up
addresses team0
