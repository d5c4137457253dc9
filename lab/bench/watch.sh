#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Run inside a lab machine: what `nicwright watch` takes with many VFs, at rest, read every 30 s, and in a storm of link
# events, and whether a drift in that storm is told. The processor's time is the scheduler's (schedstat of each thread).
#
#   watch.sh [VFS [SECONDS]]      VFs a port; seconds of each measurement
set -euo pipefail
vfs=${1:-64} seconds=${2:-60}
install -m 0755 /lab/share/bin/nicwright /usr/local/bin/
tmp=$(mktemp -d) half=$((vfs / 2))
nicwright profile show vm-host | sed -e "s/vfs: [0-9]*/vfs: $vfs/" -e "s/vf0-1/vf0-$((half - 1))/" -e "s/vf2-3/vf$half-$((vfs - 1))/" -e "s/^    miimon: .*/&\n    mtu: 1500/" >"$tmp/many.yaml"
nicwright apply -p "$tmp/many.yaml" >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
uname -r
echo "2 x $vfs VFs, $(ls /sys/class/net | wc -l) netdevs"

# used PID: ns on a processor, of all threads
used() { cat /proc/"$1"/task/*/schedstat | awk '{n += $1} END {printf "%.0f", n}'; }
memory() { awk '/^(VmHWM|VmRSS|RssAnon)/ {printf "%s %.1f MB  ", $1, $2 / 1000}' /proc/"$1"/status; echo; }
# uptime, not $SECONDS: where instructions count as time, it is that time
up() { cut -d' ' -f1 /proc/uptime; }
# measured PID WHAT COMMAND...: while the command runs
measured() {
	local pid=$1 what=$2 n t
	shift 2
	n=$(used "$pid") t=$(up)
	"$@"
	awk -v n=$(($(used "$pid") - n)) -v t="$t" -v u="$(up)" -v what="$what" 'BEGIN {printf "%s: %.1f ms of a processor in %.1f s, %.4f %%\n", what, n / 1e6, u - t, n / 1e7 / (u - t)}'
	memory "$pid"
}
told() { # told FILE TEXT: within two minutes
	local i
	for i in {1..1200}; do
		grep -q "$2" "$1" && return
		sleep 0.1
	done
	echo "it did not tell: $2" && tail "$1" && return 1
}
metric() { curl -s http://127.0.0.1:9797/metrics | grep "$1"; }

nicwright watch --listen 127.0.0.1:9797 >"$tmp/watch" 2>&1 &
pid=$!
told "$tmp/watch" '"watching"'
sleep 20
measured $pid "at rest" sleep "$seconds"
reads() { local i; for ((i = 0; i < seconds; i += 30)); do metric . >/dev/null; sleep 30; done; }
measured $pid "read by Prometheus every 30 s" reads
echo "looks: $(metric '^nicwright_watch_look')"

# 1,000 events a second, one batch of ip a second
ip link add storm type dummy
for ((i = 0; i < 1000; i++)); do echo "link set storm mtu $((1400 + i % 2))"; done >"$tmp/batch"
storm() {
	local s t
	for ((s = 0; s < seconds; s++)); do
		t=$(up)
		ip -batch "$tmp/batch"
		[ $s != $((seconds / 2)) ] || ip link set bond0 mtu 1400
		sleep "$(awk -v t="$t" -v u="$(up)" 'BEGIN {print u - t < 1 ? 1 - (u - t) : 0}')"
	done
}
before=$(metric '_events_total{source="links"}')
measured $pid "in a storm of 1,000 link events a second" storm
metric '^nicwright_watch_events.*links'
echo "before: $before"
metric '^nicwright_watch_look'
told "$tmp/watch" '"began".*bond/bond0.*"mtu"' && grep '"bond/bond0"' "$tmp/watch"
ip link set bond0 mtu 1500
told "$tmp/watch" '"ended".*bond/bond0.*"mtu"'
echo "no drift was missed"
memory $pid
