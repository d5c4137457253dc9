# SPDX-License-Identifier: GPL-2.0
# Helpers for the tests of IPsec; sourced after lib.sh. The PF's far end is software xfrm in the namespace peer; between
# them, in the namespace cable, is a bridge that decrypts nothing, so that a capture on wire0 is what is on the wire.
K128=0x$(printf '%02x' {1..20})
K256=0x$(printf '%02x' {1..36})
A4=10.9.0.1 B4=10.9.0.20 A6=fd09::1 B6=fd09::20
TMP=$(mktemp -d)

xfrm_modules() {
	modprobe -aq esp4 esp4_offload esp6 esp6_offload xfrm_user xfrm_algo seqiv bridge veth sch_netem ||
		die "the modules of xfrm do not load"
}

# cable NETDEV: NETDEV has the addresses A, the namespace peer has B, and the cable between them
cable() {
	ip netns add cable && ip netns add peer && ip link set wire0 netns cable &&
		ip -n cable link add br0 type bridge && ip -n cable link add v1 type veth peer name v0 netns peer &&
		ip -n cable link set wire0 master br0 && ip -n cable link set v1 master br0 || die "the cable"
	local l; for l in wire0 v1 br0; do
		ip netns exec cable sysctl -qw net.ipv6.conf.$l.disable_ipv6=1
		ip -n cable link set $l up
	done
	ip -n peer link set lo up && ip -n peer link set v0 up && ip -n peer addr add $B4/24 dev v0 &&
		ip -n peer addr add $B6/64 dev v0 nodad || die "the peer"
	ip link set "$1" up && ip addr add $A4/24 dev "$1" && ip addr add $A6/64 dev "$1" nodad || die "addresses of $1"
	# The driver looks up the neighbour of a tunnel, whose own answer would come through it, and takes those of every namespace
	# for its own: so they stand fast.
	local here there; here=$(cat "/sys/class/net/$1/address"); there=$(ip netns exec peer cat /sys/class/net/v0/address)
	ip neigh replace $B4 lladdr $there dev "$1" nud permanent && ip neigh replace $B6 lladdr $there dev "$1" nud permanent &&
		ip -n peer neigh replace $A4 lladdr $here dev v0 nud permanent &&
		ip -n peer neigh replace $A6 lladdr $here dev v0 nud permanent || die "neighbours"
	sleep 1
}

uncable() {
	ip netns exec cable ip link set wire0 netns 1; ip netns del cable; ip netns del peer; rm -f "$TMP"/*
}

flush() {
	ip xfrm state flush; ip xfrm policy flush
	[ ! -e /run/netns/peer ] || { ip -n peer xfrm state flush; ip -n peer xfrm policy flush; }
}

# sa NS SRC DST SPI MODE REST...: a security association; NS - is the host's own namespace
sa() {
	local ns=$1 src=$2 dst=$3 spi=$4 mode=$5; shift 5
	[ "$ns" = - ] && ns= || ns="-n $ns"
	ip $ns xfrm state add src $src dst $dst proto esp spi $spi reqid 1 mode $mode "$@"
}
aead() { echo "aead rfc4106(gcm(aes)) $1 128"; }

# policies NS OUTSRC OUTDST MODE [WORDS]: out, in and (in a tunnel) the same addresses as ends
policies() {
	local ns=$1 a=$2 b=$3 mode=$4 t="" r=""; shift 4
	[ "$ns" = - ] && ns= || ns="-n $ns"
	[ "$mode" = tunnel ] && t="src $a dst $b" r="src $b dst $a"
	ip $ns xfrm policy add src $a dst $b dir out "$@" tmpl $t proto esp reqid 1 mode $mode &&
		ip $ns xfrm policy add src $b dst $a dir in "$@" tmpl $r proto esp reqid 1 mode $mode ||
		die "policies in ${ns:-the host}"
}

# capture / captured: everything on the wire into a file, and back
capture() {
	ip netns exec cable tcpdump -Uqni wire0 -w "$TMP/wire.pcap" -s 0 2>"$TMP/tcpdump" &
	CAP=$!
	until grep -q listening "$TMP/tcpdump"; do sleep 0.1; done
}
captured() { sleep 0.5; kill -INT $CAP; wait $CAP 2>/dev/null; }
seen() { tcpdump -nr "$TMP/wire.pcap" "$1" 2>/dev/null | wc -l; }

# the wire had ESP in both directions and none of the plain text
only_esp() {
	[ "$(seen "esp and src $1")" -gt 3 ] && [ "$(seen "esp and dst $1")" -gt 3 ] || die "$2: no ESP on the wire"
	[ "$(seen 'tcp or udp or icmp or (icmp6 and ip6[40] >= 128 and ip6[40] <= 129)')" = 0 ] ||
		die "$2: plain packets on the wire: $(tcpdump -nr "$TMP/wire.pcap" 'tcp or udp or icmp' 2>/dev/null | head -3)"
	! grep -qa 'in the clear, line' "$TMP/wire.pcap" || die "$2: plain text on the wire"
}

# transfer BYTES ADDRESS NAME: a file to the peer and back, over TCP, equal at the end
transfer() {
	local i
	[ -s "$TMP/file" ] || seq -f 'in the clear, line %g' 1 60000 > "$TMP/file"
	head -c "$1" "$TMP/file" > "$TMP/sent"
	ip netns exec peer timeout 120 nc -nlN "$2" 5001 < "$TMP/sent" > "$TMP/there" & i=$!
	until ip netns exec peer ss -Hltn 'sport = 5001' | grep -q .; do sleep 0.1; done
	timeout 120 nc -nN "$2" 5001 < "$TMP/sent" > "$TMP/back"; wait $i
	cmp -s "$TMP/sent" "$TMP/there" || die "$3: what came to the peer differs ($(stat -c %s "$TMP/there") bytes of $1)"
	cmp -s "$TMP/sent" "$TMP/back" || die "$3: what came back differs ($(stat -c %s "$TMP/back") bytes of $1)"
}

# refuses TEXT COMMAND...: it fails, and says so
refuses() {
	local text=$1; shift
	! "$@" 2>"$TMP/err" || die "accepted: $*"
	grep -q "$text" "$TMP/err" || die "$*: $(cat "$TMP/err"), not '$text'"
}

# within SECONDS COMMAND...: until it succeeds
within() {
	local i n=$1; shift
	for ((i = 0; i < n * 4; i++)); do "$@" && return; sleep 0.25; done
	return 1
}

counter() { ethtool -S "$1" | awk -v k="$2:" '$1 == k { print $2 }'; }
mib() { in_ns $1 cat /proc/net/xfrm_stat | awk -v k="$2" '$1 == k { print $2 }'; }

# rises NETDEV COUNTER BEFORE WHAT: by more than 100, in drivers that have the counter
rises() {
	local now; now=$(counter "$1" "$2")
	[ -n "$now" ] || { case $(uname -r) in 6.1.*) return ;; *) die "$1 has no $2" ;; esac; }
	[ $((now - $3)) -gt 100 ] || die "$4"
}

# pair KIND A B MODE KEY [OUT [IN]]: SAs that $N offloads here, software there; OUT and IN are further words for the two directions,
# of which the peer has no limits. With KIND packet the policies are offloaded too.
pair() {
	local kind=$1 a=$2 b=$3 mode=$4 k out=${6%%limit*} in=${7%%limit*}; k=$(aead $5)
	flush
	sa - $a $b 0x100 $mode $6 $k offload $kind dev "$N" dir out || die "offloaded SA out"
	sa - $b $a 0x101 $mode $7 $k offload $kind dev "$N" dir in || die "offloaded SA in"
	sa peer $a $b 0x100 $mode ${out:+replay-window 64} ${out//-oseq/-seq} $k &&
		sa peer $b $a 0x101 $mode ${in//-seq/-oseq} $k || die "software SAs"
	if [ $kind = packet ]; then
		policies - $a $b $mode offload packet dev "$N"
		[ "$(ip xfrm state | grep -c 'mode packet')" = 2 ] && [ "$(ip xfrm policy | grep -c 'mode packet')" = 2 ] ||
			die "not offloaded: $(ip xfrm state; ip xfrm policy)"
	else
		policies - $a $b $mode
		[ "$(ip xfrm state | grep -c 'crypto offload parameters')" = 2 ] || die "an SA is not offloaded"
	fi
	policies peer $b $a $mode
}

# flows KIND A B MODE KEY NAME [OUT [IN]]: data flows by the card; on the wire is ESP, and with KIND packet there is none in the kernel
flows() {
	local kind=$1 a=$2 name=$6
	pair $1 $2 $3 $4 $5 "$7" "$8"
	local tx rx; tx=$(counter "$N" ipsec_tx_pkts) rx=$(counter "$N" ipsec_rx_pkts)
	capture
	tcpdump -Uqni "$N" -w "$TMP/host.pcap" -s 0 2>"$TMP/tcpdump2" & CAP2=$!
	until grep -q listening "$TMP/tcpdump2"; do sleep 0.1; done
	ping -c 5 -i 0.2 -W 10 -q $3 >/dev/null || die "$name: no ping"
	transfer 300000 $3 "$name"
	captured; kill -INT $CAP2; wait $CAP2 2>/dev/null
	only_esp $a "$name"
	local esp; esp=$(tcpdump -nr "$TMP/host.pcap" esp 2>/dev/null | wc -l)
	if [ $kind = packet ]; then
		[ "$esp" = 0 ] || die "$name: the kernel made or saw ESP"
		grep -qa 'in the clear, line' "$TMP/host.pcap" || die "$name: the kernel did not send plain text"
	else
		[ "$esp" -gt 10 ] || die "$name: the kernel made no ESP"
	fi
	rises "$N" ipsec_tx_pkts "$tx" "$name: the card did not encrypt"
	rises "$N" ipsec_rx_pkts "$rx" "$name: the card did not decrypt"
	[ "$(mib - XfrmInStateProtoError)$(mib peer XfrmInStateProtoError)" = 00 ] || die "$name: packets fail"
}
