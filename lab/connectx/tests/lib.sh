# SPDX-License-Identifier: GPL-2.0
# Helpers for the tests of the emulated card; sourced. LAB_MODULES is where the built modules are.
LAB_MODULES=${LAB_MODULES:-/lab/modules}
PF0=0001:3b:00.0
PF1=0001:3b:00.1

die() { echo "FAIL: $*" >&2; exit 1; }

# the modules, unless they are there; arguments go to the card. DRIVER is the command that loads mlx5_core. The kernel cannot load what a feature asks for
# where its usermode helper sees another root, so that is loaded here too.
load() {
	modprobe -aq gf128mul libaes tls mlxfw psample pci-hyperv-intf nf_flow_table act_ct vxlan bonding 8021q \
		openvswitch sch_ingress cls_flower act_mirred act_vlan act_gact gcm ctr ghash-generic aesni_intel
	[ -d /sys/module/mlx5_core ] || ${DRIVER:-insmod "$LAB_MODULES/mlx5_core.ko"} || die "mlx5_core does not load"
	[ -d /sys/module/connectx_emu ] || insmod "$LAB_MODULES/connectx_emu.ko" "$@" || die "connectx_emu does not load"
	[ -d /sys/bus/pci/devices/$PF0/net ] || die "$PF0 has no netdev"
}

netdev() { ls "/sys/bus/pci/devices/$1/net"; }
# rep PHYSICAL-PORT-NAME: the netdev of that port, p0 or pf0vf1 for example
rep() { grep -lx "$1" /sys/class/net/*/phys_port_name 2>/dev/null | head -n 1 | cut -d / -f 5 | grep . || die "no port $1"; }
vf() { netdev "$1/virtfn$2"; }

# vf_ns PF INDEX NAMESPACE ADDRESS: a VF in a namespace of its own, named vf0
vf_ns() {
	local n; n=$(vf "$1" "$2") || die "VF $2 of $1 has no netdev"
	ip netns add "$3" && ip link set "$n" netns "$3" && ip -n "$3" link set "$n" name vf0 &&
		ip -n "$3" addr add "$4" dev vf0 && ip -n "$3" link set lo up && ip -n "$3" link set vf0 up ||
		die "namespace $3"
}

ping_ok() { ip netns exec "$1" ping -c 3 -i 0.3 -w 30 -q "$2" >/dev/null || die "$1 does not reach $2"; }

# in_ns NAMESPACE COMMAND...: "-" is the machine's own; "exec NAMESPACE" in place of this shell
in_ns() {
	local n=$1; shift
	case $n in
	-) "$@" ;;
	"exec -") exec "$@" ;;
	exec*) exec ip netns exec "${n#exec }" "$@" ;;
	*) ip netns exec "$n" "$@" ;;
	esac
}

# pings NS COUNT INTERVAL ADDRESS [FLAGS]: all come back but perhaps the last, for which ping waits two round trips only and a busy machine is slower
pings() {
	local n; n=$(in_ns "$1" ping -c "$2" -i "$3" -q "${@:4}" | sed -n 's/.* \([0-9]*\) received.*/\1/p')
	[ "${n:-0}" -ge $(($2 - 1)) ]
}

# nothing alarming in the kernel's log
log_clean() {
	! dmesg | grep -E "BUG:|WARNING:|Oops|Call Trace|general protection|connectx_emu: .*not (known|there|supported)" ||
		die "the kernel's log has warnings"
}

# capture FILE FILTER COMMAND...: the frames that wire0, in the namespace peer, receives and sends while the command runs; ends when no more come
capture() {
	local file=$1 filter=$2 pid n=-1 same=0 status; shift 2
	ip netns exec peer tcpdump -i wire0 -s 0 -U --immediate-mode -B 65536 -w "$file" $filter 2> "$file.log" & pid=$!
	for _ in $(seq 300); do grep -q 'listening on' "$file.log" && break; sleep 0.1; done
	"$@"; status=$?
	while [ $same -lt 4 ]; do
		sleep 0.4
		[ "$(wc -c < "$file")" = "$n" ] && same=$((same + 1)) || same=0
		n=$(wc -c < "$file")
	done
	kill $pid; wait $pid 2>/dev/null
	grep -q '^0 packets dropped by kernel' "$file.log" || die "the capture has lost frames: $(cat "$file.log")"
	return $status
}
