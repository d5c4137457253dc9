#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Scalable functions have what VFs have: flows of Open vSwitch in the card, VLANs, kTLS in both directions, a rate.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/sflib.sh"
. "$(dirname "$0")/ovslib.sh"
. "$(dirname "$0")/tls.sh"
load ports=1 vfs=2 sfs=2
tls_files
ovs_start
devlink dev eswitch set pci/$PF0 mode switchdev || die "no switchdev"
echo 1 > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "no VF"
add 0 1 && add 0 2 || die "devlink port add"
on 0 1; into s0 10.9.0.10/24
on 0 2; into s1 10.9.0.11/24
vf_ns $PF0 0 t0 10.9.0.12/24
ip netns add peer && ip link set wire0 netns peer && ip -n peer addr add 10.9.0.20/24 dev wire0 && ip -n peer link set wire0 up || die "wire0"
R=("$(value 0 1 netdev)" "$(value 0 2 netdev)" "$(rep pf0vf0)")
ovs-vsctl --timeout=60 add-br br0 || die "bridge"
for n in "$(rep p0)" "${R[@]}"; do ip link set "$n" up && ovs-vsctl --timeout=60 add-port br0 "$n" || die "port $n"; done
in_card s0 vf0 s1 vf0 10.9.0.11 "SF to SF"
in_card s0 vf0 t0 vf0 10.9.0.12 "SF to VF"
in_card s0 vf0 peer wire0 10.9.0.20 "SF to wire"

for n in s0 s1; do in_ns $n ethtool -K vf0 tls-hw-tx-offload on tls-hw-rx-offload on || die "$n: TLS"; done
was=$(stat s0 vf0 tx_tls_encrypted_bytes)
offloaded s0 10.9.0.10 s1 vf0 $AES128 $((SIZE * 3 / 4))
rose "$was" "$(stat s0 vf0 tx_tls_encrypted_bytes)" $SIZE "s0: tx_tls_encrypted_bytes"
[ "$(tls s0 TlsTxDevice)" = 1 ] && [ "$(tls s0 TlsTxSw)" = 0 ] || die "s0: transmit offload"
offloaded peer 10.9.0.20 s0 vf0 $AES256 $((SIZE * 3 / 4))

# the low ends are low, for a busy machine may not reach a limit
mbit() {
	ip netns exec t0 iperf3 -s -1 -D > /dev/null
	ip netns exec s0 iperf3 -J -c 10.9.0.12 -t 5 --connect-timeout 5000 | jq '.end.sum_received.bits_per_second / 1e6 | floor'
}
rate() { devlink port function rate set "$(port 0 1)" tx_max "$1" || die "tx_max $1"; }
rate 10mbit; a=$(mbit)
rate 0; b=$(mbit)
echo "tx_max 10mbit: $a Mbit/s; without: $b Mbit/s"
[ "$a" -ge 3 ] && [ "$a" -le 12 ] && [ "$b" -gt 15 ] || die "tx_max 10mbit: $a Mbit/s, and $b without"

ovs-vsctl set port "${R[0]}" tag=100 -- set port "${R[1]}" tag=200 -- set port "${R[2]}" tag=100 || die "tags"
ovs-appctl dpctl/del-flows
in_card s0 vf0 t0 vf0 10.9.0.12 "access to access"
! ip netns exec s0 ping -c 3 -i 0.2 -W 2 -q 10.9.0.11 > /dev/null || die "VLAN 100 reaches VLAN 200"

ovs-vsctl --timeout=60 del-br br0
ovs_stop
for s in 1 2; do devlink port del "$(port 0 $s)" && wait_for no_device 0 $s || die "SF $s does not go"; done
log_clean
echo PASS
