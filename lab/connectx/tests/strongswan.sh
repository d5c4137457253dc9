#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# strongSwan's IKE with hw_offload = crypto and packet between the PF and a software peer: SAs of the daemon are in the card, data flows, also after a rekey.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/xfrm.sh"
load log=1
xfrm_modules
N=$(netdev $PF0)
cable "$N"
A=10.8.1.1 B=10.8.2.1		# what is in the tunnel: IKE itself, between the outer addresses, is not
ip addr add $A/32 dev lo && ip route add $B/32 via $B4 dev "$N" src $A || die "route"
ip -n peer addr add $B/32 dev lo && ip -n peer route add $A/32 via $A4 dev v0 src $B || die "route of the peer"
# With packet offload a local packet leaves the kernel as it is, behind an Ethernet header for its own, inner destination: xfrm_output() has it
# look up that neighbour too. So it stands fast, as those of the cable do, and no ARP for what is in the tunnel is on the wire.
ip neigh replace $B lladdr "$(ip netns exec peer cat /sys/class/net/v0/address)" dev "$N" nud permanent || die "neighbour"

# daemon NS OUR-ADDRESS OUR-NAME THEIR-ADDRESS THEIR-NAME OURS THEIRS OFFLOAD: charon, configured
daemon() {
	rm -f "$TMP/$3".*
	cat > "$TMP/$3.conf" <<-X
	charon-systemd {
		load = random nonce drbg openssl kernel-netlink socket-default vici
		install_routes = no
		delete_rekeyed_delay = 1
		journal { default = -1 }
		filelog { f { path = $TMP/$3.log
			default = 1
			knl = 2 } }
		plugins { vici { socket = unix://$TMP/$3.vici } }
	}
	X
	cat > "$TMP/$3.swanctl" <<-X
	connections { ike {
		version = 2
		proposals = aes128gcm16-prfsha256-x25519
		local_addrs = $2
		remote_addrs = $4
		local { auth = psk
			id = $3 }
		remote { auth = psk
			id = $5 }
		children { net {
			local_ts = $6/32
			remote_ts = $7/32
			esp_proposals = aes256gcm16-esn
			hw_offload = $8 } }
	} }
	secrets { ike-psk { secret = not-a-secret-at-all } }
	X
	STRONGSWAN_CONF="$TMP/$3.conf" in_ns "exec $1" charon-systemd > "$TMP/$3.out" 2>&1 &
	PIDS="$PIDS $!"
	within 30 test -S "$TMP/$3.vici" || die "charon of $3 does not start: $(cat "$TMP/$3.out" "$TMP/$3.log")"
	swan $3 --load-all --noprompt --file "$TMP/$3.swanctl" > "$TMP/load" 2>&1 || die "configuration of $3: $(cat "$TMP/load")"
}
swan() { local who=$1 cmd=$2; shift 2; STRONGSWAN_CONF="$TMP/$who.conf" swanctl $cmd --uri "unix://$TMP/$who.vici" "$@"; }
offloaded() { [ "$(ip xfrm state | grep -c 'crypto offload parameters.*')" = 2 ]; }
OTHER='not (esp or udp port 500 or udp port 4500 or ip6)'	# of IPv6 there is nothing but what the link itself says
spis() { ip xfrm state | awk '/spi/ { print $4 }' | sort; }

flow() { # NAME
	local tx rx; tx=$(counter "$N" ipsec_tx_pkts) rx=$(counter "$N" ipsec_rx_pkts)
	capture
	ping -c 5 -i 0.2 -W 10 -q -I $A $B >/dev/null || die "$1: no ping"
	transfer 200000 $B "$1"
	captured
	[ "$(seen "esp and src $A4")" -gt 10 ] && [ "$(seen "esp and dst $A4")" -gt 10 ] || die "$1: no ESP on the wire"
	[ "$(seen "$OTHER")" = 0 ] || die "$1: on the wire there is more than ESP and IKE: $(tcpdump -nr "$TMP/wire.pcap" "$OTHER" 2>/dev/null | head -3)"
	! grep -qa 'in the clear, line' "$TMP/wire.pcap" || die "$1: plain text on the wire"
	rises "$N" ipsec_tx_pkts "$tx" "$1: the card did not encrypt"
	rises "$N" ipsec_rx_pkts "$rx" "$1: the card did not decrypt"
}

ike() { # KIND
	local old
	PIDS=
	daemon - $A4 here $B4 there $A $B $1
	daemon peer $B4 there $A4 here $B $A no
	swan here --initiate --child net --timeout 60 > "$TMP/initiate" 2>&1 || die "$1: no tunnel: $(tail -5 "$TMP/initiate"; grep KNL "$TMP/here.log" | tail -5)"
	ip -d xfrm state | grep -q 'mode tunnel' && offloaded || die "$1: not offloaded: $(ip -d xfrm state)"
	[ "$(ip -d xfrm state | grep -c 'mode packet')" = $([ $1 = packet ] && echo 2 || echo 0) ] || die "$1: the mode: $(ip -d xfrm state)"
	flow "$1"
	old=$(spis)
	swan here --rekey --child net > "$TMP/rekey" 2>&1 || die "$1: rekey: $(cat "$TMP/rekey")"
	rekeyed() { [ "$(spis | wc -l)" = 2 ] && [ -z "$(comm -12 <(echo "$old") <(spis))" ]; }
	within 20 rekeyed || die "$1: not rekeyed: $old, $(spis)"
	offloaded || die "$1: the new SAs are not offloaded: $(ip -d xfrm state)"
	flow "$1, rekeyed"
	kill $PIDS; wait $PIDS 2>/dev/null
	flush
}

KINDS="crypto packet"
case $(uname -r) in 6.1.*) KINDS=crypto ;; esac	# no packet offload
for k in $KINDS; do
	ike $k
	[ "$(dmesg | grep -c "IPsec object .*: $k offload, key of 256 bits")" -ge 4 ] || die "$k: the card has no keys of IKE"
done
uncable
log_clean
echo PASS
