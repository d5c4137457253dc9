// SPDX-License-Identifier: Apache-2.0

package boot

import "testing"

// waits is what the scripts of this file begin with.
const waits = `
# session COMMAND: as in an ssh session of its own, whose end is the end of all that is left in it
session() {
	rm -f /root/log
	systemd-run --quiet --collect --unit=session --property=Environment="PATH=$PATH HOME=/root" bash -c "$1"
}
kill_session() { systemctl kill --signal=KILL session.service; }
# kill_apply: the process itself, and not what goes on without it
kill_apply() { kill -KILL "$(systemctl show --property MainPID --value session.service)"; }
# first_mac: the bond has the MAC address that its first member came with
first_mac() {
	local first
	read -r first _ </sys/class/net/bond0/bonding/slaves
	[ "$(cat /sys/class/net/bond0/address)" = "$(cat "/sys/class/net/$first/bonding_slave/perm_hwaddr")" ] ||
		die "bond0 has $(cat /sys/class/net/bond0/address)"
}
# not_again: the unit leaves it at that
not_again() {
	systemctl restart $unit && die "what nobody had confirmed was applied again"
	is failed
	says "was not confirmed"
	nicwright status | grep "which went back unconfirmed" || die "$(nicwright status)"
	[ "$(systemctl show --property ExecMainStatus --value $unit)" = 4 ] || die "its exit status is not 4"
	same /root/bare
}
waiting() { nicwright history --json | jq -e 'any(.[]; .confirm != null and .confirm.confirmed == null and .in_force)'; }
# gone_back N: nothing is in force or open, of N operations at least
gone_back() { nicwright history --json | jq -e --argjson n "$1" 'all(.[]; (.open or .in_force) | not) and length >= $n'; }
watchdogs() { systemctl list-units --no-legend --state=active,activating 'nicwright-confirm-*' | awk '{print $1}'; }
kill_watchdog() {
	local unit pid
	unit=$(watchdogs)
	[ "$(wc -w <<<"$unit")" = 1 ] || die "there is not one watchdog: $unit"
	pid=$(systemctl show --property MainPID --value "$unit")
	kill -KILL "$pid"
	within 60 another_than "$pid" "$unit"
	echo "$unit was killed, and systemd has started it again"
}
another_than() { local pid; pid=$(systemctl show --property MainPID --value "$2"); [ "$pid" != 0 ] && [ "$pid" != "$1" ]; }
# back N WHAT: it goes back by itself
back() {
	within 400 gone_back "$1"
	same /root/bare
	whole
	within 30 none_watches
	echo "back: $2"
}
none_watches() { [ -z "$(watchdogs)" ]; }
`

// Whoever is killed, an apply that nobody confirms goes back in time.
func TestWhoeverIsKilledItGoesBack(t *testing.T) {
	boot(t, newDisk(t), waits+`
setup
witness >/root/bare

session "nicwright apply -p $p --confirm 20s >/root/log 2>&1; echo ended >>/root/log; sleep 1000"
within 400 grep -q ended /root/log
within 1 waiting
first_mac
kill_session
back 2 "the session was killed after the apply"

session "nicwright apply -p $p --confirm 20s >/root/log 2>&1"
within 400 grep -q ^done /root/log
kill_apply
back 4 "the apply was killed in the middle"

session "nicwright apply -p $p --confirm 20s >/root/log 2>&1; echo ended >>/root/log"
within 400 grep -q ^done /root/log
kill_watchdog
within 400 grep -q ended /root/log
kill_watchdog
back 6 "the watchdog was killed during the apply and after it"`)
}

// The host was booted before somebody confirmed: it goes back, and the unit says so. Confirmed, it stays.
func TestConfirmedOrNotAcrossABoot(t *testing.T) {
	disk := newDisk(t)
	m := start(t, disk, waits+`
setup
witness >/root/bare
nicwright install -p $p
nicwright apply -p $p --confirm 20s
sync
echo CUT
sleep 600`)
	m.until("CUT")
	m.cut()
	boot(t, disk, waits+`
is failed
says "was not"
[ "$(systemctl show --property ExecMainStatus --value $unit)" = 4 ] || die "its exit status is not 4"
same /root/bare
whole
not_again
nicwright apply -p $p --confirm 30s
nicwright confirm
witness >/root/applied
reboot`)
	boot(t, disk, waits+`
is active
same /root/applied
nothing_to_do
within 30 none_watches
gone_back 1 && die "what was confirmed went back"
whole`)
}

// The host was booted in the middle of a long wait: the unit brings back what waits, and a watchdog that is systemd's
// sees to the rest of the time, whatever becomes of the unit. When it has gone back, the unit does not apply it again.
func TestAWaitThatSpansABoot(t *testing.T) {
	disk := newDisk(t)
	m := start(t, disk, waits+`
setup
witness >/root/bare
nicwright install -p $p
nicwright apply -p $p --confirm 2h
first_mac
witness >/root/applied
sync
echo CUT
sleep 600`)
	m.until("CUT")
	m.cut()
	boot(t, disk, waits+`
is active
says "it goes back at "
within 1 waiting
same /root/applied
watchdogs
kill_watchdog
systemctl restart $unit
is active
says "it goes back at "
within 1 waiting
[ "$(watchdogs | wc -w)" = 1 ] || die "there is not one watchdog: $(watchdogs)"
nicwright history

# What is left of the two hours is too long for a test: now it is half a minute.
op=$(grep -l '"deadline"' /var/lib/nicwright/operations/*-apply.json | tail -n 1)
jq --arg at "$(date --utc --date='30 seconds' +%FT%TZ)" '.confirm.deadline = $at' "$op" >/root/op
mv /root/op "$op"
within 400 gone_back 3
same /root/bare
whole
within 30 none_watches
not_again
nicwright status`)
}
