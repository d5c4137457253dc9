#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# VLAN tags, checksums and segmentation by the card and by the kernel: the same bytes on the wire; what comes from the wire with a wrong checksum is not called
# right; filters of VLANs and addresses.
. "$(dirname "$0")/lib.sh"
load ports=1 vfs=2
modprobe -a 8021q
P=$(netdev $PF0)
sysctl -qw net.ipv6.conf.all.router_solicitations=0 net.ipv6.conf.default.router_solicitations=0
ip addr add 10.9.0.1/24 dev "$P" && ip addr add fd09::1/64 dev "$P" nodad && ip link set "$P" up || die "$P"
ip link add link "$P" name v7 type vlan id 7 && ip addr add 10.7.0.1/24 dev v7 && ip link set v7 up || die "VLAN 7"
ip netns add peer && ip link set wire0 netns peer && ip -n peer addr add 10.9.0.20/24 dev wire0 && ip -n peer link set lo up &&
	ip -n peer addr add fd09::20/64 dev wire0 nodad && ip -n peer link set wire0 up &&
	ip -n peer link add link wire0 name v7 type vlan id 7 && ip -n peer addr add 10.7.0.20/24 dev v7 && ip -n peer link set v7 up || die "wire0"
ip netns exec peer ethtool -K wire0 gro off
s() { ethtool -S "$P" | awk -v n="$1:" '$1 == n { print $2; f = 1 } END { exit !f }' || die "no counter $1"; }
k() { ethtool -K "$P" "$1" "$2" > /dev/null || die "ethtool -K $1 $2"; }
ping_ok peer 10.9.0.1
ping_ok peer 10.7.0.1
ping_ok peer fd09::1

# moved COUNTER YES-OR-NO BEFORE WHAT: whether it rose by what was sent
moved() {
	local d=$(($(s "$1") - $3))
	[ "$2" = yes ] && [ $d -lt 20 ] && die "$4: $1 rose by $d"
	[ "$2" = no ] && [ $d -ge 10 ] && die "$4: $1 rose by $d"
	return 0
}
# watch FILTER COMMAND...: the frames on the wire meanwhile, as tcpdump tells them, in /tmp/seen
watch() {
	local f=$1; shift
	capture /tmp/cap "$f" "$@"
	tcpdump -ennvv -r /tmp/cap > /tmp/seen 2>/dev/null
	[ -s /tmp/seen ] || die "nothing on the wire"
}

# VLAN: tags put in and taken off
for how in on off on; do
	yes=$([ $how = on ] && echo yes || echo no)
	k tx-vlan-offload $how; k rx-vlan-offload $how
	a=$(s tx_added_vlan_packets) r=$(s rx_removed_vlan_packets)
	watch "vlan 7 and icmp" ip netns exec peer ping -c 20 -i 0.05 -q 10.7.0.1 > /dev/null
	# ping itself may call an answer lost that is only late
	[ "$(grep -c 'vlan 7, p 0, ethertype IPv4' /tmp/seen)" -ge 40 ] || die "VLAN, $how: tags on the wire"
	moved tx_added_vlan_packets $yes "$a" "VLAN $how"
	moved rx_removed_vlan_packets $yes "$r" "VLAN $how"
done
echo "VLAN tags: by the card and by the kernel"

# checksums and segmentation: what is on the wire is right, who makes it shows in the counters
head -c 400000 /dev/urandom > /tmp/data
transfer() { # transfer LISTEN-ADDRESS: 400,000 bytes to the wire
	rm -f /tmp/got
	ip netns exec peer timeout 60 nc -N -l "$1" 5000 > /tmp/got < /dev/null & local n=$!
	for _ in $(seq 100); do ip netns exec peer ss -Hlnt sport = :5000 | grep -q . && break; sleep 0.1; done
	timeout 60 nc -N "$1" 5000 < /tmp/data > /dev/null; wait $n
	cmp -s /tmp/data /tmp/got || die "other bytes arrived at $1"
}
datagrams() { perl -MSocket=:all -e '($f, $a) = $ARGV[0] =~ /:/ ? (PF_INET6, pack_sockaddr_in6(9, inet_pton(AF_INET6, $ARGV[0]))) : (PF_INET, pack_sockaddr_in(9, inet_aton($ARGV[0])));
	for (1 .. 30) { socket $s, $f, SOCK_DGRAM, 0; send $s, "x" x $_, 0, $a }' "$1"; }
for how in "on on" "on off" "off off"; do
	set -- $how
	k tx-checksum-ip-generic "$1"; [ "$1" = off ] || { k tso "$2"; k tx-tcp6-segmentation "$2"; }
	for to in 10.9.0.20 fd09::20; do
		t=$(s tx_tso_packets) p=$(s tx_csum_partial)
		watch "src host ${to%20}1 and tcp" transfer $to
		[ "$(awk -F 'length ' '/ethertype/ { split($2, a, ":"); if (a[1] > m) m = a[1] } END { print m }' /tmp/seen)" -le 1514 ] || die "$to, $how: frames too long"
		grep -q 'cksum.*incorrect\|bad cksum' /tmp/seen && die "$to, $how: $(grep -m 1 incorrect /tmp/seen)"
		[ "$(grep -c 'cksum 0x.*(correct)' /tmp/seen)" -ge 250 ] || die "$to, $how: checksums on the wire"
		[ "$2" = on ] && [ "$(s tx_tso_packets)" -le "$t" ] && die "$to, $how: tx_tso_packets"
		[ "$2" = off ] && [ "$(s tx_tso_packets)" != "$t" ] && die "$to, $how: tx_tso_packets rose"
		[ "$1" = on ] && [ "$(s tx_csum_partial)" -le "$p" ] && die "$to, $how: tx_csum_partial"
		[ "$1" = off ] && [ "$(s tx_csum_partial)" != "$p" ] && die "$to, $how: tx_csum_partial rose"
		watch "src host ${to%20}1 and udp" datagrams $to
		[ "$(grep -c 'udp sum ok' /tmp/seen)" -ge 30 ] || die "$to, $how: UDP checksums"
		grep -q 'bad udp cksum' /tmp/seen && die "$to, $how: UDP checksum"
	done
	echo "checksums by the card $1, segmentation $2"
done
k tx-checksum-ip-generic on; k tso on; k tx-tcp6-segmentation on

# frames made by hand: raw.pl COUNT MAC VLAN PROTOCOL WRONG, where WRONG is none, ip or l4
cat > /tmp/raw.pl <<'PERL'
my ($n, $mac, $vlan, $proto, $wrong, $ifindex) = @ARGV;
sub sum { my $s = 0; $s += $_ for unpack "n*", $_[0] . (length($_[0]) % 2 ? "\0" : ""); $s = ($s & 0xffff) + ($s >> 16) while $s >> 16; ~$s & 0xffff }
socket my $s, 17, 3, unpack("S", pack("n", 0x0800)) or die "socket: $!";
for my $i (1 .. $n) {
	my ($src, $dst) = map { pack "C4", split /\./ } "10.9.0.20", "10.9.0.1";
	my $data = "d" x (20 + 50 * ($i % 3));	# shorter than the smallest frame, and longer
	my $l4 = $proto == 17 ? pack("nnnn", 7000, 7001, 8 + length $data, 0) : pack("nnNNnnnn", 7000, 7001, $i, 0, 0x5002, 1000, 0, 0);
	my $c = sum($src . $dst . pack("nn", $proto, length($l4 . $data)) . $l4 . $data);
	substr $l4, $proto == 17 ? 6 : 16, 2, pack "n", $wrong eq "l4" ? $c ^ 0x0100 : $c || 0xffff;
	my $ip = pack "CCnnnCCna4a4", 0x45, 0, 20 + length($l4 . $data), $i, 0, 64, $proto, 0, $src, $dst;
	my $h = sum($ip);
	substr $ip, 10, 2, pack "n", $wrong eq "ip" ? $h ^ 0x0100 : $h;
	my $frame = pack("H12", $mac =~ tr/://dr) . pack("H12", "020000000020") . ($vlan ? pack("nn", 0x8100, $vlan) : "") . pack("n", 0x0800) . $ip . $l4 . $data;
	$frame .= "\xee" x (60 - length $frame) if length $frame < 60;	# padding need not be zero
	send($s, $frame, 0, pack "SniSCCa8", 17, 0x0800, $ifindex, 0, 0, 6, pack "H12", $mac =~ tr/://dr) or die "send: $!";
}
PERL
raw() { ip netns exec peer perl /tmp/raw.pl "$@" "$(ip netns exec peer cat /sys/class/net/wire0/ifindex)" || die "raw $*"; sleep 0.7; }
M=$(cat "/sys/class/net/$P/address")
n() { nstat -asz "$1" | awk -v n="$1" '$1 == n { print $2; f = 1 } END { exit !f }' || die "no $1"; }
# checks HOW: 60 right and 60 wrong ones of each kind; the wrong are found, and only those
checks() {
	local u t i p
	u=$(n UdpInCsumErrors) t=$(n TcpInCsumErrors) i=$(n IpExtInCsumErrors) p=$(n UdpNoPorts)
	raw 60 "$M" 0 17 none; raw 60 "$M" 0 6 none
	[ "$(n UdpInCsumErrors)" = "$u" ] && [ "$(n TcpInCsumErrors)" = "$t" ] && [ "$(n IpExtInCsumErrors)" = "$i" ] || die "$1: right checksums are called wrong"
	[ $(($(n UdpNoPorts) - p)) -ge 60 ] || die "$1: right datagrams do not arrive"
	raw 60 "$M" 0 17 l4; raw 60 "$M" 0 6 l4; raw 60 "$M" 0 17 ip
	[ $(($(n UdpInCsumErrors) - u)) = 60 ] || die "$1: UDP: $(($(n UdpInCsumErrors) - u)) of 60 wrong checksums found"
	[ $(($(n TcpInCsumErrors) - t)) = 60 ] || die "$1: TCP: $(($(n TcpInCsumErrors) - t)) of 60 wrong checksums found"
	[ $(($(n IpExtInCsumErrors) - i)) = 60 ] || die "$1: IP: $(($(n IpExtInCsumErrors) - i)) of 60 wrong checksums found"
	echo "receive checksums: $1"
}
b=$(s rx_csum_complete); checks "the card gives the sum"; [ $(($(s rx_csum_complete) - b)) -ge 60 ] || die "rx_csum_complete"
# here the driver believes the card's word on each packet
ethtool --set-priv-flags "$P" rx_no_csum_complete on || die "rx_no_csum_complete"
b=$(s rx_csum_unnecessary); raw 60 "$M" 0 17 l4; raw 60 "$M" 0 6 l4; raw 60 "$M" 0 17 ip
[ $(($(s rx_csum_unnecessary) - b)) -lt 20 ] || die "wrong checksums are marked good"
b=$(s rx_csum_unnecessary); checks "the card says which are right"; [ $(($(s rx_csum_unnecessary) - b)) -ge 120 ] || die "right checksums are not marked good"
ethtool --set-priv-flags "$P" rx_no_csum_complete off
k rx off
b=$(s rx_csum_none); checks "off"; [ $(($(s rx_csum_none) - b)) -ge 60 ] || die "rx_csum_none"
k rx on

# filters: got YES-OR-NO MAC VLAN WHAT
got() {
	local b d; b=$(s rx_packets)
	raw 40 "$2" "$3" 17 none
	d=$(($(s rx_packets) - b))
	[ "$1" = yes ] && [ $d -lt 40 ] && die "$4: $d of 40 arrive"
	[ "$1" = no ] && [ $d -ge 20 ] && die "$4: $d arrive"
	echo "filter: $4: $1"
}
got yes "$M" 0 "own address"
got yes "$M" 7 "a VLAN that there is"
got no "$M" 9 "a VLAN that there is not"
ip link add link "$P" name v9 type vlan id 9 && ip link set v9 up || die "VLAN 9"
got yes "$M" 9 "a VLAN that there is now"
ip link del v9
got no "$M" 9 "and that has gone"
k rx-vlan-filter off
got yes "$M" 9 "without a VLAN filter"
k rx-vlan-filter on
other=02:00:00:00:00:99 group=01:00:5e:09:09:09
got no $other 0 "another's address"
ip link set "$P" promisc on; got yes $other 0 "another's address, promiscuous"
ip link set "$P" promisc off; got no $other 0 "and no longer"
got no $group 0 "a group not joined"
ip maddr add $group dev "$P"; got yes $group 0 "a group that was joined"
ip maddr del $group dev "$P"; got no $group 0 "and left"
ip link set "$P" allmulticast on; got yes $group 0 "all groups"
ip link set "$P" allmulticast off; got no $group 0 "not all groups"
log_clean
echo PASS
