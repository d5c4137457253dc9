// SPDX-License-Identifier: GPL-2.0
/* A packet in the card: header and fragments, parsing into fte_match_param, VLAN tags. */
#include "connectx.h"
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <net/ip.h>

/* plain loads and stores: string instructions are slow where the processor is emulated */
void cx_copy(void *dst, const void *src, u32 len)
{
	u64 *d = dst;
	const u64 *s = src;
	u8 *db;
	const u8 *sb;

	for (; len >= 32; len -= 32, d += 4, s += 4) {
		u64 a = READ_ONCE(s[0]), b = READ_ONCE(s[1]), c = READ_ONCE(s[2]), e = READ_ONCE(s[3]);

		WRITE_ONCE(d[0], a);
		WRITE_ONCE(d[1], b);
		WRITE_ONCE(d[2], c);
		WRITE_ONCE(d[3], e);
	}
	for (; len >= 8; len -= 8)
		WRITE_ONCE(*d++, READ_ONCE(*s++));
	for (db = (u8 *)d, sb = (const u8 *)s; len; len--)
		WRITE_ONCE(*db++, READ_ONCE(*sb++));
}

void cx_pkt_reset(struct cx_pkt *p)
{
	p->data = p->hbuf + CX_HEADROOM;
	p->hlen = p->plen = 0;
	p->nfrag = 0;
	memset(&p->meta, 0, sizeof(p->meta));
	memset(p->mp, 0, sizeof(p->mp));
}

/* a copy for one of several ways; the payload is shared: nothing writes to it in place */
struct cx_pkt *cx_pkt_dup(const struct cx_pkt *p)
{
	struct cx_pkt *q = kmemdup(p, sizeof(*p), GFP_KERNEL);

	if (q)
		q->data = q->hbuf + (p->data - p->hbuf);
	return q;
}

/* moves up to want bytes in all into the linear part; false: shorter than an Ethernet header */
bool cx_pull(struct cx_pkt *p)
{
	const u32 want = CX_HDR - 32;
	int i = 0;

	while (p->hlen < want && i < p->nfrag) {
		struct cx_frag *g = &p->frag[i];
		u32 n = min(want - p->hlen, g->len);

		memcpy(p->data + p->hlen, g->p, n);
		p->hlen += n;
		p->plen -= n;
		g->p += n;
		g->len -= n;
		if (!g->len)
			i++;
	}
	if (i) {
		p->nfrag -= i;
		memmove(p->frag, p->frag + i, p->nfrag * sizeof(p->frag[0]));
	}
	return p->hlen >= ETH_HLEN;
}

/* the whole payload into buf, as one fragment */
bool cx_linear(struct cx_pkt *p, u8 *buf, u32 size)
{
	u32 o = 0;
	int i;

	if (p->plen > size)
		return false;
	for (i = 0; i < p->nfrag; i++) {
		cx_copy(buf + o, p->frag[i].p, p->frag[i].len);
		o += p->frag[i].len;
	}
	p->frag[0] = (struct cx_frag){ buf, o };
	p->nfrag = !!o;
	return true;
}

u32 cx_pkt_bytes(const struct cx_pkt *p)
{
	return p->plen + p->hlen * p->nsegs;
}

#define L24(f, v) MLX5_SET(fte_match_set_lyr_2_4, h, f, v)
/* the headers from d on into h and o; returns where the L4 header is */
static u8 *headers(struct cx_pkt *p, u8 *d, void *h, struct cx_l3 *o)
{
	u8 *end = p->data + p->hlen, *l3 = d + ETH_HLEN, *l4 = NULL;
	u16 et = get_unaligned_be16(d + 12);
	bool outer = o == &p->out;

	o->l3off = o->l4off = o->l4proto = 0;
	memcpy(MLX5_ADDR_OF(fte_match_set_lyr_2_4, h, dmac_47_16), d, ETH_ALEN);
	memcpy(MLX5_ADDR_OF(fte_match_set_lyr_2_4, h, smac_47_16), d + ETH_ALEN, ETH_ALEN);
	if (eth_type_vlan(htons(et)) && l3 + 4 <= end) {
		u16 tci = get_unaligned_be16(l3);

		if (et == ETH_P_8021Q)
			L24(cvlan_tag, 1);
		else
			L24(svlan_tag, 1);
		L24(first_vid, tci & VLAN_VID_MASK);
		L24(first_cfi, tci >> 12 & 1);
		L24(first_prio, tci >> VLAN_PRIO_SHIFT);
		et = get_unaligned_be16(l3 + 2);
		l3 += 4;
		if (eth_type_vlan(htons(et)) && l3 + 4 <= end) {
			void *m = MLX5_ADDR_OF(fte_match_param, p->mp, misc_parameters);

			tci = get_unaligned_be16(l3);
			if (outer) {
				MLX5_SET(fte_match_set_misc, m, outer_second_cvlan_tag, 1);
				MLX5_SET(fte_match_set_misc, m, outer_second_vid, tci & VLAN_VID_MASK);
				MLX5_SET(fte_match_set_misc, m, outer_second_cfi, tci >> 12 & 1);
				MLX5_SET(fte_match_set_misc, m, outer_second_prio, tci >> VLAN_PRIO_SHIFT);
			} else {
				MLX5_SET(fte_match_set_misc, m, inner_second_cvlan_tag, 1);
				MLX5_SET(fte_match_set_misc, m, inner_second_vid, tci & VLAN_VID_MASK);
				MLX5_SET(fte_match_set_misc, m, inner_second_cfi, tci >> 12 & 1);
				MLX5_SET(fte_match_set_misc, m, inner_second_prio, tci >> VLAN_PRIO_SHIFT);
			}
			et = get_unaligned_be16(l3 + 2);
			l3 += 4;
		}
	}
	L24(ethertype, et);
	if (et == ETH_P_IP && l3 + 20 <= end && (l3[0] >> 4) == 4 && (l3[0] & 15) >= 5) {
		struct iphdr *ip = (void *)l3;

		o->v6 = false;
		L24(ip_version, 4);
		L24(ip_dscp, ip->tos >> 2);
		L24(ip_ecn, ip->tos & 3);
		L24(ttl_hoplimit, ip->ttl);
		L24(frag, ip_is_fragment(ip));
		memcpy(MLX5_ADDR_OF(fte_match_set_lyr_2_4, h, src_ipv4_src_ipv6.ipv4_layout.ipv4), &ip->saddr, 4);
		memcpy(MLX5_ADDR_OF(fte_match_set_lyr_2_4, h, dst_ipv4_dst_ipv6.ipv4_layout.ipv4), &ip->daddr, 4);
		o->l4proto = ip->protocol;
		if (!(ip->frag_off & htons(IP_OFFSET)))
			l4 = l3 + ip->ihl * 4;
	} else if (et == ETH_P_IPV6 && l3 + 40 <= end) {
		struct ipv6hdr *ip = (void *)l3;

		o->v6 = true;
		L24(ip_version, 6);
		L24(ip_dscp, get_unaligned_be16(l3) >> 6 & 0x3f);
		L24(ip_ecn, get_unaligned_be16(l3) >> 4 & 3);
		L24(ttl_hoplimit, ip->hop_limit);
		memcpy(MLX5_ADDR_OF(fte_match_set_lyr_2_4, h, src_ipv4_src_ipv6), &ip->saddr, 16);
		memcpy(MLX5_ADDR_OF(fte_match_set_lyr_2_4, h, dst_ipv4_dst_ipv6), &ip->daddr, 16);
		o->l4proto = ip->nexthdr;
		l4 = l3 + 40;
	} else {
		return NULL;
	}
	o->l3off = l3 - p->data;
	L24(ip_protocol, o->l4proto);
	if (!l4 || l4 + 8 > end)
		return NULL;
	o->l4off = l4 - p->data;
	switch (o->l4proto) {
	case IPPROTO_ESP:
		if (outer)
			MLX5_SET(fte_match_param, p->mp, misc_parameters.outer_esp_spi, get_unaligned_be32(l4));
		break;
	case IPPROTO_TCP:
		L24(tcp_sport, get_unaligned_be16(l4));
		L24(tcp_dport, get_unaligned_be16(l4 + 2));
		if (l4 + 14 <= end)
			L24(tcp_flags, get_unaligned_be16(l4 + 12) & 0x1ff);
		break;
	case IPPROTO_UDP:
		L24(udp_sport, get_unaligned_be16(l4));
		L24(udp_dport, get_unaligned_be16(l4 + 2));
		break;
	}
	return l4;
}

void cx_parse(struct cx_pkt *p)
{
	void *h = MLX5_ADDR_OF(fte_match_param, p->mp, outer_headers);
	u8 *l4;

	memset(h, 0, MLX5_ST_SZ_BYTES(fte_match_set_lyr_2_4));
	MLX5_SET(fte_match_param, p->mp, misc_parameters.outer_esp_spi, 0);
	memset((u8 *)MLX5_ADDR_OF(fte_match_param, p->mp, misc_parameters) + 8, 0, 16);	/* second tags, GRE, VXLAN */
	if (p->tun)
		cx_tunnel_forget(p);
	l4 = headers(p, p->data, h, &p->out);
	if (l4 && !MLX5_GET(fte_match_set_lyr_2_4, h, frag) && cx_tunnel_find(p, l4, p->data + p->hlen))
		headers(p, p->data + p->tun, MLX5_ADDR_OF(fte_match_param, p->mp, inner_headers), &p->in);
}

/* whether cx_parse() takes a packet's headers apart so far that the mask can be matched */
bool cx_matchable(const u64 *mask, u8 crit)
{
	const void *m = MLX5_ADDR_OF(fte_match_param, mask, misc_parameters);
	int i;

	for (i = MLX5_BYTE_OFF(fte_match_param, misc_parameters_3) / 8; i < CX_MP_SZ / 8; i++)
		if ((crit >> (i / 8) & 1) && get_unaligned(mask + i))
			return false;
	return !(crit & MLX5_MATCH_MISC_PARAMETERS) ||
	       !(MLX5_GET(fte_match_set_misc, m, geneve_vni) || MLX5_GET(fte_match_set_misc, m, geneve_oam) ||
		 MLX5_GET(fte_match_set_misc, m, geneve_opt_len) || MLX5_GET(fte_match_set_misc, m, geneve_protocol_type) ||
		 MLX5_GET(fte_match_set_misc, m, outer_ipv6_flow_label) ||
		 MLX5_GET(fte_match_set_misc, m, inner_ipv6_flow_label) || MLX5_GET(fte_match_set_misc, m, bth_dst_qp));
}

/* vlan: ethertype << 16 | tci */
void cx_vlan_push(struct cx_pkt *p, u32 vlan)
{
	if (p->data - p->hbuf < VLAN_HLEN)
		return;
	p->data -= VLAN_HLEN;
	p->hlen += VLAN_HLEN;
	memmove(p->data, p->data + VLAN_HLEN, 2 * ETH_ALEN);
	put_unaligned_be32(vlan, p->data + 2 * ETH_ALEN);
	cx_parse(p);
}

void cx_vlan_pop(struct cx_pkt *p)
{
	if (p->hlen < VLAN_ETH_HLEN || !eth_type_vlan((__force __be16)get_unaligned((u16 *)(p->data + 12))))
		return;
	memmove(p->data + VLAN_HLEN, p->data, 2 * ETH_ALEN);
	p->data += VLAN_HLEN;
	p->hlen -= VLAN_HLEN;
	cx_parse(p);
}

/* bytes that come into a frame or go: INSERT_HDR and REMOVE_HDR */
bool cx_is_edit(const struct cx_obj *rf)
{
	return rf && (rf->rf.type == MLX5_REFORMAT_TYPE_INSERT_HDR || rf->rf.type == MLX5_REFORMAT_TYPE_REMOVE_HDR);
}

/* false: the packet is dropped, as it is too short, or there is no room */
bool cx_edit(const struct cx_obj *rf, struct cx_pkt *p)
{
	u32 n = rf->rf.len, at = rf->rf.at;
	u8 *was = p->data;

	if (rf->rf.type == MLX5_REFORMAT_TYPE_INSERT_HDR) {
		if (p->data - p->hbuf < n || p->hlen < at)
			return false;
		p->data -= n;
		p->hlen += n;
		memmove(p->data, was, at);
		memcpy(p->data + at, rf->rf.data, n);
	} else {
		if (p->hlen < at + n || p->hlen < n + ETH_HLEN)
			return false;
		p->data += n;
		p->hlen -= n;
		memmove(p->data, was, at);
	}
	cx_parse(p);
	return true;
}
