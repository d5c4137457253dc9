// SPDX-License-Identifier: GPL-2.0
/* Modify header actions: set, add and copy of header fields and metadata registers. */
#include "connectx.h"
#include <linux/if_vlan.h>

/* DSCP: 6 bits of the first two bytes of either IP header */
#define DSCP_MASK	0x3f
#define DSCP_AT(p)	((p)->v6 ? 6 : 2)

enum { B_REG_A, B_REG_B, B_REG_C, B_ESP, B_L2, B_TYPE, B_V4, B_V6, B_DSCP, B_L4 };	/* a packet's checksums are about those from B_V4 on */
enum { A_SET = 1, A_ADD, A_COPY };

static const struct field { u16 id; u8 base, off, len; } fields[] = {
	{ MLX5_ACTION_IN_FIELD_OUT_DMAC_47_16, B_L2, 0, 4 }, { MLX5_ACTION_IN_FIELD_OUT_DMAC_15_0, B_L2, 4, 2 },
	{ MLX5_ACTION_IN_FIELD_OUT_SMAC_47_16, B_L2, 6, 4 }, { MLX5_ACTION_IN_FIELD_OUT_SMAC_15_0, B_L2, 10, 2 },
	{ MLX5_ACTION_IN_FIELD_OUT_FIRST_VID, B_L2, 14, 2 }, { MLX5_ACTION_IN_FIELD_OUT_ETHERTYPE, B_TYPE, 0, 2 },
	{ MLX5_ACTION_IN_FIELD_OUT_IP_DSCP, B_DSCP, 0, 2 },
	{ MLX5_ACTION_IN_FIELD_OUT_IP_TTL, B_V4, 8, 1 },
	{ MLX5_ACTION_IN_FIELD_OUT_SIPV4, B_V4, 12, 4 }, { MLX5_ACTION_IN_FIELD_OUT_DIPV4, B_V4, 16, 4 },
	{ MLX5_ACTION_IN_FIELD_OUT_IPV6_HOPLIMIT, B_V6, 7, 1 },
	{ MLX5_ACTION_IN_FIELD_OUT_SIPV6_127_96, B_V6, 8, 4 }, { MLX5_ACTION_IN_FIELD_OUT_SIPV6_95_64, B_V6, 12, 4 },
	{ MLX5_ACTION_IN_FIELD_OUT_SIPV6_63_32, B_V6, 16, 4 }, { MLX5_ACTION_IN_FIELD_OUT_SIPV6_31_0, B_V6, 20, 4 },
	{ MLX5_ACTION_IN_FIELD_OUT_DIPV6_127_96, B_V6, 24, 4 }, { MLX5_ACTION_IN_FIELD_OUT_DIPV6_95_64, B_V6, 28, 4 },
	{ MLX5_ACTION_IN_FIELD_OUT_DIPV6_63_32, B_V6, 32, 4 }, { MLX5_ACTION_IN_FIELD_OUT_DIPV6_31_0, B_V6, 36, 4 },
	{ MLX5_ACTION_IN_FIELD_OUT_TCP_SPORT, B_L4, 0, 2 }, { MLX5_ACTION_IN_FIELD_OUT_TCP_DPORT, B_L4, 2, 2 },
	{ MLX5_ACTION_IN_FIELD_OUT_TCP_FLAGS, B_L4, 12, 2 },	/* the low bits of 16 */
	{ MLX5_ACTION_IN_FIELD_OUT_UDP_SPORT, B_L4, 0, 2 }, { MLX5_ACTION_IN_FIELD_OUT_UDP_DPORT, B_L4, 2, 2 },
	{ MLX5_ACTION_IN_FIELD_METADATA_REG_A, B_REG_A, 0, 4 }, { MLX5_ACTION_IN_FIELD_METADATA_REG_B, B_REG_B, 0, 4 },
	{ MLX5_ACTION_IN_FIELD_METADATA_REG_C_0, B_REG_C, 0, 4 }, { MLX5_ACTION_IN_FIELD_METADATA_REG_C_1, B_REG_C, 1, 4 },
	{ MLX5_ACTION_IN_FIELD_METADATA_REG_C_2, B_REG_C, 2, 4 }, { MLX5_ACTION_IN_FIELD_METADATA_REG_C_3, B_REG_C, 3, 4 },
	{ MLX5_ACTION_IN_FIELD_METADATA_REG_C_4, B_REG_C, 4, 4 }, { MLX5_ACTION_IN_FIELD_METADATA_REG_C_5, B_REG_C, 5, 4 },
	{ MLX5_ACTION_IN_FIELD_METADATA_REG_C_6, B_REG_C, 6, 4 }, { MLX5_ACTION_IN_FIELD_METADATA_REG_C_7, B_REG_C, 7, 4 },
	{ MLX5_ACTION_IN_FIELD_IPSEC_SYNDROME, B_ESP, 0, 1 },
};

static const struct field *find(u16 id)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].id == id)
			return &fields[i];
	return NULL;
}

bool cx_mh_known(const u8 *a)
{
	int type = MLX5_GET(set_action_in, a, action_type);

	if (type < A_SET || type > A_COPY || !find(MLX5_GET(set_action_in, a, field)))
		return false;
	return type != A_COPY || find(MLX5_GET(copy_action_in, a, dst_field));
}

/* where the field is in this packet; NULL: it has no such header */
static u8 *locate(struct cx_pkt *p, const struct field *fl)
{
	void *m = MLX5_ADDR_OF(fte_match_param, p->mp, misc_parameters_2);
	u8 *b = NULL, *end = p->data + p->hlen;

	switch (fl->base) {
	case B_REG_A:
		return MLX5_ADDR_OF(fte_match_set_misc2, m, metadata_reg_a);
	case B_REG_C:		/* c_7 comes first */
		return (u8 *)MLX5_ADDR_OF(fte_match_set_misc2, m, metadata_reg_c_0) - 4 * fl->off;
	case B_ESP:
		return cx_ipsec_syndrome(m);
	case B_L2:
		b = p->data;
		break;
	case B_TYPE:		/* behind the VLAN tags */
		for (b = p->data + 2 * ETH_ALEN; b + 2 <= end && eth_type_vlan((__force __be16)get_unaligned((u16 *)b)); b += VLAN_HLEN)
			;
		break;
	case B_DSCP:
		b = p->l3off ? p->data + p->l3off : NULL;
		break;
	case B_V4: case B_V6:
		b = p->l3off && p->v6 == (fl->base == B_V6) ? p->data + p->l3off : NULL;
		break;
	case B_L4:
		b = p->l4off ? p->data + p->l4off : NULL;
		break;
	}
	return b && b + fl->off + fl->len <= end ? b + fl->off : NULL;
}

static u32 get(struct cx_pkt *p, const struct field *fl, u8 **at)
{
	if (fl->base == B_REG_B)
		return p->reg_b;
	*at = locate(p, fl);
	if (!*at)
		return 0;
	if (fl->base == B_DSCP)
		return get_unaligned_be16(*at) >> DSCP_AT(p) & DSCP_MASK;
	return fl->len == 1 ? **at : fl->len == 2 ? get_unaligned_be16(*at) : get_unaligned_be32(*at);
}

static void set(struct cx_pkt *p, const struct field *fl, u8 *at, u32 v)
{
	if (fl->base == B_REG_B)
		p->reg_b = v;
	else if (!at)
		return;
	else if (fl->base == B_DSCP)
		put_unaligned_be16((get_unaligned_be16(at) & ~(DSCP_MASK << DSCP_AT(p))) | (v & DSCP_MASK) << DSCP_AT(p), at);
	else if (fl->len == 1)
		*at = v;
	else if (fl->len == 2)
		put_unaligned_be16(v, at);
	else
		put_unaligned_be32(v, at);
}

void cx_modify_header(struct cx_obj *mh, struct cx_pkt *p)
{
	bool l3 = false;
	u32 i;

	for (i = 0; i < mh->mh.n; i++) {
		u8 *a = mh->mh.act[i], *at = NULL;
		const struct field *fl = find(MLX5_GET(set_action_in, a, field)), *dst = fl;
		int len = MLX5_GET(set_action_in, a, length) ?: 32, off = MLX5_GET(set_action_in, a, offset);
		u32 msk = len >= 32 ? ~0U : BIT(len) - 1, v, old;

		switch (MLX5_GET(set_action_in, a, action_type)) {
		case A_SET:
			v = MLX5_GET(set_action_in, a, data);
			break;
		case A_ADD:
			v = get(p, fl, &at) + MLX5_GET(set_action_in, a, data);
			msk = ~0U;
			off = 0;
			break;
		default:
			v = get(p, fl, &at) >> off;
			dst = find(MLX5_GET(copy_action_in, a, dst_field));
			off = MLX5_GET(copy_action_in, a, dst_offset);
			len = MLX5_GET(copy_action_in, a, length) ?: 32;
			msk = len >= 32 ? ~0U : BIT(len) - 1;
		}
		at = NULL;
		old = get(p, dst, &at);
		set(p, dst, at, (old & ~(msk << off)) | (v & msk) << off);
		l3 |= dst->base >= B_V4;
	}
	if (l3)			/* checksums are computed anew on delivery */
		p->l3csum = p->l4csum = true;
	for (i = 0; i < mh->mh.n; i++)
		if (find(MLX5_GET(set_action_in, mh->mh.act[i], field))->base >= B_L2) {
			cx_parse(p);
			break;
		}
}
