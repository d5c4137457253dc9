// SPDX-License-Identifier: Apache-2.0

package boot

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// acts are what is under way when the power goes: each says NOW when it begins.
var acts = []struct {
	name, script string
	early        bool
	most         time.Duration // of the time until the cut: what it takes, and something more
}{
	{"the apply of a boot", "within 900 state_is activating\necho NOW\nsleep 900", true, 60 * time.Second},
	{"apply and confirm", "nicwright remove -p small\necho NOW\nnicwright apply -p $p --confirm 20s\nnicwright confirm\necho DONE\nsleep 900", false, 70 * time.Second},
	{"rollback", "echo NOW\nnicwright rollback\necho DONE\nsleep 900", false, 60 * time.Second},
	{"install", "nicwright uninstall\necho NOW\nnicwright install -p $p\necho DONE\nsleep 900", false, 15 * time.Second},
	{"apply", "nicwright remove -p small\nsame /root/bare\necho NOW\nnicwright apply -p $p\necho DONE\nsleep 900", false, 60 * time.Second},
}

// settled is what has to hold after the boot that follows a cut: the unit has finished what was cut, or taken it back
// where nobody had confirmed it.
const settled = `
whole
if [ ! -e /etc/systemd/system/multi-user.target.wants/$unit ]; then
	nicwright install -p $p
	systemctl start $unit
	echo "the install was cut before the unit was enabled: another one finished it"
elif state_is failed; then
	says "was not"
	same /root/bare
	echo "nobody had confirmed it: it was taken back"
	nicwright apply -p $p
	systemctl restart $unit
fi
nicwright install -p $p
is active
same /root/applied
nothing_to_do
whole
`

// At whatever instant the power goes, the next boot finishes what was begun, or takes it back, and the journal is whole.
// NICWRIGHT_CUTS=30: so often; NICWRIGHT_SEED: the instants of a run before.
func TestPowerCuts(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("NICWRIGHT_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("NICWRIGHT_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	disk := installed(t)
	for n := range times(t, "NICWRIGHT_CUTS", len(acts)) {
		act := acts[n%len(acts)]
		script, flags := settled+act.script, []string(nil)
		if act.early { // what the boot before left is looked at by the next
			script, flags = act.script, []string{"--early"}
		}
		m := start(t, disk, script, flags...)
		m.until("NOW")
		after := time.Duration(random.Int64N(int64(act.most)))
		time.Sleep(after)
		m.cut()
		t.Logf("cut %d: %s, after %.3f s; the machine had said:\n%s", n+1, act.name, after.Seconds(), m.all.String())
	}
	boot(t, disk, settled+`
nicwright uninstall
nicwright remove -p small
same /root/bare
whole`)
}
