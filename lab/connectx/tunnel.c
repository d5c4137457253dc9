// SPDX-License-Identifier: GPL-2.0
/* Tunnels that carry Ethernet, VXLAN and GRE: what of them can be matched, adding and removing their headers, UDP ports. */
#include "connectx.h"
#include <linux/jhash.h>
#include <net/vxlan.h>

#define GRE_C		0x8000
#define GRE_K		0x2000
#define GRE_S		0x1000
#define GRE_OTHER	0x4fff		/* routing, flags that are reserved, version */
#define ENTROPY_BASE	0xc000		/* UDP source ports of what is encapsulated are 14 bits from here on */

/* the inner headers are where p->tun says; b: what is behind the outer IP header */
bool cx_tunnel_find(struct cx_pkt *p, u8 *b, u8 *end)
{
	void *m = MLX5_ADDR_OF(fte_match_param, p->mp, misc_parameters);
	u8 *in;
	u16 fl;
	int i;

	switch (p->l4proto) {
	case IPPROTO_UDP:
		in = b + sizeof(struct udphdr) + sizeof(struct vxlanhdr);
		for (i = 0; p->port && i < CX_VXLAN_PORTS; i++)
			if (p->port->vxlan[i] && p->port->vxlan[i] == get_unaligned_be16(b + 2))
				break;
		if (!p->port || i == CX_VXLAN_PORTS || in + ETH_HLEN > end || !(b[8] & 0x08))
			return false;
		MLX5_SET(fte_match_set_misc, m, vxlan_vni, get_unaligned_be32(b + 12) >> 8);
		break;
	case IPPROTO_GRE:
		fl = get_unaligned_be16(b);
		in = b + 4 + 4 * hweight16(fl & (GRE_C | GRE_K | GRE_S));
		if (fl & GRE_OTHER || in + ETH_HLEN > end || get_unaligned_be16(b + 2) != ETH_P_TEB)
			return false;
		MLX5_SET(fte_match_set_misc, m, gre_c_present, !!(fl & GRE_C));
		MLX5_SET(fte_match_set_misc, m, gre_k_present, !!(fl & GRE_K));
		MLX5_SET(fte_match_set_misc, m, gre_s_present, !!(fl & GRE_S));
		MLX5_SET(fte_match_set_misc, m, gre_protocol, ETH_P_TEB);
		if (fl & GRE_K)
			MLX5_SET(fte_match_set_misc, m, gre_key.key, get_unaligned_be32(b + (fl & GRE_C ? 8 : 4)));
		break;
	default:
		return false;
	}
	p->tun = in - p->data;
	return true;
}

/* what an earlier tunnel of the packet left in the match parameters */
void cx_tunnel_forget(struct cx_pkt *p)
{
	void *m = MLX5_ADDR_OF(fte_match_param, p->mp, misc_parameters);

	p->tun = 0;
	memset(&p->in, 0, sizeof(p->in));
	memset(MLX5_ADDR_OF(fte_match_param, p->mp, inner_headers), 0, MLX5_ST_SZ_BYTES(fte_match_set_lyr_2_4));
	MLX5_SET(fte_match_set_misc, m, gre_c_present, 0);
	MLX5_SET(fte_match_set_misc, m, gre_k_present, 0);
	MLX5_SET(fte_match_set_misc, m, gre_s_present, 0);
}

/* lengths of the headers at h of a tunnel's packet of len bytes; segment i of it */
void cx_tunnel_len(const struct cx_pkt *p, u8 *h, u32 len, u32 i)
{
	cx_seg_ip(h + p->l3off, p->v6, len - p->l3off, i);
	if (p->l4proto == IPPROTO_UDP)
		put_unaligned_be16(len - p->l4off, h + p->l4off + 4);
}

bool cx_is_encap(const struct cx_obj *rf)
{
	return rf && rf->rf.type <= MLX5_REFORMAT_TYPE_L2_TO_L2_TUNNEL;
}

/* false: the packet is dropped */
bool cx_encap(struct cx_obj *rf, struct cx_pkt *p)
{
	u8 *h = MLX5_ADDR_OF(fte_match_param, p->mp, outer_headers);
	u32 hash;

	/* there is one set of inner headers of which the checksums can be left to the card */
	if (!cx_is_encap(rf) || p->data - p->hbuf < rf->rf.len || (p->tun && (p->inner_csum || p->in_l3csum || p->mss)))
		return false;
	hash = jhash(h, MLX5_ST_SZ_BYTES(fte_match_set_lyr_2_4), 0);
	p->data -= rf->rf.len;
	p->hlen += rf->rf.len;
	memcpy(p->data, rf->rf.data, rf->rf.len);
	p->in_l3csum = p->l3csum;
	p->inner_csum = p->l4csum;
	p->l3csum = true;
	p->l4csum = false;
	cx_parse(p);
	if (!p->l3off || !p->l4off)
		return false;
	cx_tunnel_len(p, p->data, p->hlen + p->plen, 0);
	if (p->l4proto == IPPROTO_UDP) {
		put_unaligned_be16(ENTROPY_BASE | (hash & 0x3fff), p->data + p->l4off);
		cx_parse(p);
	}
	return true;
}

bool cx_decap(struct cx_pkt *p)
{
	if (!p->tun)
		return false;
	p->hlen -= p->tun;
	memmove(p->hbuf + CX_HEADROOM, p->data + p->tun, p->hlen);
	p->data = p->hbuf + CX_HEADROOM;
	p->l3csum = p->in_l3csum;
	p->l4csum = p->inner_csum;
	p->in_l3csum = p->inner_csum = false;
	if (!p->mss)
		cx_pull(p);
	cx_parse(p);
	return true;
}

void cx_vxlan_reset(struct cx_port *pt)
{
	memset(pt->vxlan, 0, sizeof(pt->vxlan));
	pt->vxlan[0] = IANA_VXLAN_UDP_PORT;
}

int cx_vxlan_cmd(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	u16 port = MLX5_GET(add_vxlan_udp_dport_in, in, vxlan_udp_port);
	bool add = MLX5_GET(mbox_in, in, opcode) == MLX5_CMD_OP_ADD_VXLAN_UDP_DPORT;
	u16 *v = cx_ports[f->pf].vxlan;
	int i, room = -1;

	if (f->is_vf || !port)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	for (i = 0; i < CX_VXLAN_PORTS; i++) {
		if (v[i] == port) {	/* the IANA's is there from the start */
			v[i] = add ? port : 0;
			return 0;
		}
		if (!v[i])
			room = i;
	}
	if (!add)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	if (room < 0)
		return MLX5_CMD_STAT_NO_RES_ERR;
	v[room] = port;
	return 0;
}
