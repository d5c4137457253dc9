#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The card makes one TLS key after another, whichever function asks, and lets all other commands by; keys come one a
# command (log_dek_max_alloc=0) or out of bulks that are filled one by one, given back and used again.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tls.sh"
tls_files
D=/sys/kernel/debug
SETUP=10000000 # us: four of them are over before the driver gives a command up (60 s)
now() { date +%s%N; }

start() { # MODULE-PARAMETER...
	load ports=1 "$@"
	ip link set "$(netdev $PF0)" up
	echo 2 > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "no VFs"
	vf_ns $PF0 0 t0 10.9.0.10/24
	vf_ns $PF0 1 t1 10.9.0.11/24
	for i in 0 1; do V[$i]=$(basename "$(readlink -f /sys/bus/pci/devices/$PF0/virtfn$i)"); done
	ping_ok t0 10.9.0.11
}
stop() {
	ip netns del t0; ip netns del t1
	for _ in $(seq 100); do rmmod connectx_emu 2>/dev/null && break; sleep 0.2; done
	[ ! -d /sys/module/connectx_emu ] || die "connectx_emu does not go"
}

# commands NAME: how many of them both VFs' drivers have sent, by their own count
commands() { cat "$D/mlx5/${V[0]}/commands/$1/n" "$D/mlx5/${V[1]}/commands/$1/n" | awk '{ n += $1 } END { print n + 0 }'; }

serve() { # NAMESPACE PORT
	(cd "$WORK" && in_ns "exec $1" openssl s_server -quiet -WWW -ktls -tls1_2 -cipher $AES128 -cert cert -key key -port "$2" > /dev/null 2>&1) &
	SERVERS+=($!)
	for _ in $(seq 100); do in_ns "$1" ss -Hlnt "sport = :$2" | grep -q . && return; sleep 0.1; done
	die "no server in $1"
}
ask() { # NAMESPACE ADDRESS PORT: a connection by a client without kTLS, which makes no key; status 0 if it got what the server has
	printf 'GET /data HTTP/1.0\r\n\r\n' | in_ns "$1" timeout 300 openssl s_client -quiet -tls1_2 -connect "$2:$3" 2>/dev/null |
		sed '1,/^\r$/d' | cmp -s - "$WORK/data"
}

# one_by_one NAME: four servers, two on each VF, are each asked for a connection at a time, and NAME is the command that makes a key
one_by_one() {
	local sessions made other t pids=() p s v
	for p in 1 2; do serve t0 444$p; serve t1 444$p; done
	ask t1 10.9.0.10 4441 && ask t0 10.9.0.11 4441 || die "other bytes, before anything is slow" # what comes once has come
	sessions=$(($(tls t0 TlsTxDevice) + $(tls t1 TlsTxDevice))) made=$(commands "$1")
	echo $SETUP > $D/connectx_emu/tls_setup_us
	t=$(now)
	for p in 1 2; do
		ask t1 10.9.0.10 444$p & pids+=($!)
		ask t0 10.9.0.11 444$p & pids+=($!)
	done
	for _ in $(seq 1200); do [ "$(commands "$1")" -gt "$made" ] && break; sleep 0.1; done # a key is there, others are being made
	other=$(commands QUERY_VPORT_COUNTER)
	for v in t0 t1; do ip netns exec $v ethtool -S vf0 > /dev/null || die "counters of $v"; done
	[ "$(commands QUERY_VPORT_COUNTER)" -gt "$other" ] || die "to read counters takes no command"
	s=$(($(tls t0 TlsTxDevice) + $(tls t1 TlsTxDevice) - sessions))
	[ $s -lt 4 ] || die "commands that make no key waited for the keys of all connections"
	for p in "${pids[@]}"; do wait "$p" || die "other bytes by a key that was slow to make"; done
	t=$(($(now) - t)) s=$(($(tls t0 TlsTxDevice) + $(tls t1 TlsTxDevice) - sessions)) made=$(($(commands "$1") - made))
	echo 0 > $D/connectx_emu/tls_setup_us
	[ $s = 4 ] || die "$s of 4 connections are in the card"
	[ $made = 4 ] || die "$1 was sent $made times for 4 keys"
	[ $t -ge $((4 * SETUP * 1000)) ] || die "4 keys were made in $((t / 1000000)) ms: they did not wait for one another"
	echo "$1: 4 keys at a time, $((t / 1000000)) ms"
	kill "${SERVERS[@]}"; wait "${SERVERS[@]}" 2>/dev/null; SERVERS=()
}

# one key a command
start log_dek_max_alloc=0
one_by_one CREATE_GENERAL_OBJECT
[ "$(commands MODIFY_GENERAL_OBJECT)" = 0 ] || die "keys are changed where there are no bulks"
stop

# bulks of 64: more of them than one has, and after 128 that came back the driver has the card drop them, and takes them again
case $(uname -r) in
6.1.*) echo "6.1: its driver knows of no bulks" ;;
*)
	start log_dek_max_alloc=6
	one_by_one MODIFY_GENERAL_OBJECT
	serve t0 4441
	bulks=$(commands CREATE_GENERAL_OBJECT) sync=$(commands SYNC_CRYPTO) s=$(tls t0 TlsTxDevice)
	echo small > "$WORK/small"
	for _ in $(seq 60); do
		in_ns t1 openssl s_time -connect 10.9.0.10:4441 -new -time 5 -www /small -tls1_2 > "$WORK/time" 2>&1 || die "s_time: $(cat "$WORK/time")"
		n=$(($(tls t0 TlsTxDevice) - s))
		[ $n -ge 300 ] && break
	done
	[ $n -ge 300 ] || die "$n connections"
	bulks=$(($(commands CREATE_GENERAL_OBJECT) - bulks)) sync=$(($(commands SYNC_CRYPTO) - sync))
	[ $sync -ge 1 ] || die "the driver never had the card drop keys"
	[ $bulks -ge 2 ] && [ $((64 * bulks)) -lt $n ] || die "$bulks bulks of 64 for $n connections: none was used again"
	ask t1 10.9.0.10 4441 || die "other bytes by a key that is used again"
	echo "$n connections by $bulks bulks of 64 keys, synchronised $sync times"
	kill "${SERVERS[@]}"; wait "${SERVERS[@]}" 2>/dev/null
	;;
esac
log_clean
echo PASS
