// SPDX-License-Identifier: Apache-2.0

package kselftest

import (
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		said string
		want Report
	}{
		"ksft.py": {
			"KTAP version 1\n1..4\nok 1 ping.test_v4\n# Exception| ok 7 no result\nnot ok 2 ping.test_v6\nok 3 ping.test_tcp # SKIP Test requires command: socat\n" +
				"ok 4 stats.check_fec # XFAIL FEC not supported by the device\n# Totals: pass:1 fail:1 xfail:1 xpass:0 skip:1 error:0\n",
			Report{[]Result{
				{"ping.test_v4", Pass, ""},
				{"ping.test_v6", Fail, ""},
				{"ping.test_tcp", Skip, "Test requires command: socat"},
				{"stats.check_fec", XFail, "FEC not supported by the device"},
			}, 4},
		},
		"kselftest_harness.h": {
			"TAP version 13\n1..3\n# Starting 3 tests from 2 test cases.\n#  RUN           tls.13_aes_gcm.splice_cmsg_to_pipe ...\n" +
				"# tls.c:641:splice_cmsg_to_pipe:Expected splice(self->cfd, NULL, p[1], NULL, send_len, 0) (-1) == -1 (-1)\n" +
				"# splice_cmsg_to_pipe: Test terminated by timeout\n#          FAIL  tls.13_aes_gcm.splice_cmsg_to_pipe\nnot ok 1 tls.13_aes_gcm.splice_cmsg_to_pipe\n" +
				"#  RUN           global.non_established ...\n#            OK  global.non_established\nok 2 global.non_established\n" +
				"#  RUN           tls_basic.recseq_wrap ...\n#      SKIP      no TLS support\nok 3 # SKIP no TLS support\n",
			Report{[]Result{
				{"tls.13_aes_gcm.splice_cmsg_to_pipe", Fail, ""},
				{"global.non_established", Pass, ""},
				{"tls_basic.recseq_wrap", Skip, "no TLS support"},
			}, 3},
		},
		"net/forwarding": {
			"INFO: Running IPv4 overlay\nTEST: ping                                        [ OK ]\nTEST: ping6                                       [FAIL]\n\tping failed\n" +
				"TEST: ping                                        [FAIL]\nTEST: indev match (skip_sw)                             [SKIP]\nTEST: short [XFAIL]\n\t\n",
			Report{[]Result{{"ping", Pass, ""}, {"ping6", Fail, "ping failed"}, {"ping #2", Fail, ""}, {"indev match (skip_sw)", Skip, ""}, {"short", XFail, ""}}, -1},
		},
		"net/gro.sh": {
			"running test ipv4 data\nrunning test ipv4 large\nrunning test ipv6 ack\nfailed tests: ipv4_large.     Please see log.txt for more logs\n",
			Report{[]Result{{"ipv4_data", Pass, ""}, {"ipv4_large", Fail, ""}, {"ipv6_ack", Pass, ""}}, -1},
		},
		"ethtool -t": {
			"The test result is FAIL\nThe test extra info:\nLink Test     \t 0\nSpeed Test    \t 0\nHealth Test   \t 0\nLoopback Test \t -5\n",
			Report{[]Result{{"Link Test", Pass, ""}, {"Speed Test", Pass, ""}, {"Health Test", Pass, ""}, {"Loopback Test", Fail, "-5"}}, -1},
		},
		"carriage returns, and no end": {"ok 1 a.b\r\nTEST: c [ OK ]", Report{[]Result{{"a.b", Pass, ""}, {"c", Pass, ""}}, -1}},
		"nothing":                      {"SKIP: mausezahn not installed\n", Report{Planned: -1}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Parse(c.said); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

// FuzzParse: no output makes it fail; every result has one of the outcomes, no name is there twice, and what is read of the results written as TAP is the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"1..2\nok 1 a\nnot ok 2 b # SKIP c\n", "TEST: a (b)   [ OK ]\n\twhy\n", "running test ipv4 data\nfailed tests: ipv4_data.\n",
		"Link Test\t0\n", "#  RUN           a.b ...\nok 3 # SKIP\n", "ok 1 a\nok 2 a\nok 3 a #2\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, said string) {
		r := Parse(said)
		names := map[string]bool{}
		tap := strings.Builder{}
		for _, res := range r.Results {
			if rank(res.Outcome) < 0 {
				t.Fatalf("%+v has no outcome", res)
			}
			if names[res.Name] {
				t.Fatalf("%q is there twice", res.Name)
			}
			names[res.Name] = true
			if res.Name == "" || strings.ContainsAny(res.Name, "#\r\n") {
				return // TAP cannot say it
			}
			switch res.Outcome {
			case Pass:
				tap.WriteString("ok 1 ")
			case Fail:
				tap.WriteString("not ok 1 ")
			case Skip, XFail:
				tap.WriteString("ok 1 ")
			}
			tap.WriteString(res.Name)
			if res.Outcome == Skip || res.Outcome == XFail {
				tap.WriteString(" # " + string(res.Outcome))
			}
			tap.WriteString("\n")
		}
		again := Parse(tap.String())
		if len(again.Results) != len(r.Results) {
			t.Fatalf("%d results, and %d of the same written as TAP:\n%s", len(r.Results), len(again.Results), tap.String())
		}
		for i, res := range again.Results {
			if res.Outcome != r.Results[i].Outcome {
				t.Fatalf("%+v became %+v", r.Results[i], res)
			}
		}
	})
}
