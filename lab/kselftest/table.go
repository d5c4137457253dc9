// SPDX-License-Identifier: Apache-2.0

package kselftest

import (
	"strings"
	"time"
)

// Machines are in the order in which they are begun.
var Machines = []Machine{
	{Name: "port", Topology: "port", CPUs: 6},
	{Name: "tls", Topology: "vfs", CPUs: 1},
	{Name: "flows", Topology: "switchdev", CPUs: 1},
	{Name: "bridges", Topology: "switchdev", CPUs: 1},
	{Name: "wire", Topology: "wire", CPUs: 1},
	{Name: "ports", Topology: "ports", CPUs: 1},
}

// slowCommands: drivers/net gives each command five seconds.
var slowCommands = Edit{
	File: "net/lib/py/utils.py", From: `timeout=(5|20)\b`, To: "timeout=90",
	Why: "a command takes longer in an emulated machine",
}

// hardwareOnly: the half of a test that keeps its filters out of the card says nothing of it.
func hardwareOnly(file string) Edit {
	return Edit{File: file, From: `^setup_wait\n\ntests_run\n`, To: "setup_wait\n", Why: "filters that are kept out of the card (skip_hw) say nothing of it"}
}

// vfsForDummies gives the two VFs of topology "ports" the names of the dummy devices that a test of bonding would make.
const vfsForDummies = `	[ -e /sys/class/net/dummy1 ] || { ip link set server down; ip link set server name dummy1; }
	[ -e /sys/class/net/dummy2 ] || { ip link set client down; ip link set client name dummy2; }`

// Table is what is run.
var Table = []Test{
	{
		Name: "net/forwarding/tc_flower.sh", Machine: "flows", Limit: 16 * time.Minute,
		Command: []string{"./tc_flower.sh", "vf0", "rep0"},
		Edits:   []Edit{hardwareOnly("net/forwarding/tc_flower.sh")},
		Expect: []Expect{
			{Subtests: `ip_flags match \(skip_sw\)`, Outcome: Fail, Why: "mlx5 offloads no action \"continue\", with which this test goes from filter to filter"},
			{Subtests: `mpls_\w+ match \(skip_sw\)|mpls lse match \(skip_sw\)`, Outcome: Fail, Why: "mlx5 matches MPLS over UDP only"},
		},
		Results: map[string]int{"6.12": 15},
	},
	{
		Name: "net/forwarding/tc_chains.sh", Machine: "flows", Limit: 6 * time.Minute,
		Command: []string{"./tc_chains.sh", "vf0", "rep0"},
		Edits:   []Edit{hardwareOnly("net/forwarding/tc_chains.sh")},
		Results: map[string]int{"6.12": 4},
	},
	{
		Name: "net/forwarding/tc_vlan_modify.sh", Machine: "flows", Limit: 8 * time.Minute,
		Command: []string{"./tc_vlan_modify.sh", "vf0", "rep0", "rep1", "vf1"},
		Results: map[string]int{"6.12": 2},
	},
	{
		Name: "net/forwarding/pedit_l4port.sh", Machine: "bridges", Limit: 10 * time.Minute,
		Command: []string{"./pedit_l4port.sh", "vf0", "rep0", "rep1", "vf1"},
		Results: map[string]int{"6.12": 25},
	},
	{
		Name: "net/forwarding/pedit_ip.sh", Machine: "bridges", Limit: 10 * time.Minute,
		Command: []string{"./pedit_ip.sh", "vf0", "rep0", "rep1", "vf1"},
		Results: map[string]int{"6.12": 10},
	},
	{
		Name: "net/forwarding/router_nh.sh", Machine: "bridges", Limit: 6 * time.Minute,
		Command: []string{"./router_nh.sh", "vf0", "rep0", "rep1", "vf1"},
		Results: map[string]int{"6.12": 2},
	},
	{
		Name: "net/forwarding/bridge_vlan_aware.sh", Machine: "bridges", Limit: 12 * time.Minute,
		Command: []string{"./bridge_vlan_aware.sh", "vf0", "rep0", "rep1", "vf1"},
		Results: map[string]int{"6.12": 11},
	},
	{
		Name: "net/forwarding/bridge_vlan_unaware.sh", Machine: "bridges", Limit: 8 * time.Minute,
		Command: []string{"./bridge_vlan_unaware.sh", "vf0", "rep0", "rep1", "vf1"},
		Results: map[string]int{"6.12": 5},
	},
	{
		Name: "net/forwarding/ipip_flat_gre.sh", Machine: "bridges", Limit: 6 * time.Minute,
		Command: []string{"./ipip_flat_gre.sh", "vf0", "rep0", "p0", "w0", "rep1", "vf1"},
		Results: map[string]int{"6.12": 2},
	},
	{
		Name: "drivers/net/ping.py", Machine: "port", Limit: 4 * time.Minute,
		Command: []string{"python3", "ping.py"},
		Edits: []Edit{
			slowCommands,
			{File: "drivers/net/ping.py", From: `-W0\.5`, To: "-W10", Why: "half a second is too little in an emulated machine"},
		},
		Results: map[string]int{"6.12": 3},
	},
	{
		Name: "drivers/net/queues.py", Machine: "port", Limit: 6 * time.Minute,
		Build:   []string{"[ ! -e ../../net/lib/xdp_helper.c ] || build -o ../../net/lib/xdp_helper ../../net/lib/xdp_helper.c"}, // since 6.15
		Command: []string{"python3", "queues.py"},
		Edits:   []Edit{slowCommands},
		Results: map[string]int{"6.12": 2},
	},
	{
		Name: "drivers/net/stats.py", Machine: "port", Limit: 6 * time.Minute,
		Command: []string{"python3", "stats.py"},
		Edits:   []Edit{slowCommands},
		Results: map[string]int{"6.12": 5},
	},
	{
		Name: "drivers/net/hw/csum.py", Machine: "port", Limit: 12 * time.Minute,
		Command: []string{"python3", "csum.py"},
		Build:   []string{"build -o ../../../net/lib/csum ../../../net/lib/csum.c"},
		Edits: []Edit{
			slowCommands,
			{File: "net/lib/csum.c", From: `cfg_timeout_ms = 2000`, To: "cfg_timeout_ms = 60000", Why: "the receiver waits two seconds, in which an emulated machine has not started the sender"},
			{
				File: "drivers/net/hw/csum.py", From: `^        check_nic_features\(cfg\)$`, To: "        cfg.remote_ifname = \"w0\"\n        check_nic_features(cfg)",
				Kernels: []string{"6.12"}, Why: "6.12's drivers/net/lib has no remote_ifname, which this test asks for: it fails as shipped",
			},
		},
		Results: map[string]int{"6.12": 12},
	},
	{
		Name: "drivers/net/hw/rss_ctx.py", Machine: "port", Limit: 24 * time.Minute,
		Command: []string{"python3", "rss_ctx.py"},
		Edits:   []Edit{slowCommands},
		Expect: []Expect{
			{Subtests: `rss_ctx\.test_hitless_key_update`, Outcome: Either, Why: "ethtool has 0.2 s for it, and starts slower than that in an emulated machine"},
			{
				Subtests: `rss_ctx\.test_rss_context(4|32|_out_of_order|4_create_with_cfg)`, Outcome: Skip,
				Why: "four contexts need ten queues, and the machine has as many as processors",
			},
		},
		Results: map[string]int{"6.12": 13},
	},
	{
		Name: "drivers/net/hw/ethtool_rmon.sh", Machine: "wire", Limit: 20 * time.Minute,
		Command: []string{"./ethtool_rmon.sh", "p0", "w0"},
		Env:     []string{"DRIVER_TEST_CONFORMANT=no"}, // 7.3's would have one end elsewhere
		Expect:  []Expect{{Subtests: `w0 does not support [rt]x histogram counters`, Outcome: XFail, Why: "the far end of the cable is no card and has no such counters"}},
		Results: map[string]int{"6.12": 22},
	},
	{
		Name: "drivers/net/bonding/dev_addr_lists.sh", Machine: "ports", Limit: 6 * time.Minute,
		Command: []string{"./dev_addr_lists.sh"},
		Edits: []Edit{
			{File: "drivers/net/bonding/lag_lib.sh", From: `^\tip link add dummy1 type dummy\n\tip link add dummy2 type dummy$`, To: vfsForDummies, Why: "the bond's ports are VFs of the card"},
			{File: "drivers/net/bonding/dev_addr_lists.sh", From: `^\tip link add dummy1 type dummy$`, To: vfsForDummies, Why: "the bond's port is a VF of the card"},
		},
		Results: map[string]int{"6.12": 4},
	},
	{
		Name: "net/tls.c", Machine: "tls", Limit: 36 * time.Minute,
		// Of the ciphers only those that the card has: the others would be a test of software.
		Command: strings.Fields("env LD_PRELOAD=./twonets.so ./tls -f global -f tls_basic -f zero_len -v 12_aes_gcm -v 12_aes_gcm_256 -v 13_aes_gcm"),
		Build:   []string{"build -o tls tls.c", "build -shared -fPIC -o twonets.so \"$TOP/machine/twonets.c\""},
		Edits: []Edit{
			{
				File: "net/tls.c", From: `(static void tls_crypto_info_init\(uint16_t tls_version, uint16_t cipher_type,\s+struct tls_crypto_info_keys \*tls12)\)`, To: "$1, ...)",
				Kernels: []string{"6.12"}, Why: "6.12.117 calls it with four arguments in a test that came from a later kernel: it does not compile as shipped",
			},
			{File: "kselftest_harness.h", From: `#define TEST_TIMEOUT_DEFAULT 30\b`, To: "#define TEST_TIMEOUT_DEFAULT 90", Why: "half a minute for a subtest is little in an emulated machine, and some of those that change keys wait for it to be over"},
		},
		Expect: []Expect{
			{Subtests: `tls_err\.\w+\.epoll_partial_rec`, Outcome: Either, Why: "it has what it sends arrive before its next call, which two devices in between do not promise"},
			{
				Subtests: `tls_basic\.rekey_\w+|tls\.13_aes_gcm\.\w*rekey\w*`, Outcome: Fail, Kernels: []string{"6.12"},
				Why: "keys can be changed from 6.14 on: these tests came into 6.12's from a later kernel",
			},
		},
		Results: map[string]int{"6.12": 215},
	},
	{
		Name: "net/gro.sh", Machine: "ports", Limit: 16 * time.Minute,
		Command: []string{"bash", "-c", "./gro.sh; e=$?; tail -n 200 log.txt; exit $e"},
		Build:   []string{"build -o gro gro.c"},
		Edits: []Edit{
			{File: "net/setup_veth.sh", From: `^\tip link add name server type veth peer name client$`, To: "\t: the two VFs", Why: "two VFs take the place of the veths"},
			{File: "net/setup_veth.sh", From: `mtu 65535`, To: "mtu 9000", Why: "a VF has no larger one, and the test's packets have 4096 bytes"},
		},
		Results: map[string]int{"6.12": 12},
		Not:     map[string]string{"7.3": "drivers/net/gro.py took its place, with 300 subtests of up to six runs each: more than an hour in an emulated machine"},
	},
	{
		Name: "ethtool -t (drivers/net/ethernet/mellanox)", Machine: "port", Limit: 4 * time.Minute,
		Command: []string{"bash", "-c", "ethtool -t p0 offline"},
		Results: map[string]int{"6.12": 4},
	},
}

// LeftOut is what was looked at and is not run.
var LeftOut = []Left{
	{"net/forwarding/tc_flower_l2_miss.sh", "Debian's kernels have NET_TC_SKB_EXT unset, without which nothing can tell that the bridge missed"},
	{"net/forwarding/mirror_vlan.sh", "it has the far end take frames for other addresses, which a VF does not"},
}

// NotTried says, by kernel, why tests are not run on it that have no reason of their own.
var NotTried = map[string]string{
	"6.1": "nobody has looked yet at which of its tests, which are older ones, fit",
	"7.3": "nobody has run it there yet",
}
