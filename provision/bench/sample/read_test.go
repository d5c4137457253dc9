// SPDX-License-Identifier: Apache-2.0

package sample

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// Each refusal names the line and what is wrong in it.
func TestWhatIsNotADocumentIsRefused(t *testing.T) {
	good := written(t, aHeader(), aSample())
	header, one, _ := strings.Cut(strings.TrimSpace(good), "\n")
	change := func(old, with string) string {
		if !strings.Contains(one, old) {
			t.Fatalf("the sample has no %s", old)
		}
		return header + "\n" + strings.Replace(one, old, with, 1) + "\n"
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":                 {"", "is empty"},
		"no sample":             {header + "\n", "no sample"},
		"no JSON":               {"hello\n", "line 1"},
		"a later version":       {strings.Replace(header, "bench/1", "bench/2", 1) + "\n" + one + "\n", `"nicwright.bench/2" is not known here`},
		"a later version's":     {`{"schema":"nicwright.bench/9","news":1}` + "\n", `"nicwright.bench/9" is not known here`},
		"another's header":      {strings.Replace(header, `"seed"`, `"salt"`, 1) + "\n" + one + "\n", "line 1"},
		"a field not known":     {change(`"turn"`, `"round"`), "line 2"},
		"two objects":           {header + "\n" + one + one + "\n", "behind the object"},
		"a bench not known":     {change(`"https"`, `"smtp"`), "bench"},
		"a mode not of it":      {change(`"card-tx"`, `"packet"`), "mode"},
		"a version of TLS":      {change(`"1.2"`, `"1.1"`), "tls"},
		"no size":               {change(`"size":10000`, `"size":0`), "size"},
		"no clients":            {change(`"clients":50`, `"clients":0`), "clients"},
		"no turn":               {change(`"turn":1`, `"turn":0`), "turn"},
		"negative seconds":      {change(`"seconds":1.25`, `"seconds":-1`), "seconds"},
		"too many bytes":        {change(`"bytes":4000000`, `"bytes":18446744073709551615`), "bytes"},
		"percentiles":           {change(`"p90":0.25`, `"p90":0.01`), "percentile"},
		"a phase":               {change(`"whole"`, `"part"`), "latency"},
		"a counter's name":      {change(`server.TlsTxDevice`, `a b`), "counters"},
		"a verdict":             {change(`"as-said"`, `"fine"`), "gate.verdict"},
		"a finding of no words": {change(`"as-said"`, `"finding"`), "gate.words"},
		"a flag":                {change(`"client-bound"`, `"tired"`), "flags"},
		"of another bench":      {change(`"sendfile":true`, `"sendfile":true,"nconnect":4`), "nconnect"},
		"control":               {change(`"order":12`, `"order":12,"control":3`), "control"},
		"words that steer":      {change(`"verdict":"as-said"`, `"verdict":"as-said","words":"\u001b[2J"`), "cannot be printed"},
		"a long line":           {header + "\n" + strings.Repeat(" ", maxLine) + one + "\n", "longer than"},
		"nfs without its own":   {change(`"bench":"https","cell":{"mode":"card-tx","tls":"1.2","cipher":"AES-256-GCM","size":10000,"clients":50,"sendfile":true}`, `"bench":"nfs","cell":{"mode":"plain","size":10000,"clients":1}`), "op"},
	} {
		if run, err := Read(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v, want %q", name, run, err, c.want)
		}
	}
}

// A run that was stopped in the middle of a line has all the lines before.
func TestARunThatWasStoppedIsRead(t *testing.T) {
	text := written(t, aHeader(), aSample(), aSample())
	for cut := 1; cut < 60; cut += 7 {
		run, err := Read(strings.NewReader(text[:len(text)-cut]))
		if err != nil || !run.Cut || len(run.Samples) != 1 {
			t.Errorf("cut by %d: %+v, %v", cut, run, err)
		}
	}
}

func TestTheWriterRefusesWhatTheReaderWould(t *testing.T) {
	h := aHeader()
	h.Clock = "sundial"
	if _, err := NewWriter(&bytes.Buffer{}, h); err == nil || !strings.Contains(err.Error(), "clock") {
		t.Error(err)
	}
	var b bytes.Buffer
	w, err := NewWriter(&b, aHeader())
	if err != nil {
		t.Fatal(err)
	}
	before := b.Len()
	s := aSample()
	s.Cell.Clients = -1
	if err := w.Write(s); err == nil || b.Len() != before {
		t.Errorf("%v, %d bytes", err, b.Len()-before)
	}
	long := aSample()
	long.Counters = map[string]int64{}
	for i := range 256 {
		long.Counters[strings.Repeat("c", 60)+string(rune('a'+i%26))+string(rune('a'+i/26))] = 1 << 60
	}
	if err := w.Write(long); err != nil { // as much as is allowed
		t.Error(err)
	}
	broken, err := NewWriter(&after{n: 1}, aHeader())
	if err != nil {
		t.Fatal(err)
	}
	if err := broken.Write(aSample()); !errors.Is(err, errFull) {
		t.Error(err)
	}
}

var errFull = errors.New("no space left")

// after is a file system that is full after n writes.
type after struct{ n int }

func (a *after) Write(p []byte) (int, error) {
	if a.n--; a.n < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// What is read can be written, and read again.
func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	w, err := NewWriter(&b, aHeader())
	if err != nil {
		f.Fatal(err)
	}
	if err := w.Write(aSample()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.String())
	f.Add(b.String()[:b.Len()-20])
	f.Add(`{"schema":"nicwright.bench/2"}`)
	f.Fuzz(func(t *testing.T, text string) {
		run, err := Read(strings.NewReader(text))
		if err != nil {
			return
		}
		var out bytes.Buffer
		w, err := NewWriter(&out, run.Header)
		if err != nil {
			t.Fatalf("%q is read, and cannot be written: %v", text, err)
		}
		for _, s := range run.Samples {
			if err := w.Write(s); err != nil {
				t.Fatalf("%q is read, and cannot be written: %v", text, err)
			}
		}
		again, err := Read(&out)
		if err != nil {
			t.Fatal(err)
		}
		x, errX := json.Marshal(run.Samples)
		y, errY := json.Marshal(again.Samples)
		if errX != nil || errY != nil || !bytes.Equal(x, y) {
			t.Errorf("%s\n%s", x, y)
		}
	})
}
