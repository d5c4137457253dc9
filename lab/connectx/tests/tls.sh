# SPDX-License-Identifier: GPL-2.0
# Helpers of the TLS tests; sourced after lib.sh. Transfers go from an openssl server to an openssl client, both with kTLS.
SIZE=$((6 * 1024 * 1024))
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
export LC_ALL=C

tls_files() {
	modprobe -aq sch_netem sch_prio cls_u32 cls_matchall act_pedit act_csum act_mirred
	head -c $SIZE /dev/urandom > "$WORK/data"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$WORK/key" -out "$WORK/cert" \
		-days 30 -subj /CN=t 2>/dev/null || die "no certificate"
}

# fetch SERVER-NAMESPACE ADDRESS CLIENT-NAMESPACE CIPHER: status 0 if the client got what the server has
fetch() {
	local pid ok
	(cd "$WORK" && in_ns "exec $1" openssl s_server -quiet -WWW -ktls -tls1_2 -cipher "$4" -cert cert -key key \
		-port 4433 > server.log 2>&1) &
	pid=$!
	for _ in $(seq 100); do
		in_ns "$1" ss -Hlnt sport = :4433 | grep -q . && break
		sleep 0.1
	done
	printf 'GET /data HTTP/1.0\r\n\r\n' | in_ns "$3" timeout 100 openssl s_client -quiet -ktls -tls1_2 -connect "$2:4433" \
		2> "$WORK/client.log" | sed '1,/^\r$/d' > "$WORK/got"
	cmp -s "$WORK/data" "$WORK/got"; ok=$?
	kill $pid; wait $pid 2>/dev/null
	[ $ok = 0 ] || { wc -c < "$WORK/got"; tail -n 3 "$WORK/client.log" "$WORK/server.log"; } >&2
	return $ok
}

AES128=ECDHE-ECDSA-AES128-GCM-SHA256
AES256=ECDHE-ECDSA-AES256-GCM-SHA384

# stat NAMESPACE NETDEV COUNTER: as ethtool -S has it
stat() { in_ns "$1" ethtool -S "$2" | awk -v n="$3:" '$1 == n { print $2; f = 1 } END { exit !f }' || die "$2 has no $3"; }

# tls NAMESPACE COUNTER: as /proc/net/tls_stat has it
tls() { in_ns "$1" awk -v n="$2" '$1 == n { print $2; f = 1 } END { exit !f }' /proc/net/tls_stat || die "no $2"; }

# rose BEFORE AFTER AT-LEAST WHAT
rose() { [ $(($2 - $1)) -ge "$3" ] || die "$4 rose by $(($2 - $1)), not by $3"; }

# offloaded SERVER-NAMESPACE ADDRESS CLIENT-NAMESPACE NETDEV CIPHER AT-LEAST-BYTES: fetched, and decrypted by the card
offloaded() {
	local b c r e
	b=$(stat "$3" "$4" rx_tls_decrypted_bytes) c=$(tls "$3" TlsRxDevice) r=$(stat "$3" "$4" rx_tls_resync_res_ok)
	e=$(stat "$3" "$4" rx_tls_err)
	fetch "$1" "$2" "$3" "$5" || die "$1 to $3, $5: other bytes arrived"
	rose "$b" "$(stat "$3" "$4" rx_tls_decrypted_bytes)" "$6" "$3: rx_tls_decrypted_bytes"
	rose "$c" "$(tls "$3" TlsRxDevice)" 1 "$3: TlsRxDevice"
	[ "$(stat "$3" "$4" rx_tls_err)" = "$e" ] || die "$3: rx_tls_err rose"
	[ "$(tls "$3" TlsDecryptError)" = "${errors:-0}" ] || die "$3: TlsDecryptError"
	echo "$1 to $3, $5: $(($(stat "$3" "$4" rx_tls_decrypted_bytes) - b)) bytes decrypted by the card," \
		"$(($(stat "$3" "$4" rx_tls_resync_res_ok) - r)) resyncs"
}
