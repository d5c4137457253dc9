// SPDX-License-Identifier: Apache-2.0

package boot

import "testing"

// names is what the scripts of this file begin with.
const names = `
# names: what devlink and sysfs say that each netdev of the card is, and what it is called
names() {
	devlink -j port show | jq -r '.port[] | select(.netdev and .netdev != "") | if .flavour == "physical" then "uplink \(.port) \(.netdev)"
		elif .flavour == "pcivf" then "representor \(.pfnum)/\(.vfnum) \(.netdev)" else empty end'
	local vf
	for vf in /sys/bus/pci/devices/*/virtfn*/net/*; do
		[ ! -e "$vf" ] || sed -E 's|.*\.([0-9])/virtfn([0-9]+)/net/(.*)|vf \1/\2 \3|' <<<"$vf"
	done
}
`

// With --names, netdevs are called by the template from the next boot on, whatever the kernel and udev would call them;
// after uninstall as before.
func TestNamesAreThoseOfTheTemplate(t *testing.T) {
	disk := newDisk(t)
	boot(t, disk, names+`
setup
witness >/root/bare
names >/root/names
nicwright install -p $p --names '{card}{port}{vf}'
cat /etc/udev/rules.d/70-nicwright.rules
reboot`)
	boot(t, disk, names+`
is active
says "the host is as the profile says"
nothing_to_do
names | sort | tee /root/given
diff /root/given - <<END || die "the names are not those of the template"
representor 0/0 nic0p0r0
representor 0/1 nic0p0r1
representor 1/0 nic0p1r0
representor 1/1 nic0p1r1
uplink 0 nic0p0
uplink 1 nic0p1
vf 0/0 nic0p0v0
vf 0/1 nic0p0v1
vf 1/0 nic0p1v0
vf 1/1 nic0p1v1
END
uname -r
nicwright uninstall
nicwright remove -p small
reboot`)
	boot(t, disk, names+`
same /root/bare
names | diff /root/names - || die "uplinks are not called as before"`)
}
