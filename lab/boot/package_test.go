// SPDX-License-Identifier: Apache-2.0

package boot

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// packaged makes old.deb and new.deb, and an operation as the first version of the journal's document had it, where
// machines see them. The older one is of the commit by which there were packages (in a clone without history: of this one),
// and its version sorts before all others.
func packaged(t *testing.T) {
	t.Helper()
	share := filepath.Join(needBoot(t), "share")
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	run := func(dir string, env []string, name string, args ...string) string {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	first := strings.Fields(run(root, nil, "git", "log", "--format=%H", "--diff-filter=A", "--", "packaging/build.sh"))
	if len(first) == 0 {
		t.Fatal("packaging/build.sh is in no commit: make the packages from a clone")
	}
	src := filepath.Join(t.TempDir(), "old")
	run(root, nil, "git", "clone", "-q", "--no-checkout", ".", src)
	run(src, nil, "git", "checkout", "-q", first[len(first)-1])
	for _, p := range []struct {
		name, src string
		env       []string
	}{{"old.deb", src, []string{"VERSION=0.0.0~0"}}, {"new.deb", root, nil}} {
		out := filepath.Join(t.TempDir(), "packages")
		run(p.src, p.env, "packaging/build.sh", out)
		debs, err := filepath.Glob(filepath.Join(out, "nicwright_*.deb")) // and not nicwright-rehearse
		if err != nil || len(debs) != 1 {
			t.Fatalf("%s: build.sh made %v, %v", p.name, debs, err)
		}
		run(root, nil, "cp", debs[0], filepath.Join(share, p.name))
	}
	run(root, nil, "cp", "provision/journal/testdata/v2.json", filepath.Join(share, "older.json"))
}

// packages is what the scripts of this test begin with.
const packages = `
operations=/var/lib/nicwright/operations
# listing: every file of the disk, but for those that dpkg, systemd and Open vSwitch keep for themselves
listing() {
	find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /root -o -path /lab -o -path '/var/lib/dpkg' -o -path /var/log -o -path /var/cache \
		-o -path /var/tmp -o -path /var/lib/systemd -o -path /etc/openvswitch -o -path /var/lib/openvswitch \) -prune -o -printf '%p %M %u %l\n' | sort
}
# installed: what install has put in place, and the journal, to the byte and the second
installed() {
	find /etc/nicwright /etc/systemd /etc/udev /var/lib/nicwright -printf '%p %M %T@ %l\n' | sort
	find /etc/nicwright /etc/systemd /etc/udev /var/lib/nicwright -type f -exec sha256sum {} + | sort
}
version() { dpkg-query --show --showformat '${Version} ${Status}' nicwright; }
unit_of_none() { [ "$(systemctl show --property LoadState --value "$1")" = not-found ] || die "systemd still has $1"; }
`

// The deb is used on a host, upgraded with an operation that the older version began and did not end, refused to go while
// an apply waits to be confirmed, removed with the journal kept, and purged: then the disk is as it was.
func TestThePackageComesAndGoes(t *testing.T) {
	needBoot(t)
	packaged(t)
	disk := newDisk(t)
	boot(t, disk, packages+`
install -m 0755 /lab/share/witness /usr/local/bin/
install -m 0644 /lab/share/small.yaml "$p"
sed -i '/^      flows:$/,+1d' "$p" # the older version knows no rules
listing >/root/listing
witness >/root/bare

dpkg -i /lab/share/old.deb
nicwright --version
nicwright install -p $p
systemctl start $unit
is active
nothing_to_do
witness >/root/older
witness /root/bare /root/older >/root/change && die "the profile changes nothing"
nicwright remove -p small
same /root/bare

# It is refused the change of the mode, and not killed: the older version has no process of its own for that, and the driver does not survive it.
calls=/sys/kernel/debug/connectx_emu/calls
echo "fail devlink_nl_eswitch_set_doit 0 9 16 nicwright" >$calls
nicwright apply -p $p >/root/log 2>&1 && die "it was not refused"
echo clear >$calls
# A host has operations of before as well; this one was on a card that is gone.
install -m 0600 /lab/share/older.json $operations/20261101T035512.123Z-apply.json
sed -i 's/20261128T035512.123Z-apply/20261101T035512.123Z-apply/' $operations/20261101T035512.123Z-apply.json
installed >/root/before
was=$(invocation)
dpkg -i /lab/share/new.deb
echo "upgraded to $(version)"
installed | diff /root/before - || die "the upgrade has touched the journal, or what install made"
[ "$(invocation)" = "$was" ] || die "the upgrade has started the unit anew"
nicwright history
nicwright history --json >/root/history
jq -e 'any(.[]; .id == "20261101T035512.123Z-apply")' /root/history || die "it does not read the operation of before"
jq -e 'any(.[]; .open)' /root/history || die "it does not see that an operation was interrupted"
rm $operations/20261101T035512.123Z-apply.json
systemctl restart $unit
is active
says "the host is as the profile says"
nothing_to_do
# But for the bond's MAC address, which the older version left to udev, and which the uplinks have from it.
differs=$(witness /root/older | grep -v ' mac: ' || true)
[ -z "$differs" ] || die "the host is not as the older version made it: $differs"
witness >/root/applied
jq -e 'any(.[]; .open)' <(nicwright history --json) && die "it is still open"
echo "the new version has ended what the old one began"
nicwright install -p $p
whole
reboot`)
	boot(t, disk, packages+`
is active
says "the host is as the profile says"
same /root/applied
nothing_to_do
whole
nicwright remove -p small
same /root/bare

nicwright apply -p $p --confirm 5m
dpkg -r nicwright >/root/log 2>&1 && die "it was removed while an apply waits"
grep -q "waits to be confirmed" /root/log || die "the refusal does not say why"
nicwright confirm
dpkg -r nicwright
[ ! -e /usr/bin/nicwright ] || die "the binary is still there"
[ ! -e /run/nicwright ] || die "/run/nicwright is still there: $(ls /run/nicwright)"
for u in nicwright.service nicwright-again.service nicwright-watch.service; do unit_of_none $u; done
same /root/applied
listing | diff /root/listing - >/root/left && die "there is no journal"
grep -v '^[0-9]' /root/left | grep -v ' /var/lib/nicwright' && die "a removal leaves more than the journal"
echo "removed: the journal is left, and what was applied"

dpkg -i /lab/share/new.deb
nicwright remove -p small
same /root/bare
dpkg -P nicwright
listing | diff /root/listing - || die "a purge leaves something"
[ ! -e /run/nicwright ] || die "/run/nicwright is still there: $(ls /run/nicwright)"
echo "purged: the disk is as it was"
reboot`)
	boot(t, disk, packages+`
failed=$(systemctl list-units --no-legend --state=failed)
[ -z "$failed" ] || die "units have failed: $failed"
same /root/bare`)
}
