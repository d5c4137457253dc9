#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What a VF sends with kTLS is never seen as plain text on the wire: not the first time, not when it is sent again, whatever the sizes. That such a look
# finds a card that encrypts nothing is in faults.sh.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tls.sh"
load ports=1 vfs=2
tls_files
P=$(netdev $PF0)
ip link set "$P" up
echo 1 > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "no VF"
vf_ns $PF0 0 t0 10.9.0.10/24
ip netns add peer && ip link set wire0 netns peer && ip -n peer addr add 10.9.0.20/24 dev wire0 && ip -n peer link set lo up &&
	ip -n peer link set wire0 up || die "wire0"
ip netns exec peer ethtool -K wire0 gro off
ping_ok t0 10.9.0.20
TEXT=NeverOnTheWire+16
# text BYTES: what is served, all of it known: 31 bytes of it in a row hold the word once
text() { yes $TEXT | tr -d '\n' | head -c "$1" > "$WORK/data"; }
quiet_fetch() { fetch "$@" 2> "$WORK/fetch.log"; }
# serve BYTES CIPHER: leaves the transfer's status in $ok and all frames from the VF in $WORK/cap
serve() {
	text "$1"
	capture "$WORK/cap" "tcp src port 4433" quiet_fetch t0 10.9.0.10 peer "$2"; ok=$?
}
# hidden BYTES CIPHER WHAT
hidden() {
	local e n; e=$(stat t0 vf0 tx_tls_encrypted_bytes)
	serve "$1" "$2"
	[ $ok = 0 ] || die "$3, $1 bytes: $(cat "$WORK/fetch.log")"
	rose "$e" "$(stat t0 vf0 tx_tls_encrypted_bytes)" "$1" "$3: tx_tls_encrypted_bytes"
	n=$(wc -c < "$WORK/cap")
	[ "$n" -gt "$1" ] || die "$3: $n bytes captured of $1"
	grep -qaF -e $TEXT -e 'HTTP/1.0 200' "$WORK/cap" && die "$3, $1 bytes: plain text on the wire"
	echo "$3: $1 bytes, $n captured, no plain text"
}
again() { ip netns exec peer nstat -asz TcpExtTCPOFOQueue | awk '$1 == "TcpExtTCPOFOQueue" { print $2 }'; }

for n in 40 16385 300000; do hidden $n $AES128 "all arrives"; done
hidden 100000 $AES256 "all arrives"
ip netns exec t0 ethtool -K vf0 tso off
hidden 100000 $AES128 "without TSO"
ip netns exec t0 ethtool -K vf0 tso on

# lost behind the capture: what is sent again is seen as well as what was sent first
ip netns exec peer tc qdisc add dev wire0 clsact && ip netns exec peer tc filter add dev wire0 ingress protocol ip u32 \
	match u16 0x0400 0xfc00 at 2 action pass random netrand drop 50 || die "tc"
o=$(stat t0 vf0 tx_tls_ooo) q=$(again)
hidden 1000000 $AES128 "2% lost"
hidden 1000000 $AES256 "2% lost"
rose "$o" "$(stat t0 vf0 tx_tls_ooo)" 1 "tx_tls_ooo"
rose "$q" "$(again)" 1 "frames out of order at the peer"
ip netns exec peer tc qdisc del dev wire0 clsact

# lost before the card: it sees holes, and the driver brings it back with what lies between
ip netns exec t0 tc qdisc replace dev vf0 root netem limit 10000 loss 2% || die "netem"
o=$(stat t0 vf0 tx_tls_ooo) d=$(stat t0 vf0 tx_tls_dump_packets)
hidden 1000000 $AES128 "holes"
rose "$o" "$(stat t0 vf0 tx_tls_ooo)" 1 "tx_tls_ooo"
rose "$d" "$(stat t0 vf0 tx_tls_dump_packets)" 1 "tx_tls_dump_packets"
ip netns exec t0 tc qdisc del dev vf0 root
log_clean
echo PASS
