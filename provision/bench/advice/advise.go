// SPDX-License-Identifier: Apache-2.0

package advice

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/nicwright/nicwright/provision/bench/chart"
	"github.com/nicwright/nicwright/provision/bench/fit"
	"github.com/nicwright/nicwright/provision/bench/sample"
)

// Options are what of a workload no log tells.
type Options struct {
	TLS       string // the version that the connections have: 1.2 or 1.3; "": 1.2
	Clients   int    // connections at one time; 0: not known
	KeepAlive bool   // a connection carries more than one request
	Variant   string // of the cells, where the run has such
	// Requests a second that have to be served; 0: the workload's busiest minute, or as many as can be.
	Requests float64
}

// Answer is what is advised of a switch.
type Answer string

// The answers.
const (
	On         Answer = "on"
	Off        Answer = "off"
	Same       Answer = "no difference"
	CannotTell Answer = "cannot tell"
)

// Decision is an answer with its reasons.
type Decision struct {
	Answer Answer   `json:"answer"`
	Why    []string `json:"why"`
}

func (d *Decision) say(a Answer, format string, args ...any) {
	d.Answer = a
	d.because(format, args...)
}

func (d *Decision) because(format string, args ...any) {
	d.Why = append(d.Why, fmt.Sprintf(format, args...))
}

// Advice is what is advised for a workload.
type Advice struct {
	Workload *Workload `json:"workload"`
	// Tx is tls-hw-tx-offload, Rx tls-hw-rx-offload, of the server's netdevs.
	Tx Decision `json:"tx"`
	Rx Decision `json:"rx"`
	// Best is who is to do the work: user (no kernel TLS), kernel, card-tx, card-txrx. "" where that cannot be told.
	Best  sample.Mode `json:"best,omitempty"`
	Ways  []*Way      `json:"ways,omitempty"`
	Split *Split      `json:"split,omitempty"`
	Notes []string    `json:"notes,omitempty"`
	// Measured says what of the run was used.
	Measured string `json:"measured,omitempty"`
}

// ErrNoHTTPS is that of a run that has no samples of https.
var ErrNoHTTPS = errors.New("the run has no samples of `bench https`, and advice is made of those")

// Advise holds a workload against a run. Errors: ErrNoHTTPS, or a workload without sizes.
func Advise(run *sample.Run, load *Workload, o Options) (*Advice, error) {
	if !slices.ContainsFunc(run.Samples, func(s sample.Sample) bool { return s.Bench == sample.HTTPS }) {
		return nil, ErrNoHTTPS
	}
	if len(load.Sizes) == 0 {
		return nil, fmt.Errorf("%s has no transfers to advise on", load.Source)
	}
	o.TLS = cmp.Or(o.TLS, "1.2")
	a := &Advice{Workload: load}
	of, used := lines(run, o)
	ways := map[sample.Mode]*Way{}
	for mode, l := range of {
		if w, ok := way(l, load); ok {
			ways[mode] = w
		}
	}
	j := &judge{run: run, load: load, options: o, lines: of, ways: ways, advice: a, clients: cmp.Or(o.Clients, used.Clients)}
	if len(ways) > 0 {
		kept := "a new connection for each request"
		if o.KeepAlive {
			kept = "connections kept"
		}
		a.Measured = fmt.Sprintf("TLS %s, %s, %d clients, %s", o.TLS, used.Cipher, used.Clients, kept)
	}
	j.tx()
	j.rx()
	j.best()
	if a.Tx.Answer != CannotTell || ways[sample.CardTx] != nil {
		j.split()
	}
	for _, m := range []sample.Mode{sample.Plain, sample.User, sample.Kernel, sample.CardTx, sample.CardTxRx, sample.CardRx} {
		if w := ways[m]; w != nil {
			a.Ways = append(a.Ways, w)
		}
	}
	j.notes(used)
	return a, nil
}

// judge is what the parts of an advice are made from.
type judge struct {
	run      *sample.Run
	load     *Workload
	options  Options
	lines    map[sample.Mode]*fit.Line
	ways     map[sample.Mode]*Way
	advice   *Advice
	clients  int
	software *Way // the best without the card
}

// soft is the best way without the card: by processors where there is time enough, else by time.
func (j *judge) soft() *Way {
	user, kernel := j.ways[sample.User], j.ways[sample.Kernel]
	switch {
	case user == nil || kernel == nil:
		return cmp.Or(user, kernel)
	case j.idle(user) && j.idle(kernel) && len(user.cpu) > 0 && len(kernel.cpu) > 0:
		if estimate(kernel.cpu).Value < estimate(user.cpu).Value {
			return kernel
		}
		return user
	case estimate(kernel.time).Value < estimate(user.time).Value:
		return kernel
	}
	return user
}

// demand is transfers a second that have to be served, 0: not known.
func (j *judge) demand() float64 { return cmp.Or(j.options.Requests, j.load.Busiest) }

// idle tells that a way serves the demand with half of what it can: then processors count, not throughput.
func (j *judge) idle(w *Way) bool {
	if j.demand() == 0 || len(w.time) == 0 {
		return false
	}
	e := estimate(w.time)
	slow := e.Value
	if e.Known() {
		slow = e.High
	}
	return j.demand()*slow < 0.5
}

// best names who is to do the work.
func (j *judge) best() {
	switch {
	case j.advice.Tx.Answer == On && j.advice.Rx.Answer == On:
		j.advice.Best = sample.CardTxRx
	case j.advice.Tx.Answer == On:
		j.advice.Best = sample.CardTx
	case (j.advice.Tx.Answer == Off || j.advice.Tx.Answer == Same) && j.software != nil:
		j.advice.Best = j.software.Mode
	}
}

// notes are what holds beside the answers.
func (j *judge) notes(used sample.Cell) {
	a := j.advice
	note := func(format string, args ...any) { a.Notes = append(a.Notes, fmt.Sprintf(format, args...)) }
	if n := j.load.Unread; n > 0 {
		note("%d lines of the log are in another form and were left out", n)
	}
	if c := j.options.Clients; c > 0 && used.Clients > 0 && (c > 4*used.Clients || used.Clients > 4*c) {
		note("you have %d connections at one time, and the nearest that was measured is %d: `nicwright bench https --clients %d` measures yours", c, used.Clients, c)
	}
	if j.options.TLS == "1.2" {
		switch share := j.load.TLS13; {
		case share == nil:
			note("this holds for TLS 1.2. Browsers speak 1.3 where the server does, and 1.3 stays in software whatever the switches say: %s", kernelsLack)
		case *share > 0.01:
			note("%.0f%% of the transfers came over TLS 1.3, which stays in software whatever the switches say: %s. To leave 1.3 out is your decision, and is not advised here", 100**share, kernelsLack)
		}
	}
	for m, w := range j.ways {
		if w.Beyond > 0.1 && w.Beyond <= beyondLimit {
			note("%.0f%% of the cost of %q is of sizes beyond those measured, where its line is not straight yet", 100*w.Beyond, chart.ModeWords(sample.HTTPS, m))
		}
	}
	for _, m := range []sample.Mode{sample.User, sample.Kernel, sample.CardTx, sample.CardTxRx} {
		if l := j.lines[m]; l != nil {
			for _, f := range []sample.Flag{sample.ClientBound, sample.ColdCache, sample.Noisy} {
				if n, all := l.Flagged(f); 2*n > all {
					note("most samples of %q are %s: its figures are a bound, not what the server can do", chart.ModeWords(sample.HTTPS, m), f)
				}
			}
		}
	}
	if j.run.Header.Clock == sample.Instructions {
		note("the run is a lab's, whose clock counts instructions: order and crossings may be like a real host's, seconds are not")
	}
	slices.Sort(a.Notes)
}

const kernelsLack = "no mainline kernel up to 7.3 gives TLS 1.3 to a card (net/tls/tls_device.c takes 1.2 alone). It is the kernel's lack, not the card's"
