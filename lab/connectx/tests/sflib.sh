# SPDX-License-Identifier: GPL-2.0
# Scalable functions: made, bound, given to a namespace; sourced after lib.sh.

wait_for() { for _ in $(seq 150); do "$@" && return; sleep 0.2; done; return 1; }

# port PFNUM SFNUM: the devlink port; value PFNUM SFNUM FIELD: what devlink says of it
port() { devlink -j port | jq -r ".port | to_entries[] | select(.value | .flavour == \"pcisf\" and .pfnum == $1 and .sfnum == $2) | .key" | grep .; }
value() { devlink -j port show "$(port "$1" "$2")" | jq -r ".port[].$3"; }
is() { [ "$(value "$1" "$2" "$3")" = "$4" ]; }
add() { devlink port add "pci/0001:3b:00.$1" flavour pcisf pfnum "$1" sfnum "$2"; }
# device PFNUM SFNUM: the function's auxiliary device
device() {
	local d
	for d in "/sys/bus/pci/devices/0001:3b:00.$1"/mlx5_core.sf.*; do
		[ "$(cat "$d/sfnum" 2> /dev/null)" = "$2" ] && basename "$d" && return
	done
	return 1
}
# no_device PFNUM SFNUM: nor one without a number, which is still going
no_device() {
	local d
	for d in "/sys/bus/pci/devices/0001:3b:00.$1"/mlx5_core.sf.*; do
		[ ! -d "$d" ] || [ "$(cat "$d/sfnum" 2> /dev/null || echo "$2")" != "$2" ] || return 1
	done
}
# on PFNUM SFNUM [ATTRIBUTE VALUE]: active, bound, with a netdev, whose name is in N. Newer drivers make that only when asked
on() {
	local d f=$1 s=$2; shift 2
	devlink port function set "$(port "$f" "$s")" "$@" state active || die "SF $s of port $f: state active"
	wait_for eval "is $f $s function.opstate attached" || die "SF $s of port $f is not attached: $(devlink port show "$(port "$f" "$s")")"
	d=$(device "$f" "$s") || die "SF $s of port $f has no device"
	[ "$(basename "$(readlink /sys/bus/auxiliary/devices/"$d"/driver)")" = mlx5_core.sf ] || die "$d is not bound"
	wait_for eval "devlink dev show auxiliary/$d > /dev/null 2>&1" || die "no devlink instance auxiliary/$d"
	if [ ! -d "/sys/bus/auxiliary/devices/$d/net" ]; then
		devlink dev param set "auxiliary/$d" name enable_eth value true cmode driverinit &&
			devlink dev reload "auxiliary/$d" > /dev/null || die "enable_eth of $d"
	fi
	wait_for [ -d "/sys/bus/auxiliary/devices/$d/net" ] || die "$d has no netdev"
	ls -d "/sys/bus/auxiliary/devices/$d"/mlx5_core.eth.* > /dev/null || die "$d has no mlx5_core.eth"
	N=$(ls "/sys/bus/auxiliary/devices/$d/net")
}
# into NAMESPACE ADDRESS: the netdev N, as vf0
into() {
	ip netns add "$1" && ip link set "$N" netns "$1" && ip -n "$1" link set "$N" name vf0 && ip -n "$1" addr add "$2" dev vf0 &&
		ip -n "$1" link set lo up && ip -n "$1" link set vf0 up || die "namespace $1"
}
