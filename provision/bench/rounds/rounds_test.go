// SPDX-License-Identifier: Apache-2.0

package rounds

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/internal/cgroup"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

func cell(n int) sample.Cell {
	return sample.Cell{Mode: sample.Plain, Size: uint64(n), Clients: 1}
}

// measured runs a plan whose cell n makes a figure of figure(n, times), and gives its samples.
func measured(t *testing.T, p Plan, figure func(n, times int) (bytes uint64, finding bool)) (all []sample.Sample) {
	t.Helper()
	times := map[uint64]int{}
	p.Measure = func(_ context.Context, c sample.Cell) (sample.Sample, error) {
		times[c.Size]++
		bytes, finding := figure(int(c.Size), times[c.Size])
		s := sample.Sample{Bench: sample.IPsec, Cell: c, Seconds: 1, Bytes: bytes, Gate: Gate(nil, 0)}
		if finding {
			s.Gate = Gate([]string{"another path"}, 1)
		}
		return s, nil
	}
	p.Write = func(s sample.Sample) error {
		all = append(all, s)
		return s.Check()
	}
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return all
}

func order(all []sample.Sample) (s string) {
	for _, x := range all {
		s += fmt.Sprintf("%d:%d/%d ", x.Turn, x.Cell.Size, x.Control)
	}
	return s
}

func TestEveryCellOnceATurnInARandomOrderThatComesAgain(t *testing.T) {
	p := Plan{Turns: 4, Controls: 4, Before: 3, Interval: 0.1, Time: time.Hour, Seed: 7, Control: cell(1)}
	for n := range 6 {
		p.Cells = append(p.Cells, cell(n+1))
	}
	steady := func(n, _ int) (uint64, bool) { return uint64(1000 * n), false }
	all := measured(t, p, steady)
	if want := 2*4 + 4*6; len(all) != want {
		t.Fatalf("%d samples, want %d: %s", len(all), want, order(all))
	}
	turns := map[int]map[uint64]int{}
	shuffled := false
	for i, s := range all {
		if s.Order != i+4 {
			t.Errorf("sample %d has the place %d", i+1, s.Order)
		}
		if s.Control > 0 {
			continue
		}
		if turns[s.Turn] == nil {
			turns[s.Turn] = map[uint64]int{}
		}
		turns[s.Turn][s.Cell.Size]++
		shuffled = shuffled || i > 8 && s.Turn == all[i-1].Turn && s.Cell.Size < all[i-1].Cell.Size
	}
	for turn, cells := range turns {
		if len(cells) != 6 {
			t.Errorf("turn %d had %v", turn, cells)
		}
	}
	if !shuffled {
		t.Errorf("the cells are in the order of the matrix: %s", order(all))
	}
	if again := measured(t, p, steady); order(again) != order(all) {
		t.Errorf("the same seed gave %s and %s", order(all), order(again))
	}
	p.Seed = 8
	if other := measured(t, p, steady); order(other) == order(all) {
		t.Errorf("another seed gave the same order: %s", order(all))
	}
}

func TestItGoesOnUntilTheIntervalIsAsWanted(t *testing.T) {
	p := Plan{Turns: 2, Controls: 2, Interval: 0.05, Time: time.Hour, Seed: 1, Control: cell(1), Cells: []sample.Cell{cell(1), cell(2)}}
	restless := func(n, times int) (uint64, bool) { return uint64(1000 + 30*n*(times%2)), false }
	wide := len(measured(t, p, restless))
	p.Interval = 0.01
	if narrow := len(measured(t, p, restless)); narrow <= wide {
		t.Errorf("%d samples for 5%%, %d for 1%%", wide, narrow)
	}
	p.Interval = 0
	if n := len(measured(t, p, restless)); n != 2*2+2*2 {
		t.Errorf("%d samples where no interval is wanted", n)
	}
}

func TestACellThatIsAFindingTwiceIsLeftOut(t *testing.T) {
	p := Plan{Turns: 5, Interval: 0.1, Time: time.Hour, Control: cell(1), Cells: []sample.Cell{cell(1), cell(2)}}
	n := 0
	for _, s := range measured(t, p, func(n, _ int) (uint64, bool) { return 1000, n == 2 }) {
		if s.Cell.Size == 2 {
			n++
		}
	}
	if n != hopeless {
		t.Errorf("it was measured %d times", n)
	}
}

func TestTheTimeEndsIt(t *testing.T) {
	now := time.Unix(0, 0)
	p := Plan{
		Turns: 100, Interval: 0.1, Time: 30 * time.Second, Control: cell(1), Cells: []sample.Cell{cell(1)},
		Now: func() time.Time { now = now.Add(time.Second); return now },
	}
	if n := len(measured(t, p, func(int, int) (uint64, bool) { return 1000, false })); n < 25 || n > 31 {
		t.Errorf("%d samples in 30 s of a second each", n)
	}
}

func TestAnErrorAndTheEndOfTheContextEndIt(t *testing.T) {
	broken := errors.New("broken")
	p := Plan{Turns: 2, Time: time.Hour, Control: cell(1), Cells: []sample.Cell{cell(1)}, Write: func(sample.Sample) error { return nil }}
	p.Measure = func(context.Context, sample.Cell) (s sample.Sample, err error) { return s, broken }
	if err := p.Run(t.Context()); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(broken)
	p.Measure = func(context.Context, sample.Cell) (s sample.Sample, err error) { panic("it was measured") }
	if err := p.Run(ctx); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestGate(t *testing.T) {
	if g := Gate(nil, 0); g.Verdict != sample.AsSaid {
		t.Errorf("%+v", g)
	}
	g := Gate([]string{"the kernel said \x1b[31m", strings.Repeat("x", 500)}, 0.5)
	if g.Verdict != sample.Finding || len(g.Words) != maxWords || strings.Contains(g.Words, "\x1b") || g.Software != 0.5 {
		t.Errorf("%+v", g)
	}
}

func TestFlags(t *testing.T) {
	quiet := Used{Processors: 4, Known: true, Busy: 1, User: 0.5, Server: cgroup.Stat{Usage: 0.5, User: 0.25}, Client: cgroup.Stat{Usage: 0.4, User: 0.25}}
	for _, tt := range []struct {
		name   string
		change func(*Used)
		cold   bool
		want   []sample.Flag
	}{
		{"quiet", func(*Used) {}, false, nil},
		{"not in memory, and few", func(*Used) {}, true, []sample.Flag{sample.ColdCache, sample.Short}},
		{"the client is held back", func(u *Used) { u.Client.Throttled = 0.5 }, false, []sample.Flag{sample.ClientBound}},
		{"the client takes all, where busy is not known", func(u *Used) { u.Client.Usage, u.Known = 3.7, false }, false, []sample.Flag{sample.ClientBound}},
		{"it takes more than the server where busy is not known", func(u *Used) { u.Client.Usage, u.Known = 2, false }, false, nil},
		{"the client takes all", func(u *Used) { u.Client.Usage, u.Busy = 3.7, 4 }, false, []sample.Flag{sample.ClientBound}},
		{"all is busy, the server the most", func(u *Used) { u.Server.Usage, u.Busy = 2, 4 }, false, nil},
		{"somebody else computes", func(u *Used) { u.User = 1.5 }, false, []sample.Flag{sample.Noisy}},
		{"a hypervisor takes processors", func(u *Used) { u.Steal = 0.5 }, false, []sample.Flag{sample.Noisy}},
	} {
		u := quiet
		tt.change(&u)
		if got := u.Flags(1, tt.cold, tt.cold); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	if c := quiet.CPU(1); c.Idle != 3 || c.Busy != 1 || c.Server != 0.5 || c.Client != 0.4 {
		t.Errorf("%+v", c)
	}
	quiet.Known = false
	if c := quiet.CPU(1); c.Idle != 0 || c.Busy != 0 {
		t.Errorf("what is not known is told: %+v", c)
	}
}

func TestMoved(t *testing.T) {
	got := Moved(map[string]int64{"a": 1, "b": 2}, map[string]int64{"a": 5, "b": 2, "c": 3})
	if want := map[string]int64{"a": 4, "c": 3}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

const procStat = "cpu  100 10 50 1000 20 5 6 7 0 0\ncpu0 50 5 25 500 10 2 3 3 0 0\ncpu1 50 5 25 500 10 3 3 4 0 0\nintr 1\n"

func TestProcessors(t *testing.T) {
	from, cpus, err := parseStat(procStat)
	if err != nil || cpus != 2 || from[7] != 7 {
		t.Fatalf("%v, %d, %v", from, cpus, err)
	}
	to := from
	to[0], to[1], to[7] = to[0]+100, to[1]+50, to[7]+25
	u := Look{ticks: to, cpus: 2}.Since(Look{ticks: from, cpus: 2})
	if want := (Used{Processors: 2, User: 1.5, Steal: 0.25}); u != want {
		t.Errorf("%+v, want %+v", u, want)
	}
	for _, bad := range []string{"", "cpu0 1 2 3 4 5 6 7 8\n", "cpu 1 2 3 4 5 6 7 8\n", "cpu x 2 3 4 5 6 7 8\ncpu0 1 2 3 4 5 6 7 8\n"} {
		if _, _, err := parseStat(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func FuzzProcStat(f *testing.F) {
	f.Add("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n")
	f.Fuzz(func(t *testing.T, text string) {
		if _, n, err := parseStat(text); err == nil && n == 0 {
			t.Errorf("%q: no processor, and no error", text)
		}
	})
}
