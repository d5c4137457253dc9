// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"context"
	"errors"
	"fmt"

	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/netdev"
	"github.com/nicwright/nicwright/internal/pci"
	"github.com/nicwright/nicwright/internal/step"
	"github.com/nicwright/nicwright/internal/sysfs"
)

// The port function attributes of FunctionSpec, by devlink's names.
const (
	attrIPsecCrypto = "ipsec_crypto"
	attrIPsecPacket = "ipsec_packet"
)

// functionCaps in the order in which they are set: packet offload builds on the
// other.
var functionCaps = []string{attrIPsecCrypto, attrIPsecPacket}

// functionCap is the field of a port function attribute.
func (s *FunctionSpec) functionCap(name string) **bool {
	if name == attrIPsecPacket {
		return &s.IPsecPacket
	}
	return &s.IPsecCrypto
}

// capsOf are the port function attributes of all VFs, as their ports say.
func capsOf(ports []devlink.Port, sys sysfs.FS) (map[pci.Function]map[string]bool, error) {
	all := map[pci.Function]map[string]bool{}
	for _, p := range ports {
		vf, ok, err := vfOf(p, sys)
		if err != nil {
			return nil, err
		}
		if ok && len(p.Caps) > 0 {
			all[vf] = p.Caps
		}
	}
	return all, nil
}

// vfOf is the VF of this host that a port stands for.
func vfOf(p devlink.Port, sys sysfs.FS) (pci.Function, bool, error) {
	if p.Flavour != devlink.FlavourPCIVF || p.External || p.Controller != 0 {
		return pci.Function{}, false, nil
	}
	dev, err := netdev.Owner(p.Device, sys)
	return pci.VF(dev, int(p.VF)), dev != "", err
}

// planCaps plans the port function attributes of a VF; what is not known is set
// again.
func (d *differ) planCaps(n int) {
	for _, name := range d.capsToSet(n) {
		s := step.Step{Phase: step.Functions, Attribute: name, To: *boolOf(*d.want.VF.functionCap(name))}
		if vf, ok := d.vf(n); ok && !d.remade && !d.modeMoves {
			s.From = *boolOf(ptrTo(vf.Caps[name]))
		}
		d.add(pci.VF(d.port.Address, n), s)
	}
}

// capsToSet are the attributes of a VF that differ from what is wanted.
func (d *differ) capsToSet(n int) []string {
	var names []string
	for _, name := range functionCaps {
		want := *d.want.VF.functionCap(name)
		vf, ok := d.vf(n)
		known := ok && !d.remade && !d.modeMoves
		if want != nil && d.mode == switchdev && (!known || vf.Caps[name] != *want) {
			names = append(names, name)
		}
	}
	return names
}

// quiets tells whether a VF is unbound only for its port function attributes.
func (d *differ) quiets(n int) bool {
	vf, ok := d.vf(n)
	return ok && !d.remade && !d.modeMoves && vf.Driver != "" && len(d.capsToSet(n)) > 0
}

// setCap switches a port function attribute of a VF.
func setCap(ctx context.Context, f pci.Function, name string, on bool, sys sysfs.FS) error {
	return withDevlink(func(c *devlink.Client) error {
		ports, err := c.Ports(ctx)
		if err != nil {
			return err
		}
		for _, p := range ports {
			vf, ok, err := vfOf(p, sys)
			if err != nil {
				return err
			}
			if !ok || vf != f {
				continue
			}
			if now, has := p.Caps[name]; has && now == on {
				return nil
			} else if !has {
				return fmt.Errorf("%w: the driver or the card does not have it, or not on this kernel", errors.ErrUnsupported)
			}
			return c.SetCap(ctx, p, name, on)
		}
		return errors.New("the VF has no devlink port: is the eswitch in switchdev mode?")
	})
}

func ptrTo[T any](v T) *T { return &v }
