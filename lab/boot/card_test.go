// SPDX-License-Identifier: Apache-2.0

package boot

import "testing"

// A card that appears late is waited for.
func TestACardThatAppearsLate(t *testing.T) {
	disk := installed(t)
	boot(t, disk, `
waiting() { systemctl show --property StatusText --value $unit | grep -q "^waiting: "; }
within 600 waiting
says "waiting: "
systemctl start lab-card
within 600 state_is active
settle
is active
says "the host is as the profile says"
same /root/applied
nothing_to_do`, "--early", "--card", card+",load=no")
}

// Without its card the host comes up, and the unit says what is missing; when the card comes in the end, it is applied.
func TestACardThatIsMissing(t *testing.T) {
	disk := installed(t)
	boot(t, disk, `
systemctl is-active multi-user.target openvswitch-switch
state_is activating || state_is failed || die "$(systemctl show --property ActiveState $unit)"
says "no card of this host matches"
systemctl show --property NRestarts --property Result $unit
nicwright status
systemctl start lab-card
within 500 state_is active
settle
is active
same /root/applied`, "--card", card+",load=no")
}
