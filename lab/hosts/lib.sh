# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the hosts have in common; sourced by each. Functions of the card are found in sysfs and their netdevs by the name of the
# port, as their numbers and names are chance. Nothing sleeps longer than it has to: what is awaited is asked for until it is there.
set -euo pipefail
trap 'echo "${0##*/}: line $LINENO: $BASH_COMMAND: status $?" >&2' ERR
devices=/sys/bus/pci/devices
drivers=/sys/bus/pci/drivers
state=/run/lived # what reset.sh has to know: the processes that a host has
mkdir -p "$state"

# wait_for SECONDS COMMAND...: until it succeeds
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < end)) || { echo "${0##*/}: waited in vain for: $*" >&2; return 1; }
		sleep 0.02
	done
}

# pfs: the ports of the cards, in the order of their addresses
pfs() {
	local d
	for d in "$devices"/*; do
		[[ -e $d/sriov_totalvfs && ! -e $d/physfn && $(<"$d/vendor") = 0x15b3 ]] && echo "${d##*/}"
	done | sort
}
mapfile -t pf < <(pfs)

# port PF PATTERN: the netdev below it whose port's name the pattern matches
port() {
	local n
	for n in "$devices/$1"/net/*; do
		# shellcheck disable=SC2053 # it is a pattern
		[[ $(cat "$n/phys_port_name" 2>/dev/null) = $2 ]] && echo "${n##*/}" && return
	done
	return 1
}
uplink() { port "$1" 'p[0-9]'; }
representor() { port "$1" "pf*vf$2"; }
vf() { basename "$(readlink "$devices/$1/virtfn$2")"; }
# vfnet PF N: the VF's own netdev
vfnet() {
	local n
	for n in "$devices/$1/virtfn$2"/net/*; do [[ -e $n ]] && echo "${n##*/}" && return; done
	return 1
}

# bond_of NAME MODE NETDEV... [-- OPTION...]
bond_of() {
	local name=$1 mode=$2 n members=()
	shift 2
	while [[ $# -gt 0 && $1 != -- ]]; do members+=("$1"); shift; done
	[[ $# -gt 0 ]] && shift
	modprobe bonding
	ip link add "$name" type bond mode "$mode" miimon 100 "$@"
	for n in "${members[@]}"; do ip link set "$n" down; ip link set "$n" master "$name"; done
	ip link set "$name" up
	wait_for 10 grep -qx up "/sys/class/net/$name/operstate"
}

# vfs PF N: legacy, N VFs with their netdevs
vfs() {
	local i
	echo "$2" >"$devices/$1/sriov_numvfs"
	for ((i = 0; i < $2; i++)); do wait_for 30 vfnet "$1" "$i"; done
}

# switchdev PF N: N VFs and their representors
switchdev() {
	local i
	vfs "$1" "$2"
	for ((i = 0; i < $2; i++)); do vf "$1" "$i" >"$drivers/mlx5_core/unbind"; done
	devlink dev eswitch set "pci/$1" mode switchdev
	wait_for 10 uplink "$1"
	for ((i = 0; i < $2; i++)); do
		wait_for 10 representor "$1" "$i"
		ip link set "$(representor "$1" "$i")" up
		vf "$1" "$i" >"$drivers/mlx5_core/bind"
		wait_for 30 vfnet "$1" "$i"
	done
}

# give ADDRESS DRIVER: takes a function from its driver and gives it to another
give() {
	[[ -e $devices/$1/driver ]] && echo "$1" >"$devices/$1/driver/unbind"
	echo "$2" >"$devices/$1/driver_override"
	echo "$1" >"$drivers/$2/bind"
}

# hold FILE: a process has it open, as a virtual machine has its group
hold() {
	(exec -a qemu-system-x86_64 sleep infinity <"$1" >/dev/null 2>&1) &
	echo $! >>"$state/pids"
	disown
}

# addresses NETDEV: what a host in a rack has: both families, default routes
addresses() {
	ip address add 198.51.100.10/24 dev "$1"
	ip -6 address add 2001:db8:51::10/64 dev "$1" nodad
	ip route add default via 198.51.100.1 dev "$1"
	ip -6 route add default via 2001:db8:51::1 dev "$1"
}
