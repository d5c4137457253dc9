#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Linux's bridge in the card (switchdev): without VLANs, and VLAN-aware with PVID and untagged ports for VFs and a tagged wire. Its entries are the
# card's, packets do not pass the representors, tags are on the wire and nowhere else.
. "$(dirname "$0")/lib.sh"
load
modprobe -a bridge 8021q
devlink dev eswitch set pci/$PF0 mode switchdev || die "no switchdev"
echo 3 > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "no VFs"
U=$(rep p0)
for i in 0 1 2; do R[i]=$(rep pf0vf$i); vf_ns $PF0 $i t$i 10.9.0.1$i/24; done
ip netns add peer && ip link set wire0 netns peer && ip -n peer link set wire0 up && ip -n peer link add link wire0 name v100 type vlan id 100 &&
	ip -n peer addr add 10.9.0.20/24 dev v100 && ip -n peer link set v100 up || die "wire0"
m() { ip -n "$1" -br link show dev "$2" | awk '{ print $3 }'; }
seen() { ip -j stats show dev "${R[0]}" group offload subgroup cpu_hit | jq '.[0].stats64.rx.packets'; }
offloaded() { bridge fdb show br br0 | grep -i "^$1 " | grep -q offload; }
# in_card NS ADDRESS MACS WHAT: the entries of both are offloaded, and then packets are the card's
in_card() {
	local a ok n
	ping_ok "$1" "$2"
	for _ in $(seq 30); do
		ip netns exec "$1" ping -c 3 -i 0.1 -q "$2" > /dev/null; ok=1
		for a in $3; do offloaded "$a" || ok=0; done
		[ $ok = 1 ] && break
		sleep 0.2
	done
	[ $ok = 1 ] || die "$4: not in the card: $(bridge fdb show br br0)"
	n=$(seen)
	pings "$1" 100 0.01 "$2" || die "$4: packets are lost in the card"
	[ $(($(seen) - n)) -lt 10 ] || die "$4: the representor sees $(($(seen) - n)) of 100 packets"
}
# quiet NS ADDRESS WHAT
quiet() { ip netns exec "$1" ping -c 3 -i 0.2 -w 2 -q "$2" > /dev/null && die "$3"; return 0; }

ip link add br0 type bridge mcast_snooping 0 && ip link set br0 up || die "bridge"
for n in "${R[0]}" "${R[1]}"; do ip link set "$n" up && ip link set "$n" master br0 || die "port $n"; done
in_card t0 10.9.0.11 "$(m t0 vf0) $(m t1 vf0)" "without VLANs"
ip link del br0

dmesg -C
ip link add br0 type bridge vlan_filtering 1 vlan_default_pvid 0 mcast_snooping 0 && ip link set br0 up || die "bridge"
for n in "$U" "${R[@]}"; do ip link set "$n" up && ip link set "$n" master br0 || die "port $n"; done
for n in "${R[0]}" "${R[1]}"; do bridge vlan add dev "$n" vid 100 pvid untagged || die "VLAN of $n"; done
bridge vlan add dev "${R[2]}" vid 200 pvid untagged && bridge vlan add dev "$U" vid 100 || die "VLANs"
dmesg | grep -E 'HEADER|Failed' && die "the driver warns"

in_card t0 10.9.0.11 "$(m t0 vf0) $(m t1 vf0)" "PVID to PVID"
in_card t0 10.9.0.20 "$(m t0 vf0) $(m peer v100)" "PVID to the wire"
quiet t0 10.9.0.12 "VLAN 100 reaches VLAN 200"

# tags: on the wire always 100, at the VF none, though nothing passes the host
capture /tmp/wire.pcap icmp\ or\ vlan ip netns exec t0 ping -c 10 -i 0.1 -q 10.9.0.20 > /dev/null || die "ping"
n=$(tcpdump -n -e -r /tmp/wire.pcap 'vlan 100 and icmp' 2> /dev/null | wc -l)
[ "$n" -ge 18 ] && [ "$(tcpdump -n -r /tmp/wire.pcap 'icmp' 2> /dev/null | wc -l)" = 0 ] || die "tags on the wire: $(tcpdump -n -e -r /tmp/wire.pcap)"
ip netns exec t1 timeout 20 tcpdump -i vf0 -n -p -e -l --immediate-mode -c 10 icmp > /tmp/vf 2> /tmp/vf.log & pid=$!
for _ in $(seq 100); do grep -q 'listening on' /tmp/vf.log && break; sleep 0.1; done
ip netns exec t0 ping -c 8 -i 0.1 -q 10.9.0.11 > /dev/null; wait $pid
grep -q 'ethertype 802.1Q' /tmp/vf && die "a VF sees tags: $(cat /tmp/vf)"
[ "$(grep -c 'ethertype IPv4' /tmp/vf)" = 10 ] || die "what the VF sees: $(cat /tmp/vf)"

# TCP takes large packets the same way, both ways, whole
head -c 4000000 /dev/urandom > /tmp/data
(ip netns exec peer timeout 60 perl -MIO::Socket -e 'my $l = IO::Socket::INET->new(LocalPort => 5001, Listen => 1, ReuseAddr => 1) or die; open my $r, ">", "/tmp/ready"; close $r;
	my $c = $l->accept; while (sysread $c, my $d, 65536) { syswrite $c, $d } ') & server=$!
for _ in $(seq 100); do [ -e /tmp/ready ] && break; sleep 0.1; done
ip netns exec t0 timeout 60 perl -MIO::Socket -e 'my $s = IO::Socket::INET->new(PeerAddr => "10.9.0.20:5001") or die; open my $f, "<", "/tmp/data"; local $/; my $d = <$f>; my ($o, $g) = (0, "");
	while ($o < length $d) { my $n = syswrite $s, $d, 65536, $o; die unless $n; $o += $n; while (length $g < $o) { sysread $s, $g, 65536, length $g or die } } die "differs" if $g ne $d' || die "TCP over the bridge"
kill $server 2> /dev/null

# an untagged frame of the wire, and one of another VLAN, have no place in VLAN 100
ip -n peer addr del 10.9.0.20/24 dev v100 && ip -n peer addr add 10.9.0.20/24 dev wire0
quiet peer 10.9.0.10 "untagged from the wire"
ip -n peer addr del 10.9.0.20/24 dev wire0 && ip -n peer link add link wire0 name v200 type vlan id 200 && ip -n peer link set v200 up && ip -n peer addr add 10.9.0.20/24 dev v200
quiet peer 10.9.0.10 "VLAN 200 from the wire"
# a port of VLAN 200 for it: now that one is reached, from another of its ports
bridge vlan add dev "$U" vid 200 || die "VLAN 200"
in_card t2 10.9.0.20 "$(m t2 vf0) $(m peer v200)" "VLAN 200 to the wire"
ip link del br0
log_clean
echo PASS
