// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"errors"
	"fmt"
	"strings"

	"github.com/nicwright/nicwright/internal/resource"
)

// inUse says how a VF is used by others than the profile, in words, and whether it
// is. What the operator lets be taken is not, and a driver that the profile itself
// asks for is no use by others.
func (d *differ) inUse(vf VF) (string, bool) {
	if d.opt.Takes(d.id(vf.Index)) {
		return "", false
	}
	want := d.want.Functions[vf.Index]
	var uses []string
	for _, u := range vf.Uses {
		if u.Kind == Leased && !d.remade && !d.modeMoves {
			continue // what the lease says of the VF is part of what is wanted
		}
		if u.Kind == UserSpace && vf.Index < d.vfs && !want.DriverKept && want.Driver != nil && *want.Driver == u.By {
			continue
		}
		uses = append(uses, u.String())
	}
	return strings.Join(uses, ", "), len(uses) > 0
}

// unused refuses what would take VFs from those who use them: a change of the
// count, which makes all VFs anew, and what is done while a VF has no driver.
func (d *differ) unused() error {
	var errs []error
	for _, vf := range d.port.VFs {
		var what string
		switch name := d.quiets(vf.Index); {
		case d.remade:
			what = fmt.Sprintf("%s from %d to %d makes all VFs of the port anew", attrVFs, d.port.NumVFs, d.vfs)
		case d.modeMoves && vf.Driver != "":
			what = d.moving() + " unbinds all VFs of the port"
		case name != "":
			what = name + " is set while the VF has no driver"
		default:
			continue
		}
		if use, is := d.inUse(vf); is {
			id := d.id(vf.Index)
			errs = append(errs, fmt.Errorf("%s is in use (%s), and %s: release it, leave that as it is, or say --take %s", id, use, what, id))
		}
	}
	return errors.Join(errs...)
}

// keeps is why a VF in use keeps its driver.
func keeps(id resource.ID, use, now, to string) string {
	return fmt.Sprintf("it is in use (%s), and so it stays with %s: release it and apply again, or say --take %s to give it to %s", use, driverName(now), id, to)
}
