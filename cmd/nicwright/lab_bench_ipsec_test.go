// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nicwright/nicwright/provision/bench/sample"
)

// In legacy mode a VF has no IPsec in the card: the cell that asks for it is a finding, the others are figures, and all
// is as it was. After a kill the next run puts it back: namespaces, MTU, SAs.
func TestBenchIPsec(t *testing.T) {
	vfs := benchVFs(t)
	links := func() (s string) {
		for _, vf := range vfs {
			s += witness(t, "cat", "/sys/class/net/"+vf+"/mtu", "/sys/class/net/"+vf+"/operstate")
		}
		return s
	}
	untouched := links()
	between := []string{"bench", "ipsec", "--between", "pci/" + pfs[0] + "/vf/0,pci/" + pfs[0] + "/vf/1", "--encapsulation", "transport", "--sas", "2", "--mtu", "1400", "--streams", "2", "--sizes", "16k", "--interval", "0"}
	run := func() (*sample.Run, result) {
		return sampled(t, append(between, "--modes", "plain,software,crypto", "--turns", "1", "--control", "2", "--window", "100ms", "--limit", "1m")...)
	}
	first, r := run()
	for _, want := range []string{"A/A control", "no IPsec", "software, transport, AES-256-GCM, 2 SAs", "No figure, but a finding", "crypto offload"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("%q is not in:\n%s", want, r.stdout)
		}
	}
	seen := map[sample.Mode]sample.Verdict{}
	for _, s := range first.Samples {
		seen[s.Cell.Mode] = s.Gate.Verdict
	}
	if seen[sample.Plain] != sample.AsSaid || seen[sample.IPsecSoft] != sample.AsSaid || seen[sample.IPsecCard] != sample.Finding {
		t.Errorf("the verdicts are %v", seen)
	}
	if now := links(); now != untouched {
		t.Errorf("MTU and state of the VFs are\n%s\nand were\n%s", now, untouched)
	}
	before := leftovers(t)

	cmd := exec.CommandContext(t.Context(), "nicwright", append(between, "--modes", "software", "--window", "1m")...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	protected := func() bool { // it has begun: SAs are there
		out, _ := exec.Command("ip", "-n", "nicwright-verify-0", "xfrm", "state").Output()
		return len(out) > 0
	}
	for end := time.Now().Add(2 * time.Minute); !protected() && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if now := leftovers(t); !strings.Contains(now, "nicwright-verify") {
		t.Errorf("it left nothing: it was not killed half way:\n%s", now)
	}
	run()
	if now := leftovers(t); now != before || links() != untouched {
		t.Errorf("after a kill and another run\n%s\nbefore\n%s", now, before)
	}
}
