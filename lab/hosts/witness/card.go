// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// cards is what sysfs says of the functions of network cards.
func (l *look) cards() error {
	devices, err := os.ReadDir(pciDevices)
	if err != nil {
		return err
	}
	for _, d := range devices {
		dir := pciDevices + d.Name()
		if !strings.HasPrefix(file(dir+"/class"), "0x0200") {
			continue
		}
		id := ofVF(d.Name())
		if id == "" {
			if file(dir+"/sriov_totalvfs") == "" {
				continue
			}
			id = "pci/" + d.Name()
			l.set(id, "sriov_numvfs", file(dir+"/sriov_numvfs"))
			l.set(id, "sriov_drivers_autoprobe", file(dir+"/sriov_drivers_autoprobe"))
		}
		l.set(id, there, "yes")
		driver := "none"
		if at, err := os.Readlink(dir + "/driver"); err == nil {
			driver = filepath.Base(at)
		}
		l.set(id, "driver", driver)
		if o := file(dir + "/driver_override"); o != "" && o != "(null)" {
			l.set(id, "driver_override", o)
		}
	}
	return nil
}

// virtualFunctions is what the drivers of PFs keep of their VFs, as `ip link` shows it.
func (l *look) virtualFunctions(links []link) error {
	for _, k := range links {
		pf, ok := strings.CutSuffix(l.names.of(k.Name), "/netdev")
		if !ok {
			continue
		}
		for _, v := range k.VFs {
			id := fmt.Sprintf("%s/vf/%v", pf, v["vf"])
			for attribute, value := range without(v, "vf", "link_type", "broadcast", "stats") {
				l.set(id, "admin "+attribute, text(value))
			}
		}
	}
	return nil
}

// devlinkDevices is the eswitch and the params of every devlink instance that is a PCI function.
func (l *look) devlinkDevices() error {
	ports, err := filepath.Glob(pciDevices + "*/sriov_totalvfs")
	if err != nil {
		return err
	}
	for _, p := range ports {
		dev := "pci/" + filepath.Base(filepath.Dir(p))
		var modes struct {
			Dev map[string]map[string]any
		}
		if err := l.read(&modes, "devlink", "-j", "dev", "eswitch", "show", dev); err != nil {
			l.set(dev, "eswitch", "unknown") // no driver, or another that has none, or in another namespace
			continue
		}
		for k, v := range modes.Dev[dev] {
			l.set(dev, "eswitch "+k, text(v))
		}
	}
	var params struct {
		Param map[string][]struct {
			Name   string
			Values []struct {
				Mode  string `json:"cmode"`
				Value any
			}
		}
	}
	if err := l.read(&params, "devlink", "-j", "dev", "param", "show"); err != nil {
		return err
	}
	for dev, ps := range params.Param {
		for _, p := range ps {
			for _, v := range p.Values {
				l.set(ofDevlink(dev), "param "+p.Name+" "+v.Mode, text(v.Value))
			}
		}
	}
	return nil
}

// ofDevlink is the resource of a devlink instance: a VF has its own name.
func ofDevlink(dev string) string {
	if address, ok := strings.CutPrefix(dev, "pci/"); ok {
		if vf := ofVF(address); vf != "" {
			return vf
		}
	}
	return dev
}

// devlinkPorts is what the eswitch keeps of the functions behind its ports.
func (l *look) devlinkPorts() error {
	var ports struct {
		Port map[string]struct {
			Flavour  string
			VF       *int `json:"vfnum"`
			SF       *int `json:"sfnum"`
			Function map[string]any
		}
	}
	if err := l.read(&ports, "devlink", "-j", "port", "show"); err != nil {
		return err
	}
	ids := map[string]string{}
	for handle, p := range ports.Port {
		pf := handle[:strings.LastIndex(handle, "/")]
		var id string
		switch {
		case p.Flavour == "pcivf" && p.VF != nil:
			id = pf + "/vf/" + strconv.Itoa(*p.VF)
		case p.Flavour == "pcisf" && p.SF != nil:
			id = pf + "/sf/" + strconv.Itoa(*p.SF)
			l.set(id, there, "yes")
		default:
			continue
		}
		ids[handle] = id
		for k, v := range p.Function {
			if k != "opstate" {
				l.set(id, "function "+k, text(v))
			}
		}
	}
	var rates struct {
		Rate map[string]object
	}
	if err := l.read(&rates, "devlink", "-j", "port", "function", "rate", "show"); err != nil {
		return err
	}
	for handle, r := range rates.Rate {
		id, ok := ids[handle]
		if !ok {
			id = handle[:strings.LastIndex(handle, "/")] // a node of the user's own
		}
		for k, v := range without(r, "type") {
			if s := text(v); s != "0" && s != "" {
				l.set(id, "rate "+handle[strings.LastIndex(handle, "/")+1:]+" "+k, s)
			}
		}
	}
	return nil
}
