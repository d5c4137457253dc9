// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"bytes"
	"errors"
	"fmt"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/nicwright/nicwright/docs/measurements"
	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/provision/bench/fit"
	"github.com/nicwright/nicwright/provision/bench/sample"
	"github.com/nicwright/nicwright/provision/bench/sample/sampletest"
)

// aRun has the seed's shape, a finding, and samples that are flagged.
func aRun(title string, faster float64) *sample.Run {
	user, kernel, card, tls13 := sampletest.UserTruth, sampletest.KernelTruth, sampletest.CardTruth, sampletest.CardTruth
	user.Noise, kernel.Noise, card.Noise = 0.05, 0.05, 0.08
	card.A /= faster
	tls13.Cell.TLS, tls13.Finding = "1.3", "all 40 sessions in software: no kernel puts TLS 1.3 into a card"
	sizes := append(slices.Clone(sampletest.Sizes), 100_000_000)
	samples := sampletest.Samples(1, 5, 0.05, sizes, user, kernel, card, tls13)
	for i := range samples {
		if samples[i].Cell.Mode == sample.User && samples[i].Cell.Size == 10_000 {
			samples[i].Flags = []sample.Flag{sample.ClientBound}
		}
	}
	return &sample.Run{Header: sample.Header{
		Title: title, Tool: "test", Clock: sample.Wall, Server: sample.Host{Kernel: "6.12.117"}, Card: &sample.Card{Model: "ConnectX-6 Dx"}, Path: "wire",
	}, Samples: samples}
}

func TestTerminal(t *testing.T) {
	for name, runs := range map[string][]*sample.Run{
		"one": {aRun("", 1)},
		"two": {aRun("before", 1), aRun("after", 20)},
	} {
		for width, columns := range map[string]int{"": 100, "-narrow": 60} {
			var b strings.Builder
			for _, c := range FromRuns(runs...) {
				b.WriteString(c.Name + "\n" + c.Terminal(columns) + "\n")
			}
			text := ansi.Strip(b.String())
			for _, l := range strings.Split(text, "\n") {
				if n := len([]rune(l)); n > columns {
					t.Errorf("%s: a line of %d columns, of %d: %s", name, n, columns, l)
				}
			}
			golden.Text(t, filepath.Join("testdata", "terminal-"+name+width+".txt"), text)
		}
	}
}

// Another font than the one that was measured by, as where there is no Liberation, takes no more room.
func TestTextsSayHowLongTheyAre(t *testing.T) {
	for _, c := range FromRuns(aRun("a < b & \"c\"", 1)) {
		var svg bytes.Buffer
		if err := c.SVG(&svg); err != nil {
			t.Fatal(err)
		}
		all, said := 0, 0
		for _, part := range strings.Split(svg.String(), "<text ")[1:] {
			tag, words, _ := strings.Cut(part, ">")
			words, _, _ = strings.Cut(words, "<")
			if strings.TrimSpace(words) == "" {
				continue
			}
			all++
			var length float64
			if _, err := fmt.Sscanf(tag, `textLength="%f"`, &length); err == nil && length > 0 && strings.Contains(tag, `lengthAdjust="spacingAndGlyphs"`) {
				said++
			}
			if x := strings.Index(tag, `x="`); x >= 0 {
				var at float64
				if _, err := fmt.Sscanf(tag[x:], `x="%f"`, &at); err != nil || at < 0 || at+length > 576 {
					t.Errorf("%s: %q goes from %g to %g, of 576", c.Name, words, at, at+length)
				}
			}
		}
		if all < 10 || said != all {
			t.Errorf("%s: %d of %d texts say how long they are", c.Name, said, all)
		}
	}
}

// Of sessions that were counted differently each time one line tells.
func TestFindingsThatDifferByNumbersAreOne(t *testing.T) {
	r := aRun("", 1)
	n := 0
	for i := range r.Samples {
		if r.Samples[i].Gate.Verdict == sample.Finding {
			n++
			r.Samples[i].Gate.Words = fmt.Sprintf("TlsTxSw moved by %d, TlsTxDevice by 0: 100%% software", n)
		}
	}
	var told []string
	for _, note := range FromRuns(r)[0].Notes {
		if strings.HasPrefix(note, "no figure of") {
			told = append(told, note)
		}
	}
	if n < 2 || len(told) != 1 || !strings.Contains(told[0], "moved by 1,") || !strings.HasSuffix(told[0], fmt.Sprintf("(%d samples)", n)) {
		t.Errorf("of %d findings: %q", n, told)
	}
}

func TestPictures(t *testing.T) {
	all := FromRuns(aRun("", 1))
	var names []string
	for _, c := range all {
		names = append(names, c.Name)
		var svg, raster bytes.Buffer
		if err := c.SVG(&svg); err != nil {
			t.Fatal(err)
		}
		for _, s := range c.Series {
			word := strings.Fields(s.Label)[0]
			if !strings.Contains(svg.String(), ">"+word) {
				t.Errorf("%s: the SVG has no label of %q", c.Name, s.Label)
			}
		}
		if err := c.PNG(&raster); err != nil {
			t.Fatal(err)
		}
		picture, err := png.Decode(&raster)
		if err != nil {
			t.Fatal(err)
		}
		if b := picture.Bounds(); b.Dx() != 1152 || b.Dy() != 662 {
			t.Errorf("%s: the PNG is %v", c.Name, b)
		}
	}
	if want := []string{"https-throughput", "https-requests", "https-cpu", "https-latency"}; !slices.Equal(names, want) {
		t.Errorf("charts %v, want %v", names, want)
	}
	if dir := os.Getenv("NICWRIGHT_LOOK"); dir != "" { // to be looked at
		look(t, dir)
	}
}

// The pictures of docs are what the data of docs give.
func TestPicturesOfTheDocs(t *testing.T) {
	read := func(name string) *sample.Run {
		text, err := measurements.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		run, err := sample.Read(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	for file, runs := range map[string][]*sample.Run{"seed": {read("seed")}, "lab-weak-server": {read("lab-weak-server")}} {
		for _, c := range FromRuns(runs...) {
			if !strings.HasPrefix(c.Name, "https-throughput") && !strings.HasPrefix(c.Name, "https-cpu") {
				continue
			}
			var b bytes.Buffer
			if err := c.SVG(&b); err != nil {
				t.Fatal(err)
			}
			golden.Text(t, filepath.Join("../../../docs/measurements", file+strings.TrimPrefix(c.Name, "https")+".svg"), b.String())
		}
	}
}

func look(t *testing.T, dir string) {
	t.Helper()
	for name, runs := range map[string][]*sample.Run{"one": {aRun("", 1)}, "two": {aRun("before", 1), aRun("after", 20)}} {
		charts := FromRuns(runs...)
		var b bytes.Buffer
		if err := HTML(&b, "nicwright bench: <"+name+">", charts); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".html"), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, c := range charts {
			b.Reset()
			if err := c.PNG(&b); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name+"-"+c.Name+".png"), b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestThePageIsWholeAndHasBothThemes(t *testing.T) {
	run := aRun("<script>alert(1)</script>", 1)
	run.Header.Path = "<script>alert(2)</script>"
	run.Samples[0].Cell.Variant = "<script>alert(3)</script>"
	var b bytes.Buffer
	if err := HTML(&b, run.Header.Title, FromRuns(run)); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if strings.Contains(text, "<script>") || strings.Contains(text, "href=") || strings.Contains(text, "src=") {
		t.Error("the page has a script, or something outside of itself")
	}
	for _, has := range []string{"prefers-color-scheme: dark", "var(--line3)", "no kernel puts TLS 1.3 into a card", "cross at", `class="narrow"`, "alert(3)"} {
		if !strings.Contains(text, has) {
			t.Errorf("the page has no %q", has)
		}
	}
	// Every colour that is drawn with is one that the theme turns.
	for _, part := range strings.Split(text, "<svg")[1:] {
		svg, _, _ := strings.Cut(part, "</svg>")
		if i := strings.Index(svg, ":#"); i >= 0 {
			t.Fatalf("a colour that is not of the theme: %.20s", svg[i:])
		}
	}
}

func TestAChartWithoutAFigureSaysSo(t *testing.T) {
	c := &Chart{Title: "empty"}
	if err := c.SVG(&bytes.Buffer{}); !errors.Is(err, ErrEmpty) {
		t.Error(err)
	}
	if err := c.PNG(&bytes.Buffer{}); !errors.Is(err, ErrEmpty) {
		t.Error(err)
	}
	if !strings.Contains(c.Terminal(80), "no figure") {
		t.Error(c.Terminal(80))
	}
}

// One point, or equal ones, is no reason to divide by nothing.
func TestDegenerateCharts(t *testing.T) {
	for name, points := range map[string][]Point{
		"one":     {{10_000, fit.Estimate{Value: 5, Low: math.NaN(), High: math.NaN(), N: 1}}},
		"equal":   {{10_000, fit.Mean([]float64{5, 5})}, {20_000, fit.Mean([]float64{5, 5})}},
		"far":     {{1, fit.Mean([]float64{1e-9, 1e-9})}, {1e15, fit.Mean([]float64{1e12, 1e12})}},
		"unsure2": {{10, fit.Mean([]float64{1, 1000})}},
	} {
		t.Run(name, func(t *testing.T) {
			c := &Chart{Title: name, Series: []Series{{Label: "a", Points: points}, {Label: strings.Repeat("long label ", 9), Colour: 1, Dashed: true, Points: points}}}
			var b bytes.Buffer
			if err := c.PNG(&b); err != nil {
				t.Error(err)
			}
			b.Reset()
			if err := c.SVG(&b); err != nil || strings.Contains(b.String(), "NaN") {
				t.Errorf("%v: %.200s", err, b.String())
			}
			if text := c.Terminal(60); !strings.Contains(ansi.Strip(text), glyphsOf(0)) {
				t.Error(text)
			}
		})
	}
}

func glyphsOf(i int) string { return string(glyphs[i]) }

func TestLabelsArePushedApart(t *testing.T) {
	for name, c := range map[string]struct{ at, want []float64 }{
		"far":            {[]float64{0, 50, 100}, []float64{0, 50, 100}},
		"two":            {[]float64{50, 50}, []float64{45, 55}},
		"order is kept":  {[]float64{51, 50}, []float64{55.5, 45.5}},
		"at the top":     {[]float64{100, 100, 100}, []float64{80, 90, 100}},
		"at the bottom":  {[]float64{0, 1}, []float64{0, 10}},
		"a block pushes": {[]float64{50, 50, 58}, []float64{42.666666666666664, 52.666666666666664, 62.666666666666664}},
		"none":           {nil, []float64{}},
	} {
		if got := apart(c.at, 10, 0, 100); !slices.EqualFunc(got, c.want, func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestFiguresAreWrittenForPeople(t *testing.T) {
	for _, c := range []struct {
		u    Unit
		v    float64
		want string
	}{
		{Bytes, 10_000, "10 kB"},
		{Bytes, 999_999, "1 MB"},
		{Bytes, 512, "512 B"},
		{Bytes, 2.345e6, "2.35 MB"},
		{PerSecond, 8.7e6, "8.7 MB/s"},
		{Rate, 870, "870/s"},
		{Rate, 32_300, "32.3k/s"},
		{Seconds, 0.00115, "1.15 ms"},
		{Seconds, 3e-6, "3 µs"},
		{Seconds, 12, "12 s"},
		{SecondsPerGB, 0.42, "0.42 s/GB"},
		{Bytes, math.Inf(1), "without limit"},
		{Number, 64, "64"},
		{Seconds, math.NaN(), "not known"},
	} {
		if got := c.u.Text(c.v); got != c.want {
			t.Errorf("%v: %q, want %q", c.v, got, c.want)
		}
	}
}

// Set-ups by themselves are measured with one connection and with eight: that makes no axis of clients.
func TestSetUpsAreNoAxis(t *testing.T) {
	run := &sample.Run{Samples: sampletest.Samples(1, 2, 0.05, []uint64{1000, 100_000}, sampletest.UserTruth, sampletest.CardTruth)}
	for _, clients := range []int{1, 8} {
		s := sample.Sample{Bench: sample.HTTPS, Cell: sample.Cell{Mode: sample.CardTx, TLS: "1.2", Clients: clients, Size: 1000, Variant: "set-up"}, Turn: 1, Gate: sample.Gate{Verdict: sample.AsSaid}}
		s.Latency = map[sample.Phase]sample.Percentiles{sample.SetUp: {Count: 8, Mean: 0.001}}
		run.Samples = append(run.Samples, s)
	}
	charts := FromRuns(run)
	if len(charts) == 0 {
		t.Fatal("no charts")
	}
	for _, c := range charts {
		if c.X.Label != "size of the file" || len(c.Series) == 0 || len(c.Series[0].Points) != 2 {
			t.Errorf("%s is over %s: %+v", c.Name, c.X.Label, c.Series)
		}
	}
}
