#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Run inside the lab machine by `make bench`, whose time is instructions (lab run --icount): package ktls against openssl with
# -ktls -sendfile, between the same two VFs with the card's offload on, as ratios of medians. The two take turns.
#
#   sending:    openssl s_server -ktls -sendfile and ours, to our client
#   receiving:  openssl s_client -ktls and ours, from our server
set -euo pipefail
# The program and the file are on the machine's own file system, not read from the host each time.
install -m 0755 /lab/share/bin/ktls-bench /usr/local/bin/
tmp=$(mktemp -d); size=${SIZE:-8}; runs=${RUNS:-5}
trap 'kill $(jobs -p) 2> /dev/null; rm -rf "$tmp"' EXIT
head -c "${size}M" /dev/urandom > "$tmp/data"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tmp/key" -out "$tmp/cert" -days 2 -subj /CN=t 2> /dev/null
# aesni_intel is what udev loads on a host whose processor has it: without it all that the kernel encrypts itself takes ten times as long.
modprobe -aq tls gcm ctr ghash-generic tcp_diag aesni_intel || true
pf=$(for d in /sys/bus/pci/drivers/mlx5_core/*:*; do [ -e "$d/physfn" ] || basename "$d"; done | sort | head -1)
echo 2 > "/sys/bus/pci/devices/$pf/sriov_numvfs"
ip link set "$(ls "/sys/bus/pci/devices/$pf/net")" up
i=0
for ns in a b; do
	vf=$(ls "/sys/bus/pci/devices/$pf/virtfn$i/net"); i=$((i + 1))
	ip netns add $ns; ip link set "$vf" netns $ns name vf0
	ip -n $ns addr add 10.8.0.$i/24 dev vf0; ip -n $ns link set lo up; ip -n $ns link set vf0 up
	ip netns exec $ns ethtool -K vf0 tls-hw-tx-offload on tls-hw-rx-offload on
done
ip netns exec b ping -c 3 -w 20 -q 10.8.0.1 > /dev/null
stat() { ip netns exec a ethtool -S vf0 | awk '$1 == "tx_tls_encrypted_bytes:" {print $2}'; }

cd "$tmp"
ip netns exec a openssl s_server -quiet -WWW -ktls -sendfile -tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256 \
	-cert cert -key key -port 4433 > openssl.log 2>&1 &
ip netns exec a ktls-bench serve 10.8.0.1:4434 cert key data > ours.log &
for port in 4433 4434; do until ip netns exec a ss -Hlnt "sport = :$port" | grep -q .; do sleep 0.1; done; done

get() { # PORT: our client's time
	local seconds n
	read -r seconds n < <(ip netns exec b ktls-bench get "10.8.0.1:$1")
	[ "$n" -gt $((size << 20)) ] || { echo "only $n bytes came" >&2; exit 1; }
	echo "$seconds"
}
turn() { # COMMAND...: the time that our server takes with that client
	local before; before=$(wc -l < ours.log)
	"$@" > /dev/null 2>&1
	until [ "$(wc -l < ours.log)" -gt "$before" ]; do sleep 0.05; done
	tail -n 1 ours.log
}
s_client() { printf 'GET /data HTTP/1.0\r\n\r\n' | ip netns exec b openssl s_client -quiet -ktls -tls1_2 -connect 10.8.0.1:4434; }
median() { sort -n "$1" | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
get 4433 > /dev/null; get 4434 > /dev/null # the first ones load and warm what all need
before=$(stat)
for ((i = 0; i < runs; i++)); do
	get 4433 >> send.openssl; get 4434 >> send.ours
	turn s_client >> receive.openssl; turn ip netns exec b ktls-bench get 10.8.0.1:4434 >> receive.ours
done
moved=$(($(stat) - before))
[ $moved -ge $((4 * runs * size << 20)) ] || { echo "the card encrypted only $moved bytes: this measures something else" >&2; exit 1; }
for what in send receive; do
	o=$(median $what.openssl) n=$(median $what.ours)
	awk -v what="$what" -v o="$o" -v n="$n" -v size="$size" -v runs="$runs" 'BEGIN {
		printf "kTLS %s, %d MiB by the card, medians of %d: openssl %.1f MB/s, ktls %.1f MB/s; throughput ratio %.3f   (goal >= 0.95)\n",
			what, size, runs, size * 1.048576 / o, size * 1.048576 / n, o / n}'
	echo "    openssl $(sort -n $what.openssl | tr '\n' ' ')"
	echo "    ktls    $(sort -n $what.ours | tr '\n' ' ')"
done
