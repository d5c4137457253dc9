// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/provision/lease"
)

// cloudHypervisor is DeviceConfig of its API (vmm/src/api/openapi/cloud-hypervisor.yaml).
func cloudHypervisor(all []lease.Shown, _ Options) ([]byte, error) {
	s := all[0]
	if err := needsVFIO(s, "cloud-hypervisor"); err != nil {
		return nil, err
	}
	return asJSON(struct {
		ID   string `json:"id"`
		Path string `json:"path"`
	}{id(s), "/sys/bus/pci/devices/" + s.Address + "/"})
}

// proxmox are commands: the mapping is the cluster's file, which its own tools write.
func proxmox(all []lease.Shown, o Options) ([]byte, error) {
	name := word(o.Network, "-")
	args := []string{"pvesh", "create", "/cluster/mapping/pci", "--id", name}
	for _, s := range all {
		// Keys in the order in which Proxmox writes them.
		m := []string{"id=" + s.ID}
		if s.IOMMUGroup != nil {
			m = append(m, "iommugroup="+itoa(s.IOMMUGroup))
		}
		m = append(m, "node="+o.Host, "path="+s.Address)
		if s.SubsystemID != "" {
			m = append(m, "subsystem-id="+s.SubsystemID)
		}
		args = append(args, "--map", strings.Join(m, ","))
	}
	vmid := "VMID"
	if o.VMID != 0 {
		vmid = strconv.Itoa(o.VMID)
	}
	hostpci := "mapping=" + name
	if len(all) == 1 {
		hostpci = all[0].Address // one VF is the machine's own, and needs no mapping to start
	}
	return []byte(words(args) + "\n" + words([]string{"qm", "set", vmid, "--hostpci0", hostpci + ",pcie=1"}) + "\n"), nil
}

// words is a command; what a shell would take apart is quoted.
func words(args []string) string {
	for i, a := range args {
		if strings.ContainsFunc(a, func(r rune) bool {
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:,=@%+", r)
		}) {
			args[i] = shellQuote(a)
		}
	}
	return strings.Join(args, " ")
}

// incus is a machine's PCI device, or a container's netdev.
func incus(all []lease.Shown, _ Options) ([]byte, error) {
	s := all[0]
	device := map[string]quoted{"type": "pci", "address": quoted(s.Address)}
	if !vfio(s) {
		if s.Netdev == "" {
			return nil, fmt.Errorf("--format incus: %s is bound to %s and has no netdev here", s.Address, s.Driver)
		}
		device = map[string]quoted{"type": "nic", "nictype": "physical", "parent": quoted(s.Netdev)}
	}
	return asYAML(map[string]any{"devices": map[string]any{id(s): device}})
}

// nova has a device_spec for each VF: what is leased by itself is not found by another's pattern.
func nova(all []lease.Shown, o Options) ([]byte, error) {
	var b strings.Builder
	b.WriteString("[pci]\n")
	for _, s := range all {
		text, err := line(struct {
			Address string `json:"address"`
			Network string `json:"physical_network"`
		}{s.Address, o.Network})
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "device_spec = %s\n", text)
	}
	return []byte(b.String()), nil
}

// resource is a name of the device plugin's: letters, digits and _.
func resourceName(network string) string { return word(network, "_") }

type policy struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name      string `yaml:"name"`
		Namespace string `yaml:"namespace"`
	} `yaml:"metadata"`
	Spec policySpec `yaml:"spec"`
}

type policySpec struct {
	ResourceName      string            `yaml:"resourceName"`
	NodeSelector      map[string]string `yaml:"nodeSelector"`
	NumVFs            int               `yaml:"numVfs"`
	ExternallyManaged bool              `yaml:"externallyManaged"`
	NICSelector       struct {
		Vendor      quoted   `yaml:"vendor,omitempty"`
		PFNames     []quoted `yaml:"pfNames"`
		RootDevices []quoted `yaml:"rootDevices"`
	} `yaml:"nicSelector"`
	DeviceType  string `yaml:"deviceType"`
	EswitchMode string `yaml:"eSwitchMode,omitempty"`
}

// sriovOperator has a policy for each port: the number of its VFs is one of the port's,
// and pfNames says which of them the resource has (eth0#2-5).
func sriovOperator(all []lease.Shown, o Options) ([]byte, error) {
	var out []byte
	for _, pf := range ports(all) {
		first := pf[0]
		if first.PFNetdev == "" {
			return nil, fmt.Errorf("--format sriov-operator: %s has no netdev here, by which a policy names it", first.PF)
		}
		p := policy{APIVersion: "sriovnetwork.openshift.io/v1", Kind: "SriovNetworkNodePolicy"}
		p.Metadata.Name = strings.ToLower(word(o.Network+"-"+o.Host+"-"+first.PF, "-"))
		p.Metadata.Namespace = "sriov-network-operator"
		p.Spec = policySpec{
			ResourceName: resourceName(o.Network), NodeSelector: map[string]string{"kubernetes.io/hostname": o.Host},
			NumVFs: first.PFVFs, ExternallyManaged: true, DeviceType: "netdevice",
		}
		if vfio(first) {
			p.Spec.DeviceType = "vfio-pci"
		}
		if first.EswitchMode == "switchdev" {
			p.Spec.EswitchMode = first.EswitchMode
		}
		vendor, _, _ := strings.Cut(first.ID, ":")
		p.Spec.NICSelector.Vendor, p.Spec.NICSelector.RootDevices = quoted(vendor), []quoted{quoted(first.PF)}
		for _, r := range ranges(pf) {
			p.Spec.NICSelector.PFNames = append(p.Spec.NICSelector.PFNames, quoted(fmt.Sprintf("%s#%d-%d", first.PFNetdev, r[0], r[1])))
		}
		text, err := asYAML(p)
		if err != nil {
			return nil, err
		}
		if out != nil {
			out = append(out, "---\n"...)
		}
		out = append(out, text...)
	}
	return out, nil
}

// ports are the VFs of each port.
func ports(all []lease.Shown) (by [][]lease.Shown) {
	for _, s := range all {
		i := slices.IndexFunc(by, func(p []lease.Shown) bool { return p[0].PF == s.PF })
		if i < 0 {
			by = append(by, []lease.Shown{s})
			continue
		}
		by[i] = append(by[i], s)
	}
	return by
}

// ranges are the indices of VFs of one port, each from the first to the last of a row.
func ranges(all []lease.Shown) (rows [][2]int) {
	var indices []int
	for _, s := range all {
		if f, err := pci.ParseFunction(s.Function); err == nil {
			indices = append(indices, f.VF)
		}
	}
	slices.Sort(indices)
	for _, n := range indices {
		if i := len(rows) - 1; i >= 0 && rows[i][1] == n-1 {
			rows[i][1] = n
			continue
		}
		rows = append(rows, [2]int{n, n})
	}
	return rows
}

type pluginResource struct {
	Name      string           `json:"resourceName"`
	Type      string           `json:"deviceType"`
	Selectors []pluginSelector `json:"selectors"`
}

type pluginSelector struct {
	Addresses []string `json:"pciAddresses"`
	Drivers   []string `json:"drivers"`
}

func devicePlugin(all []lease.Shown, o Options) ([]byte, error) {
	r := pluginResource{Name: resourceName(o.Network), Type: "netDevice"}
	for _, s := range all {
		i := slices.IndexFunc(r.Selectors, func(p pluginSelector) bool { return p.Drivers[0] == s.Driver })
		if i < 0 {
			i = len(r.Selectors)
			r.Selectors = append(r.Selectors, pluginSelector{Drivers: []string{s.Driver}})
		}
		r.Selectors[i].Addresses = append(r.Selectors[i].Addresses, s.Address)
	}
	return asJSON(map[string][]pluginResource{"resourceList": {r}})
}
