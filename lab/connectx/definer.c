// SPDX-License-Identifier: GPL-2.0
/*
 * Match definers: which fields of a packet make the hash by which a group of the port selection tables picks its entry.
 * A definer's mask lies over one of the card's formats, of 64 bytes; the fields of those that are known are listed here.
 */
#include "connectx.h"
#include <linux/jhash.h>

#define L3_IPV4	1
#define L3_IPV6	2
#define TAG	sizeof_field(struct cx_definer, mask)

struct part { u8 format; u16 to, from, bits; };	/* bits to: in the format; from: in fte_match_param */

#define L(h, f)		__mlx5_bit_off(fte_match_param, h##_headers.f)
#define PART(n, h, d, s) { n, __mlx5_bit_off(match_definer_format_##n, h##_##d), L(h, s), __mlx5_bit_sz(match_definer_format_##n, h##_##d) }
#define PORTS(n, h)	PART(n, h, l4_sport, tcp_sport), PART(n, h, l4_dport, tcp_dport), \
			PART(n, h, l4_sport, udp_sport), PART(n, h, l4_dport, udp_dport)
#define MACS(n, h)	PART(n, h, dmac_47_16, dmac_47_16), PART(n, h, dmac_15_0, dmac_15_0), \
			PART(n, h, smac_47_16, smac_47_16), PART(n, h, smac_15_0, smac_15_0)
#define IPV4(n, h)	PART(n, h, ip_src_addr, src_ipv4_src_ipv6.ipv4_layout.ipv4), \
			PART(n, h, ip_dest_addr, dst_ipv4_dst_ipv6.ipv4_layout.ipv4)
#define IPV6(n, h)	PART(n, h, ip_src_addr, src_ipv4_src_ipv6), PART(n, h, ip_dest_addr, dst_ipv4_dst_ipv6)
#define TYPE(n, h)	PART(n, h, l3_type, ip_version)

static const struct part parts[] = {
	MACS(0, outer), PART(0, outer, ethertype, ethertype), PART(0, outer, first_vlan_vid, first_vid),
	MACS(22, outer), IPV4(22, outer), PORTS(22, outer), TYPE(22, outer),
	MACS(23, inner), IPV4(23, inner), PORTS(23, inner), TYPE(23, inner),
	IPV6(29, outer), PORTS(29, outer),
	MACS(30, outer), IPV6(30, outer),
	IPV6(31, inner), PORTS(31, inner),
	MACS(32, inner), IPV6(32, inner),
};

static u32 field(const void *b, u16 off, u16 bits)
{
	u32 w = get_unaligned_be32(b + off / 32 * 4);

	return w >> (32 - off % 32 - bits) & (bits == 32 ? ~0U : BIT(bits) - 1);
}

static void put(u8 *b, u16 off, u16 bits, u32 v)
{
	b += off / 32 * 4;
	put_unaligned_be32(get_unaligned_be32(b) | v << (32 - off % 32 - bits), b);
}

/* the bits of a format that the packet has, or if there is none all that are known */
static void fill(u8 *tag, u16 format, const struct cx_pkt *p)
{
	const struct part *t;
	u16 i, n;

	memset(tag, 0, TAG);
	for (t = parts; t < parts + ARRAY_SIZE(parts); t++) {
		if (t->format != format)
			continue;
		for (i = 0; i < t->bits; i += 32) {
			u32 v = ~0U;

			n = min(t->bits - i, 32);
			if (p && (t->from == L(outer, ip_version) || t->from == L(inner, ip_version))) {
				v = field(p->mp, t->from, 4);
				v = v == 4 ? L3_IPV4 : v == 6 ? L3_IPV6 : 0;
			} else if (p) {
				v = field(p->mp, t->from + i, n);
			}
			put(tag, t->to + i, n, v & (n == 32 ? ~0U : BIT(n) - 1));
		}
	}
}

u32 cx_definer_hash(const struct cx_definer *d, const struct cx_pkt *p)
{
	u8 tag[TAG] __aligned(4);
	int i;

	fill(tag, d->format, p);
	for (i = 0; i < TAG; i++)
		tag[i] &= d->mask[i];
	return jhash2((u32 *)tag, TAG / 4, 0);
}

int cx_definer_create(struct cx_obj *o, void *in)
{
	void *c = MLX5_ADDR_OF(create_match_definer_in, in, obj_context);
	u16 format = MLX5_GET(match_definer, c, format_id);
	const u8 *m = MLX5_ADDR_OF(match_definer, c, match_mask);
	u8 known[TAG];
	int i;

	fill(known, format, NULL);
	for (i = 0; i < TAG; i++)
		if (m[i] & ~known[i]) {
			pr_info_once("connectx_emu: match definer of format %u is not supported\n", format);
			return MLX5_CMD_STAT_BAD_PARAM_ERR;
		}
	o->def.format = format;
	memcpy(o->def.mask, m, TAG);
	return 0;
}
