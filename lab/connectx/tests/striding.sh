#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Receive queues with many packets to a buffer (striding), as the driver makes them by itself, and with one: packets of all sizes, both MTUs, rings
# of several lengths, more packets than there are buffers.
. "$(dirname "$0")/lib.sh"
load ports=1 vfs=2 striding=0
P=$(netdev $PF0)
ethtool --show-priv-flags "$P" | grep -q '^rx_striding_rq *: off' || die "a card without striding has it"
! ethtool --set-priv-flags "$P" rx_striding_rq on 2> /dev/null || die "a card without striding takes it"
rmmod mlx5_core connectx_emu || die "rmmod"
load ports=1 vfs=2
echo 2 > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "no VFs"
vf_ns $PF0 0 a 10.9.0.1/24
vf_ns $PF0 1 b 10.9.0.2/24
ping_ok a 10.9.0.2
head -c 5000000 /dev/urandom > /tmp/data
SUM=$(sha256sum < /tmp/data)

both() { local n; for n in a b; do ip netns exec $n "$@" || die "$n: $*"; done; }
flag() { ip netns exec $1 ethtool --show-priv-flags vf0 | awk '$1 == "rx_striding_rq" { print $3 }'; }
fillers() { ip netns exec b ethtool -S vf0 | awk '$1 == "rx_mpwqe_filler_cqes:" { print $2 }'; }

transfer() { # NAME: from a to b
	ip netns exec b timeout 120 nc -nlN 10.9.0.2 5001 < /dev/null > /tmp/got & local n=$!
	for _ in $(seq 100); do ip netns exec b ss -Hltn 'sport = 5001' | grep -q . && break; sleep 0.1; done
	ip netns exec a timeout 120 nc -nN 10.9.0.2 5001 < /tmp/data > /dev/null; wait $n
	[ "$(sha256sum < /tmp/got)" = "$SUM" ] || die "$1: other bytes arrive, $(stat -c %s /tmp/got) of 5000000"
}

# ping itself compares the bytes; frames of 60 bytes, around the strides of 256, the pages, the MTU
sizes() { # MTU NAME
	local s out
	for s in 18 19 50 100 213 214 215 470 726 1000 1238 1472 1473 2006 2007 2047 2048 4053 4054 4055 6000 8150 8972; do
		[ $s -le $(($1 - 28)) ] || break
		out=$(ip netns exec a ping -c 4 -i 0.02 -W 10 -M do -s $s 10.9.0.2)
		! echo "$out" | grep -q 'wrong data' && echo "$out" | grep -Eq ' [34] received' || die "$2: $s bytes: $out"
	done
}

rings() { # NAME: other lengths, of which the shortest is soon full
	for r in 256 4096 1024; do
		both ethtool -G vf0 rx $r
		transfer "$1, $r"
	done
}

# more packets at once than the queue holds: they are lost, and it goes on
flood() { # NAME
	ip netns exec a perl -MSocket -e 'socket $s, PF_INET, SOCK_DGRAM, 0; connect $s, pack_sockaddr_in(9, inet_aton("10.9.0.2"));
		send $s, "x" x (18 + $_ % 1400), 0 for 1 .. 20000'
	pings a 20 0.01 10.9.0.2 || die "$1: nothing after the flood"
}

[ "$(flag a)$(flag b)" = onon ] || die "the driver does not take striding queues by itself: $(flag a), $(flag b)"
for how in on off; do
	both ethtool --set-priv-flags vf0 rx_striding_rq $how
	[ "$(flag a)$(flag b)" = $how$how ] || die "striding is not $how"
	for mtu in 1500 9000; do
		both ip link set vf0 mtu $mtu
		was=$(fillers)
		sizes $mtu "$how, $mtu"
		transfer "$how, $mtu"
		rise=$(($(fillers) - was))
		# only where a packet takes more than one stride does the end of a buffer not fit
		[ $how$mtu = on9000 ] && want=yes || want=no
		[ $([ $rise -gt 0 ] && echo yes || echo no) = $want ] || die "$how, $mtu: $rise ends of a buffer passed over"
		echo "striding $how, MTU $mtu: $rise ends of a buffer passed over"
	done
	flood "$how"
	both ip link set vf0 mtu 1500
	rings "$how"
done
both ethtool --set-priv-flags vf0 rx_striding_rq on
transfer "on again"
log_clean
echo PASS
