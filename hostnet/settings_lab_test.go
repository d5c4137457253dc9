// SPDX-License-Identifier: Apache-2.0

package hostnet

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/internal/await"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/resource"
	"github.com/nicwright/nicwright/internal/rtnet"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/internal/step"
)

// observe is a look at the machine.
func observe(t *testing.T, ctx context.Context) State {
	t.Helper()
	s, err := snapshot.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return Observe(s)
}

// putBack does what the effects ask for, twice, for steps may be done again.
func putBack(t *testing.T, ctx context.Context, have State, effects step.Effects) {
	t.Helper()
	want := Fill(State{}, have, effects)
	r, err := Diff(have, want, effects, step.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Steps {
		t.Log(s.Phase, s)
	}
	for range 2 {
		if err := NewDoer(want, have).Do(ctx, r.Steps); err != nil {
			t.Fatal(err)
		}
	}
}

// A VF that goes through its driver gets a new netdev, and with it all that it was
// told and all that was on it.
func TestLabNetdevOfAVFIsMadeAgain(t *testing.T) {
	// VFs come and go: on a busy machine that takes its time.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(lab(t)), 5*time.Minute)
	t.Cleanup(cancel)
	sh(t, "echo 2 > /sys/bus/pci/devices/"+string(port0)+"/sriov_numvfs")
	t.Cleanup(func() { sh(t, "echo 0 > /sys/bus/pci/devices/"+string(port0)+"/sriov_numvfs") })
	waitVF(t, ctx)
	const vf = `V=$(ls /sys/bus/pci/devices/` + string(port0) + `/virtfn1/net | head -1)
		`
	sh(t, vf+`modprobe macvlan; modprobe 8021q
		ip link set $V alias "the storage" txqueuelen 500 group 7 mtu 1400; ip link property add dev $V altname storage-net
		ip link set $V address 02:00:00:00:00:99
		sysctl -qw net.ipv4.conf.$V.rp_filter=2 net.ipv6.conf.$V.accept_ra=0 net.ipv4.conf.$V.arp_ignore=1
		ethtool -K $V gro off || true
		ip link set $V up; ip addr add 198.51.100.5/24 dev $V; ip route add 203.0.113.0/24 via 198.51.100.1 dev $V
		ip link add link $V name sto.70 type vlan id 70 egress-qos-map 1:5; ip link set sto.70 up mtu 1300; ip addr add 192.0.2.9/25 dev sto.70; ip route add 192.0.2.128/25 via 192.0.2.1
		ip link set sto.70 alias "a VLAN"; ip -6 addr add 2001:db8:70::9/64 dev sto.70 nodad
		modprobe -a sch_htb sch_fq sch_fq_codel
		tc qdisc add dev $V root handle 1: htb default 10; tc class add dev $V parent 1: classid 1:10 htb rate 1gbit ceil 2gbit
		modprobe -a cls_u32 cls_flower sch_ingress; tc filter add dev $V parent 1: protocol ip pref 7 u32 match ip dport 80 0xffff flowid 1:10
		tc qdisc add dev $V clsact; tc filter add dev $V egress protocol ip pref 9 flower skip_hw ip_proto udp action drop
		tc qdisc add dev $V parent 1:10 handle 10: fq limit 5000; tc qdisc add dev sto.70 root handle 5: fq_codel limit 500
		ip link add link $V name mv0 type macvlan mode bridge; ip link add link mv0 name mv0.8 type vlan id 8`)
	const look = vf + `for l in $V sto.70 mv0 mv0.8; do
			ip -d link show $l | sed -E 's/^[0-9]+: //; s/promiscuity.*//; s/state [A-Z]+//; s/<.*>//; s/ (qdisc|qlen) [^ ]+//g'
			ip -4 addr show $l | grep inet || true; ip -6 addr show $l scope global | grep inet6 || true; ip route show dev $l
			ip -d link show $l | grep -c '[<,]UP[,>]' || true
			tc qdisc show dev $l | grep -v clsact | sed -E 's/direct_packets_stat [0-9]+//'; tc class show dev $l
			sysctl net.ipv4.conf.$l net.ipv6.conf.$l 2>/dev/null | grep -v -e stable_secret -e '\.mtu' -e '_lft' || true
		done; ethtool -k $V; ip -d link show sto.70 | grep qos`
	before := sh(t, look)
	have := observe(t, ctx)
	var filters []string
	for _, i := range have.Netdevs[resource.OfNetdev(pci.VF(port0, 1))].Items {
		if i.Kind == rtnet.Filter {
			filters = append(filters, i.Text)
		}
	}
	if want := []string{"u32 pref 7 handle 0x80000800 parent 1:", "flower pref 9 handle 0x1 egress"}; !slices.Equal(filters, want) {
		t.Errorf("the filters are %q, want %q", filters, want)
	}
	sh(t, `a=$(basename $(readlink /sys/bus/pci/devices/`+string(port0)+`/virtfn1)); echo $a > /sys/bus/pci/drivers/mlx5_core/unbind; echo $a > /sys/bus/pci/drivers/mlx5_core/bind`)
	waitVF(t, ctx)
	if sh(t, "ip link show sto.70 2>&1 || true") == "" || strings.Contains(sh(t, vf+"ip link show $V"), "storage-net") {
		t.Fatal("the netdev is the one that was there")
	}
	putBack(t, ctx, have, step.Effects{{Kind: step.Remade, On: resource.OfNetdev(pci.VF(port0, 1)), For: step.Apply}})
	if d := cmp.Diff(strings.Split(before, "\n"), strings.Split(sh(t, look), "\n")); d != "" {
		t.Errorf("it is not as it was (-was +is)\n%s", d)
	}
	now := observe(t, ctx)
	if r, err := Diff(now, Fill(State{}, have, nil), nil, step.Options{}); err != nil || len(r.Steps) != 0 {
		t.Errorf("there is something left to do: %v, %v", r.Steps, err)
	}
}

// waitVF waits until both VFs have netdevs.
func waitVF(t *testing.T, ctx context.Context) {
	t.Helper()
	events, err := await.Links(ctx)
	if err != nil {
		t.Fatal(err)
	}
	err = await.Until(ctx, "the VFs have netdevs", events, func() (bool, error) {
		all, err := netdev.All(ctx)
		n := 0
		for _, l := range all {
			if l.Function.PF == port0 && l.Function.IsVF() && !l.Representor {
				n++
			}
		}
		return n == 2, err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The driver gives an uplink its defaults when the eswitch changes its mode;
// hw-tc-offload is planned by crypto.
func TestLabUplinkIsReset(t *testing.T) {
	ctx := lab(t)
	sh(t, `ethtool -G $A rx 2048 tx 512; ethtool -L $A combined 1; ethtool -C $A adaptive-rx off rx-usecs 17; ethtool -K $A gro off rx-all on || true; ip link set $A up`)
	const look = `ethtool -g $A; ethtool -l $A; ethtool -c $A; ethtool -k $A | grep -v hw-tc-offload`
	before := sh(t, look)
	have := observe(t, ctx)
	mode := "devlink dev eswitch set pci/" + string(port0) + " mode "
	sh(t, mode+"switchdev")
	t.Cleanup(func() { sh(t, mode+"legacy") })
	sh(t, mode+"legacy")
	if sh(t, look) == before {
		t.Log("this driver keeps them")
	}
	putBack(t, ctx, have, step.Effects{{Kind: step.Reset, On: resource.OfNetdev(pci.PF(port0))}})
	if d := cmp.Diff(strings.Split(before, "\n"), strings.Split(sh(t, look), "\n")); d != "" {
		t.Errorf("it is not as it was (-was +is)\n%s", d)
	}
}
