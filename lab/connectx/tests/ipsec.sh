#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# IPsec crypto offload on the PF against software: transport and tunnel, IPv4 and IPv6, ESN across 2^32, replays, wrong keys.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/xfrm.sh"
load
xfrm_modules
N=$(netdev $PF0)
ethtool -k "$N" | grep -q 'esp-hw-offload: on' || die "no esp-hw-offload"
cable "$N"
[ -n "$(counter "$N" ipsec_tx_pkts)" ] || echo "$(uname -r): the driver has no counters of IPsec: only the wire tells that packets are encrypted"

# 6.1 wants a window of every SA with ESN
OUTW=; case $(uname -r) in 6.1.*) OUTW="replay-window 64" ;; esac
# crypto A B MODE KEY [OUT [IN]]: offloaded here, software there; OUT and IN are further words for the two directions
crypto() {
	flush
	sa - $1 $2 0x100 $3 ${5:+$OUTW} $5 $(aead $4) offload crypto dev "$N" dir out || die "offloaded SA out"
	sa - $2 $1 0x101 $3 $6 $(aead $4) offload crypto dev "$N" dir in || die "offloaded SA in"
	sa peer $1 $2 0x100 $3 $6 $(aead $4) && sa peer $2 $1 0x101 $3 ${5:+replay-window 64} $5 $(aead $4) || die "software SAs"
	policies - $1 $2 $3; policies peer $2 $1 $3
	[ "$(ip xfrm state | grep -c 'crypto offload parameters')" = 2 ] || die "an SA is not offloaded"
}

# both A B MODE KEY NAME [OUT [IN]]: data flows, by the card on this side, and only ESP is on the wire
both() {
	crypto $1 $2 $3 $4 "$6" "$7"
	local tx rx; tx=$(counter "$N" ipsec_tx_pkts) rx=$(counter "$N" ipsec_rx_pkts)
	capture
	ping -c 5 -i 0.2 -w 10 -q $2 >/dev/null || die "$5: no ping"
	ping -c 2 -i 0.2 -w 10 -q -s 3000 $2 >/dev/null || die "$5: no ping in fragments"
	transfer 300000 $2 "$5"
	captured
	only_esp $1 "$5"
	rises "$N" ipsec_tx_pkts "$tx" "$5: the card did not encrypt"
	rises "$N" ipsec_rx_pkts "$rx" "$5: the card did not decrypt"
	[ "$(mib - XfrmInStateProtoError)$(mib peer XfrmInStateProtoError)" = 00 ] || die "$5: packets fail"
}

both $A4 $B4 transport $K128 "transport, IPv4"
both $A6 $B6 transport $K256 "transport, IPv6, 256 bits"
both $A4 $B4 tunnel $K256 "tunnel, IPv4"
both $A6 $B6 tunnel $K128 "tunnel, IPv6"
[ "$(counter "$N" tx_tso_inner_packets)" -gt 0 ] || die "no large ESP packet was cut up by the card"
ethtool -K "$N" tx-esp-segmentation off
both $A4 $B4 transport $K128 "transport, cut up by the kernel"
ethtool -K "$N" tx-esp-segmentation on

# the sequence numbers pass 2^32 in both directions, in small packets: to a large one that crosses it the kernel gives the
# later high word as a whole (net/xfrm/xfrm_replay.c, xfrm_replay_overflow_offload_esn), in software as well
W="replay-window 64"
both $A4 $B4 transport $K128 "ESN" "flag esn replay-oseq 0xfffffffd" "$W flag esn replay-seq 0xfffffffc"
ip xfrm state | grep -q 'seq-hi 0x1' && ip -n peer xfrm state | grep -q 'seq-hi 0x1' || die "ESN: 2^32 was not passed"
both $A4 $B4 tunnel $K128 "ESN in a tunnel" \
	"flag esn replay-oseq 0xfffffffd replay-oseq-hi 6" "$W flag esn replay-seq 0xfffffffc replay-seq-hi 6"
ip xfrm state | grep -q 'seq-hi 0x7' || die "ESN: the high word is not kept"

# a replay is dropped, once; the ping does not see it
crypto $A4 $B4 transport $K128 "" "$W"
tc -n cable qdisc add dev wire0 root netem duplicate 100% || die "netem"
was=$(mib - XfrmInStateSeqError)
pings - 10 0.1 $B4 || die "replay: no ping"
[ $(($(mib - XfrmInStateSeqError) - was)) = 10 ] || die "replays: $(($(mib - XfrmInStateSeqError) - was)) of 10 dropped"
tc -n cable qdisc del dev wire0 root

# another key: nothing comes through, and the failures are counted for the SA and the namespace
crypto $A4 $B4 transport $K128
ip -n peer xfrm state delete src $B4 dst $A4 proto esp spi 0x101
sa peer $B4 $A4 0x101 transport $(aead ${K128/01020304/01020305})
rx=$(counter "$N" ipsec_rx_pkts)
! ping -c 5 -i 0.2 -W 3 -q $B4 >/dev/null || die "a packet under another key comes through"
for i in 1 2 3 4 5 6; do	# the driver reads the card's counters once a second
	sleep 1; ip -s xfrm state list spi 0x101 > "$TMP/state"; grep -q 'failed 5' "$TMP/state" && break
done
grep -q 'failed 5' "$TMP/state" || die "authentication failures are not counted: $(cat "$TMP/state")"
[ "$(mib - XfrmInStateProtoError)" = 5 ] || die "authentication failures: $(mib - XfrmInStateProtoError) of 5"
[ "$(counter "$N" ipsec_rx_pkts)" = "$rx" ] || die "a packet that failed counts as received"

flush; uncable
log_clean
echo PASS
