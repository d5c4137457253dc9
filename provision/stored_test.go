// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"strings"
	"testing"

	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/profiles"
	"github.com/nicwright/nicwright/provision/journal"
)

// What is stored in a card awaits its reset, until there was one, or it is taken back; also of an apply that was interrupted,
// as far as it came.
func TestWhatIsStoredAwaitsAReset(t *testing.T) {
	const pf = pci.Address("0001:3b:00.0")
	f := &flow{t: t, m: newModel(t, "bare"), dir: journal.Dir(t.TempDir()), boot: "b"}
	want := func(vfs string) *profiles.Want {
		return &profiles.Want{Profile: "p", Ports: map[pci.Address]eswitch.PortSpec{pf: {
			Up: new(true), Params: map[string]eswitch.ParamValue{"total_vfs": {Value: vfs}, "enable_remote_dev_reset": {Value: "false"}},
		}}}
	}
	awaits := func(words string) {
		t.Helper()
		var all []string
		for _, s := range f.look().AwaitsReset() {
			all = append(all, WordsOf(s))
		}
		got := strings.Join(all, "; ")
		if words == "" && got != "" || !strings.Contains(got, words) {
			t.Errorf("%q awaits a reset, not %q", got, words)
		}
	}
	apply := func(vfs string, cut int) {
		t.Helper()
		plan, err := f.look().Apply(want(vfs), journal.Profile{Name: "p"}, Allowed{})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.walk(plan, cut); err != nil {
			t.Fatal(err)
		}
	}
	awaits("")
	apply("16", 1) // the runtime one is set first
	awaits("")
	apply("16", -1)
	awaits("pci/0001:3b:00.0 params total_vfs permanent: 8 -> 16: it is stored in the card, which goes by it after a reboot of the host or a reset of the firmware")
	apply("32", -1)
	awaits("8 -> 32")
	apply("8", -1)
	awaits("")
	apply("16", -1)
	back, err := f.look().Rollback("", Allowed{})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.walk(back, -1); err != nil {
		t.Fatal(err)
	}
	awaits("")
	apply("16", -1)
	awaits("8 -> 16")
	f.boot = "another"
	awaits("")
	apply("16", -1) // after a boot the rest is there no more, and what the operation goes on from is of another boot
	awaits("")
}
