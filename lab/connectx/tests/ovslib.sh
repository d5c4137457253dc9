# SPDX-License-Identifier: GPL-2.0
# Open vSwitch with hardware offload, and whether its flows are in the card; sourced after lib.sh. R[0] is the representor whose packets are counted.

ovs_start() {
	modprobe -a openvswitch act_vlan act_tunnel_key act_pedit act_csum cls_flower
	mkdir -p /run/openvswitch /var/log/openvswitch /etc/openvswitch
	rm -f /etc/openvswitch/conf.db
	ovsdb-tool create /etc/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema &&
		ovsdb-server /etc/openvswitch/conf.db --remote=punix:/run/openvswitch/db.sock --pidfile --detach --no-chdir --log-file &&
		ovs-vsctl --no-wait init && ovs-vsctl --no-wait set Open_vSwitch . other_config:hw-offload=true other_config:max-idle=30000 &&
		ovs-vswitchd --pidfile --detach --no-chdir --log-file || die "Open vSwitch does not start"
}
ovs_stop() { ovs-appctl -t ovs-vswitchd exit; ovs-appctl -t ovsdb-server exit; }

m() { ip -n "$1" -br link show dev "$2" | awk '{ print $3 }'; }
# what the host's processors have seen of a representor's packets: its other counters are the card's
seen() { ip -j stats show dev "${R[0]}" group offload subgroup cpu_hit | jq '.[0].stats64.rx.packets'; }
# flows TYPE FROM-MAC TO-MAC: the datapath's flows between two addresses
flows() { ovs-appctl dpctl/dump-flows -m type="$1" | grep -i "eth(src=$2,dst=$3)"; }
# in_card FROM FROM-DEV TO TO-DEV ADDRESS WHAT: packets are the card's both ways, and the representors do not see them
in_card() {
	local a b f
	ping_ok "$1" "$5"
	a=$(m "$1" "$2") b=$(m "$3" "$4")
	for _ in $(seq 20); do	# the offload follows the first packets
		ip netns exec "$1" ping -c 5 -i 0.05 -q "$5" > /dev/null
		f=$(flows offloaded "$a" "$b"; flows offloaded "$b" "$a")
		[ "$(grep -c 'offloaded:yes, dp:tc' <<< "$f")" -ge 2 ] && break
		sleep 0.2
	done
	[ "$(grep -c 'offloaded:yes, dp:tc' <<< "$f")" -ge 2 ] || die "$6: not offloaded: $(ovs-appctl dpctl/dump-flows -m)"
	local n; n=$(seen)
	pings "$1" 200 0.005 "$5" || die "$6: packets are lost in the card"
	[ $(($(seen) - n)) -lt 20 ] || die "$6: the representor sees the packets"
	echo "$6: $(grep -o 'packets:[0-9]*' <<< "$f" | head -n 2 | tr '\n' ' ')offloaded:yes, dp:tc"
}
