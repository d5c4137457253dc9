// SPDX-License-Identifier: Apache-2.0

package advice

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/provision/bench/sample"
	"github.com/nicwright/nicwright/provision/bench/sample/sampletest"
)

// sizes go up to 100 MB.
var sizes = append(slices.Clone(sampletest.Sizes), 100_000_000)

// measured is a run of the truths, five turns.
func measured(truths ...sampletest.Truth) *sample.Run {
	return &sample.Run{
		Header:  sample.Header{Tool: "test", Clock: sample.Wall, Card: &sample.Card{Model: "ConnectX-6 Dx"}},
		Samples: sampletest.Samples(5, 5, 0.1, sizes, truths...),
	}
}

func truths() (user, kernel, card sampletest.Truth) {
	return sampletest.UserTruth, sampletest.KernelTruth, sampletest.CardTruth
}

func load(t *testing.T, mix string) *Workload {
	t.Helper()
	shares, err := ParseSizes(mix)
	if err != nil {
		t.Fatal(err)
	}
	return &Workload{Source: mix, Sizes: shares}
}

func advised(t *testing.T, run *sample.Run, w *Workload, o Options) *Advice {
	t.Helper()
	a, err := Advise(run, w, o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// One run, and different answers for different workloads; and for one workload different
// answers as what the card costs differs.
func TestAnswers(t *testing.T) {
	user, kernel, card := truths()
	noSetUp, lossy, dear, equal, rough, both := card, card, card, card, card, card
	noSetUp.A = 10e-6
	lossy.B, lossy.Retransmit = 0.8e9, 0.01 // each segment that is sent again costs a record
	dear.CPUA, dear.CPUB = 900e-6, 0.3e9
	equal.A, equal.B, equal.CPUA, equal.CPUB = kernel.A, kernel.B, kernel.CPUA, kernel.CPUB
	rough.Noise, rough.A = 1.2, kernel.A
	both.Cell.Mode, both.A = sample.CardTxRx, 2.3e-3
	tls13 := card
	tls13.Finding = "all 40 sessions in software"
	bound := equal
	share13, share0, some, lost := 0.97, 0.3, 2.0, 0.01
	for name, c := range map[string]struct {
		truths []sampletest.Truth
		mix    string
		load   func(*Workload)
		run    func(*sample.Run)
		o      Options
		tx     Answer
		best   sample.Mode
		why    string
	}{
		"small files":              {truths: []sampletest.Truth{user, kernel, card}, mix: "10k", tx: Off, best: sample.User, why: "set-up takes 1.2"},
		"large files":              {truths: []sampletest.Truth{user, kernel, card}, mix: "100M", tx: On, best: sample.CardTx, why: "throughput is higher"},
		"both":                     {truths: []sampletest.Truth{user, kernel, card}, mix: "10k:90%,10M:10%", tx: Off, best: sample.Kernel, why: "throughput is lower"},
		"small, without set-up":    {truths: []sampletest.Truth{user, kernel, noSetUp}, mix: "10k", tx: On, best: sample.CardTx, why: "throughput is higher"},
		"large, with 1% loss":      {truths: []sampletest.Truth{user, kernel, lossy}, mix: "100M", tx: Off, best: sample.Kernel, why: "1% of the segments were sent again"},
		"large, where 1% is lost":  {truths: []sampletest.Truth{user, kernel, card}, mix: "100M", load: func(w *Workload) { w.Retransmits = &lost }, tx: CannotTell, why: "here 1% of the segments are sent again"},
		"no difference":            {truths: []sampletest.Truth{user, kernel, equal}, mix: "100M", tx: Same, best: sample.Kernel, why: "processors, too"},
		"idle, processors count":   {truths: []sampletest.Truth{user, kernel, card}, mix: "3M", load: func(w *Workload) { w.Busiest = 20 }, tx: On, best: sample.CardTx, why: "20/s are asked for"},
		"idle, and the card dear":  {truths: []sampletest.Truth{user, kernel, dear}, mix: "100M", o: Options{Requests: 1}, tx: Off, best: sample.Kernel, why: "processors work more"},
		"too wide to tell":         {truths: []sampletest.Truth{user, kernel, rough}, mix: "1M", tx: CannotTell, why: "too wide"},
		"no card in the run":       {truths: []sampletest.Truth{user, kernel}, mix: "1M", tx: CannotTell, why: "was not measured"},
		"only the card":            {truths: []sampletest.Truth{card}, mix: "1M", tx: CannotTell, why: "nothing to compare"},
		"the card took no part":    {truths: []sampletest.Truth{user, kernel, tls13}, mix: "1M", tx: CannotTell, why: "another path: all 40 sessions in software"},
		"TLS 1.3":                  {truths: []sampletest.Truth{user, kernel, card}, mix: "100M", o: Options{TLS: "1.3"}, tx: Same, why: "the kernel's lack, not the card's"},
		"a log of TLS 1.3":         {truths: []sampletest.Truth{user, kernel, card}, mix: "100M", load: func(w *Workload) { w.TLS13 = &share13 }, tx: Same, best: sample.Kernel, why: "97%"},
		"a third of TLS 1.3":       {truths: []sampletest.Truth{user, kernel, card}, mix: "100M", load: func(w *Workload) { w.TLS13 = &share0 }, tx: On, best: sample.CardTx, why: "throughput is higher"},
		"keep-alive, not measured": {truths: []sampletest.Truth{user, kernel, card}, mix: "10k", o: Options{KeepAlive: true}, tx: CannotTell, why: "connections kept"},
		"more than was measured":   {truths: []sampletest.Truth{user, kernel, card}, mix: "500M", run: func(r *sample.Run) { only(r, 10_000, 100_000) }, tx: CannotTell, why: "beyond those measured"},
		"one turn":                 {truths: []sampletest.Truth{user, kernel, card}, mix: "100M", run: func(r *sample.Run) { firstTurn(r) }, tx: CannotTell, why: "less than two turns"},
		"the client is the bound":  {truths: []sampletest.Truth{user, kernel, bound}, mix: "100M", run: clientBound, tx: CannotTell, why: "client-bound"},
		"contexts":                 {truths: []sampletest.Truth{user, kernel, card}, mix: "100M", run: func(r *sample.Run) { r.Header.Card.TLSContexts = 10 }, o: Options{Clients: 50}, tx: On, best: sample.CardTx, why: "of each 100, 80 stay in software"},
		"a variant":                {truths: []sampletest.Truth{user, kernel, card, variant(noSetUp)}, mix: "10k", o: Options{Variant: "keys pooled"}, tx: On, best: sample.CardTx, why: "throughput is higher"},
		"both ways":                {truths: []sampletest.Truth{user, kernel, card, both}, mix: "100M", load: func(w *Workload) { w.Received = &some }, tx: On, best: sample.CardTx, why: "throughput is higher"},
	} {
		t.Run(name, func(t *testing.T) {
			run, w := measured(c.truths...), load(t, c.mix)
			if c.load != nil {
				c.load(w)
			}
			if c.run != nil {
				c.run(run)
			}
			a := advised(t, run, w, c.o)
			if why := strings.Join(a.Tx.Why, "\n"); a.Tx.Answer != c.tx || a.Best != c.best || !strings.Contains(why, c.why) {
				t.Errorf("tx %s by %q, want %s by %q because %q:\n%s", a.Tx.Answer, a.Best, c.tx, c.best, c.why, why)
			}
		})
	}
}

func variant(t sampletest.Truth) sampletest.Truth {
	t.Cell.Variant = "keys pooled"
	return t
}

func only(r *sample.Run, sizes ...uint64) {
	r.Samples = slices.DeleteFunc(r.Samples, func(s sample.Sample) bool { return !slices.Contains(sizes, s.Cell.Size) })
}

func firstTurn(r *sample.Run) {
	r.Samples = slices.DeleteFunc(r.Samples, func(s sample.Sample) bool { return s.Turn > 1 })
}

func clientBound(r *sample.Run) {
	for i := range r.Samples {
		r.Samples[i].Flags = []sample.Flag{sample.ClientBound}
	}
}

func TestReceiving(t *testing.T) {
	user, kernel, card := truths()
	rx, txrx := kernel, card
	rx.Cell.Mode, rx.B = sample.CardRx, 3e9
	txrx.Cell.Mode, txrx.A = sample.CardTxRx, 2.3e-3
	nothing := 0.0
	for name, c := range map[string]struct {
		truths []sampletest.Truth
		mix    string
		got    *float64
		want   Answer
	}{
		"not measured":                {[]sampletest.Truth{user, kernel, card}, "100M", nil, CannotTell},
		"nothing received":            {[]sampletest.Truth{user, kernel, card}, "100M", &nothing, Off},
		"it costs another key":        {[]sampletest.Truth{user, kernel, card, txrx}, "5M", nil, Off},
		"beside sending in software":  {[]sampletest.Truth{user, kernel, card, rx}, "100k:95%,10M:5%", nil, On},
		"measured, and no difference": {[]sampletest.Truth{user, kernel, card, txrx}, "500M", nil, Same},
	} {
		t.Run(name, func(t *testing.T) {
			w := load(t, c.mix)
			w.Received = c.got
			a := advised(t, measured(c.truths...), w, Options{})
			if a.Rx.Answer != c.want {
				t.Errorf("%s, want %s: %v (tx %s)", a.Rx.Answer, c.want, a.Rx.Why, a.Tx.Answer)
			}
		})
	}
}

func TestTwoAddressesAreProposedWhereBothAreServed(t *testing.T) {
	user, kernel, card := truths()
	for mix, want := range map[string]bool{
		"10k":                   false,
		"100M":                  false,
		"10k:99%,100M:1%":       true,
		"10k:98%,1M:1%,50M:1%":  true,
		"3M:50%,3.5M:50%":       false,
		"1k:99.99%,100k:0.01%":  false,
		"10k:60%,1M:20%,1G:20%": false, // of which nearly all is the time of 1 GB
	} {
		a := advised(t, measured(user, kernel, card), load(t, mix), Options{})
		if (a.Split != nil) != want {
			t.Errorf("%s: %+v", mix, a.Split)
		}
		if s := a.Split; s != nil && (s.Low > s.Bytes || s.High < s.Bytes || *s.Gain.Low < margin) {
			t.Errorf("%s: %+v", mix, s)
		}
	}
}

func TestWhatIsPrinted(t *testing.T) {
	user, kernel, card := truths()
	var b bytes.Buffer
	for _, mix := range []string{"10k", "10k:99%,100M:1%", "100M"} {
		if err := advised(t, measured(user, kernel, card), load(t, mix), Options{}).Print(&b); err != nil {
			t.Fatal(err)
		}
		b.WriteString("\n----\n\n")
	}
	golden.Text(t, filepath.Join("testdata", "advice.txt"), ansi.Strip(b.String()))
}

func TestWhatCannotBeAdvisedOn(t *testing.T) {
	run := &sample.Run{Samples: []sample.Sample{{Bench: sample.NFS}}}
	if _, err := Advise(run, &Workload{}, Options{}); !errors.Is(err, ErrNoHTTPS) {
		t.Error(err)
	}
	user, _, _ := truths()
	if _, err := Advise(measured(user), &Workload{Source: "x"}, Options{}); err == nil || !strings.Contains(err.Error(), "no transfers") {
		t.Error(err)
	}
}
