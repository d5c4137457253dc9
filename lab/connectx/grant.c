// SPDX-License-Identifier: GPL-2.0
/* The capabilities that a PF grants to its VFs, one by one (SET_HCA_CAP for another function). They outlive the VF's resets. */
#include "connectx.h"

static u32 get(int type, void *page)
{
	switch (type) {
	case MLX5_CAP_GENERAL:
		return MLX5_GET(cmd_hca_cap, page, ipsec_offload) ? CX_IPSEC : 0;
	case MLX5_CAP_ETHERNET_OFFLOADS:
		return MLX5_GET(per_protocol_networking_offload_caps, page, insert_trailer) ? CX_IPSEC_TRAILER : 0;
	case MLX5_CAP_IPSEC:
		return (MLX5_GET(ipsec_cap, page, ipsec_crypto_offload) ? CX_IPSEC_CRYPTO : 0) |
		       (MLX5_GET(ipsec_cap, page, ipsec_full_offload) ? CX_IPSEC_PACKET : 0);
	}
	return 0;
}

static void put(int type, void *page, u32 granted)
{
	switch (type) {
	case MLX5_CAP_GENERAL:
		MLX5_SET(cmd_hca_cap, page, ipsec_offload, !!(granted & CX_IPSEC));
		break;
	case MLX5_CAP_ETHERNET_OFFLOADS:
		MLX5_SET(per_protocol_networking_offload_caps, page, insert_trailer, !!(granted & CX_IPSEC_TRAILER));
		break;
	case MLX5_CAP_IPSEC:
		MLX5_SET(ipsec_cap, page, ipsec_crypto_offload, !!(granted & CX_IPSEC_CRYPTO));
		MLX5_SET(ipsec_cap, page, ipsec_full_offload, !!(granted & CX_IPSEC_PACKET));
		break;
	}
}

/* a VF's page, as it built it or set it itself, says what is granted */
void cx_grant_show(struct cx_func *vf, int type, void *page)
{
	put(type, page, cx_ipsec ? vf->granted : 0);
}

/* want: the VF's page as the PF wants it; any other difference to what it is now is refused */
int cx_grant(struct cx_func *vf, int type, void *want)
{
	void *page = kzalloc(CX_CAP_SZ, GFP_KERNEL), *all = kzalloc(CX_CAP_SZ, GFP_KERNEL);
	int st = MLX5_CMD_STAT_NO_RES_ERR;
	u32 mask, bits = get(type, want);

	if (!page || !all)
		goto out;
	put(type, all, ~0);
	mask = get(type, all);
	cx_caps_get(vf, type, false, page);
	put(type, page, bits);
	st = MLX5_CMD_STAT_BAD_PARAM_ERR;
	if ((bits && !cx_ipsec) || memcmp(page, want, CX_CAP_SZ))
		goto out;
	vf->granted = (vf->granted & ~mask) | bits;
	cx_dbg(1, "f%d is granted 0x%x\n", vf->idx, vf->granted);
	st = 0;
out:
	kfree(all);
	kfree(page);
	return st;
}
