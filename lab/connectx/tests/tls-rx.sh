#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# TLS receive offload: between VFs and from the wire, in order and not, and with false tags.
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
	ip -n peer addr add fd09::20/64 dev wire0 nodad && ip -n peer link set wire0 up || die "wire0"
ip addr add 10.9.0.1/24 dev "$P"
ip addr add fd09::1/64 dev "$P" nodad
ping_ok t0 10.9.0.11
ping_ok peer 10.9.0.1

# off, as it is at first: the kernel decrypts
in_ns t1 ethtool -k vf0 | grep -q '^tls-hw-rx-offload: off$' || die "tls-hw-rx-offload is not off and switchable"
fetch t0 10.9.0.10 t1 $AES128 || die "off: other bytes arrived"
[ "$(stat t1 vf0 rx_tls_decrypted_packets)" = 0 ] && [ "$(stat t1 vf0 rx_tls_ctx)" = 0 ] || die "off: decrypted by the card"
[ "$(tls t1 TlsRxDevice)" = 0 ] && [ "$(tls t1 TlsRxSw)" = 1 ] || die "off: not by software"

# on
for d in "- $P" "t0 vf0" "t1 vf0"; do
	set -- $d
	in_ns $1 ethtool -K $2 tls-hw-rx-offload on && in_ns $1 ethtool -k $2 | grep -q '^tls-hw-rx-offload: on$' ||
		die "$d: tls-hw-rx-offload does not go on"
done
most=$((SIZE * 3 / 4)) some=$((SIZE / 10))
offloaded t0 10.9.0.10 t1 vf0 $AES128 $most
offloaded t1 10.9.0.11 t0 vf0 $AES256 $most
offloaded peer 10.9.0.20 - "$P" $AES256 $most
offloaded peer '[fd09::20]' - "$P" $AES128 $most

# a sender that cuts its packets itself, packets that hold several records and records that span many
in_ns peer ethtool -K wire0 tso off
offloaded peer 10.9.0.20 - "$P" $AES128 $most

# buffers of several pages
ip link set "$P" mtu 9000 && ip -n peer link set wire0 mtu 9000 || die "mtu"
ping_ok peer 10.9.0.1
offloaded peer 10.9.0.20 - "$P" $AES256 $most
ip link set "$P" mtu 1500 && ip -n peer link set wire0 mtu 1500 || die "mtu"
ping_ok peer 10.9.0.1

# loss, other order, damage, and duplicates
for n in "loss 1%" "delay 3ms reorder 75% 50%" "corrupt 1%" "duplicate 5%"; do
	ip netns exec peer tc qdisc replace dev wire0 root netem limit 10000 $n || die "netem $n"
	echo "$n:"
	offloaded peer 10.9.0.20 - "$P" $AES128 $some
done
ip netns exec peer tc qdisc del dev wire0 root
ip netns exec t0 tc qdisc replace dev vf0 root netem limit 10000 loss 1% || die "netem"
r=$(stat t1 vf0 rx_tls_resync_res_ok)
for _ in {1..8}; do # a burst that leaves in few large pieces may lose none
	offloaded t0 10.9.0.10 t1 vf0 $AES256 $some
	[ "$(stat t1 vf0 rx_tls_resync_res_ok)" = "$r" ] || break
done
rose "$r" "$(stat t1 vf0 rx_tls_resync_res_ok)" 1 "t1: rx_tls_resync_res_ok"
ip netns exec t0 tc qdisc del dev vf0 root

# a byte of each full packet changed under a correct TCP checksum: nobody may take it for what was sent
e=$(stat - "$P" rx_tls_err) errors=$(tls - TlsDecryptError)
ip netns exec peer tc qdisc add dev wire0 clsact && ip netns exec peer tc filter add dev wire0 egress protocol ip u32 \
	match u16 0x0400 0xfc00 at 2 action pedit munge offset 700 u8 invert pipe action csum ip and tcp || die "tc"
for _ in {1..10}; do # the first bytes may come before the driver has told the card: then the kernel is who refuses them
	fetch peer 10.9.0.20 - $AES128 2>/dev/null && die "false bytes passed for true"
	[ "$(stat - "$P" rx_tls_err)" -gt "$e" ] && break
done
rose "$e" "$(stat - "$P" rx_tls_err)" 1 rx_tls_err
rose "$errors" "$(tls - TlsDecryptError)" 1 TlsDecryptError
ip netns exec peer tc qdisc del dev wire0 clsact
errors=$(tls - TlsDecryptError)
offloaded peer 10.9.0.20 - "$P" $AES128 $most

# every context is given back
for d in "- $P" "t0 vf0" "t1 vf0"; do
	set -- $d
	[ "$(stat $1 $2 rx_tls_ctx)" = "$(stat $1 $2 rx_tls_del)" ] || die "$d: contexts are left"
	[ "$(tls $1 TlsCurrRxDevice)" = 0 ] || die "$d: TlsCurrRxDevice"
done

# switched off again
in_ns t1 ethtool -K vf0 tls-hw-rx-offload off
b=$(stat t1 vf0 rx_tls_decrypted_bytes)
fetch t0 10.9.0.10 t1 $AES128 || die "off again: other bytes arrived"
[ "$(stat t1 vf0 rx_tls_decrypted_bytes)" = "$b" ] || die "off again: decrypted by the card"
log_clean
echo PASS
