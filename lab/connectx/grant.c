// SPDX-License-Identifier: GPL-2.0
/* The capabilities that a PF grants to its VFs, one by one (SET_HCA_CAP for another function). They outlive the VF's resets. */
#include "connectx.h"

#define IPSEC_BITS	(CX_IPSEC | CX_IPSEC_TRAILER | CX_IPSEC_CRYPTO | CX_IPSEC_PACKET)

/* as a VF is before its PF says anything */
void cx_grant_reset(struct cx_func *f)
{
	f->granted = CX_ROCE;
	f->max_eqs = CX_MAX_EQ - 1;	/* there is no EQ 0 */
}

static u32 get(int type, void *page)
{
	switch (type) {
	case MLX5_CAP_GENERAL:
		return (MLX5_GET(cmd_hca_cap, page, ipsec_offload) ? CX_IPSEC : 0) |
		       (MLX5_GET(cmd_hca_cap, page, roce) ? CX_ROCE : 0);
	case MLX5_CAP_GENERAL_2:
		return MLX5_GET(cx_hca_cap_2, page, migratable) ? CX_MIGRATABLE : 0;
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
		MLX5_SET(cmd_hca_cap, page, roce, !!(granted & CX_ROCE));
		break;
	case MLX5_CAP_GENERAL_2:
		MLX5_SET(cx_hca_cap_2, page, migratable, !!(granted & CX_MIGRATABLE));
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

static u32 may(struct cx_func *vf)
{
	return cx_ipsec ? vf->granted : vf->granted & ~IPSEC_BITS;
}

/* a VF's page, as it built it or set it itself, has no more than is granted */
void cx_grant_show(struct cx_func *vf, int type, void *page)
{
	put(type, page, get(type, page) & may(vf));
}

/* is there no more in what a function sets for itself? */
bool cx_granted(struct cx_func *f, int type, void *page)
{
	return !f->is_vf || !(get(type, page) & ~may(f));
}

/* want: the VF's page as the PF wants it; any other difference to what it is now is refused */
int cx_grant(struct cx_func *vf, int type, void *want)
{
	void *page = kzalloc(CX_CAP_SZ, GFP_KERNEL), *all = kzalloc(CX_CAP_SZ, GFP_KERNEL);
	u32 mask, bits = get(type, want), eqs = vf->max_eqs;
	int st = MLX5_CMD_STAT_NO_RES_ERR;

	if (!page || !all)
		goto out;
	st = MLX5_CMD_STAT_BAD_RES_STATE_ERR;
	if (vf->hca_up)
		goto out;	/* its driver has read them */
	put(type, all, ~0);
	mask = get(type, all);
	cx_caps_get(vf, type, true, page);
	put(type, page, bits);
	if (type == MLX5_CAP_GENERAL_2) {
		eqs = MLX5_GET(cx_hca_cap_2, want, max_num_eqs_24b);
		MLX5_SET(cx_hca_cap_2, page, max_num_eqs_24b, eqs);
	}
	st = MLX5_CMD_STAT_BAD_PARAM_ERR;
	if ((bits & IPSEC_BITS && !cx_ipsec) || !eqs || eqs >= CX_MAX_EQ || memcmp(page, want, CX_CAP_SZ))
		goto out;
	vf->granted = (vf->granted & ~mask) | bits;
	vf->max_eqs = eqs;
	cx_dbg(1, "f%d is granted 0x%x, %u event queues\n", vf->idx, vf->granted, eqs);
	st = 0;
out:
	kfree(all);
	kfree(page);
	return st;
}
