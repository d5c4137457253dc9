#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# IPsec packet offload on the PF against software: the kernel sees plain packets only. Transport and tunnel, ESN, lifetimes, replays, refusals.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/xfrm.sh"
load log=1
xfrm_modules
modprobe -q esp6_offload
N=$(netdev $PF0)
PACKET="offload packet dev $N"
case $(uname -r) in 6.1.*)
	echo "$(uname -r): no packet offload (6.2); only that it is refused"
	refuses 'Invalid argument\|Unrecognized flags' sa - $A4 $B4 0x100 transport $(aead $K128) $PACKET dir out
	[ -z "$(ip xfrm state)" ] || die "a refused SA is there"
	log_clean; echo PASS; exit ;;
esac
cable "$N"

packet() { pair packet "$@"; }
both() { flows packet "$@"; }

both $A4 $B4 transport $K128 "transport, IPv4"
both $A6 $B6 transport $K256 "transport, IPv6, 256 bits"
both $A4 $B4 tunnel $K256 "tunnel, IPv4"
both $A6 $B6 tunnel $K128 "tunnel, IPv6"

# 2^32 is passed by the card in the middle of a transfer (also of a large packet that it cuts up), by the software in a ping
W="replay-window 64"
for m in transport tunnel; do
	both $A4 $B4 $m $K128 "ESN, $m" "flag esn replay-oseq 0xffffffc0 replay-oseq-hi 6" "$W flag esn replay-seq 0xfffffffc replay-seq-hi 2"
	ip -n peer xfrm state list spi 0x100 | grep -q 'seq-hi 0x7' || die "ESN, $m: what the card sent did not pass 2^32"
	ip -n peer xfrm state list spi 0x101 | grep -q 'oseq-hi 0x3' || die "ESN, $m: what the card received did not pass 2^32"
done
dmesg | grep -q 'IPsec object .*: high word 7, overlap 0' && dmesg | grep -q 'IPsec object .*: high word 3, overlap 0' ||
	die "ESN: the driver did not follow"

# replays: of every packet a second copy; then numbers that were long ago
for w in 32 256; do
	packet $A4 $B4 transport $K128 "" "replay-window $w flag esn"
	tc -n cable qdisc add dev wire0 root netem duplicate 100% || die "netem"
	was=$(mib - XfrmInStateSeqError)
	ping -c 10 -i 0.1 $B4 > "$TMP/ping"; grep -Eq ' (9|10) received' "$TMP/ping" || die "replay: no ping"
	! grep -q DUP "$TMP/ping" || die "replay: it comes through"
	replayed() { ip -s xfrm state list spi 0x101 > "$TMP/state"; grep -q "replay $1 " "$TMP/state"; }
	within 8 replayed 10 || die "window $w: not 10 replays counted: $(cat "$TMP/state")"
	[ $(($(mib - XfrmInStateSeqError) - was)) = 10 ] || die "window $w: $(($(mib - XfrmInStateSeqError) - was)) of 10 replays dropped"
	tc -n cable qdisc del dev wire0 root
	pings - 300 0.002 $B4 || die "window $w: no ping"
	ip -n peer xfrm state delete src $B4 dst $A4 proto esp spi 0x101
	sa peer $B4 $A4 0x101 transport replay-window $w flag esn $(aead $K128)
	! ping -c 4 -i 0.1 -W 3 -q $B4 >/dev/null || die "window $w: an old number comes through"
	within 8 replayed 14 || die "window $w: old numbers are not counted: $(cat "$TMP/state")"
done

# another key
packet $A4 $B4 transport $K128
ip -n peer xfrm state delete src $B4 dst $A4 proto esp spi 0x101
sa peer $B4 $A4 0x101 transport $(aead ${K128/01020304/01020305})
! ping -c 5 -i 0.2 -W 3 -q $B4 >/dev/null || die "a packet under another key comes through"
failed() { ip -s xfrm state list spi 0x101 > "$TMP/state"; grep -q "failed $1" "$TMP/state"; }
within 8 failed 5 || die "authentication failures are not counted: $(cat "$TMP/state")"

# lifetimes: the card counts, tells, and stops at the last packet; then the kernel removes the SA
expires() { # DIRECTION SPI SRC DST OUT IN
	packet $A4 $B4 transport $K128 "$5" "$6"
	dmesg -C
	ip xfrm monitor expire > "$TMP/events" & MON=$!
	capture
	ping -c 12 -i 0.1 -W 2 -q $B4 > /dev/null || die "lifetime, $1: no ping"
	within 8 grep -q "hard 0" "$TMP/events" || die "lifetime, $1: no soft event: $(cat "$TMP/events")"
	! grep -q "hard 1" "$TMP/events" || die "lifetime, $1: hard event already"
	[ -n "$(ip xfrm state list spi $2)" ] || die "lifetime, $1: the SA has gone too early"
	ping -c 60 -i 0.002 -W 2 -q $B4 > "$TMP/ping"
	within 8 grep -q "hard 1" "$TMP/events" || die "lifetime, $1: no hard event: $(cat "$TMP/events")"
	captured; kill $MON; wait $MON 2>/dev/null
	gone() { [ -z "$(ip xfrm state list spi $1)" ]; }
	within 4 gone $2 || die "lifetime, $1: the SA is still there"
	dmesg | grep -q 'IPsec object .*: event' || die "lifetime, $1: the card told nothing"
}
L="limit packet-soft 10 limit packet-hard 30"
expires out 0x100 $A4 $B4 "$L" ""
[ "$(seen "esp and src $A4")" = 30 ] || die "lifetime: $(seen "esp and src $A4") packets left, not 30"
expires in 0x101 $B4 $A4 "" "$L"
grep -q ' 18 received' "$TMP/ping" || die "lifetime: after 12 of 30 packets: $(cat "$TMP/ping")"

# a policy that blocks what comes in does so in the card
packet $A4 $B4 transport $K128
ip xfrm policy delete src $B4 dst $A4 dir in && ip xfrm policy add src $B4 dst $A4 dir in $PACKET action block || die "blocking policy"
drop=$(counter "$N" ipsec_rx_drop_pkts)
! ip netns exec peer ping -c 3 -i 0.2 -W 2 -q $A4 >/dev/null || die "a blocked packet comes in"
[ $(($(counter "$N" ipsec_rx_drop_pkts) - drop)) = 3 ] || die "blocked in the card: $(($(counter "$N" ipsec_rx_drop_pkts) - drop)) of 3"
flush

# what the driver refuses
try() { ip xfrm state add src $A4 dst $B4 proto esp spi 0x200 "$@" $PACKET dir ${DIR:-out}; }
G=$(aead $K128)
refuses 'without reqid' try mode transport $G
refuses 'Hard packet limit must be greater' try reqid 1 mode transport $G limit packet-soft 10 limit packet-hard 10
refuses 'Hard byte limit must be greater' try reqid 1 mode transport $G limit byte-soft 10 limit byte-hard 9
refuses 'packet limits can.t be 0' try reqid 1 mode transport $G limit packet-soft 0
DIR=in refuses 'replay window size' try reqid 1 mode transport $G replay-window 16 flag esn
DIR=in refuses 'replay window size' try reqid 1 mode transport $G replay-window 512 flag esn
refuses 'upper protocol other than TCP/UDP' try reqid 1 mode transport $G sel proto icmp
refuses 'Only AES-GCM-ICV16' try reqid 1 mode transport aead 'rfc4106(gcm(aes))' $K128 96
refuses 'authenticated xfrm states' try reqid 1 mode transport enc 'cbc(aes)' ${K128:0:34} auth 'hmac(sha256)' $K256
refuses 'Only transport and tunnel' try reqid 1 mode beet $G
pol() { ip xfrm policy add src 0.0.0.0/0 dst 0.0.0.0/0 "$@"; }
refuses 'reqid 0 without' pol dir out $PACKET tmpl proto esp reqid 0 mode transport
refuses 'forward policy' pol dir fwd $PACKET tmpl proto esp reqid 1 mode transport
refuses 'more than one template' pol dir out $PACKET tmpl proto esp reqid 1 mode transport tmpl src $A4 dst $B4 proto esp reqid 2 mode tunnel
refuses 'policy priority' pol dir out $PACKET priority 4294967295 tmpl proto esp reqid 1 mode transport
[ -z "$(ip xfrm state)$(ip xfrm policy)" ] || die "what was refused is there: $(ip xfrm state; ip xfrm policy)"

# SAs hold the eswitch in its mode, and exclude TC offload on the same netdev
try reqid 1 mode transport $G || die "SA"
refuses . devlink dev eswitch set pci/$PF0 mode switchdev
ethtool -K "$N" hw-tc-offload on; tc qdisc add dev "$N" clsact
drop() { tc filter add dev "$N" ingress protocol ip flower skip_sw ip_proto tcp dst_port 7 action drop; }
refuses busy drop
flush
drop || die "a filter is not offloaded without an SA"
refuses 'failed to offload' try reqid 1 mode transport $G
tc qdisc del dev "$N" clsact
try reqid 1 mode transport $G || die "the filter has gone, and no SA is offloaded"
ip link set "$N" down
[ -z "$(ip xfrm state)" ] || die "an offloaded SA outlives its netdev going down"

flush; uncable
log_clean
echo PASS
