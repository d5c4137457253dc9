// SPDX-License-Identifier: Apache-2.0

package render

import (
	"encoding/xml"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"libvirt.org/go/libvirtxml"

	"github.com/nicwright/nicwright/provision/lease"
)

// pciAddress is a PCI address in its parts, of one that has been read.
func pciAddress(a string) (domain, bus, slot, function uint, err error) {
	if _, err := fmt.Sscanf(a, "%x:%x:%x.%x", &domain, &bus, &slot, &function); err != nil {
		return 0, 0, 0, 0, fmt.Errorf("reading the PCI address %q: %w", a, err)
	}
	return domain, bus, slot, function, nil
}

// overVFIO tells a VF that a machine can have as it is bound.
func overVFIO(s lease.Shown) bool { return s.Driver == "vfio-pci" || s.Driver == "mlx5_vfio_pci" }

// managed tells libvirt whether it binds the VF itself: what is bound to vfio-pci already
// stays so when the machine has ended.
func managed(s lease.Shown) string {
	if overVFIO(s) {
		return "no"
	}
	return "yes"
}

// hostdev is the VF as an interface. In switchdev it has no vlan: mlx5 takes none of a VF
// there, and the port of the switch has it.
func hostdev(s lease.Shown) (*libvirtxml.DomainInterface, error) {
	domain, bus, slot, function, err := pciAddress(s.Address)
	if err != nil {
		return nil, err
	}
	i := &libvirtxml.DomainInterface{
		Managed: managed(s),
		MAC:     &libvirtxml.DomainInterfaceMAC{Address: s.MAC},
		Source: &libvirtxml.DomainInterfaceSource{Hostdev: &libvirtxml.DomainInterfaceSourceHostdev{PCI: &libvirtxml.DomainHostdevSubsysPCISource{
			Address: &libvirtxml.DomainAddressPCI{Domain: &domain, Bus: &bus, Slot: &slot, Function: &function},
		}}},
	}
	if s.EswitchMode != "switchdev" && s.VLAN != nil {
		i.VLan = &libvirtxml.DomainInterfaceVLan{Tags: []libvirtxml.DomainInterfaceVLanTag{{ID: uint(*s.VLAN)}}}
	}
	return i, nil
}

func asXML(v any) ([]byte, error) {
	b, err := xml.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding XML: %w", err)
	}
	return append(b, '\n'), nil
}

func libvirtInterface(all []lease.Shown, _ Options) ([]byte, error) {
	i, err := hostdev(all[0])
	if err != nil {
		return nil, err
	}
	return asXML(i)
}

// deviceName is what libvirt's schemas allow for a netdev (basictypes.rng).
var deviceName = regexp.MustCompile(`^[A-Za-z0-9_.\\:/-]+$`)

// libvirtTeaming is a device of virtio in the same network, which stays while the VF is
// away, and the VF: the guest's net_failover joins them by their one MAC address.
func libvirtTeaming(all []lease.Shown, _ Options) ([]byte, error) {
	s := all[0]
	vf, err := hostdev(s)
	if err != nil {
		return nil, err
	}
	if s.Port == nil {
		return nil, fmt.Errorf("--format libvirt-teaming: %s has no port of a bridge, and so there is none for the virtio device that stays", s.Name)
	}
	if !deviceName.MatchString(s.Port.Bridge) {
		return nil, fmt.Errorf("--format libvirt-teaming: libvirt takes no bridge that is called %q", s.Port.Bridge)
	}
	alias := "ua-" + word(s.Name, "-")
	vf.Teaming = &libvirtxml.DomainInterfaceTeaming{Type: "transient", Persistent: alias}
	stays := &libvirtxml.DomainInterface{
		MAC:     &libvirtxml.DomainInterfaceMAC{Address: s.MAC},
		Source:  &libvirtxml.DomainInterfaceSource{Bridge: &libvirtxml.DomainInterfaceSourceBridge{Bridge: s.Port.Bridge}},
		Model:   &libvirtxml.DomainInterfaceModel{Type: "virtio"},
		Teaming: &libvirtxml.DomainInterfaceTeaming{Type: "persistent"},
		Alias:   &libvirtxml.DomainAlias{Name: alias},
		VLan:    switchVLAN(s), // at a bridge of the kernel since libvirt 11.0
	}
	if s.Port.Kind != lease.KindLinux {
		stays.VirtualPort = &libvirtxml.DomainInterfaceVirtualPort{Params: &libvirtxml.DomainInterfaceVirtualPortParams{OpenVSwitch: &libvirtxml.DomainInterfaceVirtualPortParamsOpenVSwitch{}}}
	}
	return asXML(struct {
		XMLName    xml.Name `xml:"devices"`
		Interfaces []*libvirtxml.DomainInterface
	}{Interfaces: []*libvirtxml.DomainInterface{stays, vf}})
}

// switchVLAN is what the VF's port of the switch has, for another port of the same network.
func switchVLAN(s lease.Shown) *libvirtxml.DomainInterfaceVLan {
	p := s.Port
	switch {
	case len(p.Trunks) > 0:
		v := &libvirtxml.DomainInterfaceVLan{Trunk: "yes"}
		native, is := strings.CutPrefix(p.VLANMode, "native-")
		for _, id := range p.Trunks {
			tag := libvirtxml.DomainInterfaceVLanTag{ID: uint(id)}
			if is && p.Tag != nil && *p.Tag == id {
				tag.NativeMode = native
			}
			v.Tags = append(v.Tags, tag)
		}
		return v
	case p.Tag != nil:
		return &libvirtxml.DomainInterfaceVLan{Tags: []libvirtxml.DomainInterfaceVLanTag{{ID: uint(*p.Tag)}}}
	}
	return nil
}

func libvirtNetwork(all []lease.Shown, o Options) ([]byte, error) {
	n := libvirtxml.Network{Name: o.Network, Forward: &libvirtxml.NetworkForward{Mode: "hostdev", Managed: managed(all[0])}}
	for _, s := range all {
		domain, bus, slot, function, err := pciAddress(s.Address)
		if err != nil {
			return nil, err
		}
		n.Forward.Addresses = append(n.Forward.Addresses, libvirtxml.NetworkForwardAddress{
			PCI: &libvirtxml.NetworkForwardAddressPCI{Domain: &domain, Bus: &bus, Slot: &slot, Function: &function},
		})
	}
	return asXML(n)
}

// id is a name for a device in QEMU: a letter, then letters, digits and - . _.
func id(s lease.Shown) string {
	name := word(s.Name, "-")
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "vf-" + name
	}
	return name
}

// shellQuote is a word that no shell takes apart.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func options(all ...any) ([]byte, error) {
	var b strings.Builder
	for i := 0; i < len(all); i += 2 {
		text, err := line(all[i+1])
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%v %s\n", all[i], shellQuote(string(text)))
	}
	return []byte(b.String()), nil
}

// vfioDevice is QEMU's device, by its QAPI names.
type vfioDevice struct {
	Driver  string `json:"driver"`
	ID      string `json:"id"`
	Host    string `json:"host"`
	IOMMUFD string `json:"iommufd,omitempty"`
}

func needsVFIO(s lease.Shown, format string) error {
	if !overVFIO(s) {
		return fmt.Errorf("--format %s: %s is bound to %s, and a machine takes it over vfio-pci: lease it with --driver vfio-pci, or say so in the network", format, s.Address, s.Driver)
	}
	return nil
}

func qemu(all []lease.Shown, _ Options) ([]byte, error) {
	s := all[0]
	if err := needsVFIO(s, "qemu"); err != nil {
		return nil, err
	}
	return options("-device", vfioDevice{Driver: "vfio-pci", ID: id(s), Host: s.Address})
}

func qemuIOMMUFD(all []lease.Shown, _ Options) ([]byte, error) {
	s := all[0]
	if err := needsVFIO(s, "qemu-iommufd"); err != nil {
		return nil, err
	}
	object := struct {
		Type string `json:"qom-type"`
		ID   string `json:"id"`
	}{"iommufd", "iommufd0"}
	return options("-object", object, "-device", vfioDevice{Driver: "vfio-pci", ID: id(s), Host: s.Address, IOMMUFD: object.ID})
}

// itoa is a number as text, "" for none.
func itoa(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}
