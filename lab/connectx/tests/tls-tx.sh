#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# TLS transmit offload under loss: the driver goes back in the stream, the receivers decrypt in software.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tls.sh"
load "$@"
tls_files
P=$(netdev $PF0)
ip link set "$P" up
echo 2 > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "no VFs"
vf_ns $PF0 0 t0 10.9.0.10/24
vf_ns $PF0 1 t1 10.9.0.11/24
ip netns add peer && ip link set wire0 netns peer && ip -n peer addr add 10.9.0.20/24 dev wire0 &&
	ip -n peer link set wire0 up || die "wire0"
ip addr add 10.9.0.1/24 dev "$P"
ping_ok t0 10.9.0.11
ping_ok peer 10.9.0.1

# sent NAMESPACE NETDEV ADDRESS CLIENT-NAMESPACE CIPHER OUT-OF-ORDER DUMPS
sent() {
	local b o d
	b=$(stat "$1" "$2" tx_tls_encrypted_bytes) o=$(stat "$1" "$2" tx_tls_ooo) d=$(stat "$1" "$2" tx_tls_dump_packets)
	fetch "$1" "$3" "$4" "$5" || die "$1 to $4: other bytes arrived"
	[ "$(tls "$4" TlsRxDevice)" = 0 ] && [ "$(tls "$4" TlsDecryptError)" = 0 ] || die "$4: tls_stat"
	rose "$b" "$(stat "$1" "$2" tx_tls_encrypted_bytes)" $SIZE "$1: tx_tls_encrypted_bytes"
	rose "$o" "$(stat "$1" "$2" tx_tls_ooo)" "$6" "$1: tx_tls_ooo"
	rose "$d" "$(stat "$1" "$2" tx_tls_dump_packets)" "$7" "$1: tx_tls_dump_packets"
	echo "$1 to $4, $5: $(($(stat "$1" "$2" tx_tls_ooo) - o)) times out of order," \
		"$(($(stat "$1" "$2" tx_tls_dump_packets) - d)) dumps"
}

sent t0 vf0 10.9.0.10 t1 $AES128 0 0
sent - "$P" 10.9.0.1 peer $AES256 0 0

# lost behind the driver, so that it sends the same bytes again
for d in "t1 vf0" "peer wire0"; do
	set -- $d
	ip netns exec $1 ethtool -K $2 gro off && ip netns exec $1 tc qdisc add dev $2 clsact &&
		ip netns exec $1 tc filter add dev $2 ingress protocol ip u32 \
			match u16 0x0400 0xfc00 at 2 action pass random netrand drop 50 || die "tc"
done
sent t0 vf0 10.9.0.10 t1 $AES256 1 1
sent - "$P" 10.9.0.1 peer $AES128 1 1

# the very first record, 45 bytes: the driver leaves out the static parameters, as they have not changed
ip netns exec t1 tc filter del dev vf0 ingress
ip netns exec t1 tc filter add dev vf0 ingress protocol ip u32 match u16 97 0xffff at 2 \
	action drop random determ pass 2 || die "tc"
sent t0 vf0 10.9.0.10 t1 $AES128 1 0
ip netns exec t1 tc -s filter show dev vf0 ingress | grep -q 'dropped [1-9]' || die "the first record was not lost"

# lost before the driver: it sees holes. Of some 100 large packets, so that one is lost for certain
ip netns exec t1 tc qdisc del dev vf0 clsact
ip netns exec t0 tc qdisc replace dev vf0 root netem limit 10000 loss 5% || die "netem"
sent t0 vf0 10.9.0.10 t1 $AES128 1 1
log_clean
echo PASS
