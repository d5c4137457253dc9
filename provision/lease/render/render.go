// SPDX-License-Identifier: Apache-2.0

// Package render writes a leased VF, or the VFs of a network, as the managers of
// machines want to be told of it. What is written is made by encoders: XML by
// libvirtxml, JSON and YAML by theirs.
package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/provision/lease"
)

// Options are what a format needs beside the VFs.
type Options struct {
	Network string // that the VFs are of
	Host    string // the host's name, as clusters know it
	VMID    int    // Proxmox's number of the machine; 0: not known
}

// format writes VFs.
type format struct {
	name  string
	about string
	pool  bool // it can have several VFs
	write func(all []lease.Shown, o Options) ([]byte, error)
}

func formats() []format {
	return []format{
		{"libvirt", "an <interface type='hostdev'> for virsh attach-device, or a domain", false, libvirtInterface},
		{"libvirt-teaming", "two interfaces for failover: virtio that stays, and the VF, with one MAC address", false, libvirtTeaming},
		{"libvirt-network", "a <network> whose pool are the VFs, for virsh net-define", true, libvirtNetwork},
		{"qemu", "options of qemu-system-*, one a line", false, qemu},
		{"qemu-iommufd", "the same by iommufd and the VF's own vfio device", false, qemuIOMMUFD},
		{"cloud-hypervisor", "the body of vm.add-device of its API", false, cloudHypervisor},
		{"proxmox", "commands of pvesh and qm: a resource mapping, and the machine's hostpci", true, proxmox},
		{"incus", "devices of an instance, for incus config edit", false, incus},
		{"nova", "device_spec of nova.conf", true, nova},
		{"sriov-operator", "a SriovNetworkNodePolicy that is externally managed", true, sriovOperator},
		{"sriov-device-plugin", "the configuration of the SR-IOV network device plugin", true, devicePlugin},
	}
}

// Names are those of the formats; pool: of those that can have several VFs.
func Names(pool bool) (names []string) {
	for _, f := range formats() {
		if !pool || f.pool {
			names = append(names, f.name)
		}
	}
	return names
}

// About is what each format is, a line each.
func About() string {
	var b strings.Builder
	for _, f := range formats() {
		fmt.Fprintf(&b, "  %-20s %s\n", f.name, f.about)
	}
	return b.String()
}

// Write writes VFs in a format.
func Write(name string, all []lease.Shown, o Options) ([]byte, error) {
	i := slices.IndexFunc(formats(), func(f format) bool { return f.name == name })
	if i < 0 {
		return nil, fmt.Errorf("there is no format %q; there are: %s", name, strings.Join(Names(false), ", "))
	}
	f := formats()[i]
	if len(all) == 0 {
		return nil, fmt.Errorf("--format %s: network %s has no VF that is there", name, o.Network)
	}
	if !f.pool && len(all) != 1 {
		return nil, fmt.Errorf("--format %s is of one VF; of several are: %s", name, strings.Join(Names(true), ", "))
	}
	for _, s := range all {
		if _, err := pci.ParseAddress(s.Address); err != nil {
			return nil, fmt.Errorf("--format %s: %s is no PCI function: %w", name, s.Function, err)
		}
	}
	return f.write(all, o)
}

// vfio tells VFs that a machine takes over vfio: bound to a driver without a netdev.
func vfio(s lease.Shown) bool { return s.Driver != "mlx5_core" }

// asJSON is an indented document.
func asJSON(v any) ([]byte, error) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding JSON: %w", err)
	}
	return append(b, '\n'), nil
}

// line is a document in one line.
func line(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encoding JSON: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}

func asYAML(v any) ([]byte, error) {
	b, err := yaml.MarshalWithOptions(v, yaml.IndentSequence(true))
	if err != nil {
		return nil, fmt.Errorf("encoding YAML: %w", err)
	}
	return b, nil
}

// quoted is text that is in quotes in YAML: of 0000:41:00.2 readers of YAML 1.1 make a number.
type quoted string

// MarshalYAML writes it.
func (q quoted) MarshalYAML() ([]byte, error) { return json.Marshal(string(q)) }

var notWord = regexp.MustCompile(`[^A-Za-z0-9]+`)

// word is a name of letters, digits and what joins them, as many formats want it.
func word(name, join string) string { return strings.Trim(notWord.ReplaceAllString(name, join), join) }
