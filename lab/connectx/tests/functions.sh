#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# devlink: attributes of port functions and what their VFs see of them, parameters, eswitch modes, health reporters; refusals.
. "$(dirname "$0")/lib.sh"
load log=1
refused() { ! "$@" > /dev/null 2>&1 || die "not refused: $*"; }
pci() { basename "$(readlink -f /sys/bus/pci/devices/$PF0/virtfn"$1")"; }
unbind() { pci "$1" > /sys/bus/pci/drivers/mlx5_core/unbind || die "unbind VF $1"; }
bind() { pci "$1" > /sys/bus/pci/drivers/mlx5_core/bind && vf $PF0 "$1" > /dev/null || die "bind VF $1"; }
ports() { for i in 0 1; do P[i]=$(devlink -j port | jq -r ".port | to_entries[] | select(.key | startswith(\"pci/$PF0/\")) | select(.value.flavour == \"pcivf\" and .value.vfnum == $i) | .key"); done; }
fn() { devlink -j port show "${P[$1]}" 2> /dev/null | jq -r ".port[].function.$2"; }
set_fn() { local p=${P[$1]}; shift; devlink port function set "$p" "$@"; }
param() { devlink -j dev param show "$1" name "$2" | jq -r '.param[][0].values[0].value'; }
set_param() { devlink dev param set "$1" name "$2" value "$3" cmode "${4:-driverinit}"; }

devlink dev eswitch set pci/$PF0 mode switchdev || die "no switchdev"
echo 2 > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "no VFs"
ports

# the address
refused set_fn 0 hw_addr 01:00:00:00:00:01
unbind 0
set_fn 0 hw_addr 02:00:00:00:10:00 || die "hw_addr"
bind 0
[ "$(cat "/sys/class/net/$(vf $PF0 0)/address")" = 02:00:00:00:10:00 ] || die "the VF does not have its address"
[ "$(fn 0 hw_addr)" = 02:00:00:00:10:00 ] || die "the address is not shown"
refused set_fn 0 state active	# not a scalable function

# RoCE and migration: granted and taken away while the VF has no driver; the card remembers
[ "$(param "pci/$(pci 0)" enable_roce)" = true ] || die "a VF is without RoCE"
if [ "$(fn 0 roce)" = null ] || [ "$(fn 0 migratable)" = null ]; then
	echo "this kernel has no attributes roce and migratable"
else
	[ "$(fn 0 roce) $(fn 0 migratable)" = "enable disable" ] || die "defaults: $(fn 0 roce) $(fn 0 migratable)"
	refused set_fn 0 roce disable	# its driver runs
	unbind 0
	set_fn 0 roce disable && set_fn 0 migratable enable || die "roce and migratable"
	bind 0
	[ "$(param "pci/$(pci 0)" enable_roce)" = false ] || die "the VF has RoCE all the same"
	refused set_param "pci/$(pci 0)" enable_roce true
	[ "$(param "pci/$(pci 1)" enable_roce)" = true ] || die "the other VF has lost RoCE"
	devlink dev eswitch set pci/$PF0 mode legacy && devlink dev eswitch set pci/$PF0 mode switchdev || die "legacy and back"
	ports
	[ "$(fn 0 roce) $(fn 0 migratable)" = "disable enable" ] || die "the card has forgotten: $(fn 0 roce) $(fn 0 migratable)"
	[ "$(fn 1 roce) $(fn 1 migratable)" = "enable disable" ] || die "the other VF: $(fn 1 roce) $(fn 1 migratable)"
	dmesg | grep -q 'connectx_emu: f2 is granted 0x20,' || die "the card was not told: $(dmesg | grep granted)"
fi

# event queues: what the VF may have limits its channels
max() { ethtool -l "$(vf $PF0 0)" | awk '/Combined/ { print $2; exit }'; }
if [ "$(fn 0 max_io_eqs)" = null ]; then
	echo "this kernel has no attribute max_io_eqs"
else
	n=$(max)
	[ "$n" -ge 2 ] || die "the VF has $n channels at first"
	refused set_fn 0 max_io_eqs 1	# its driver runs
	unbind 0
	refused set_fn 0 max_io_eqs 1000
	set_fn 0 max_io_eqs 1 || die "max_io_eqs"
	bind 0
	[ "$(fn 0 max_io_eqs)" = 1 ] || die "max_io_eqs is not shown"
	[ "$(max)" = 1 ] || die "with one event queue the VF has $(max) channels, with all $n"
fi

# without SR-IOV everything is as at first
echo 0 > /sys/bus/pci/devices/$PF0/sriov_numvfs && echo 2 > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "VFs anew"
ports
[ "$(param "pci/$(pci 0)" enable_roce)" = true ] || die "RoCE does not come back"
[ "$(fn 0 roce)" = null ] || [ "$(fn 0 roce) $(fn 0 migratable)" = "enable disable" ] || die "defaults again: $(fn 0 roce) $(fn 0 migratable)"

# parameters: a reload of the VF takes them; what the card cannot do is refused
V=pci/$(pci 1)
set_param "$V" enable_roce false && devlink dev reload "$V" > /dev/null || die "a VF without RoCE by parameter"
[ "$(param "$V" enable_roce)" = false ] || die "enable_roce of the VF"
set_param "$V" enable_eth false && devlink dev reload "$V" > /dev/null || die "enable_eth"
[ ! -d "/sys/bus/pci/devices/$(pci 1)/net" ] || die "a netdev with enable_eth off"
set_param "$V" enable_eth true && set_param "$V" enable_roce true && devlink dev reload "$V" > /dev/null || die "back again"
vf $PF0 1 > /dev/null || die "no netdev after the reload"
[ "$(param "$V" enable_roce)" = true ] || die "enable_roce of the VF is gone"
refused set_param pci/$PF1 enable_roce true	# PFs have none
refused set_param pci/$PF1 flow_steering_mode smfs runtime
[ "$(param pci/$PF1 flow_steering_mode)" = dmfs ] || die "steering mode"
devlink -j dev param show | jq -r ".param[\"pci/$PF0\"][].name" | sort > /tmp/params	# of one device 6.1 cannot list them
for p in enable_eth enable_rdma enable_roce fdb_large_groups flow_steering_mode; do grep -qx $p /tmp/params || die "no parameter $p"; done

# the eswitch: modes that the card does not need are refused
esw() { devlink -j dev eswitch show pci/$PF0 | jq -r ".dev[].\"$1\""; }
[ "$(esw mode) $(esw inline-mode) $(esw encap-mode)" = "switchdev none basic" ] || die "eswitch: $(devlink dev eswitch show pci/$PF0)"
refused devlink dev eswitch set pci/$PF0 inline-mode transport
devlink dev eswitch set pci/$PF0 inline-mode none || die "inline-mode none"
devlink dev eswitch set pci/$PF0 encap-mode none && [ "$(esw encap-mode)" = none ] || die "encap-mode none"
devlink dev eswitch set pci/$PF0 encap-mode basic && [ "$(esw encap-mode)" = basic ] || die "encap-mode basic"
port=$(devlink -j port | jq -r ".port | to_entries[] | select(.value.netdev == \"$(netdev $PF1)\") | .key" | grep .) || die "no port of $PF1"
refused devlink port split "$port" count 4
refused devlink port add pci/$PF0 flavour pcivf pfnum 0
refused devlink port add pci/$PF0 flavour pcisf pfnum 1 sfnum 88	# the other port's

# health reporters, of the function and of its port
ip link set "$(netdev $PF1)" up
for r in "pci/$PF0 reporter fw" "pci/$PF0 reporter fw_fatal" "$port reporter tx" "$port reporter rx"; do
	devlink -j health show $r | jq -e '.health[][0].state == "healthy"' > /dev/null || die "no health reporter $r"
done
devlink health diagnose pci/$PF0 reporter fw > /dev/null || die "diagnose fw"
devlink health diagnose "$port" reporter tx | grep -qi sqn || die "diagnose tx"
refused devlink health show pci/$PF0 reporter tx

# back in the legacy eswitch the VFs reach one another by their addresses, without representors
devlink dev eswitch set pci/$PF0 mode legacy || die "legacy"
[ "$(devlink -j port | jq -r '[.port[] | select(.flavour == "pcivf")] | length')" = 0 ] || die "representors stay"
ip link set "$(netdev $PF0)" up
vf_ns $PF0 0 t0 10.9.0.10/24; vf_ns $PF0 1 t1 10.9.0.11/24
sleep 1
ping_ok t0 10.9.0.11
for n in t0 t1; do ip netns del $n; done
log_clean
echo PASS
