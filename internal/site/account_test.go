// SPDX-License-Identifier: Apache-2.0

package site

import (
	"errors"
	"io"
	"testing"

	"github.com/nicwright/nicwright/internal/proof"
)

func TestPumpAccountsForWhatItMoved(t *testing.T) {
	const size = 3<<20 + 5
	r, w := io.Pipe()
	var p proof.Proof
	told := 0
	if err := Pump(t.Context(), w, r, size, &p, func(int64, float64) { told++ }); err != nil {
		t.Fatal(err)
	}
	if p.Bytes != size || p.Seconds <= 0 || told == 0 {
		t.Errorf("%d bytes in %f s, told %d times", p.Bytes, p.Seconds, told)
	}
	if (p.NoCPU == "") != (p.CPUSeconds > 0) && p.Seconds > 0.1 {
		t.Errorf("%f s of CPU time, and %q", p.CPUSeconds, p.NoCPU)
	}
}

func TestPumpFindsWhatDiffers(t *testing.T) {
	r, w := io.Pipe()
	var p proof.Proof
	bad := changing{r}
	err := Pump(t.Context(), w, bad, 1<<20, &p, func(int64, float64) {})
	_ = r.Close()
	if !errors.Is(err, ErrDiffers) {
		t.Errorf("a byte was changed: %v", err)
	}
}

type changing struct{ r io.Reader }

func (c changing) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	if n > 0 {
		b[n-1] ^= 1
	}
	return n, err
}

// Samples are of the time between two looks that are far enough apart, and of no other.
func TestSamples(t *testing.T) {
	var p proof.Proof
	a := account(&p)
	a.sample(100)
	if len(p.Samples) != 0 {
		t.Errorf("the first look made the sample %+v: it is of the set-up", p.Samples)
	}
	a.sample(200)
	if len(p.Samples) != 0 {
		t.Errorf("a look at once made the sample %+v", p.Samples)
	}
	a.last.at = a.last.at.Add(-window)
	a.sample(1100)
	if len(p.Samples) != 1 || p.Samples[0].Bytes != 1000 || p.Samples[0].Seconds < window.Seconds() {
		t.Errorf("got %+v", p.Samples)
	}
	a.inexact("no more")
	a.last.at = a.last.at.Add(-window)
	a.sample(2000)
	a.end()
	for _, s := range p.Samples {
		if s.CPUSeconds != 0 {
			t.Errorf("CPU time after all: %+v", s)
		}
	}
	if p.NoCPU != "no more" || p.CPUSeconds != 0 {
		t.Errorf("%f s, %q", p.CPUSeconds, p.NoCPU)
	}
}
