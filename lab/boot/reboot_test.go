// SPDX-License-Identifier: Apache-2.0

package boot

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// times is how often a test does what it does, by an environment variable: few where somebody waits for it.
func times(t *testing.T, variable string, few int) int {
	t.Helper()
	said := os.Getenv(variable)
	if said == "" {
		return few
	}
	n, err := strconv.Atoi(said)
	if err != nil || n < 1 {
		t.Fatalf("%s=%s: it is a number, 1 or more", variable, said)
	}
	return n
}

// made is a disk on which the profile is installed and applied. /root/bare is the host before that, /root/applied after.
var made struct {
	sync.Mutex
	disk string
}

// installed gives a copy of that disk. NICWRIGHT_DISK=FILE keeps it for the next run, for who writes a test.
func installed(t *testing.T) string {
	t.Helper()
	dir := needBoot(t)
	made.Lock()
	defer made.Unlock()
	disk := os.Getenv("NICWRIGHT_DISK")
	if _, err := os.Stat(disk); err == nil {
		made.disk = disk
	}
	if disk == "" {
		disk = filepath.Join(dir, "installed.img")
	}
	if made.disk == "" {
		making := disk + ".making" // a test that fails leaves no half of it
		if err := os.RemoveAll(making); err != nil {
			t.Fatal(err)
		}
		boot(t, making, `
setup
witness >/root/bare
nicwright install -p $p
nicwright install -p $p | grep "nothing to do"
systemctl start $unit
is active
says "the host is as the profile says"
nothing_to_do
witness >/root/applied
witness /root/bare /root/applied >/root/change && die "the profile changes nothing"
reboot`)
		if err := os.Rename(making, disk); err != nil {
			t.Fatal(err)
		}
		made.disk = disk
	}
	mine := newDisk(t)
	if out, err := exec.CommandContext(t.Context(), "cp", "--sparse=always", "--reflink=auto", made.disk, mine).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
	return mine
}

// The host is after every reboot as it was before, and says so. NICWRIGHT_REBOOTS=5: so often.
func TestRebootsBringTheHostBack(t *testing.T) {
	disk := installed(t)
	for range times(t, "NICWRIGHT_REBOOTS", 2) {
		boot(t, disk, `
is active
says "the host is as the profile says"
same /root/applied
nothing_to_do
whole
us() { systemctl show --property "$1" --value $unit; }
awk -v start=$(us ExecMainStartTimestampMonotonic) -v end=$(us ExecMainExitTimestampMonotonic) \
	'BEGIN { printf "boot to applied: %.1f s, of which the unit %.1f s\n", end / 1e6, (end - start) / 1e6 }'
[ $(us NRestarts) = 0 ] || die "it took $(us NRestarts) restarts"
nicwright status
nicwright status --json | jq -e . >/dev/null
reboot`)
	}
}

// What Open vSwitch and the driver lose when they are started anew, the unit brings back.
func TestWhatARestartTakesComesBack(t *testing.T) {
	boot(t, installed(t), `
is active
was=$(invocation)
systemctl restart openvswitch-switch
within 240 again "$was"
is active
same /root/applied
echo "Open vSwitch was restarted, and has its rules again"

was=$(invocation)
systemctl stop openvswitch-switch
systemctl start openvswitch-switch
within 240 again "$was"
is active
same /root/applied
echo "Open vSwitch was stopped and started"

was=$(invocation)
systemctl kill --signal SIGKILL ovs-vswitchd
within 240 again "$was"
is active
same /root/applied
echo "ovs-vswitchd was killed, and its unit has started it again"

was=$(invocation)
modprobe -r mlx5_core
modprobe mlx5_core
within 240 again "$was"
settle
is active
says "the host is as the profile says"
same /root/applied
journalctl --boot --unit $unit --grep "opening the kernel" && die "the unit does not see the kernel's log"
nothing_to_do
echo "the driver was loaded anew"`)
}

// The unit is killed while it changes the mode of an eswitch: the process that does that goes on, for the driver does
// not survive one that is killed in it, and the next attempt of the unit finishes the rest.
func TestTheUnitIsKilledInAChangeOfTheMode(t *testing.T) {
	boot(t, installed(t), `
is active
systemctl stop $unit
nicwright remove -p small
same /root/bare
# By the shell alone: a mode is changed in two seconds, in which pgrep does not get through /proc.
find_act() {
	local p words
	act=
	for p in $(cat "/sys/fs/cgroup/system.slice/$unit/cgroup.procs"); do
		mapfile -d "" -t words <"/proc/$p/cmdline" && [ "${words[1]:-}" = act ] && act=$p port=${words[4]}
	done 2>/dev/null
	looks=$((looks + 1))
	[ -n "$act" ]
}
looks=0
systemctl start --no-block $unit
end=$((SECONDS + 400))
until find_act; do [ $SECONDS -lt $end ] || die "no mode was changed in $looks looks"; sleep 0.02; done
kill -KILL "$(systemctl show --property MainPID --value $unit)"
echo "the unit was killed as process $act was changing a mode"
while [ -e "/proc/$act" ]; do sleep 0.05; done
mode=$(devlink -j dev eswitch show "pci/$port" | jq -r '.dev[].mode')
[ "$mode" = switchdev ] || die "the act was killed with the unit: $port is in mode $mode"
state_is active && die "that was the next attempt's work"
within 400 state_is active
settle
is active
same /root/applied
whole
dmesg | grep -E "BUG:|Oops|Call Trace" && die "the kernel did not bear it"
nothing_to_do`)
}
