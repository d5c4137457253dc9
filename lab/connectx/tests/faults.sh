#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Faults on demand: commands that fail or are late, firmware that stops, cables and crypto that go wrong; and what the driver and the peers make of them.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tls.sh"
load ports=1
tls_files
F=/sys/kernel/debug/connectx_emu
P=$(netdev $PF0)
ip link set "$P" up
echo 0 > /sys/bus/pci/devices/$PF0/sriov_drivers_autoprobe
echo 2 > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "no VFs"
echo 1 > /sys/bus/pci/devices/$PF0/sriov_drivers_autoprobe
v() { basename "$(readlink -f /sys/bus/pci/devices/$PF0/virtfn$1)"; }
bind() { echo "$(v $1)" > /sys/bus/pci/drivers/mlx5_core/bind; }
INIT_HCA=0x102

# a command that fails says why, once
echo "fail $INIT_HCA 1 8 0xabcde" > $F/commands || die "rule"
grep -qx "fail $INIT_HCA 1 8 0xabcde" $F/commands || die "the rule does not show"
bind 0 2>/dev/null && die "a VF whose INIT_HCA fails is bound"
dmesg | grep -q 'INIT_HCA.*status bad parameter\|INIT_HCA.*syndrome (0xabcde)' || die "the driver does not tell the syndrome"
grep -q . $F/commands && die "the rule is used up"
bind 0 && [ -d /sys/bus/pci/devices/$PF0/virtfn0/net ] || die "the VF does not bind the next time"
for bad in "fail $INIT_HCA 1 8" "fail $INIT_HCA 0 8 1" "delay $INIT_HCA 1" "burn 1 1 1" "fail 0x10000 1 8 1"; do
	echo "$bad" 2>/dev/null > $F/commands && die "took the rule $bad"
done

# which commands came
echo clear > $F/seen && ! grep -q "^$INIT_HCA " $F/seen || die "seen is not cleared"
echo "$(v 0)" > /sys/bus/pci/drivers/mlx5_core/unbind && bind 0 || die "VF 0 does not bind"
grep -qx "$INIT_HCA 1" $F/seen || die "INIT_HCA is not seen once: $(cat $F/seen)"

# functions of the kernel that fail for processes of a name: the second call of three
echo "fail rtnl_newlink 1 1 16 ip" > $F/calls || die "call"
ip link add fault0 type dummy || die "the first call fails"
why=$(ip link add fault1 type dummy 2>&1) && die "the second call does not fail"
grep -q 'Device or resource busy' <<< "$why" || die "the second call fails with $why"
ip link add fault1 type dummy || die "the third call fails"
grep -qx 'rtnl_newlink 3 0' $F/calls || die "calls: $(cat $F/calls)"
for bad in "fail rtnl_newlink 0 1 16" "fail rtnl_newlink 0 0 16 ip" "fail no_such_function 0 1 16 ip" "count rtnl_newlink"; do
	echo "$bad" 2>/dev/null > $F/calls && die "took the call $bad"
done
echo clear > $F/calls
grep -q . $F/calls && die "the calls are not cleared"
ip link del fault0 && ip link del fault1 || die "dummies"

# a late command keeps only its own function waiting
now() { date +%s%N; }
echo 3000 > $F/vf_probe_ms
t=$(now); bind 1 & sleep 0.5
ethtool -S "$P" > /dev/null && [ $(($(now) - t)) -lt 3000000000 ] || die "the PF waits for its VF"
wait $! || die "the slow VF does not bind"
[ $(($(now) - t)) -ge 3000000000 ] || die "the VF was not slow"
echo 0 > $F/vf_probe_ms

ip netns add peer && ip link set wire0 netns peer && ip -n peer addr add 10.9.0.20/24 dev wire0 &&
	ip -n peer link set wire0 up && ip addr add 10.9.0.1/24 dev "$P" || die "wire0"
ping_ok peer 10.9.0.1

# cables
lost() { ip netns exec peer ping -c 100 -i 0.01 -W 1 -q 10.9.0.1 | sed -n 's/.* \([0-9.]*\)% packet loss.*/\1/p' | cut -d . -f 1; }
[ "$(lost)" = 0 ] || die "a good cable loses packets"
echo 400 > $F/wire0/loss; l=$(lost); echo 0 > $F/wire0/loss
[ "$l" -ge 30 ] && [ "$l" -le 95 ] || die "loss of 40% each way: $l% of the echoes are lost"
echo 500 > $F/wire0/corrupt; l=$(lost); echo 0 > $F/wire0/corrupt
[ "$l" -ge 30 ] || die "corruption of half of the frames: $l% of the echoes are lost"
r() { awk '$1 == "TcpExtTCPOFOQueue" { print $2 }' <<< "$(ip netns exec peer nstat -asz TcpExtTCPOFOQueue)"; }
b=$(r); echo 100 > $F/wire0/reorder
fetch - 10.9.0.1 peer $AES128 || die "other bytes over a cable that reorders"
rose "$b" "$(r)" 1 "TCPOFOQueue of the peer"
echo 10 > $F/wire0/loss; echo 10 > $F/wire0/corrupt
fetch - 10.9.0.1 peer $AES256 || die "other bytes over a bad cable"
for f in loss corrupt reorder; do echo 0 > $F/wire0/$f; done
echo 1 > $F/wire0/down; sleep 1
ethtool "$P" | grep -q 'Link detected: no' || die "the link stays up with the cable pulled"
ip -n peer link show wire0 | grep -q NO-CARRIER || die "the far end keeps its carrier"
echo 0 > $F/wire0/down; sleep 1
ethtool "$P" | grep -q 'Link detected: yes' || die "the link does not come back"
ping_ok peer 10.9.0.1

# firmware that stops: the driver's reporter finds it, resets it and recovers
recovery() {
	reporter() { devlink -j health show pci/$PF0 reporter fw_fatal | jq -r ".health[][0].$1"; }
	[ "$(reporter state)" = healthy ] && [ "$(reporter recover)" = 0 ] || die "fw_fatal at first"
	echo 8 > $F/pf0/hang
	for _ in $(seq 120); do
		[ "$(reporter recover)" = 1 ] && break
		sleep 1
	done
	[ "$(reporter error)" = 1 ] && [ "$(reporter recover)" = 1 ] && [ "$(reporter state)" = healthy ] || die "fw_fatal: $(devlink health show pci/$PF0)"
	dmesg | grep -q 'synd 0x8: unrecoverable hardware error' || die "the driver does not tell the syndrome"
	[ "$(cat $F/pf0/hang)" = 0 ] || die "still hanging"
	P=$(netdev $PF0)
	ip addr replace 10.9.0.1/24 dev "$P" && ip link set "$P" up && ping_ok peer 10.9.0.1
}
case $(uname -r) in
6.1.*) echo "6.1: not tried: the work that recovers waits for ever in mlx5_detach_device or mlx5e_tls_priv_tx_list_cleanup" ;;
*) recovery ;;
esac

# crypto. The receiver is software: it finds what the card did wrong
echo 1 > $F/wrong_icv
fetch - 10.9.0.1 peer $AES128 2>/dev/null && die "a record with a wrong ICV was taken"
e=$(tls peer TlsDecryptError)
[ "$e" -ge 1 ] || die "the peer's kernel did not find the wrong ICV"
echo 0 > $F/wrong_icv
echo 1 > $F/wrong_byte	# authentic, and yet wrong
fetch - 10.9.0.1 peer $AES128 2>/dev/null && die "a changed byte was not noticed"
[ "$(tls peer TlsDecryptError)" = "$e" ] || die "TlsDecryptError rose for an authentic record"
# a conversation on the wire: "hello", which is encrypted, and after the fault sixteen of "P"
mkfifo "$WORK/say"
(cd "$WORK" && exec openssl s_server -quiet -ktls -tls1_2 -cipher $AES128 -cert cert -key key -port 4434 < say > /dev/null 2>&1) &
S=$!
exec 9> "$WORK/say"
ip netns exec peer tcpdump -i wire0 -s 0 --immediate-mode -U -w "$WORK/cap" tcp src port 4434 2> "$WORK/cap.log" &
T=$!
for _ in $(seq 100); do grep -q 'listening on' "$WORK/cap.log" && ss -Hlnt sport = :4434 | grep -q . && break; sleep 0.1; done
sleep 1000 | ip netns exec peer openssl s_client -quiet -ktls -tls1_2 -connect 10.9.0.1:4434 > "$WORK/heard" 2>/dev/null &
C=$!
wait_for() { for _ in $(seq 600); do "$@" && return; sleep 0.1; done; return 1; }
echo helloHELLOhello >&9
wait_for grep -q helloHELLOhello "$WORK/heard" || die "no conversation"
grep -qa helloHELLOhello "$WORK/cap" && die "plain text on the wire"
echo 1 > $F/no_encrypt
echo PPPPPPPPPPPPPPPP >&9
wait_for grep -qa PPPPPPPPPPPPPPPP "$WORK/cap" || die "a card that encrypts nothing shows no plain text"
grep -q PPPP "$WORK/heard" && die "the peer took plain text"
echo 0 > $F/no_encrypt
exec 9>&-
kill $S $C $T 2>/dev/null; pkill sleep; wait $S $C $T 2>/dev/null
fetch - 10.9.0.1 peer $AES128 || die "transfer after the faults"

# a context takes its time
echo 300000 > $F/tls_setup_us
t=$(now); fetch - 10.9.0.1 peer $AES128 || die "transfer with slow contexts"
[ $(($(now) - t)) -ge 300000000 ] || die "the context was not slow"
echo 0 > $F/tls_setup_us

log_clean
echo PASS
