// SPDX-License-Identifier: Apache-2.0

package advice

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

const (
	nginxLine  = `192.0.2.7 - - [28/Nov/2026:12:00:01 +0000] "GET /a%20b HTTP/1.1" 200 10240 "https://example.org/\"x\"" "curl \x22 8"` + "\n"
	commonLine = `2001:db8::1 - frank [28/Nov/2026:12:00:02 +0000] "HEAD / HTTP/1.1" 304 -` + "\n"
	vhostLine  = `www.example.org:443 192.0.2.8 - - [28/Nov/2026:12:01:00 +0000] "POST /up HTTP/2.0" 201 512 "-" "Mozilla/5.0 (TLSv1.2 fan)" TLSv1.3 TLS_AES_128_GCM_SHA256` + "\n"
	oldLine    = `192.0.2.9 - - [28/Nov/2026:12:01:30 +0000] "GET /big HTTP/1.1" 206 1048576 "-" "x" "TLSv1.2"` + "\n"
)

func TestAccessLogs(t *testing.T) {
	w, err := ReadAccessLog(strings.NewReader(nginxLine+commonLine+vhostLine+oldLine+"\n\n"+strings.TrimSpace(nginxLine)), "log")
	if err != nil {
		t.Fatal(err)
	}
	if w.Transfers != 5 || w.Unread != 0 || len(w.Sizes) != 4 {
		t.Errorf("%+v", w)
	}
	if want := (2*10240 + 512 + 1048576 + 1) / 5.0; math.Abs(w.Mean()-want) > 1e-6 {
		t.Errorf("mean %v, want %v", w.Mean(), want)
	}
	if w.Busiest != 3/60.0 || w.TLS13 == nil || *w.TLS13 != 0.5 || w.Received != nil {
		t.Errorf("busiest %v, 1.3 %v, received %v", w.Busiest, w.TLS13, w.Received)
	}
	quiet, err := ReadAccessLog(strings.NewReader(nginxLine), "log")
	if err != nil || quiet.Received == nil || quiet.TLS13 != nil {
		t.Errorf("%+v, %v", quiet, err)
	}
}

func TestLinesOfAnotherFormAreCountedOrRefused(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		unread uint64
		fails  bool
	}{
		"one bad":         {nginxLine + "nonsense\n" + nginxLine, 1, false},
		"a long line":     {nginxLine + strings.Repeat("x", 200_000) + "\n" + nginxLine, 1, false},
		"most are bad":    {nginxLine + "a\nb\n", 0, true},
		"empty":           {"", 0, true},
		"no closing":      {`1 - - [x] "GET / 200 5` + "\n", 0, true},
		"no status":       {`1 - - [x] "GET /" abc 5` + "\n", 0, true},
		"size is no size": {`1 - - [x] "GET /" 200 five` + "\n", 0, true},
		"size too large":  {`1 - - [x] "GET /" 200 99999999999999999999` + "\n", 0, true},
	} {
		w, err := ReadAccessLog(strings.NewReader(c.text), "log")
		switch {
		case c.fails && (err == nil || !strings.Contains(err.Error(), "nginx's combined")):
			t.Errorf("%s: %v", name, err)
		case !c.fails && (err != nil || w.Unread != c.unread):
			t.Errorf("%s: %+v, %v", name, w, err)
		}
	}
}

func FuzzAccessLog(f *testing.F) {
	for _, l := range []string{nginxLine, commonLine, vhostLine, oldLine, `"" 200 `, `"\`} {
		f.Add(l)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w, err := ReadAccessLog(strings.NewReader(text), "log")
		if err != nil {
			return
		}
		sum := 0.0
		for _, s := range w.Sizes {
			if !(s.Bytes >= 1 && s.Share > 0) {
				t.Errorf("%q: %+v", text, s)
			}
			sum += s.Share
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Errorf("%q: the shares are %v", text, sum)
		}
	})
}

func TestStatedMixes(t *testing.T) {
	for text, want := range map[string]string{
		"10k":             "[{10000 1}]",
		"10k:60%,1M:40%":  "[{10000 0.6} {1e+06 0.4}]",
		"1GB:1%, 500:99%": "[{500 0.99} {1e+09 0.01}]",
		"2.5M:100%":       "[{2.5e+06 1}]",
	} {
		got, err := ParseSizes(text)
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s: %v, %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "10k,1M", "10k:60%", "10k:60,1M:40", "x:100%", "0:100%", "1k:-5%,2k:105%", "1k:NaN%", "9999T", "10k:50%,1M:60%", strings.Repeat("1k:0.1%,", 1001)} {
		if got, err := ParseSizes(text); err == nil || !strings.Contains(err.Error(), "as in") {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func FuzzParseSizes(f *testing.F) {
	f.Add("10k:60%,1M:40%")
	f.Fuzz(func(t *testing.T, text string) {
		shares, err := ParseSizes(text)
		for i, s := range shares {
			if err == nil && (!(s.Bytes >= 1 && s.Bytes <= 1e15 && s.Share > 0 && s.Share <= 1.01) || i > 0 && s.Bytes < shares[i-1].Bytes) {
				t.Errorf("%q: %v", text, shares)
			}
		}
	})
}
