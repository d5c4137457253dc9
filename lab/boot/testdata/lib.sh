# SPDX-License-Identifier: Apache-2.0
# What the scripts of the tests of this directory say. A check that fails ends the script, and so the test.
unit=nicwright.service
p=/root/small.yaml

die() {
	echo "FAILED: $*"
	[ ! -e /root/log ] || tail -n 20 /root/log
	systemctl status --no-pager --lines=40 "$unit" || true
	nicwright history || true
	journalctl --boot --no-pager --lines=80 || true
	exit 1
}

# What fails ends the script, and says as much as a check does.
trap 'die "$BASH_COMMAND"' ERR

# setup: the tool, the witness and the profile are put on the disk, and Open vSwitch is up, which on a machine that has
# little time Debian's units may have said before it was so
setup() {
	within 300 ovs-appctl -t ovs-vswitchd version
	install -m 0755 /lab/share/nicwright /lab/share/witness /usr/local/bin/
	install -m 0644 /lab/share/small.yaml "$p"
}

# reboot: in order, by systemd; what comes after it in a script is not reached
reboot() {
	systemctl reboot 2>/dev/null || true
	sleep 600
	die "the machine has not rebooted"
}

# same DUMP: the host is as it was when the witness wrote DUMP
same() {
	local differs
	differs=$(witness "$1") || die "the host is not as in $1: $(head -n 40 <<<"$differs")"
	echo "the host is as in $1"
}

# is STATE: the unit is in that state
is() {
	local state
	state=$(systemctl show --property ActiveState --value "$unit")
	[ "$state" = "$1" ] || die "$unit is $state, and not $1"
	echo "$unit is $state"
}

# says TEXT: systemctl status has that in the unit's sentence
says() {
	local sentence
	sentence=$(systemctl status --no-pager --lines=0 "$unit" | sed -n 's/^ *Status: //p')
	case $sentence in *"$1"*) echo "its sentence: $sentence" ;; *) die "its sentence is $sentence, and not $1" ;; esac
}

# within SECONDS COMMAND...: it succeeds sooner or later
within() {
	local end=$((SECONDS + $1)) limit=$1
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || die "not within $limit s: $*"
		sleep 0.5
	done
}

state_is() { [ "$(systemctl show --property ActiveState --value "$unit")" = "$1" ]; }

# invocation is another one with every start of the unit
invocation() { systemctl show --property InvocationID --value "$unit"; }

# again BEFORE: the unit was started anew since invocation BEFORE, and is through
again() { [ "$(invocation)" != "$1" ] && state_is active; }

# settle: what systemd is to do with the unit is done, also what udev asked for
settle() {
	udevadm settle
	while systemctl list-jobs --no-legend | grep -q nicwright; do sleep 0.5; done
}

# nothing_to_do: a plan has no steps
nothing_to_do() {
	local said
	said=$(nicwright plan -p "$p" 2>&1) || die "there is something to do: $said"
}

# whole: every document of the journal can be read, and nothing is half written
whole() {
	nicwright history --json | jq -e 'type == "array" or type == "object"' >/dev/null || die "the journal cannot be read"
	local f
	for f in /var/lib/nicwright/operations/*; do
		[ -s "$f" ] || die "$f is empty"
		jq -e . "$f" >/dev/null || die "$f is no whole document"
	done
	echo "the journal is whole: $(ls /var/lib/nicwright/operations | wc -l) operations"
}
