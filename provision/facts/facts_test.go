// SPDX-License-Identifier: Apache-2.0

package facts

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nicwright/nicwright/crypto/ipsec"
	"github.com/nicwright/nicwright/eswitch"
	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/ethtool"
	"github.com/nicwright/nicwright/internal/kconfig"
	"github.com/nicwright/nicwright/internal/kconfig/kconfigtest"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/rtlink"
	"github.com/nicwright/nicwright/internal/rtnet"
	"github.com/nicwright/nicwright/internal/snapshot"
	"github.com/nicwright/nicwright/profiles"
)

const pf, pf1 = pci.Address("0000:3b:00.0"), pci.Address("0000:3b:00.1")

// look is a host with a card without VFs; caps are those of another card's VF.
func look(mode string, caps map[string]bool) *snapshot.Snapshot {
	port := func(a pci.Address) snapshot.PF {
		return snapshot.PF{Address: a, Driver: "mlx5_core", TotalVFs: 8, HasDevlink: true, Eswitch: devlink.Eswitch{Mode: mode}}
	}
	return &snapshot.Snapshot{
		PFs:     []snapshot.PF{port(pf), port(pf1)},
		Ports:   []devlink.Port{{Device: devlink.Device{Bus: "pci", Name: "0000:af:00.0"}, Index: 1, Flavour: devlink.FlavourPCIVF, Caps: caps}},
		Netdevs: []netdev.Link{{Name: "p0", Index: 2, Function: pci.PF(pf)}},
		Links:   []rtlink.Link{{Index: 2, Name: "p0", AltNames: []string{"sriov-a"}}},
		Entries: []rtnet.Entry{
			{Index: 2, Kind: rtnet.Address, Text: "192.0.2.1/24"}, {Index: 2, Kind: rtnet.Address, Text: "2001:db8::1/64"}, {Index: 2, Kind: rtnet.Route, Text: "2001:db8:1::/48"},
		},
		Features: map[int]ethtool.Features{},
	}
}

func cards(s *snapshot.Snapshot) (Host, []profiles.CardInfo) {
	card, info := eswitch.Card{VendorID: "15b3"}, profiles.CardInfo{VendorID: "15b3"}
	for n, p := range s.PFs {
		card.Ports = append(card.Ports, eswitch.Port{Address: p.Address, Driver: p.Driver, Mode: p.Eswitch.Mode, TotalVFs: p.TotalVFs})
		info.Ports = append(info.Ports, profiles.PortInfo{Address: p.Address, Number: n, NumVFs: p.NumVFs})
	}
	return Host{Cards: []eswitch.Card{card}}, []profiles.CardInfo{info}
}

// One profile wants all that versions used to be asked about. On a kernel that
// calls itself 5.14 and has it, nothing is against it; on one that calls itself 7.3
// and has it not, each is refused by what was found; where nothing tells, each is a
// warning.
func TestNoRuleGoesByAVersion(t *testing.T) {
	kallsyms := func(names ...string) string {
		text := "0 T start\n0 t mlx5_load\t[mlx5_core]\n"
		for _, n := range names {
			text += "0 t " + n + "\t[mlx5_core]\n"
		}
		return text
	}
	const own, vmlinux, module = "/sys/module/mlx5_core/taint", "/sys/kernel/btf/vmlinux", "/sys/kernel/btf/mlx5_core"
	has := map[string]bool{"roce": true, "ipsec_crypto": false, "ipsec_packet": false}
	untold := regexp.MustCompile(`\(NW[0-9]+\)`) // which rule it is of what nothing tells
	for _, tt := range []struct {
		name, release string
		files         map[string]string
		mode          string // as devlink has it
		caps          map[string]bool
		lag           []string // directories in debugfs
		vfs           int
		want          []string // rules, with their severity
	}{
		{
			name: "5.14 that has everything", release: "5.14.0-570.12.1.el9_6.x86_64", mode: "legacy", caps: has, lag: []string{"lag/state"},
			files: map[string]string{"/proc/kallsyms": kallsyms("mlx5_fs_hws_is_supported", "mlx5_crypto_dek_pool_create"), own: "\n"},
		},
		{
			name: "7.3 that has nothing", release: "7.3.0-amd64", mode: "", caps: map[string]bool{"roce": true}, lag: []string{"commands"},
			files: map[string]string{
				"/proc/kallsyms": kallsyms(), own: "\n", vmlinux: kconfigtest.BTF(t),
				module: kconfigtest.ModuleBTF(t, kconfigtest.Struct("mlx5e_ktls_offload_context_tx", "crypto_info")),
			},
			want: []string{"NW152 error", "NW156 error", "NW157 error", "NW162 error", "NW163 error"},
		},
		{
			name: "5.8 of which nothing tells but that it has no IPsec of VFs", release: "5.8.0-x", mode: "legacy", caps: map[string]bool{"roce": true}, vfs: 2,
			want: []string{"NW163 error", "NW176 warning (NW152)", "NW176 warning (NW156)", "NW176 warning (NW157)", "NW176 warning (NW162)"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			debugfs := t.TempDir()
			for _, d := range tt.lag {
				for _, a := range []pci.Address{pf, pf1} {
					if err := os.MkdirAll(filepath.Join(debugfs, "mlx5", string(a), d), 0o755); err != nil {
						t.Fatal(err)
					}
				}
			}
			s := look(tt.mode, tt.caps)
			s.PFs[0].NumVFs, s.PFs[1].NumVFs = tt.vfs, tt.vfs
			h, infos := cards(s)
			f := of(context.Background(), kconfigtest.Host(t, tt.release, tt.files).Ask(), debugfs, s, h, nil).Rules(infos)
			p, err := profiles.Load(profiles.Options{Name: "testdata/wants-everything.yaml"})
			if err != nil {
				t.Fatal(err)
			}
			found, looked := p.Check(&f)
			var got []string
			for _, e := range found {
				if e.Rule > "NW150" {
					got = append(got, strings.TrimSpace(e.Rule+" "+string(e.Severity)+" "+untold.FindString(e.Message)))
				}
			}
			slices.Sort(got)
			got = slices.Compact(got) // of both ports
			if d := cmp.Diff(tt.want, got); d != "" || !looked {
				t.Errorf("looked: %t (-want +got)\n%s\n%v", looked, d, found)
			}
		})
	}
}

func TestFactsOfALook(t *testing.T) {
	s := look("legacy", nil)
	h, infos := cards(s)
	// Of a kernel without any files: making the facts asks nothing.
	states := []ipsec.State{{Offload: ipsec.OffloadState{Index: 2, Mode: ipsec.Packet}}}
	f := of(context.Background(), kconfig.At("/nonexistent").Ask(), "/nonexistent", s, h, states)
	if d := cmp.Diff(map[int][]string{2: {"sriov-a"}}, f.AltNames); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	r := f.Rules(infos)
	got := r.Ports[pf]
	if got.Mode != "legacy" || got.TotalVFs == nil || *got.TotalVFs != 8 || got.States != 1 || got.Packet != 1 || !slices.Equal(got.IPv6, []string{"2001:db8::1"}) {
		t.Errorf("%+v", got)
	}
	if fn := r.Functions[pci.PF(pf)]; !fn.NoTxChecksum || !fn.NoRxChecksum {
		t.Errorf("%+v", fn)
	}
	// SR-IOV that is off is known; what could not be read is not.
	h.Cards[0].Ports[0].TotalVFs = 0
	if got := f.Rules(infos).Ports[pf]; got.TotalVFs == nil || *got.TotalVFs != 0 {
		t.Errorf("%+v", got)
	}
	h.Cards[0].Ports[0].Err = "reading sriov_totalvfs: input/output error"
	if got := f.Rules(infos).Ports[pf]; got.TotalVFs != nil {
		t.Errorf("%+v", got)
	}
}
