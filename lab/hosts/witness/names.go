// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

const pciDevices = "/sys/bus/pci/devices/"

// link is a netdev as `ip -d -j link` shows it, and all that it says.
type link struct {
	Name         string `json:"ifname"`
	Parent       string `json:"parentdev"`
	PhysPortName string `json:"phys_port_name"`
	Master       string `json:"master"`
	Lower        string `json:"link"`
	Info         struct {
		Kind      string         `json:"info_kind"`
		Data      map[string]any `json:"info_data"`
		SlaveKind string         `json:"info_slave_kind"`
		SlaveData map[string]any `json:"info_slave_data"`
	} `json:"linkinfo"`
	Flags    []string         `json:"flags"`
	AltNames []string         `json:"altnames"`
	VFs      []map[string]any `json:"vfinfo_list"`
	raw      map[string]any
}

// names gives the netdevs of one network namespace the names of resources.
type names map[string]string

// of is the resource of a netdev, also of one that is not there.
func (n names) of(netdev string) string {
	if id, ok := n[netdev]; ok {
		return id
	}
	return "link/" + netdev
}

// in replaces the names of netdevs that are whole words of a text.
func (n names) in(s string) string {
	return word.ReplaceAllStringFunc(s, func(w string) string {
		if id, ok := n[w]; ok {
			return id
		}
		return w
	})
}

var word = regexp.MustCompile(`[A-Za-z0-9_.-]+`)

// nameAll names the netdevs of the namespace ns, "" for that of the host.
func (l *look) nameAll(ns string, links []link) names {
	n := names{}
	for _, k := range links {
		id := function(k)
		switch {
		case id != "":
		case k.Info.Kind == "bond":
			id = within(ns, "bond/"+k.Name)
		default:
			id = within(ns, "link/"+k.Name)
		}
		n[k.Name] = id
	}
	return n
}

// within is a resource that only a namespace knows.
func within(ns, resource string) string {
	if ns == "" {
		return resource
	}
	return "netns/" + ns + "/" + resource
}

var (
	uplinkName      = regexp.MustCompile(`^p[0-9]+$`)
	representorName = regexp.MustCompile(`^(?:c[0-9]+)?pf[0-9]+(vf|sf)([0-9]+)$`)
)

// function is the resource of a netdev that belongs to a PCI function, else "".
// The netdev of a PF and the representors have the same parent, and the name of
// the port tells them apart.
func function(k link) string {
	if _, err := os.Stat(pciDevices + k.Parent); k.Parent == "" || err != nil {
		return ""
	}
	if vf := ofVF(k.Parent); vf != "" {
		return vf + "/netdev"
	}
	if m := representorName.FindStringSubmatch(k.PhysPortName); m != nil {
		return "pci/" + k.Parent + "/" + m[1] + "/" + m[2] + "/representor"
	}
	if k.PhysPortName != "" && !uplinkName.MatchString(k.PhysPortName) {
		return ""
	}
	return "pci/" + k.Parent + "/netdev"
}

// ofVF is the resource of the VF at a PCI address, "" of what is no VF.
func ofVF(address string) string {
	pf, err := os.Readlink(pciDevices + address + "/physfn")
	if err != nil {
		return ""
	}
	pf = filepath.Base(pf)
	for n := range virtualFunctions(pf) {
		if at, err := os.Readlink(pciDevices + pf + "/virtfn" + strconv.Itoa(n)); err == nil && filepath.Base(at) == address {
			return "pci/" + pf + "/vf/" + strconv.Itoa(n)
		}
	}
	return ""
}

// virtualFunctions is the number of VFs of the PF at a PCI address.
func virtualFunctions(pf string) int {
	n, err := strconv.Atoi(file(pciDevices + pf + "/sriov_numvfs"))
	if err != nil {
		return 0
	}
	return n
}

// file is what a file of sysfs or /proc/sys says, "" if nothing.
func file(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
