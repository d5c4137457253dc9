#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Loopback: the driver's self-test has its packet back, on a PF without VFs, a PF and a VF; at other times nobody has his own packets back.
. "$(dirname "$0")/lib.sh"
load
P=$(netdev $PF0)
ip addr add 10.9.0.1/24 dev "$P" && ip link set "$P" up || die "$P"
ip netns add peer && ip link set wire0 netns peer && ip -n peer addr add 10.9.0.20/24 dev wire0 && ip -n peer link set wire0 up || die "wire0"
ping_ok peer 10.9.0.1

# selftest NS DEV: it passes, and the four tests of the driver are among those that were done
selftest() {
	local t; t=$(in_ns "$1" ethtool -t "$2" offline) || die "$3 fails its test: $t"
	for n in Link Speed Health Loopback; do grep -Pq "^$n Test\s+0\$" <<< "$t" || die "$n of $3: $t"; done
}

# alone NS DEV ADDRESS WHAT: frames to one's own address and to all go out and do not come back
alone() {
	local ns=$1 dev=$2 mac pid seen out
	mac=$(in_ns "$ns" cat "/sys/class/net/$dev/address")
	in_ns "$ns" ip neigh replace 10.9.0.77 lladdr "$mac" dev "$dev" nud permanent || die "neighbour"
	in_ns "exec $ns" timeout 30 tcpdump -i "$dev" -n -p --immediate-mode -l "ether src $mac and icmp[icmptype] == icmp-echo" > /tmp/seen 2> /tmp/seen.log & pid=$!
	for _ in $(seq 100); do grep -q 'listening on' /tmp/seen.log && break; sleep 0.1; done
	in_ns "$ns" ping -c 5 -i 0.2 -W 1 -q 10.9.0.77 > /dev/null && die "$3 answers itself"
	in_ns "$ns" ping -b -c 5 -i 0.2 -W 1 -q 10.9.0.255 > /dev/null 2>&1
	sleep 0.5; kill $pid; wait $pid 2> /dev/null
	seen=$(grep -c ICMP /tmp/seen)
	[ "$seen" = 10 ] || die "$3 sends 10 and sees $seen: $(cat /tmp/seen)"
	in_ns "$ns" ip neigh del 10.9.0.77 dev "$dev"
}

ethtool "$P" | grep -q 'Link detected: yes' || die "no link"
selftest - "$P" "the PF without VFs"
alone - "$P" "the PF without VFs"
echo 2 > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "no VFs"
vf_ns $PF0 0 t0 10.9.0.10/24
vf_ns $PF0 1 t1 10.9.0.11/24
ping_ok t0 10.9.0.11
selftest - "$P" "the PF"
selftest t0 vf0 "the VF"
alone - "$P" "the PF"
alone t0 vf0 "the VF"

# others have what one sends to all
ip netns exec t1 timeout 30 tcpdump -i vf0 -n -p --immediate-mode -l -c 3 'icmp[icmptype] == icmp-echo' > /tmp/all 2> /tmp/all.log & pid=$!
for _ in $(seq 100); do grep -q 'listening on' /tmp/all.log && break; sleep 0.1; done
ip netns exec t0 ping -b -c 5 -i 0.2 -W 1 -q 10.9.0.255 > /dev/null 2>&1
wait $pid || die "another VF does not have a broadcast"

# a port without a cable fails the link's test
ip -n peer link set wire0 down; sleep 1
t=$(ethtool -t "$P" online); [ $? != 0 ] && grep -Pq '^Link Test\s+1$' <<< "$t" || die "without a cable: $t"
log_clean
echo PASS
