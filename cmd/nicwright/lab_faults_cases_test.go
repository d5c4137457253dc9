// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sys/unix"

	kernelerr "github.com/nicwright/nicwright/internal/kernel" // kernel() is the release
)

// cardStatuses are what the firmware can answer, by what mlx5 makes of it (cmd_status_to_err in
// drivers/net/ethernet/mellanox/mlx5/core/cmd.c).
var cardStatuses = []struct {
	name   string
	status int
}{
	{"EBUSY", 0x6},
	{"EINVAL", 0x3},
	{"EOPNOTSUPP", 0x2},
	{"ENOMEM", 0x8},
}

// late is longer than the driver waits for a command, in milliseconds (60 s: mlx5_tout_ms of MLX5_TO_CMD_MS).
const late = 62000

// neverBack is SET_DRIVER_VERSION. Late, it is no error to the driver that asks by polling for its answer, which then waits for the place
// of that command to be free for ever, and holds the lock of the device and of its bus (mlx5/core/cmd.c, mlx5_cmd_allowed_opcode, 6.12).
const neverBack = "0x10d"

// cardFaults are those of the commands that came in an apply, by their opcodes.
func cardFaults(seen map[string]int) []fault {
	var all []fault
	for _, op := range slices.Sorted(maps.Keys(seen)) {
		for _, s := range cardStatuses {
			all = append(all, cardFault(op, s.name, s.status))
		}
		if op == neverBack {
			continue // of a machine of its own: TestADriverThatNeverComesBack
		}
		all = append(all, fault{name: "command " + op + " gives ETIMEDOUT", file: "commands", rule: fmt.Sprintf("delay %s 1 %d", op, late)})
	}
	return all
}

func cardFault(op, errno string, status int) fault {
	return fault{name: "command " + op + " gives " + errno, file: "commands", rule: fmt.Sprintf("fail %s 1 %d 0xfa017", op, status)}
}

// chosenFaults are those of make test, one of each kind, in the order in which an apply comes to them.
func chosenFaults() []fault {
	return []fault{
		callFault("rtnl_dump_ifinfo", unix.ENOMEM, true),
		callFault("sriov_numvfs_store", unix.ENOMEM, true),
		cardFault("0x930", "ENOMEM", 0x8), // CREATE_FLOW_TABLE, for the change of the eswitch's mode
		callFault("rtnl_newlink", unix.EBUSY, true),
		cardFault("0x102", "EBUSY", 0x6), // INIT_HCA of a VF
		callFault("ethnl_set_features", unix.EINVAL, true),
	}
}

// kernelFaults are what nicwright's requests come to in the kernel; those that an apply makes are tried.
var kernelFaults = []struct {
	function string
	needed   bool // an apply is not possible without it
}{
	{function: "rtnl_newlink", needed: true}, // making the bond, changing a netdev
	{function: "rtnl_setlink", needed: true},
	{function: "devlink_nl_eswitch_set_doit", needed: true},
	{function: "devlink_nl_param_set_doit", needed: true},
	{function: "devlink_nl_reload_doit", needed: true}, // for driverinit params
	{function: "devlink_nl_port_set_doit", needed: true},
	{function: "ethnl_default_set_doit", needed: true},
	{function: "ethnl_set_features", needed: true},
	{function: "sriov_numvfs_store", needed: true},
	{function: "sriov_drivers_autoprobe_store", needed: true},
	{function: "bind_store", needed: true},
	{function: "unbind_store", needed: true},
	{function: "driver_override_store", needed: true},
	// what only looks
	{function: "rtnl_dump_ifinfo"},
	{function: "rtnl_getlink"},
	{function: "inet_dump_ifaddr"},
	{function: "inet6_dump_addr"},
	{function: "inet_dump_fib"},
	{function: "neigh_dump_info"},
	{function: "tc_dump_qdisc"},
	{function: "tc_dump_tfilter"},
	{function: "ethnl_default_dumpit"},
	{function: "ethnl_default_doit"},
	{function: "devlink_nl_get_dumpit"},
	{function: "devlink_nl_get_doit"},
	{function: "devlink_nl_info_get_doit"},
	{function: "devlink_nl_port_get_dumpit"},
	{function: "devlink_nl_rate_get_dumpit"},
	{function: "devlink_nl_port_get_doit"},
	{function: "devlink_nl_eswitch_get_doit"},
	{function: "devlink_nl_param_get_dumpit"},
	{function: "devlink_nl_param_get_doit"},
	{function: "sriov_numvfs_show"},
	{function: "sriov_totalvfs_show"},
	{function: "netlink_create"},
	{function: "netlink_bind"},
	{function: "dev_ethtool"},
	{function: "ctrl_getfamily"},
}

// callErrnos are tried of each, whatever the kernels of today answer there.
var callErrnos = []unix.Errno{unix.EBUSY, unix.EINVAL, unix.EOPNOTSUPP, unix.ENOMEM, unix.ETIMEDOUT}

// callFaults are those of the functions that an apply called.
func callFaults(called map[string]int) []fault {
	var all []fault
	for _, f := range kernelFaults {
		for _, errno := range callErrnos {
			if called[f.function] > 0 {
				all = append(all, callFault(f.function, errno, f.needed))
			}
		}
	}
	return all
}

func callFault(function string, errno unix.Errno, needed bool) fault {
	return fault{
		name: "call " + function + " gives " + kernelerr.Name(errno), file: "calls", rule: fmt.Sprintf("fail %s 0 1 %d nicwright", function, int(errno)),
		errno: errno, refused: needed,
	}
}
