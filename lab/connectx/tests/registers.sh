#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Registers: the module's EEPROM, versions, counters that follow the traffic, speeds, negotiation, FEC and pause; what a VF may not have.
. "$(dirname "$0")/lib.sh"
load ports=2 vfs=2
P=$(netdev $PF0) Q=$(netdev $PF1)
ip addr add 10.9.0.1/24 dev "$P" && ip link set "$P" up && ip link set "$Q" up || die "$P"
echo 1 > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "no VF"
V=$(vf $PF0 0)
ip netns add peer && ip link set wire0 netns peer && ip -n peer addr add 10.9.0.20/24 dev wire0 && ip -n peer link set wire0 up || die "wire0"
ping_ok peer 10.9.0.1

# the cable in the cage
m=$(ethtool -m "$P") || die "no module"
has() { grep -Eq "$1" <<< "$m" || die "the module has no $1: $m"; }
has 'Identifier +: 0x11 \(QSFP28\)'
has 'Vendor name +: Mellanox'
has 'Vendor PN +: MCP1600-C002'
has 'Vendor SN +: EMU2026C00001'
has 'Transceiver type +: .*100G Base-CR4'
has 'Length \(Copper or Active cable\) +: 2m'
ethtool -m "$Q" | grep -Eq 'Vendor SN +: EMU2026C00002' || die "the other port has the same module"
sum() { ethtool -m "$P" raw on offset "$1" length "$2" | od -An -v -tu1 | tr -s ' ' '\n' | awk '{ s += $1 } END { print s % 256 }'; }
byte() { ethtool -m "$P" raw on offset "$1" length 1 | od -An -tu1 | tr -d ' '; }
[ "$(sum 128 63)" = "$(byte 191)" ] && [ "$(sum 192 31)" = "$(byte 223)" ] || die "check sums of the EEPROM"
ethtool -m "$V" >/dev/null 2>&1 && die "a VF reads the module"
ethtool "$P" | grep -q 'Port: Direct Attach Copper' || die "port type"

# who it is
i=$(devlink dev info pci/$PF0) || die "devlink dev info"
for want in 'driver mlx5_core' 'fw.psid MT_0000000359' 'fw.version 22.35.4030' 'fw 22.35.4030'; do grep -q "$want" <<< "$i" || die "no $want: $i"; done
for part in running stored; do grep -A 2 "$part:" <<< "$i" | grep -q 'fw.version 22.35.4030' || die "$part version: $i"; done
case $(uname -r) in	# 6.12's driver does not read the serial numbers of the VPD
6.*) ;;
*) grep -q 'board.serial_number EMU2026X00001' <<< "$i" || die "serial number: $i" ;;
esac
e=$(ethtool -i "$P")
for want in 'driver: mlx5_core' 'firmware-version: 22.35.4030 (MT_0000000359)' "bus-info: $PF0"; do grep -qF "$want" <<< "$e" || die "no $want: $e"; done
ethtool -i "$V" | grep -qF 'firmware-version: 22.35.4030' || die "firmware version of the VF"

# counters follow the traffic on the wire, by exactly what was sent where nothing else sends
s() { ethtool -S "$1" | awk -v n="$2:" '$1 == n { print $2; f = 1 } END { exit !f }' || die "$1 has no $2"; }
names="rx_packets_phy tx_packets_phy rx_bytes_phy tx_bytes_phy rx_vport_unicast_packets tx_vport_unicast_packets rx_vport_unicast_bytes"
declare -A b
for n in $names; do b[$n]=$(s "$P" "$n"); done
[ "$(s "$Q" rx_packets_phy)" -lt 50 ] || die "the other port counts"
ip netns exec peer ping -c 100 -i 0.02 -s 1000 -q 10.9.0.1 > /dev/null
rose() { local d=$(($(s "$P" "$1") - b[$1])); [ $d -ge "$2" ] && [ $d -le "$3" ] || die "$1 rose by $d, not by $2 to $3"; }
for n in rx_packets_phy tx_packets_phy; do rose $n 100 130; done
for n in rx_bytes_phy tx_bytes_phy; do rose $n 104200 110000; done
for n in rx_vport_unicast_packets tx_vport_unicast_packets; do rose $n 100 110; done
rose rx_vport_unicast_bytes 104200 106000
m0=$(s "$P" rx_multicast_phy) c0=$(s "$P" rx_broadcast_phy)
ip netns exec peer perl -MSocket -e 'for my $to (map { inet_aton($_) } ("224.9.9.9") x 20, ("10.9.0.255") x 30) {
	socket my $s, PF_INET, SOCK_DGRAM, 0; setsockopt $s, SOL_SOCKET, SO_BROADCAST, 1;
	setsockopt $s, 0, 32, inet_aton("10.9.0.20"); send $s, "x", 0, pack_sockaddr_in(9, $to) }'
[ $(($(s "$P" rx_multicast_phy) - m0)) -ge 20 ] && [ $(($(s "$P" rx_broadcast_phy) - c0)) -ge 30 ] || die "multicast and broadcast counters"

# speeds and negotiation
l() { ethtool "$P" | grep -Eq "$1" || die "$2: $(ethtool "$P")"; }
l 'Speed: 100000Mb/s' "speed"
l 'Auto-negotiation: on' "negotiation"
for mode in 10000baseKR/Full 25000baseCR/Full 40000baseCR4/Full 50000baseCR2/Full 100000baseCR4/Full; do l "$mode" "no $mode"; done
wait_link() { for _ in $(seq 100); do ethtool "$P" | grep -q 'Link detected: yes' && return; sleep 0.1; done; die "no link"; }
for speed in 25000 50000 100000; do
	ethtool -s "$P" speed $speed autoneg off || die "speed $speed"
	wait_link
	l "Speed: ${speed}Mb/s" "speed $speed"
	l 'Auto-negotiation: off' "negotiation off"
done
ethtool -s "$P" speed 200000 autoneg off 2>/dev/null && die "200G is taken"
ping_ok peer 10.9.0.1
ethtool -s "$P" autoneg on || die "negotiation on"
wait_link
l 'Auto-negotiation: on' "negotiation on"
l 'Speed: 100000Mb/s' "speed negotiated"

# why there is no link; a cage without a cable has no module
l 'Link detected: yes' "link"
why() { for _ in $(seq 50); do ethtool "$P" | grep -Eq "Link detected: no \($1\)" && return; sleep 0.1; done; die "the reason is not $1: $(ethtool "$P")"; }
D=/sys/kernel/debug/connectx_emu
ip -n peer link set wire0 down
why 'Autoneg, No partner detected'
ethtool -m "$P" > /dev/null || die "the cable has lost its module"
ethtool -s "$P" speed 100000 autoneg off || die "negotiation off"
why 'Autoneg, No partner detected during force mode'
ethtool -s "$P" autoneg on || die "negotiation on"
echo 1 > $D/wire0/down
why 'No cable'
ethtool -m "$P" > /dev/null 2>&1 && die "a module without a cable"
ethtool "$Q" | grep -q 'Link detected: yes' && ethtool -m "$Q" > /dev/null || die "the other port"
echo 0 > $D/wire0/down
ip -n peer link set wire0 up
wait_link
ethtool -m "$P" > /dev/null || die "the module does not come back"

# FEC
fec() { ethtool --show-fec "$P" | grep -Eq "$1: $2\$" || die "FEC, $1 $2: $(ethtool --show-fec "$P")"; }
fec 'Active FEC encodings?' RS
ethtool --set-fec "$P" encoding off || die "FEC off"
wait_link; fec 'Active FEC encodings?' Off
ethtool --set-fec "$P" encoding rs || die "FEC RS"
wait_link; fec 'Active FEC encodings?' RS
ethtool --set-fec "$P" encoding auto || die "FEC auto"
wait_link; fec 'Configured FEC encodings?' Auto
ethtool --set-fec "$P" encoding llrs 2>/dev/null && die "LLRS is taken"

# bits that arrive wrong: FEC corrects them and counts them, lane by lane; without FEC the frames are lost
block() { ethtool -I --show-fec "$P" | sed -n "s/^ *$1: *//p" | grep . || die "no $1: $(ethtool -I --show-fec "$P")"; }
lanes() { local n s=0; for n in 0 1 2 3; do s=$((s + $(s "$P" rx_err_lane_${n}_phy))); done; echo $s; }
[ "$(block corrected_blocks)" = 0 ] && [ "$(block corrected_bits)" = 0 ] && [ "$(lanes)" = 0 ] || die "errors before there were any"
flood() { ip netns exec peer ping -c 100 -i 0.02 -W 1 -q 10.9.0.1 | sed -n 's/.* \([0-9]*\) received.*/\1/p'; }
echo 500 > $D/wire0/bit_errors
[ "$(flood)" -ge 98 ] || die "FEC loses frames"
echo 0 > $D/wire0/bit_errors	# others send now and then
n=$(block corrected_blocks)
[ "$n" -ge 20 ] && [ "$n" = "$(s "$P" rx_corrected_bits_phy)" ] && [ "$n" = "$(lanes)" ] && [ "$(block uncorrectable_blocks)" = 0 ] || die "corrected: $n blocks, $(lanes) bits by lanes"
for lane in 0 1 2 3; do [ "$(s "$P" rx_err_lane_${lane}_phy)" -ge 3 ] || die "lane $lane has no errors"; done
[ "$(s "$P" rx_crc_errors_phy)" = 0 ] || die "wrong frames, with FEC"
ethtool --set-fec "$P" encoding off || die "FEC off"
wait_link
c=$(s "$P" rx_corrected_bits_phy)
echo 500 > $D/wire0/bit_errors
got=$(flood)
[ "$got" -ge 5 ] && [ "$got" -le 90 ] || die "without FEC $got of 100 arrive"
[ "$(s "$P" rx_crc_errors_phy)" -ge 10 ] && [ "$(s "$P" rx_corrected_bits_phy)" = "$c" ] || die "without FEC: $(ethtool -S "$P" | grep -E 'crc|corrected')"
echo 0 > $D/wire0/bit_errors
[ "$(s "$Q" rx_corrected_bits_phy)" = 0 ] || die "the other port has errors"
# the downs and ups of above
[ "$(s "$P" link_down_events_phy)" -ge 2 ] && n=$(s "$P" link_down_events_phy) || die "links that went down"
ip -n peer link set wire0 down; why 'Autoneg, No partner detected'
ip -n peer link set wire0 up; wait_link
[ "$(s "$P" link_down_events_phy)" = $((n + 1)) ] || die "one more link down"
ethtool --set-fec "$P" encoding auto || die "FEC auto"
wait_link

# pause
a() { ethtool -a "$P" | grep -Pq "^$1:\t+$2\$" || die "pause $1 is not $2: $(ethtool -a "$P")"; }
a RX on; a TX on
ethtool -A "$P" rx off || die "pause"
a RX off; a TX on
ethtool -A "$P" rx on tx off || die "pause"
a RX on; a TX off
ethtool -A "$P" autoneg on 2>/dev/null && die "negotiated pause is taken"
ping_ok peer 10.9.0.1
log_clean
echo PASS
