// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"encoding/json"
	"testing"
)

func TestFirstStopsAtWhoKnows(t *testing.T) {
	say := func(a Answer) func() Answer { return func() Answer { return a } }
	never := func() Answer { t.Error("the dearest was asked, and a cheaper one knew"); return Answer{} }
	if got := First(say(Unknown("a")), say(No("b")), never); got != No("b") {
		t.Errorf("got %+v", got)
	}
	if got, want := First(say(Unknown("a")), say(Answer{}), say(Unknownf("%d", 2))), Unknown("a; 2"); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := First(); got != (Answer{}) {
		t.Errorf("of nobody: %+v", got)
	}
	for a, denied := range map[Answer]bool{Yesf("x"): false, Nof("x"): true, Unknown("x"): false, {}: false} {
		if a.Denied() != denied {
			t.Errorf("%+v refuses: %t", a, !denied)
		}
	}
}

func TestFactIsAskedOnce(t *testing.T) {
	asked := 0
	f := Lazy(func() Answer { asked++; return Yes("seen") })
	g := f
	if f.Ask() != Yes("seen") || g.Ask() != Yes("seen") || asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	b, err := json.Marshal(f)
	if err != nil || string(b) != `{"known":true,"yes":true,"source":"seen"}` {
		t.Errorf("%s, %v", b, err)
	}
	var back, zero Fact
	if err := json.Unmarshal(b, &back); err != nil || back.Ask() != f.Ask() || zero.Ask().Known {
		t.Errorf("read back: %+v, %v", back.Ask(), err)
	}
	if err := back.UnmarshalJSON([]byte("7")); err == nil {
		t.Error("7 is an answer")
	}
}
