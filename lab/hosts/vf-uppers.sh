#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# VFs that have something on them: a VLAN with an address, a macvlan, a macvtap of a machine, a Linux bridge.
. "$(dirname "$0")/lib.sh"
modprobe -a 8021q macvlan macvtap bridge
p=${pf[0]}
ip link set "$(uplink "$p")" up
vfs "$p" 4
for i in 0 1 2 3; do ip link set "$(vfnet "$p" $i)" up; done
ip link add link "$(vfnet "$p" 0)" name stor0.30 type vlan id 30
ip address add 10.30.0.5/24 dev stor0.30
ip link set stor0.30 up
ip link add link "$(vfnet "$p" 1)" name mv1 type macvlan mode bridge
ip link set mv1 up
ip link add link "$(vfnet "$p" 2)" name tap2 address 52:54:00:12:34:56 type macvtap mode passthru
ip link set tap2 up
ip link add virbr1 type bridge
ip link set "$(vfnet "$p" 3)" master virbr1
ip link set virbr1 up
