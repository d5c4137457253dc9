#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A port that was renamed, has altnames and an alias.
. "$(dirname "$0")/lib.sh"
n=$(uplink "${pf[0]}")
ip link set "$n" down
ip link set "$n" name lan
ip link property add dev lan altname sriov-a altname enp59s0f0np0
ip link set lan alias 'to leaf 12, port 7' up
ip link set "$(uplink "${pf[1]}")" up
