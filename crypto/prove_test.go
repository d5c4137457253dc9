// SPDX-License-Identifier: Apache-2.0

package crypto

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"nicwright/crypto/ktls"
)

// proven is a proof to which nothing is lacking.
func proven() Proof {
	return Proof{
		Sent: 1000, Received: 1000, Equal: true,
		Sender: ktls.State{Version: 0x0303, Cipher: 51, Tx: ktls.Hardware, Rx: ktls.Software},
		Device: []Counter{{Name: devBytes, Before: 500, After: 1600}, {Name: devPackets, Before: 1, After: 2}},
		Kernel: []Counter{{Name: kernDevice, Before: 3, After: 4}, {Name: kernSw, Before: 7, After: 7}},
	}
}

// Each thing that "offloaded" needs is taken away alone, and the verdict is
// another one, for that reason.
func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name   string
		spoil  func(*Proof)
		err    error
		want   Verdict
		reason string
	}{
		{"nothing is lacking", func(*Proof) {}, nil, Offloaded, ""},
		{"other bytes arrived", func(p *Proof) { p.Equal = false }, nil, Failed, "equal: false"},
		{"fewer bytes arrived", func(p *Proof) { p.Received = 999 }, nil, Failed, "999 arrived"},
		{"the transfer broke", func(*Proof) {}, errors.New("connection reset"), Failed, "connection reset"},
		{"no TLS in the kernel", func(*Proof) {}, fmt.Errorf("x: %w", ktls.ErrNoKernelTLS), NotPossible, "modprobe tls"},
		{"the kernel has the keys", func(p *Proof) { p.Sender.Tx = ktls.Software }, nil, Software, "txconf software"},
		{"the card's counter moved too little", func(p *Proof) { p.Device[0].After = 1499 }, nil, Software, "moved by 999"},
		{"the card has no such counter", func(p *Proof) { p.Device = nil }, nil, Software, devBytes + " moved by 0"},
		{"the software counter moved", func(p *Proof) { p.Kernel[1].After = 8 }, nil, Software, kernSw + " moved by 1"},
		{"no session was opened on the device", func(p *Proof) { p.Kernel[0].After = 3 }, nil, Software, kernDevice + " did not move"},
		{"the switch is off", func(p *Proof) { p.Sender.Tx, p.Reason = ktls.Software, featTLSTx+" is off" }, nil, Software, featTLSTx + " is off: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := proven()
			c.spoil(&p)
			judge(&p, c.err)
			if p.Verdict != c.want || !strings.Contains(p.Reason, c.reason) || (c.reason == "" && p.Reason != "") {
				t.Errorf("got %q, %q; want %q for %q", p.Verdict, p.Reason, c.want, c.reason)
			}
		})
	}
}

func TestParseTLSStat(t *testing.T) {
	got := parseTLSStat("TlsCurrTxSw                     \t0\nTlsTxSw                         \t12\nTlsTxDevice                     \t3\nnonsense\n")
	if got[kernSw] != 12 || got[kernDevice] != 3 {
		t.Errorf("got %v", got)
	}
	// Before the module is loaded there is no file, and after it there are counts to compare with.
	before := take(nil, parseTLSStat(""), kernDevice, kernSw)
	after := take(before, got, kernDevice, kernSw)
	if counter(after, kernSw).Delta() != 12 || counter(after, kernDevice).Delta() != 3 {
		t.Errorf("got %v", after)
	}
}

func TestParseRecordReadsBackWhatIsRecorded(t *testing.T) {
	places, err := parseRecord([]byte(`[{"function":"pci/0001:3b:00.0/vf/1","up":true,"mtu":9000},{"function":"pci/0001:3b:00.0/vf/2","up":false,"mtu":1500}]`))
	if err != nil {
		t.Fatal(err)
	}
	if len(places) != 2 || places[0].Function.VF != 1 || !places[0].Up || places[0].MTU != 9000 || places[1].Up {
		t.Errorf("got %+v", places)
	}
	if _, err := parseRecord([]byte("{")); err == nil {
		t.Error("half a record was read")
	}
}
