// SPDX-License-Identifier: GPL-2.0
/* Delivery: a packet is copied once, from the sender's pages to the receiver's, cut into segments and summed on the way. */
#include "connectx.h"
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include <net/checksum.h>
#include <net/ip6_checksum.h>

#define MAX_IOV 16

struct cursor { const struct cx_iov *v; int nv; u32 off; };

static void skip(struct cursor *c, u32 n)
{
	while (n && c->nv) {
		u32 k = min(n, c->v->len - c->off);

		c->off += k;
		n -= k;
		if (c->off == c->v->len) {
			c->v++;
			c->nv--;
			c->off = 0;
		}
	}
}

/* copies to the cursor; returns the sum as if pos bytes came before */
static __wsum put(struct cursor *c, const u8 *src, u32 n, __wsum sum, u32 pos)
{
	while (n && c->nv) {
		u32 k = min(n, c->v->len - c->off);

		sum = csum_block_add(sum, csum_partial_copy_nocheck(src, c->v->p + c->off, k), pos);
		src += k;
		pos += k;
		n -= k;
		skip(c, k);
	}
	return sum;
}

/* of headers at h: folded with the pseudo header; 0 where the checksum is in it and right */
__sum16 cx_l4_sum(const struct cx_l3 *l, u8 *h, u32 l4len, __wsum sum)
{
	if (l->v6) {
		struct ipv6hdr *ip = (void *)(h + l->l3off);

		return csum_ipv6_magic(&ip->saddr, &ip->daddr, l4len, l->l4proto, sum);
	} else {
		struct iphdr *ip = (void *)(h + l->l3off);

		return csum_tcpudp_magic(ip->saddr, ip->daddr, l4len, l->l4proto, sum);
	}
}

static void l3_fill(const struct cx_l3 *l, u8 *h)
{
	struct iphdr *ip = (void *)(h + l->l3off);

	if (!l->l3off || l->v6)
		return;
	ip->check = 0;
	ip->check = ip_fast_csum(ip, ip->ihl);
}

/* of hlen bytes of headers and n with the sum psum after them */
static void l4_fill(const struct cx_l3 *l, u8 *h, u32 hlen, u32 n, __wsum psum)
{
	int co = l->l4proto == IPPROTO_TCP ? 16 : l->l4proto == IPPROTO_UDP ? 6 : 0;
	u32 hl = hlen - l->l4off, ipl;
	__wsum sum;
	__sum16 c;

	if (!l->l4off || !co || l->l4off + co + 2 > hlen)
		return;
	ipl = l->v6 ? get_unaligned_be16(h + l->l3off + 4) + 40 : get_unaligned_be16(h + l->l3off + 2);
	put_unaligned(0, (u16 *)(h + l->l4off + co));
	/* an Ethernet trailer (padding) is not part of the sum; it is zero */
	sum = csum_block_add(csum_partial(h + l->l4off, hl, 0), psum, hl);
	c = cx_l4_sum(l, h, min(hl + n, ipl - (l->l4off - l->l3off)), sum);
	if (!c && l->l4proto == IPPROTO_UDP)
		c = CSUM_MANGLED_0;
	put_unaligned((__force u16)c, (u16 *)(h + l->l4off + co));
}

/* the IP header of segment i: len bytes from here on */
void cx_seg_ip(u8 *l3, bool v6, u32 len, u32 i)
{
	if (v6) {
		put_unaligned_be16(len - 40, l3 + 4);
	} else {
		put_unaligned_be16(len, l3 + 2);
		put_unaligned_be16(get_unaligned_be16(l3 + 4) + i, l3 + 4);
	}
}

void cx_seg_tcp(u8 *l4, u32 i, u32 off, bool last)
{
	struct tcphdr *th = (void *)l4;

	th->seq = htonl(ntohl(th->seq) + off);
	if (!last)
		th->fin = th->psh = 0;
	if (i)
		th->cwr = 0;
}

/* lengths, sequence number and flags of segment i of a large packet */
static void seg_header(struct cx_pkt *p, u8 *h, u32 i, u32 off, u32 n)
{
	const struct cx_l3 *l = p->tun ? &p->in : &p->out;

	if (p->tun)
		cx_tunnel_len(p, h, p->hlen + n, i);
	cx_seg_ip(h + l->l3off, l->v6, p->hlen + n - l->l3off, i);
	if (l->l4proto == IPPROTO_TCP)
		cx_seg_tcp(h + l->l4off, i, off, off + n == p->plen);
}

static void emit_one(struct cx_pkt *p, struct cx_sink *s, u32 i, u32 off, u32 n, int *fi, u32 *fo)
{
	u8 h[CX_HDR + CX_HEADROOM];
	struct cx_iov v[MAX_IOV];
	struct cursor hc, pc;
	u32 left = n, pos = 0;
	__wsum psum = 0, sum;

	hc = pc = (struct cursor){ .v = v, .nv = s->room(s, v, MAX_IOV, p->hlen + n) };
	if (!hc.nv)
		return;
	skip(&pc, p->hlen);
	while (left && *fi < p->nfrag) {
		struct cx_frag *g = &p->frag[*fi];
		u32 k = min(left, g->len - *fo);

		psum = put(&pc, g->p + *fo, k, psum, pos);
		pos += k;
		left -= k;
		*fo += k;
		if (*fo == g->len) {
			(*fi)++;
			*fo = 0;
		}
	}
	memcpy(h, p->data, p->hlen);
	if (p->mss)
		seg_header(p, h, i, off, n);
	if (p->tun && (p->in_l3csum || p->mss))
		l3_fill(&p->in, h);
	if (p->tun && p->inner_csum)
		l4_fill(&p->in, h, p->hlen, n, psum);
	if (p->l3csum || p->mss)
		l3_fill(&p->out, h);
	if (p->l4csum)
		l4_fill(&p->out, h, p->hlen, n, psum);
	put(&hc, h, p->hlen, 0, 0);
	sum = csum_block_add(csum_partial(h + ETH_HLEN, p->hlen - ETH_HLEN, 0), psum, p->hlen - ETH_HLEN);
	s->done(s, p->hlen + n, sum);
}

void cx_emit(struct cx_pkt *p, struct cx_sink *s)
{
	u32 off = 0, i = 0, fo = 0;
	int fi = 0;

	if (!p->mss || p->plen <= p->mss || !(p->tun ? p->in.l4off : p->l4off)) {
		emit_one(p, s, 0, 0, p->plen, &fi, &fo);
		return;
	}
	while (off < p->plen) {
		u32 n = min(p->mss, p->plen - off);
		int fi2 = fi;
		u32 fo2 = fo, left = n;

		emit_one(p, s, i++, off, n, &fi2, &fo2);
		/* where the next segment starts, also when this one found no room */
		while (left && fi < p->nfrag) {
			u32 k = min(left, p->frag[fi].len - fo);

			left -= k;
			fo += k;
			if (fo == p->frag[fi].len) {
				fi++;
				fo = 0;
			}
		}
		off += n;
	}
}
