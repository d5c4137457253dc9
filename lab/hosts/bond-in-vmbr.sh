#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Proxmox with a bond: it is a port of a VLAN-aware Linux bridge, which has the host's address and a tap of a machine.
. "$(dirname "$0")/lib.sh"
modprobe -a bridge 8021q
bond_of bond0 802.3ad "$(uplink "${pf[0]}")" "$(uplink "${pf[1]}")" -- xmit_hash_policy layer2+3
ip link add vmbr0 type bridge vlan_filtering 1 forward_delay 0
ip link set bond0 master vmbr0
bridge vlan add dev bond0 vid 2-40
[[ -e /dev/net/tun ]] || { mkdir -p /dev/net; modprobe tun; [[ -e /dev/net/tun ]] || mknod /dev/net/tun c 10 200; }
ip tuntap add tap100i0 mode tap
ip link set tap100i0 master vmbr0 up
bridge vlan add dev tap100i0 vid 30 pvid untagged
bridge vlan del dev tap100i0 vid 1
ip link set vmbr0 up
addresses vmbr0
