// SPDX-License-Identifier: Apache-2.0

package eswitch

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"github.com/nicwright/nicwright/internal/devlink"
	"github.com/nicwright/nicwright/internal/kconfig"
	"github.com/nicwright/nicwright/internal/probe"
	"github.com/nicwright/nicwright/internal/snapshot"
)

// What the card's driver can do, as it is found on the running kernel. None goes
// by a version but to say yes: vendors' kernels and drivers carry newer code than
// their numbers say.

// SwitchdevWithoutVFs says whether the eswitch of a port can be in switchdev while
// it has no VFs. A driver that cannot has no eswitch at all for devlink as long as
// there are none: EOPNOTSUPP to each question (m5/eswitch_offloads.c,
// mlx5_devlink_eswitch_check of Linux 5.8 and before). With VFs, nothing shows it.
func SwitchdevWithoutVFs(k *kconfig.Kernel, p snapshot.PF) probe.Answer {
	dev := device(p.Address)
	return probe.First(
		func() probe.Answer {
			switch {
			case p.Driver != mlx5 || !p.HasDevlink || p.Err != nil:
				return probe.Unknownf("devlink says nothing of %s", dev)
			case p.NumVFs > 0:
				return probe.Unknownf("%s has VFs now", dev)
			case p.Eswitch.Mode == "":
				return probe.Nof("devlink has no eswitch of %s while it has no VFs", dev)
			}
			return probe.Yesf("devlink has the eswitch of %s in %s, without VFs", dev, p.Eswitch.Mode)
		},
		func() probe.Answer { return k.Since(5, 9) })
}

const (
	// hmfs is the steering by rules that the card keeps itself.
	hmfs = "hmfs"
	// In mlx5_core with MLX5_HW_STEERING only, and not static (m5/steering/hws/fs_hws.h).
	symHMFS = "mlx5_fs_hws_is_supported"
)

// SteersHMFS says whether the driver has flow_steering_mode hmfs (m5/fs_core.c,
// mlx5_fs_mode_validate): a port has it, the driver's types or its functions show
// it. A driver from elsewhere may have the function under another name.
func SteersHMFS(k *kconfig.Kernel, ports []snapshot.PF) probe.Answer {
	return probe.First(
		func() probe.Answer {
			for _, p := range ports {
				if p.Params[SteeringParam].Values[devlink.Runtime] == hmfs {
					return probe.Yesf("%s is in %s", device(p.Address), hmfs)
				}
			}
			return probe.Answer{}
		},
		func() probe.Answer {
			a := k.Symbol(mlx5, symHMFS)
			if a.Denied() && !k.Own(mlx5).Yes {
				return probe.Unknown(a.Source + ", and it is not the kernel's own")
			}
			return a
		},
		func() probe.Answer {
			return k.EnumValue(mlx5, "mlx5_flow_steering_mode", "MLX5_FLOW_STEERING_MODE_HMFS")
		},
		func() probe.Answer { return k.Since(6, 14) })
}

// GrantsIPsec says whether VFs have port function attributes for IPsec: a VF's
// port has them, or, where there is no VF in switchdev to be looked at, the
// kernel's devlink takes them, by its own description or by its types
// (include/uapi/linux/devlink.h, DEVLINK_PORT_FN_ATTR_CAP_IPSEC_CRYPTO_BIT).
func GrantsIPsec(ctx context.Context, k *kconfig.Kernel, s *snapshot.Snapshot) probe.Answer {
	return probe.First(
		func() probe.Answer { return grantsNow(s) },
		func() probe.Answer { return grantsByPolicy(ctx) },
		func() probe.Answer { return grantsByKernel(k) })
}

func grantsNow(s *snapshot.Snapshot) probe.Answer {
	without := probe.Answer{}
	for _, p := range s.Ports {
		if _, ok := vfOf(p); !ok || len(p.Caps) == 0 {
			continue
		}
		if _, has := p.Caps[attrIPsecCrypto]; has {
			return probe.Yesf("the port function of %s/%d has %s", p.Device, p.Index, attrIPsecCrypto)
		}
		if !without.Known {
			without = probe.Nof("the port function of %s/%d has no %s: the driver or the card does not offer it", p.Device, p.Index, attrIPsecCrypto)
		}
	}
	return without
}

func grantsByPolicy(ctx context.Context) probe.Answer {
	c, err := devlink.Dial()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return probe.No("the kernel has no devlink, or no driver of it is loaded")
	case err != nil:
		return probe.Unknown(err.Error())
	}
	names, known, err := c.CapsTaken(ctx)
	if err = errors.Join(err, c.Close()); err != nil {
		return probe.Unknown(err.Error())
	}
	return takes(names, known)
}

func grantsByKernel(k *kconfig.Kernel) probe.Answer {
	return probe.First(
		func() probe.Answer { return k.Field("", "devlink_port_ops", "port_fn_ipsec_crypto_get") },
		// Before Linux 6.5 the ports' operations were the devices'.
		func() probe.Answer { return k.Field("", "devlink_ops", "port_fn_ipsec_crypto_get") },
		func() probe.Answer { return k.Since(6, 6) })
}

func takes(names []string, known bool) probe.Answer {
	switch {
	case !known:
		return probe.Unknown("the kernel does not describe what its devlink takes of port functions")
	case slices.Contains(names, attrIPsecCrypto):
		return probe.Yesf("the kernel's devlink takes %s of port functions", attrIPsecCrypto)
	}
	return probe.Nof("the kernel's devlink takes no %s of port functions", attrIPsecCrypto)
}

// OffloadsTunnels says whether the driver takes IPsec tunnels in packet mode on a
// PF in switchdev. Since commit 7593439c1393 (Linux 6.18 and 6.17.4) it does not,
// whatever the encap-mode, and the function that it asks has a second parameter
// (m5/eswitch_offloads.c, mlx5_eswitch_block_encap).
func OffloadsTunnels(k *kconfig.Kernel) probe.Answer {
	a := k.Parameters(mlx5, "mlx5_eswitch_block_encap", 2)
	if !a.Known {
		a.Source += "; mainline ended it with Linux 6.18, and this is " + k.Release()
		return a
	}
	a.Yes = !a.Yes
	return a
}
