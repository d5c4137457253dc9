#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# nginx with kTLS and sendfile on a VF, openssl with kTLS on another: 1,000 requests of 1 byte to 10 MB with each
# combination of transmit and receive offload, every byte compared; wrk; then over a wire that loses and reorders.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tls.sh"
load ports=1
tls_files
P=$(netdev $PF0)
ip link set "$P" up
echo 2 > /sys/bus/pci/devices/$PF0/sriov_numvfs || die "no VFs"
vf_ns $PF0 0 t0 10.9.0.10/24
vf_ns $PF0 1 t1 10.9.0.11/24
ip netns add peer && ip link set wire0 netns peer && ip -n peer addr add 10.9.0.20/24 dev wire0 &&
	ip -n peer link set wire0 up && ip -n peer link set lo up || die "wire0"
ping_ok t0 10.9.0.11
ping_ok peer 10.9.0.10

# 25 files: a byte, odd sizes about the length of a record, 10 MB
SIZES="1 2 13 100 511 1000 1460 1461 4096 8191 16383 16384 16385 20000 32768 40000 49153 65536 100000 131071 262145 524288 1000000 2500000 10485760"
mkdir "$WORK/www"
for s in $SIZES; do head -c "$s" /dev/urandom > "$WORK/www/$s"; done
chmod -R a+rX "$WORK"

serve() { # NAMESPACE
	mkdir -p "$WORK/$1"
	cat > "$WORK/$1/nginx.conf" <<-EOF
	worker_processes 1; user root; daemon on; pid $WORK/$1/pid; error_log $WORK/$1/error.log;
	events { worker_connections 256; }
	http {
		access_log off; sendfile on; keepalive_requests 100000; default_type application/octet-stream; etag off;
		client_body_temp_path $WORK/$1; proxy_temp_path $WORK/$1; fastcgi_temp_path $WORK/$1; uwsgi_temp_path $WORK/$1; scgi_temp_path $WORK/$1;
		server {
			listen 4433 ssl; root $WORK/www;
			ssl_certificate $WORK/cert; ssl_certificate_key $WORK/key; ssl_protocols TLSv1.2; ssl_session_tickets off;
			ssl_ciphers $AES128:$AES256; ssl_conf_command Options KTLS;
		}
	}
	EOF
	in_ns "$1" nginx -c "$WORK/$1/nginx.conf" 2> "$WORK/$1/start.log" || die "nginx: $(cat "$WORK/$1/start.log")"
}
serve t0
serve peer

# get CLIENT-NAMESPACE ADDRESS CIPHER SIZE...: pipelined requests of one connection; perl takes the answers apart
get() {
	local ns=$1 a=$2 c=$3; shift 3
	for s in "$@"; do printf 'GET /%s HTTP/1.1\r\nHost: t\r\n\r\n' "$s"; done | sed '$!b; s/^\r$/Connection: close\r\n\r/' |
		in_ns "$ns" timeout 300 openssl s_client -quiet -ktls -tls1_2 -cipher "$c" -connect "$a:4433" 2>/dev/null |
		perl -e 'my $www = shift; my $n = 0; binmode STDIN;
			for my $size (@ARGV) {
				my $len;
				while (defined(my $l = <STDIN>)) { $len = $1 if $l =~ /^Content-Length: (\d+)/i; last if $l eq "\r\n"; }
				defined $len && $len == $size or die "answer " . ($n + 1) . ": not of $size bytes\n";
				read(STDIN, my $got, $size) == $size or die "answer " . ($n + 1) . ": too short\n";
				open my $f, "<", "$www/$size" or die; binmode $f; local $/; my $want = <$f>;
				$got eq $want or die "answer " . ($n + 1) . " of $size bytes: other bytes\n"; $n++;
			}
			print "$n\n";' "$WORK/www" "$@" > "$WORK/count" || die "$ns from $a with $c"
	[ "$(cat "$WORK/count")" = $# ] || die "$ns from $a: $(cat "$WORK/count") of $# answers"
	requests=$((requests + $#))
}
small=$(for s in $SIZES; do [ "$s" -le 65536 ] && echo "$s"; done)
# shellcheck disable=SC2086
many() { # CLIENT-NAMESPACE ADDRESS: all sizes, and the small ones a good many times
	local i
	requests=0
	get "$1" "$2" $AES128 $SIZES
	for i in 1 2 3; do get "$1" "$2" $AES256 $small $small $small $small $small $small; get "$1" "$2" $AES128 $small $small $small $small $small $small; done
	while [ $requests -lt "$3" ]; do get "$1" "$2" $AES256 $small $small $small $small $small $small $small $small $small $small; done
}

total=0
for tx in on off; do
	for rx in on off; do
		in_ns t0 ethtool -K vf0 tls-hw-tx-offload $tx && in_ns t1 ethtool -K vf0 tls-hw-rx-offload $rx || die "offload $tx $rx"
		td=$(tls t0 TlsTxDevice) ts=$(tls t0 TlsTxSw) rd=$(tls t1 TlsRxDevice) rs=$(tls t1 TlsRxSw)
		tb=$(stat t0 vf0 tx_tls_encrypted_bytes) rb=$(stat t1 vf0 rx_tls_decrypted_bytes)
		many t1 10.9.0.10 1000
		tb=$(($(stat t0 vf0 tx_tls_encrypted_bytes) - tb)) rb=$(($(stat t1 vf0 rx_tls_decrypted_bytes) - rb))
		td=$(($(tls t0 TlsTxDevice) - td)) ts=$(($(tls t0 TlsTxSw) - ts)) rd=$(($(tls t1 TlsRxDevice) - rd)) rs=$(($(tls t1 TlsRxSw) - rs))
		echo "transmit $tx, receive $rx: $requests requests; card: $td sent, $tb bytes, $rd received, $rb bytes; software: $ts, $rs"
		case $tx in on) [ $td -ge 8 ] && [ $ts = 0 ] && [ $tb -ge 15000000 ] ;; off) [ $td = 0 ] && [ $ts -ge 8 ] && [ $tb = 0 ] ;; esac || die "transmit offload $tx"
		case $rx in on) [ $rd -ge 8 ] && [ $rs = 0 ] && [ $rb -ge 10000000 ] ;; off) [ $rd = 0 ] && [ $rs -ge 8 ] && [ $rb = 0 ] ;; esac || die "receive offload $rx"
		total=$((total + requests))
	done
done
[ "$(tls t1 TlsDecryptError)" = 0 ] || die "TlsDecryptError"
in_ns t0 ethtool -K vf0 tls-hw-tx-offload on && in_ns t1 ethtool -K vf0 tls-hw-rx-offload on || die "offload"

d=$(tls t0 TlsTxDevice)
in_ns t1 wrk -t 1 -c 4 -d 3s --timeout 20s https://10.9.0.10:4433/16385 > "$WORK/wrk" || die "wrk"
grep -q 'Non-2xx\|Socket errors' "$WORK/wrk" && die "wrk: $(cat "$WORK/wrk")"
w=$(sed -n 's/ *\([0-9]*\) requests in.*/\1/p' "$WORK/wrk")
[ "$w" -ge 10 ] && [ $(($(tls t0 TlsTxDevice) - d)) -ge 4 ] || die "wrk: $w requests"
echo "wrk: $w requests"

# 1% is lost and 1% overtaken, each way. The VF serves, and then is served
F=/sys/kernel/debug/connectx_emu/wire0
echo 10 > $F/loss; echo 10 > $F/reorder
o=$(stat t0 vf0 tx_tls_ooo) b=$(stat t0 vf0 tx_tls_encrypted_bytes)
many peer 10.9.0.10 1000
rose "$b" "$(stat t0 vf0 tx_tls_encrypted_bytes)" 15000000 "tx_tls_encrypted_bytes"
rose "$o" "$(stat t0 vf0 tx_tls_ooo)" 1 "tx_tls_ooo"
echo "bad wire, transmit on: $requests requests, $(($(stat t0 vf0 tx_tls_ooo) - o)) times out of order"
r=$(stat t1 vf0 rx_tls_resync_res_ok) b=$(stat t1 vf0 rx_tls_decrypted_bytes)
many t1 10.9.0.20 1000
rose "$b" "$(stat t1 vf0 rx_tls_decrypted_bytes)" 1000000 "rx_tls_decrypted_bytes"
echo "bad wire, receive on: $requests requests, $(($(stat t1 vf0 rx_tls_decrypted_bytes) - b)) bytes decrypted by the card, $(($(stat t1 vf0 rx_tls_resync_res_ok) - r)) resyncs"
[ "$(tls t1 TlsDecryptError)" = 0 ] && [ "$(tls peer TlsDecryptError)" = 0 ] || die "TlsDecryptError on the bad wire"
echo 0 > $F/loss; echo 0 > $F/reorder
for n in t0 peer; do kill "$(cat "$WORK/$n/pid")"; done
log_clean
echo PASS
