#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Switchdev without a switch: somebody's own flower rules forward, in the card.
. "$(dirname "$0")/lib.sh"
p=${pf[0]}
switchdev "$p" 2
u=$(uplink "$p") r=$(representor "$p" 0)
ip link set "$u" up
for n in "$u" "$r"; do tc qdisc add dev "$n" ingress; done
tc filter add dev "$u" ingress protocol ip pref 10 flower ip_proto udp dst_port 4000 action mirred egress redirect dev "$r"
tc filter add dev "$r" ingress protocol ip pref 10 flower ip_proto udp action mirred egress redirect dev "$u"
