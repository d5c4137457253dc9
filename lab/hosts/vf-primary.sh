#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The host's own address is on a VF, so that the PF can be given to a switch (sriov-network-operator 436: VFs that others made are the host's network).
. "$(dirname "$0")/lib.sh"
p=${pf[0]}
ip link set "$(uplink "$p")" up
vfs "$p" 3
n=$(vfnet "$p" 0)
ip link set "$n" up
wait_for 10 grep -qx up "/sys/class/net/$n/operstate"
addresses "$n"
