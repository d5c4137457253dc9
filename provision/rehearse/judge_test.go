// SPDX-License-Identifier: Apache-2.0

package rehearse

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/internal/proof"
	"github.com/nicwright/nicwright/internal/rehearsal"
	"github.com/nicwright/nicwright/provision/baseline"
	"github.com/nicwright/nicwright/provision/compare"
)

// outcome is a rehearsal in which each of these proofs was as said: kTLS sent, IPsec.
func outcome(t *testing.T, release string, change func(*rehearsal.Outcome, *baseline.Baseline)) *rehearsal.Outcome {
	t.Helper()
	o := &rehearsal.Outcome{Version: rehearsal.Version, Release: release, KVM: true}
	b := &baseline.Baseline{
		Version: baseline.Version, Name: "rehearsal", Taken: time.Date(2026, 11, 28, 20, 0, 0, 0, time.UTC), Profile: "vm-host", Hash: "1",
		Software: baseline.Facts{"kernel.release": release, "config.MLX5_EN_TLS": "set", "config.MLX5_EN_IPSEC": "set", "config.MLX5_CLS_ACT": "set"},
		Cards:    map[string]baseline.Facts{"0000:3b:00.0": port()}, Shown: map[string]baseline.Facts{},
	}
	run := baseline.Run{Started: b.Taken, Seconds: 9}
	for _, kind := range []string{"ktls", "ipsec"} {
		run.Proofs = append(run.Proofs, baseline.Result{Kind: kind, Cell: []proof.Field{{Name: "cipher", Value: "aes-gcm-128"}}, Verdict: proof.Offloaded, OK: true})
	}
	b.Runs = []baseline.Run{run}
	if change != nil {
		change(o, b)
	}
	text, err := baseline.Encode(b)
	if err != nil {
		t.Fatal(err)
	}
	if o.Save.Status == 0 {
		o.Baseline = text
	}
	return o
}

func software(_ *rehearsal.Outcome, b *baseline.Baseline) {
	p := &b.Runs[0].Proofs[0]
	p.Verdict, p.OK, p.Reason = proof.Software, false, "the driver took no key"
}

func failed(_ *rehearsal.Outcome, b *baseline.Baseline) {
	for i := range b.Runs[0].Proofs {
		b.Runs[0].Proofs[i].Verdict, b.Runs[0].Proofs[i].OK = proof.Failed, false
	}
}

// named has a netdev of this name, as the kernel gives it.
func named(name string) func(*rehearsal.Outcome, *baseline.Baseline) {
	return func(_ *rehearsal.Outcome, b *baseline.Baseline) {
		b.Shown["pci/0000:3b:00.0"] = baseline.Facts{"netdev": name, "altnames": "x" + name}
	}
}

func unapplied(o *rehearsal.Outcome, b *baseline.Baseline) {
	o.Apply = rehearsal.Done{Status: 1, Said: "done   sriov ~ vfs\nnicwright: phase eswitch: pci/0000:3b:00.0: setting mode: EOPNOTSUPP\nThe host is between two states: run apply again"}
	b.Runs, b.Profile, b.Hash = []baseline.Run{}, "", ""
}

const old, fresh = "6.12.117+deb13-amd64", "7.3.4+deb13-amd64"

func TestJudge(t *testing.T) {
	known, err := compare.Table()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		before, after func(*rehearsal.Outcome, *baseline.Baseline)
		want          Verdict
		line          string
	}{
		"it goes":                        {nil, nil, Goes, "with 7.3.4+deb13-amd64 your profile will go as it does with 6.12.117+deb13-amd64 (vm-host): 2 proofs as there, 0 known"},
		"a proof is worse":               {nil, software, WillNot, "with 7.3.4+deb13-amd64 your profile will not go (vm-host): proof: ktls"},
		"it was no better before":        {software, software, Goes, "will go"},
		"nothing is proved":              {failed, failed, Goes, "it is applied, and nothing of it was proved, 2 proofs not possible, or failed, with both"},
		"netdevs are called otherwise":   {named("eth4"), named("eth5"), Goes, "2 proofs as there, 0 known changes"},
		"apply is refused":               {nil, unapplied, WillNot, "will not go (vm-host): apply: phase eswitch: pci/0000:3b:00.0: setting mode: EOPNOTSUPP"},
		"it could not be applied before": {unapplied, nil, Unsure, "nobody knows whether your profile will go (vm-host): it could not be applied in the machine with 6.12.117+deb13-amd64"},
		"the kernel reports an error":    {nil, func(o *rehearsal.Outcome, _ *baseline.Baseline) { o.Kernel = "WARNING: CPU: 0 at x\nmore" }, WillNot, "an error of its own: WARNING: CPU: 0 at x"},
		"it did before": {
			func(o *rehearsal.Outcome, _ *baseline.Baseline) { o.Kernel = "WARNING" }, func(o *rehearsal.Outcome, _ *baseline.Baseline) { o.Kernel = "WARNING" },
			Goes, "will go",
		},
		"a proof was not tried": {nil, func(_ *rehearsal.Outcome, b *baseline.Baseline) { b.Runs[0].Proofs = b.Runs[0].Proofs[:1] }, Unsure, "1 proof not tried"},
		"slower, in an emulation": {
			func(_ *rehearsal.Outcome, b *baseline.Baseline) { speed(b, 1) }, func(_ *rehearsal.Outcome, b *baseline.Baseline) { speed(b, 9) }, Goes, "will go",
		},
	} {
		t.Run(name, func(t *testing.T) {
			j, err := Judge(outcome(t, old, c.before), outcome(t, fresh, c.after), "vm-host", Twin{}, compare.Options{Floor: compare.DefaultFloor, Known: known})
			if err != nil {
				t.Fatal(err)
			}
			if j.Verdict != c.want || !strings.Contains(j.Line(), c.line) || j.OK() != (c.want == Goes) {
				t.Errorf("%s: %q; want %s, %q", j.Verdict, j.Line(), c.want, c.line)
			}
		})
	}
}

// speed has five runs, each transfer of so many seconds.
func speed(b *baseline.Baseline, seconds float64) {
	run := b.Runs[0]
	b.Runs = nil
	for range 9 {
		r := run
		r.Proofs = slices.Clone(run.Proofs)
		for i := range r.Proofs {
			r.Proofs[i].Bytes, r.Proofs[i].Seconds, r.Proofs[i].CPU = 1<<30, seconds, seconds
		}
		b.Runs = append(b.Runs, r)
	}
}

func TestWhatIsNotJudged(t *testing.T) {
	well := outcome(t, old, nil)
	for name, c := range map[string]struct {
		after *rehearsal.Outcome
		want  error
		says  string
	}{
		"refused": {&rehearsal.Outcome{Release: fresh, Refused: "there are no headers"}, ErrRefused, "there are no headers"},
		"nothing recorded": {outcome(t, fresh, func(o *rehearsal.Outcome, _ *baseline.Baseline) {
			o.Save = rehearsal.Done{Status: 1, Said: "no card"}
		}), ErrRefused, "no card"},
		"another firmware": {outcome(t, fresh, func(_ *rehearsal.Outcome, b *baseline.Baseline) {
			b.Cards["0000:3b:00.0"]["firmware.running.fw.version"] = "22.40.1"
		}), compare.ErrFirmware, "22.40.1"},
	} {
		if _, err := Judge(well, c.after, "vm-host", Twin{}, compare.Options{}); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Judge(outcome(t, old, unapplied), outcome(t, fresh, unapplied), "vm-host", Twin{}, compare.Options{}); !errors.Is(err, ErrNeither) || !strings.Contains(err.Error(), "EOPNOTSUPP") {
		t.Errorf("neither takes the profile: %v", err)
	}
	if _, err := Judge(well, &rehearsal.Outcome{Release: fresh, Baseline: []byte(`{"version":99}`)}, "vm-host", Twin{}, compare.Options{}); err == nil {
		t.Error("a document of another version was read")
	}
}

func TestPrint(t *testing.T) {
	debian := func(o *rehearsal.Outcome, b *baseline.Baseline) {
		unapplied(o, b)
		o.KVM = false
		o.Left, o.Ignored = []string{"nic0/p0 VFs tenants: driver vfio-pci"}, []string{"psid"}
		b.Software["config.MLX5_EN_TLS"], b.Software["module.mlx5_core.in_tree"] = "not set", "true"
		b.Software["config.MLX5_EN_IPSEC"] = "not set"
		b.Shown["pci/0000:3b:00.0"] = baseline.Facts{"feature.tls-hw-tx-offload": "off [fixed]", "lag.state": "disabled"}
	}
	// The kernel that runs has no TLS, either; that it has IPsec is a difference.
	without := func(_ *rehearsal.Outcome, b *baseline.Baseline) {
		b.Software["config.MLX5_EN_TLS"] = "not set"
		b.Shown["pci/0000:3b:00.0"] = baseline.Facts{"feature.tls-hw-tx-offload": "on", "lag.state": "active"} // as applied
	}
	j, err := Judge(outcome(t, old, without), outcome(t, fresh, debian), "vm-host", Twin{Card: rehearsal.Card{Firmware: "22.39.1002"}, Other: []string{"ports: 2 there, 4 here"}}, compare.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := j.Print(&out, false); err != nil {
		t.Fatal(err)
	}
	golden.Text(t, "testdata/will-not.txt", ansi.Strip(out.String()))
}
