#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# IPsec in switchdev: packet offload on the PF (in the FDB), and on VFs after devlink's port function attributes ipsec_crypto and
# ipsec_packet; what excludes what.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/xfrm.sh"
load log=1
xfrm_modules
D=pci/$PF0
echo 2 > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "VFs"
within 10 vf $PF0 1 >/dev/null 2>&1
ethtool -k "$(vf $PF0 0)" | grep -q 'esp-hw-offload: off' || die "a VF has IPsec without having been granted it"
V() { basename "$(readlink /sys/bus/pci/devices/$PF0/virtfn$1)"; }
unbind() { echo "$(V $1)" > /sys/bus/pci/drivers/mlx5_core/unbind || die "unbind VF $1"; }
bind() { echo "$(V $1)" > /sys/bus/pci/drivers/mlx5_core/bind || die "bind VF $1"; within 10 vf $PF0 $1 >/dev/null || die "VF $1 has no netdev"; }
unbind 0; unbind 1
devlink dev eswitch set $D mode switchdev || die "switchdev"
PORT() { devlink -j port | jq -r --argjson n $1 '.port | to_entries[] | select(.key | startswith("'$D'/")) | select(.value.flavour == "pcivf" and .value.vfnum == $n) | .key'; }
REP() { devlink -j port show "$(PORT $1)" | jq -r '.port[].netdev'; }
attr() { devlink -j port show "$(PORT $1)" | jq -r ".port[].function.$2"; }
case $(uname -r) in 6.1.*)
	echo "$(uname -r): no packet offload (6.2), no port function attributes (6.6)"
	[ "$(attr 0 ipsec_crypto)" = null ] || die "an attribute"
	log_clean; echo PASS; exit ;;
esac
[ "$(attr 0 ipsec_crypto)$(attr 0 ipsec_packet)" = disabledisable ] || die "attributes at first: $(devlink port show "$(PORT 0)")"
P=$(for n in $(netdev $PF0); do [ "$(cat /sys/class/net/$n/phys_port_name)" = p0 ] && echo $n; done); N=$P
G=$(aead $K128)
try() { ip xfrm state add src $A4 dst $B4 proto esp spi 0x200 reqid 1 mode $2 $G offload $1 dev "$N" dir out; }

# the PF: packet offload is in the eswitch's tables
refuses 'encap settings' try packet tunnel		# encap-mode is basic
devlink dev eswitch set $D encap-mode none || die "encap-mode"	# before the link is up: a rebuilt FDB lacks the queues' rules
cable "$P"
flows packet $A4 $B4 transport $K128 "PF, packet, transport"
case $(uname -r) in 7.*) ;; *) refuses 'IPsec SA' devlink dev eswitch set $D encap-mode basic ;; esac
refuses . devlink port function set "$(PORT 0)" ipsec_crypto enable
refuses . devlink port function set "$(PORT 0)" ipsec_packet enable
refuses . devlink dev eswitch set $D mode legacy
[ "$(attr 0 ipsec_crypto)$(attr 0 ipsec_packet)" = disabledisable ] || die "a refused attribute is set"
case $(uname -r) in
7.*) refuses 'encap settings' try packet tunnel ;;	# never from the eswitch's tables (mlx5_eswitch_block_encap), whatever the mode
*) flows packet $A6 $B6 tunnel $K256 "PF, packet, tunnel, IPv6" ;;
esac
flows crypto $A4 $B4 tunnel $K128 "PF, crypto, tunnel"
pair packet $A4 $B4 transport $K128
ethtool -K "$P" hw-tc-offload on; tc qdisc add dev "$P" clsact
filter() { tc filter add dev "$P" ingress protocol ip flower skip_sw ip_proto tcp dst_port 7 action drop; }
refuses busy filter
flush
filter || die "a filter on the uplink is not offloaded without an SA"
refuses 'failed to offload' try packet transport
tc qdisc del dev "$P" clsact
flush
ip link set wire0 netns 1 2>/dev/null; uncable
ip addr flush dev "$P"

# VFs: nothing without the attribute
bind 0
N=$(vf $PF0 0)
ethtool -k "$N" | grep -q 'esp-hw-offload: off' || die "VF 0 has IPsec without the attribute"
unbind 0
devlink port function set "$(PORT 0)" ipsec_crypto enable && devlink port function set "$(PORT 1)" ipsec_crypto enable || die "ipsec_crypto"
[ "$(attr 0 ipsec_crypto)$(attr 0 ipsec_packet)" = enabledisable ] || die "attributes: $(devlink port show "$(PORT 0)")"
bind 0; bind 1
N=$P; refuses 'failed to offload' try crypto transport; refuses 'failed to offload' try packet transport
N=$(vf $PF0 0)
ethtool -k "$N" | grep -q 'esp-hw-offload: on' || die "VF 0 has no IPsec"
refuses 'Packet offload is not supported' try packet transport
[ -z "$(ip xfrm state)" ] || die "what was refused is there"

# join A B [WORDS]: flows both ways between two ports of the eswitch
join() {
	local a=$1 b=$2 i; shift 2
	for i in "$a" "$b"; do
		ip link set "$i" up; ethtool -K "$i" hw-tc-offload on; tc qdisc del dev "$i" clsact 2>/dev/null; tc qdisc add dev "$i" clsact
	done
	for i in arp ip ipv6; do
		tc filter add dev "$a" ingress protocol $i flower skip_sw $([ $i = ip ] && echo "$@") action mirred egress redirect dev "$b" &&
			tc filter add dev "$b" ingress protocol $i flower skip_sw $([ $i = ip ] && echo "$@") action mirred egress redirect dev "$a" ||
			die "flows $a $b"
	done
}

# VF to the wire
join "$(REP 0)" "$P"
cable "$N"
flows crypto $A4 $B4 transport $K128 "VF to the wire, crypto"
flows crypto $A6 $B6 tunnel $K256 "VF to the wire, crypto, tunnel, IPv6"
flush; uncable; ip addr flush dev "$N"

# VF to VF: the eswitch lets nothing but ESP and ARP through
vf_to_vf() { # KIND
	local kind=$1 a=10.9.1.1 b=10.9.1.2 t0 t1 r0 r1
	flush; N=$(vf $PF0 0)
	vf_ns $PF0 1 vm1 $b/24
	ip link set "$N" up; ip addr add $a/24 dev "$N"
	join "$(REP 0)" "$(REP 1)" ip_proto 0x32	# ESP
	sa - $a $b 0x100 transport $G offload $kind dev "$N" dir out && sa - $b $a 0x101 transport $G offload $kind dev "$N" dir in &&
		sa vm1 $a $b 0x100 transport $G offload $kind dev vf0 dir in && sa vm1 $b $a 0x101 transport $G offload $kind dev vf0 dir out ||
		die "VF to VF, $kind: SAs"
	local o=; [ $kind = packet ] && o="offload packet dev"
	policies - $a $b transport ${o:+$o $N}; policies vm1 $b $a transport ${o:+$o vf0}
	within 10 ping -c 1 -W 1 -q $b >/dev/null
	t0=$(counter "$N" ipsec_tx_pkts) r0=$(counter "$N" ipsec_rx_pkts)
	in_ns vm1 ethtool -S vf0 > "$TMP/vf0"
	pings - 5 0.2 $b ||
		die "VF to VF, $kind: no ping: $(ip neigh; tc -s filter show dev "$(REP 0)" ingress; tc -s filter show dev "$(REP 1)" ingress; ip -s xfrm state)"
	[ $(($(counter "$N" ipsec_tx_pkts) - t0)) = 5 ] && [ $(($(counter "$N" ipsec_rx_pkts) - r0)) = 5 ] || die "VF to VF, $kind: VF 0 did not do it"
	in_ns vm1 ethtool -S vf0 > "$TMP/vf1"
	for c in ipsec_tx_pkts ipsec_rx_pkts; do
		[ $(($(awk -v c=$c: '$1 == c { print $2 }' "$TMP/vf1") - $(awk -v c=$c: '$1 == c { print $2 }' "$TMP/vf0"))) = 5 ] || die "VF to VF, $kind: VF 1 did not do it: $c"
	done
	ip -n vm1 xfrm state flush; ip -n vm1 xfrm policy flush; ip netns del vm1; ip xfrm state flush; ip xfrm policy flush; ip addr flush dev "$N"
}
vf_to_vf crypto

# packet offload on VFs
sleep 1; unbind 0; unbind 1
for i in 0 1; do devlink port function set "$(PORT $i)" ipsec_crypto disable && devlink port function set "$(PORT $i)" ipsec_packet enable || die "ipsec_packet"; done
[ "$(attr 0 ipsec_crypto)$(attr 0 ipsec_packet)" = disableenable ] || die "attributes: $(devlink port show "$(PORT 0)")"
bind 0; bind 1
N=$(vf $PF0 0)
refuses 'Crypto offload is not supported' try crypto transport
vf_to_vf packet
tc qdisc del dev "$(REP 0)" clsact
join "$(REP 0)" "$P"
cable "$N"
flows packet $A4 $B4 transport $K128 "VF to the wire, packet"
flush; uncable; ip addr flush dev "$N"; tc qdisc del dev "$P" clsact

# the attribute outlives a reset of the VF, not the VF; without any the PF offloads again
unbind 0; echo 1 > /sys/bus/pci/devices/$(V 0)/reset || die "reset"; bind 0
ethtool -k "$(vf $PF0 0)" | grep -q 'esp-hw-offload: on' || die "the attribute is lost in a reset"
echo 0 > /sys/bus/pci/devices/$PF0/sriov_numvfs && echo 1 > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "VFs"
within 10 vf $PF0 0 >/dev/null 2>&1
[ "$(attr 0 ipsec_packet)" = disable ] || die "a new VF has the attribute of the one before"
N=$P; try crypto transport || die "no VF has IPsec, and the PF may not"
flush
log_clean
echo PASS
