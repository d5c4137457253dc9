// SPDX-License-Identifier: Apache-2.0

package advice

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nicwright/nicwright/internal/golden"
	"github.com/nicwright/nicwright/profiles"
)

const noSwitches = `version: 1
name: plain
cards:
  - name: a
    select: {pci: "3b:00.0"}
    ports:
      - {name: p0, port: 0, eswitch-mode: switchdev, vfs: 2}
      - {name: p1, port: 1, eswitch-mode: legacy, vfs: 0}
`

const ranges = `version: 1
name: ranges
cards:
  - name: a
    select: {pci: "3b:00.0"}
    ports:
      - name: p0
        port: 0
        eswitch-mode: switchdev
        vfs:
          - {name: web, vf: 0-1, offload: {tls-hw-tx-offload: true}}
          - {name: rest, vf: 2-3}
`

// The drop-in, laid over its profile, is valid, and sets what is advised where the profile does.
func TestDropIns(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		f := filepath.Join(dir, name)
		if err := os.WriteFile(f, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return f
	}
	for name, c := range map[string]struct {
		profile string
		tx, rx  Answer
	}{
		"vm-host-off":    {"vm-host", Off, Off},
		"vm-host-tx":     {"vm-host", On, Off},
		"vm-host-rx":     {"vm-host", Off, CannotTell},
		"tls-server-off": {"tls-server", Off, Same},
		"none-on":        {file("plain.yaml", noSwitches), On, Off},
		"ranges-off":     {file("ranges.yaml", ranges), Off, Off},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := profiles.Load(profiles.Options{Name: c.profile})
			if err != nil {
				t.Fatal(err)
			}
			a := &Advice{Workload: &Workload{Source: "access\n.log"}, Tx: Decision{Answer: c.tx}, Rx: Decision{Answer: c.rx}}
			text, err := DropIn(p, a)
			if err != nil {
				t.Fatal(err)
			}
			over, err := profiles.Load(profiles.Options{Name: c.profile, Files: []string{file(name+".yaml", string(text))}})
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			for _, port := range over.Cards[0].Ports {
				for _, s := range []*bool{port.Offload.TLSTx, port.VF.Offload.TLSTx} {
					if s != nil && *s != (c.tx == On) {
						t.Errorf("%s sends with %v", port.Name, *s)
					}
				}
			}
			golden.Text(t, filepath.Join("testdata", "dropin", name+".yaml"), string(text))
		})
	}
}

func TestNothingIsWrittenWhereNothingIsAdvised(t *testing.T) {
	p, err := profiles.Load(profiles.Options{Name: "vm-host"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DropIn(p, &Advice{Workload: &Workload{}, Tx: Decision{Answer: CannotTell}, Rx: Decision{Answer: Same}}); !errors.Is(err, ErrNothingToSet) {
		t.Error(err)
	}
	p.Cards = nil
	if _, err := DropIn(p, &Advice{Workload: &Workload{}, Tx: Decision{Answer: On}}); err == nil || !strings.Contains(err.Error(), "no port") {
		t.Error(err)
	}
}

func TestTheProposalKeepsTheNumberOfVFs(t *testing.T) {
	p, err := profiles.Load(profiles.Options{Name: "vm-host"})
	if err != nil {
		t.Fatal(err)
	}
	text, ok := Proposal(p)
	if !ok {
		t.Fatal("no proposal")
	}
	file := filepath.Join(t.TempDir(), "split.yaml")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	over, err := profiles.Load(profiles.Options{Name: "vm-host", Files: []string{file}})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	port := over.Cards[0].Ports[0]
	if *port.VFs != 4 || len(port.VFList.Ranges) != 2 || *port.VFList.Ranges[0].Offload.TLSTx || !*port.VFList.Ranges[1].Offload.TLSTx {
		t.Errorf("%+v", port)
	}
	if p, err = profiles.Load(profiles.Options{Name: "tls-server"}); err != nil {
		t.Fatal(err)
	}
	if text, ok := Proposal(p); ok {
		t.Errorf("of a profile without VFs: %s", text)
	}
}
