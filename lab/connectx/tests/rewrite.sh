#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Headers rewritten in the card (tc pedit on a representor, skip_sw): DSCP of IPv4 and IPv6, parts of it, TCP flags, the Ethernet type; what is not named stays.
. "$(dirname "$0")/lib.sh"
load
modprobe -a act_pedit act_csum
devlink dev eswitch set pci/$PF0 mode switchdev || die "no switchdev"
echo 2 > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "no VFs"
R0=$(rep pf0vf0) R1=$(rep pf0vf1)
for i in 0 1; do
	vf_ns $PF0 $i t$i 10.9.0.1$i/24
	ip -n t$i addr add fd00:9::1$i/64 dev vf0 nodad || die "address"
	ip netns exec t$i sysctl -qw net.ipv4.tcp_ecn=1	# the ECN bits of TCP are not 0, and must stay
	ip netns exec t$i ethtool -K vf0 gro off || die "GRO"	# the checksum in what it joins is not one of the packets'
done
m() { ip -n "$1" -br link show dev vf0 | awk '{ print $3 }'; }
ip -n t0 neigh replace 10.9.0.11 lladdr "$(m t1)" dev vf0 nud permanent && ip -n t0 neigh replace fd00:9::11 lladdr "$(m t1)" dev vf0 nud permanent &&
	ip -n t1 neigh replace 10.9.0.10 lladdr "$(m t0)" dev vf0 nud permanent && ip -n t1 neigh replace fd00:9::10 lladdr "$(m t0)" dev vf0 nud permanent || die "neighbours"
for r in "$R0" "$R1"; do ip link set "$r" up && ethtool -K "$r" hw-tc-offload on && tc qdisc add dev "$r" ingress || die "$r"; done
# rule PROTOCOL PRIORITY IP-PROTOCOL KEY...: what VF 0 sends of it goes to VF 1, rewritten
rule() { tc filter add dev "$R0" ingress protocol "$1" prio "$2" flower skip_sw ip_proto "$3" action pedit ex "${@:4}" pipe action mirred egress redirect dev "$R1" || die "rule $*"; }
# ECE, of which a large packet's segments all have what it has. Of PSH the driver takes the IP version that it matches on for the same bit, and leaves it out
rule ip 1 tcp munge ip dsfield set 0xb8 retain 0xfc munge tcp flags set 0x40 retain 0x40
rule ip 2 icmp munge ip dsfield set 0xb8 retain 0xf0
rule ipv6 3 tcp munge ip6 traffic_class set 0xb8 retain 0xfc
rule ipv6 4 udp munge ip6 traffic_class set 0x28 retain 0xfc
rule ip 5 udp munge eth type set 0x88b5
for p in ip ipv6; do tc filter add dev "$R1" ingress protocol $p prio $((${#p} + 10)) flower skip_sw action mirred egress redirect dev "$R0" || die "back"; done
[ "$(tc filter show dev "$R0" ingress | grep -c in_hw)" = 5 ] || die "rules are not in the card: $(tc filter show dev "$R0" ingress)"

# arrive FILTER COMMAND...: what VF 1 receives while it runs, in words
arrive() {
	local filter=$1 pid; shift
	ip netns exec t1 timeout 60 tcpdump -i vf0 -Q in -n -p -v -l --immediate-mode "$filter" > /tmp/seen 2> /tmp/seen.log & pid=$!
	for _ in $(seq 100); do grep -q 'listening on' /tmp/seen.log && break; sleep 0.1; done
	"$@"; local status=$?
	sleep 0.5; kill $pid; wait $pid 2> /dev/null
	return $status
}
# only PATTERN WHAT: there are some, all of them have it, and every checksum is right
only() {
	grep -Eq "$1" /tmp/seen || die "$2: not $1: $(cat /tmp/seen)"
	! grep -E "$3" /tmp/seen | grep -vEq "$1" || die "$2: others than $1: $(cat /tmp/seen)"
	! grep -Eqi 'incorrect|bad cksum|wrong' /tmp/seen || die "$2: checksums: $(cat /tmp/seen)"
}
send() {	# FAMILY ADDRESS: 100 kB by TCP, and the sum of it
	local got
	ip netns exec t1 perl -MSocket=:all -e '
		my $v6 = $ARGV[0] eq "6"; socket my $l, $v6 ? PF_INET6 : PF_INET, SOCK_STREAM, 0; setsockopt $l, SOL_SOCKET, SO_REUSEADDR, 1;
		bind $l, $v6 ? pack_sockaddr_in6(5001, IN6ADDR_ANY) : pack_sockaddr_in(5001, INADDR_ANY) or die; listen $l, 1;
		open my $r, ">", "/tmp/ready"; close $r; accept my $c, $l; local $/; my $d = <$c>; print length $d, " ", unpack("%32C*", $d), "\n"' "$1" > /tmp/got & local server=$!
	for _ in $(seq 100); do [ -e /tmp/ready ] && break; sleep 0.1; done; rm -f /tmp/ready
	timeout 30 ip netns exec t0 perl -MSocket=:all -e '
		my $v6 = $ARGV[0] eq "6"; socket my $s, $v6 ? PF_INET6 : PF_INET, SOCK_STREAM, 0;
		connect $s, $v6 ? pack_sockaddr_in6(5001, inet_pton(AF_INET6, $ARGV[1])) : pack_sockaddr_in(5001, inet_aton($ARGV[1])) or die "connect: $!";
		print $s "card" x 25000; close $s' "$1" "$2" || { kill $server; return 1; }
	wait $server; got=$(cat /tmp/got)
	[ "$got" = "100000 $(((99 + 97 + 114 + 100) * 25000))" ] || die "TCP over IPv$1: $got"
}

arrive 'ip and icmp' ip netns exec t0 ping -c 3 -i 0.2 -Q 0x0d -q 10.9.0.11 > /dev/null || die "ping"
only 'tos 0xbd' "the upper half of the field" '^IP|tos 0x'
arrive 'ip and tcp' send 4 10.9.0.11 || die "TCP"
only 'tos 0x(b8|ba)' "DSCP, with the ECN bits that were there" 'tos 0x'
grep -q 'tos 0xba' /tmp/seen || die "no packet had ECN bits: $(head -20 /tmp/seen)"
only 'Flags \[[^]]*E' "TCP flags" 'Flags'
arrive 'ip6 and udp' ip netns exec t0 perl -MSocket=:all -e 'socket my $s, PF_INET6, SOCK_DGRAM, 0; setsockopt $s, 41, 67, pack("i", 1);	# IPV6_TCLASS
	send $s, "x", 0, pack_sockaddr_in6(9, inet_pton(AF_INET6, "fd00:9::11")) for 1 .. 5' || die "UDP over IPv6"
only 'class 0x29' "traffic class" 'IP6 '
arrive 'ip6 and tcp' send 6 fd00:9::11 || die "TCP over IPv6"
only 'class 0x(b8|ba)' "DSCP of IPv6" 'IP6 '
arrive 'ether proto 0x88b5' ip netns exec t0 perl -MSocket -e 'socket my $s, PF_INET, SOCK_DGRAM, 0; send $s, "x", 0, pack_sockaddr_in(9, inet_aton("10.9.0.11")) for 1 .. 5'
[ "$(grep -Ec '^[0-9]{2}:[0-9]{2}:' /tmp/seen)" = 5 ] || die "Ethernet type: $(cat /tmp/seen)"
# the rules' own counters, which are the card's
n=$(tc -s -j filter show dev "$R0" ingress | jq '[.[].options? | select(.actions) | .actions[0].stats.packets // 0] | map(select(. > 0)) | length')
for _ in $(seq 30); do [ "$n" = 5 ] && break; sleep 0.5; n=$(tc -s -j filter show dev "$R0" ingress | jq '[.[].options? | select(.actions) | .actions[0].stats.packets // 0] | map(select(. > 0)) | length'); done
[ "$n" = 5 ] || die "rules that counted: $n of 5: $(tc -s filter show dev "$R0" ingress)"
log_clean
echo PASS
