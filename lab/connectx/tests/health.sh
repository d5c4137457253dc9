#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What devlink's health reporters have to show: a dump of CR space while the firmware lives and after it has failed, the firmware's own traces for
# the one PF that owns the tracer, the counters of a function's environment.
. "$(dirname "$0")/lib.sh"
load ports=2 vfs=2
F=/sys/kernel/debug/connectx_emu
P=$(netdev $PF0)
ip addr add 10.9.0.1/24 dev "$P" && ip link set "$P" up || die "$P"
echo 1 > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "no VF"
V=$(basename "$(readlink -f /sys/bus/pci/devices/$PF0/virtfn0)")
ip netns add peer && ip link set wire0 netns peer && ip -n peer addr add 10.9.0.20/24 dev wire0 && ip -n peer link set wire0 up || die "wire0"
ping_ok peer 10.9.0.1

# the capability by which the driver gets at it, on PFs
lspci -vv -s $PF0 | grep -q 'Vendor Specific Information: Len=18' || die "no vendor's capability: $(lspci -vv -s $PF0)"
lspci -vv -s "$V" | grep -q 'Vendor Specific Information: Len=18' && die "a VF has the vendor's capability"

# CR space. words FILE ADDRESS...: how long the dump of that JSON is, and the words at the addresses, in one line
words() {
	jq -r 'first(.. | objects | select(has("crdump_data"))).crdump_data as $d |
		[($d | length)] + [$ARGS.positional[] | tonumber | $d[. + 3] * 16777216 + $d[. + 2] * 65536 + $d[. + 1] * 256 + $d[.]] | join(" ")' "$1" --args "${@:2}"
}
dump() { devlink -j health dump clear "pci/$1" reporter fw_fatal; devlink -j health dump show "pci/$1" reporter fw_fatal > /tmp/dump || die "$1 has no dump"; }
FW=0 EMPTY=$((0x1000)) PORT=$((0x80000)) DEVID=$((0xf0014)) SIZE=$((0xf0018))
dump $PF0
got=$(words /tmp/dump $FW $EMPTY $PORT $DEVID) want="$SIZE $((35 << 16 | 22)) $((0xbadacce5)) 3 $((0x212))"
[ "$got" = "$want" ] || die "the dump has $got, not $want: $(head -c 300 /tmp/dump)"
ip -n peer link set wire0 down; sleep 1
dump $PF0; [ "$(words /tmp/dump $PORT)" = "$SIZE 2" ] || die "the port without a link: $(words /tmp/dump $PORT)"
ip -n peer link set wire0 up; sleep 1
dump $PF1; [ "$(words /tmp/dump $FW $DEVID)" = "$SIZE $((35 << 16 | 22)) $((0x212))" ] || die "the other PF's dump: $(words /tmp/dump $FW $DEVID)"
devlink health dump show "pci/$V" reporter fw_fatal > /dev/null 2>&1 && die "a VF has a dump"

# traces: there is one owner
traces() { devlink -j health dump clear "pci/$1" reporter fw; devlink -j health dump show "pci/$1" reporter fw 2> /tmp/why | jq -r '.. | .msg? | select(.)'; }
t=$(traces $PF0)
grep -qx 'core dump 1, asked for by function 0' <<< "$t" && grep -Eqx 'port 1: link 1, went down [1-9][0-9]* times' <<< "$t" && grep -qx 'health syndrome 0x0' <<< "$t" || die "traces: $t $(cat /tmp/why)"
traces $PF0 | grep -qx 'core dump 2, asked for by function 0' || die "no second dump"
[ -z "$(traces $PF1)" ] && grep -q 'Operation not permitted' /tmp/why || die "another than the owner: $(cat /tmp/why)"
[ -z "$(traces "$V")" ] || die "a VF has traces"
echo 0 > /sys/bus/pci/devices/$PF0/sriov_numvfs
echo $PF0 > /sys/bus/pci/drivers/mlx5_core/unbind || die "unbind"
for _ in $(seq 100); do t=$(traces $PF1) && [ -n "$t" ] && break; sleep 0.1; done
grep -qx 'core dump 3, asked for by function 1' <<< "$t" || die "the owner is gone, and the other PF has: $t $(cat /tmp/why)"
echo $PF0 > /sys/bus/pci/drivers/mlx5_core/bind || die "bind"
P=$(netdev $PF0)
ip addr replace 10.9.0.1/24 dev "$P" && ip link set "$P" up && ping_ok peer 10.9.0.1
[ -z "$(traces $PF0)" ] || die "it has taken the tracer from its owner"

# a function's environment
case $(uname -r) in
6.1.*) echo "6.1: no reporter vnic" ;;
*)
	env() { devlink -j health diagnose pci/$PF0 reporter vnic | jq -r ".. | .$1? | select(. != null)"; }
	for n in total_error_queues comp_eq_overrun async_eq_overrun cq_overrun quota_exceeded_command; do [ "$(env $n)" = 0 ] || die "$n is $(env $n): $(devlink health diagnose pci/$PF0 reporter vnic)"; done
	d=$(env nic_receive_steering_discard) i=$(env invalid_command)
	ip -n peer neigh replace 10.9.0.99 lladdr 02:00:00:00:00:99 dev wire0 nud permanent
	ip netns exec peer perl -MSocket -e 'socket my $s, PF_INET, SOCK_DGRAM, 0; send $s, "x", 0, pack_sockaddr_in(9, inet_aton("10.9.0.99")) for 1 .. 50'
	for _ in $(seq 50); do [ $(($(env nic_receive_steering_discard) - d)) -ge 50 ] && break; sleep 0.1; done
	d=$(($(env nic_receive_steering_discard) - d))
	[ $d -ge 50 ] && [ $d -le 70 ] || die "50 frames to nobody here, and $d are counted"
	[ "$(env invalid_command)" = "$i" ] || die "refused commands, and there was none"
	echo 'fail 0x773 1 3 0' > $F/commands	# QUERY_Q_COUNTER
	ethtool -S "$P" > /dev/null
	for _ in $(seq 50); do [ "$(cat $F/commands)" = "" ] && break; sleep 0.1; done
	[ "$(env invalid_command)" = $((i + 1)) ] || die "one refused command, and $(env invalid_command) after $i"
	;;
esac

# firmware that stops: the driver has dumped before it reset it
case $(uname -r) in
6.1.*) echo "6.1: recovery is not tried, as in faults.sh" ;;
*)
	dmesg -C
	devlink health dump clear pci/$PF0 reporter fw_fatal
	echo 8 > $F/pf0/hang
	for _ in $(seq 120); do [ "$(devlink -j health show pci/$PF0 reporter fw_fatal | jq -r '.health[][0].recover')" = 1 ] && break; sleep 1; done
	devlink -j health show pci/$PF0 reporter fw_fatal | jq -e '.health[][0] | .recover == 1 and .error == 1 and .state == "healthy" and has("last_dump_date")' > /dev/null ||
		die "recovery: $(devlink health show pci/$PF0)"
	devlink -j health dump show pci/$PF0 reporter fw_fatal > /tmp/j
	# the last word of the health buffer: irisc, the syndrome, what it says more
	[ "$(words /tmp/j $((0x23c)))" = "$SIZE $((8 << 16))" ] || die "the dump of the failure: $(words /tmp/j $((0x23c))) $(head -c 300 /tmp/j)"
	dmesg | grep -q 'Failed to lock SW reset semaphore' && die "the semaphore of the reset"
	P=$(netdev $PF0)
	ip addr replace 10.9.0.1/24 dev "$P" && ip link set "$P" up && ping_ok peer 10.9.0.1
	;;
esac
! dmesg | grep -E "BUG:|WARNING:|Oops|Call Trace|connectx_emu: .*not (known|there|supported)" || die "the kernel's log has warnings"
echo PASS
