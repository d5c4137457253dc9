# SPDX-License-Identifier: GPL-2.0
# Helpers for the tests of link aggregation; sourced after lib.sh. Both uplinks are bonded here, both wires in the namespace peer.
CX=/sys/kernel/debug/connectx_emu
LAG=/sys/kernel/debug/mlx5/$PF0/lag
PEER=10.9.0.20

uplink() { # PF: its netdev, in either eswitch mode
	local f
	for f in /sys/bus/pci/devices/"$1"/net/*; do
		case $(cat "$f/phys_port_name" 2>/dev/null) in p[01]) basename "$f"; return ;; esac
	done
	die "no uplink of $1"
}
lag() { cat "$LAG/$1" 2>/dev/null; }
# soon WHAT COMMAND...: the command succeeds within a minute
soon() {
	local what=$1 i; shift
	for i in $(seq 300); do "$@" && return; sleep 0.2; done
	die "$what: state $(lag state), mapping $(lag mapping | tr '\n' ' '), flags $(lag flags | tr '\n' ' ')"
}
state() { [ "$(lag state)" = "$1" ]; }
# kind TYPE PORT-SELECTION
kind() { [ "$(lag type) $(lag port_sel_mode)" = "$1 $2" ]; }
mapping() { [ "$(lag mapping | tr '\n' ' ')" = "$1 " ]; }
not_active() { sleep 2; state active && die "$1: LAG is active"; return 0; }

# switchdev COUNT PF...: that many VFs each, not bound yet
switchdev() {
	local n=$1 pf; shift
	for pf in "$@"; do
		echo 0 > /sys/bus/pci/devices/$pf/sriov_drivers_autoprobe
		devlink dev eswitch set pci/$pf mode switchdev || die "no switchdev of $pf"
		echo "$n" > /sys/bus/pci/devices/$pf/sriov_numvfs || die "no VFs of $pf"
		echo 1 > /sys/bus/pci/devices/$pf/sriov_drivers_autoprobe	# for without it none can be bound
	done
}
legacy() {
	local pf
	for pf in "$@"; do
		echo 0 > /sys/bus/pci/devices/$pf/sriov_numvfs
		devlink dev eswitch set pci/$pf mode legacy || die "no legacy mode of $pf"
	done
}
# bond_add NETNS NAME FIRST SECOND OPTIONS...
bond_add() {
	local ns=$1 b=$2 a=$3 c=$4 n; shift 4
	ip -n "$ns" link add "$b" type bond miimon 50 "$@" || die "bond $*"
	for n in "$a" "$c"; do ip -n "$ns" link set "$n" down && ip -n "$ns" link set "$n" master "$b" || die "$n does not join $b"; done
	# 6.1 has the primary only after it has joined
	case "$*" in *active-backup*) ip -n "$ns" link set "$b" type bond primary "$a" ;; esac
	ip -n "$ns" link set "$b" up
}
# bonds OPTIONS...: bond0 of the uplinks, and its partner
bonds() {
	U0=$(uplink $PF0) U1=$(uplink $PF1)
	bond_add peer bond1 wire0 wire1 "$@"
	ip -n peer addr add $PEER/24 dev bond1
	bond_add host bond0 "$U0" "$U1" "$@"
}
unbond() {
	ip link del bond0; ip -n peer link del bond1
	soon "LAG goes with the bond" state disabled
	for n in wire0 wire1; do ip -n peer link set $n up; done
}
wires() {
	ip netns attach host $$ && ip netns add peer || die "namespaces"
	local n
	for n in wire0 wire1; do
		ip link set $n netns peer && tc -n peer qdisc add dev $n clsact || die "$n"
		for p in udp icmp tcp; do
			tc -n peer filter add dev $n ingress protocol ip prio 1 flower ip_proto $p action pass || die "counter of $n"
		done
		ip -n peer link set $n up
	done
}
# came PROTOCOL WIRE: packets of IPv4 that have come out of the card there
came() {
	tc -n peer -s -j filter show dev "$2" ingress |
		jq "[.[] | select(.options.keys.ip_proto == \"$1\") | .options.actions[0].stats.packets] | add"
}
# send NETNS: 64 flows of a UDP packet each, from both processors
send() {
	local i
	for c in 0 1; do
		ip netns exec "$1" taskset -c $c bash -c "for i in \$(seq 32); do echo x > /dev/udp/$PEER/\$((5000 + 32 * $c + i)); done"
	done
}
# spread NETNS WHAT MIN0 MIN1: the 64 flows come out of the card, as many as that at least of each wire. The last may still be on their way
spread() {
	local a b i n0 n1; a=$(came udp wire0) b=$(came udp wire1)
	send "$1"
	for i in $(seq 50); do
		n0=$(($(came udp wire0) - a)) n1=$(($(came udp wire1) - b))
		[ $((n0 + n1)) -ge 64 ] && break
		sleep 0.1
	done
	echo "$2: $n0 of wire0, $n1 of wire1"
	[ $((n0 + n1)) = 64 ] && [ $n0 -ge "$3" ] && [ $n1 -ge "$4" ] || die "$2: 64 flows, $n0 come of wire0, $n1 of wire1"
}
# reaches NETNS: the peer, over what is there
reaches() { ip netns exec "$1" ping -c 1 -W 2 -q $PEER > /dev/null; }
pci_of() { basename "$(readlink -f /sys/bus/pci/devices/$1/virtfn$2)"; }
# vf_up NET: VFs 0 and 1 of each port in the namespaces t0..t3, NET.10 and so on, their representors in R
vf_up() {
	local pf i k=0
	for pf in $PF0 $PF1; do
		for i in 0 1; do
			R[k]=$(rep pf${pf##*.}vf$i)
			pci_of $pf $i > /sys/bus/pci/drivers/mlx5_core/bind || die "VF $i of $pf"
			vf_ns $pf $i t$k "$1.1$k/24"
			ip link set "${R[k]}" up && tc qdisc add dev "${R[k]}" clsact || die "${R[k]}"
			k=$((k + 1))
		done
	done
}
vf_down() {
	local k pf i
	for k in 0 1 2 3; do ip netns del t$k; done
	for pf in $PF0 $PF1; do
		for i in 0 1; do pci_of $pf $i > /sys/bus/pci/drivers/mlx5_core/unbind; done
	done
}
