// SPDX-License-Identifier: GPL-2.0
/*
 * ESP packets. With crypto offload the driver builds headers and trailers, and the card encrypts; with packet offload
 * the card builds and removes them too (packet reformat contexts).
 */
#include "ipsec.h"
#include <linux/ip.h>
#include <linux/tcp.h>
#include <net/checksum.h>
#include <net/ip6_checksum.h>

#define ESP_MIN	(ESP_HDR + 2 + ESP_ICV)

enum { SYND_OK, SYND_AUTH, SYND_TRAILER };	/* ipsec_syndrome */

int cx_reformat_alloc(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	void *c = MLX5_ADDR_OF(alloc_packet_reformat_context_in, in, packet_reformat_context);
	u8 *data = MLX5_ADDR_OF(packet_reformat_context_in, c, reformat_data);
	u32 n = MLX5_GET(packet_reformat_context_in, c, reformat_data_size), want = 0;
	u8 type = MLX5_GET(packet_reformat_context_in, c, reformat_type);
	struct cx_obj *o;

	switch (type) {
	case MLX5_REFORMAT_TYPE_L2_TO_VXLAN: case MLX5_REFORMAT_TYPE_L2_TO_NVGRE: case MLX5_REFORMAT_TYPE_L2_TO_L2_TUNNEL:
		want = ETH_HLEN + 20 + 4;
		break;
	case MLX5_REFORMAT_TYPE_ADD_ESP_TRANSPORT_OVER_IPV4: case MLX5_REFORMAT_TYPE_ADD_ESP_TRANSPORT_OVER_IPV6:
		want = ESP_HDR;
		break;
	case MLX5_REFORMAT_TYPE_L2_TO_L3_ESP_TUNNEL:
		want = ETH_HLEN + 20 + ESP_HDR;
		break;
	case MLX5_REFORMAT_TYPE_L3_ESP_TUNNEL_TO_L2:
		want = ETH_HLEN;
		break;
	case MLX5_REFORMAT_TYPE_DEL_ESP_TRANSPORT:
		break;
	case MLX5_REFORMAT_TYPE_INSERT_HDR: case MLX5_REFORMAT_TYPE_REMOVE_HDR:
		if (!n || n > CX_MAX_EDIT || MLX5_GET(packet_reformat_context_in, c, reformat_param_1) > CX_MAX_EDIT ||
		    MLX5_GET(packet_reformat_context_in, c, reformat_param_0) != MLX5_REFORMAT_CONTEXT_ANCHOR_MAC_START)
			return MLX5_CMD_STAT_BAD_PARAM_ERR;
		break;
	default:
		pr_info_once("connectx_emu: packet reformat of type %u is not supported\n", type);
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	}
	if (n < want || n > sizeof(o->rf.data) || data + n > (u8 *)in + inlen)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	if (type <= MLX5_REFORMAT_TYPE_L2_TO_L2_TUNNEL && !cx_tunnel_header(f, data, n))
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	o = cx_obj_new(f, CX_O_REFORMAT, cx_new_id(f));
	if (!o)
		return MLX5_CMD_STAT_NO_RES_ERR;
	o->rf.type = type;
	o->rf.len = n;
	o->rf.at = MLX5_GET(packet_reformat_context_in, c, reformat_param_1);
	memcpy(o->rf.data, data, n);
	MLX5_SET(alloc_packet_reformat_context_out, out, packet_reformat_id, o->id);
	return 0;
}

static u32 ip_len(const u8 *l3, bool v6)
{
	return v6 ? 40 + get_unaligned_be16(l3 + 4) : get_unaligned_be16(l3 + 2);
}

/* the header's own checksum is made on delivery */
static void ip_change(struct cx_pkt *p, u8 *l3, int more, u8 proto)
{
	if (p->v6) {
		put_unaligned_be16(get_unaligned_be16(l3 + 4) + more, l3 + 4);
		l3[6] = proto;
	} else {
		put_unaligned_be16(get_unaligned_be16(l3 + 2) + more, l3 + 2);
		l3[9] = proto;
		p->l3csum = true;
	}
}

/* checksums inside a payload that is about to be encrypted, where the driver left them to the card */
static void payload_sums(struct cx_pkt *p, u8 *b, u32 n, u8 proto)
{
	u8 *l3 = p->data + p->l3off;
	bool v6 = p->v6;
	__wsum w;
	int co;

	if (proto == IPPROTO_IPIP || proto == IPPROTO_IPV6) {
		u32 hl = proto == IPPROTO_IPV6 ? 40 : (b[0] & 15) * 4;

		if (hl < 20 || n < hl)
			return;
		l3 = b;
		v6 = proto == IPPROTO_IPV6;
		if (!v6) {
			struct iphdr *ip = (void *)b;

			ip->check = 0;
			ip->check = ip_fast_csum(ip, ip->ihl);
		}
		proto = v6 ? b[6] : b[9];
		b += hl;
		n -= hl;
	}
	co = proto == IPPROTO_TCP ? 16 : proto == IPPROTO_UDP ? 6 : 0;
	if (!(p->l4csum || p->inner_csum) || !co || n < co + 2)
		return;
	put_unaligned(0, (u16 *)(b + co));
	w = csum_partial(b, n, 0);
	w = (__force __wsum)(v6 ? csum_ipv6_magic((void *)(l3 + 8), (void *)(l3 + 24), n, proto, w) :
		csum_tcpudp_magic(get_unaligned((__be32 *)(l3 + 12)), get_unaligned((__be32 *)(l3 + 16)), n, proto, w));
	if (!(__force u16)w && proto == IPPROTO_UDP)
		w = (__force __wsum)CSUM_MANGLED_0;
	put_unaligned((__force u16)w, (u16 *)(b + co));
}

/* padding, its length and the next header, and room for the ICV; returns the length of all */
static u32 trailer(u8 *b, u32 len, u8 next)
{
	u32 pad = -(len + 2) & 3, i;

	for (i = 0; i < pad; i++)
		b[i] = i + 1;
	b[pad] = pad;
	b[pad + 1] = next;
	return pad + 2 + ESP_ICV;
}

/* what follows byte off of the packet into the SA's buffer, as the packet's only fragment: n bytes of it, without padding */
static bool take(struct cx_sa *s, struct cx_pkt *p, u32 off, u32 n)
{
	u32 have = p->hlen - off;

	if (off > p->hlen || n > have + p->plen || n > ESP_BUF - 64)
		return false;
	memcpy(s->buf, p->data + off, have);
	if (!cx_linear(p, s->buf + have, ESP_BUF - have))
		return false;
	p->hlen = off;
	p->frag[0] = (struct cx_frag){ s->buf, n };
	p->nfrag = 1;
	p->plen = n;
	return true;
}

/* n bytes between ESP header and ICV; true: encrypted, or authentic */
static bool crypt(struct cx_sa *s, const u8 *esp, u8 *b, u32 n, u32 hi, bool enc)
{
	u8 aad[12], tag[ESP_ICV];
	struct cx_gcm_run run;
	int alen = s->esn ? 12 : 8;

	memcpy(aad, esp, 4);
	put_unaligned_be32(hi, aad + 4);
	memcpy(aad + alen - 4, esp + 4, 4);
	cx_gcm_start(s->gcm, &run, s->salt, esp + 8, aad, alen);
	cx_gcm_crypt(s->gcm, &run, b, n, enc);
	cx_gcm_tag(s->gcm, &run, enc ? b + n : tag);
	if (enc)
		b[n] ^= cx_fault_take(&cx_faults.wrong_icv);
	return enc || cx_faults.no_encrypt || !crypto_memneq(tag, b + n, ESP_ICV);
}

/* the ESP header of packet offload goes in front of the payload, which takes the trailer; false: the packet is dropped */
static bool add(struct cx_obj *o, struct cx_obj *rf, struct cx_pkt *p)
{
	bool tunnel = rf->rf.type == MLX5_REFORMAT_TYPE_L2_TO_L3_ESP_TUNNEL;
	u32 end, n, t, seq, hi;
	struct cx_sa *s = o->sa;
	u8 *l3 = p->data + p->l3off, next, *esp;

	if (!p->l3off)
		return false;
	end = tunnel ? p->l3off : p->l3off + (p->v6 ? 40 : (l3[0] & 15) * 4);
	next = tunnel ? (p->v6 ? IPPROTO_IPV6 : IPPROTO_IPIP) : p->l4proto;
	n = ip_len(l3, p->v6) - (end - p->l3off);
	if (!take(s, p, end, n) || !cx_sa_next(o, &seq))
		return false;
	payload_sums(p, s->buf, n, next);
	t = trailer(s->buf + n, n, next);
	if (tunnel) {
		memcpy(p->data, rf->rf.data, rf->rf.len);
		p->hlen = rf->rf.len;
		p->l3off = ETH_HLEN;
		p->v6 = get_unaligned_be16(p->data + 12) == ETH_P_IPV6;
		ip_change(p, p->data + ETH_HLEN, (p->v6 ? 0 : 20) + ESP_HDR + n + t, IPPROTO_ESP);
	} else {
		memcpy(p->data + end, rf->rf.data, rf->rf.len);
		p->hlen = end + rf->rf.len;
		ip_change(p, p->data + p->l3off, ESP_HDR + t, IPPROTO_ESP);
	}
	esp = p->data + p->hlen - ESP_HDR;
	hi = cx_sa_seq_hi(s, seq);
	put_unaligned_be32(seq, esp + 4);
	put_unaligned_be32(hi, esp + 8);
	put_unaligned_be32(seq, esp + 12);
	crypto_xor(esp + 8, s->iv, 8);
	crypt(s, esp, s->buf, n + t - ESP_ICV, hi, true);
	p->frag[0].len = p->plen = n + t;
	return true;
}

/* the packet has its ESP header; the number's high word is in the IV, where the driver puts it */
static bool encrypt_in_place(struct cx_sa *s, struct cx_pkt *p)
{
	u32 esp = p->l4off, n;
	u8 *b = s->buf, pad;

	if (!esp || p->l4proto != IPPROTO_ESP || esp + ESP_HDR > p->hlen)
		return false;
	n = ip_len(p->data + p->l3off, p->v6) - (esp - p->l3off);
	if (n < ESP_MIN || n > SZ_64K || !take(s, p, esp + ESP_HDR, n - ESP_HDR))
		return false;
	n -= ESP_HDR + ESP_ICV;
	pad = b[n - 2];
	if (pad + 2 <= n)
		payload_sums(p, b, n - 2 - pad, b[n - 1]);
	return crypt(s, p->data + esp, b, n, get_unaligned_be32(p->data + esp + 8), true);
}

/* false: the packet is dropped */
bool cx_esp_encrypt(struct cx_func *f, struct cx_fte *e, struct cx_pkt *p)
{
	struct cx_obj *o = cx_obj(f, CX_O_IPSEC, e->crypt), *rf = NULL;

	if (e->action & MLX5_FLOW_CONTEXT_ACTION_PACKET_REFORMAT) {
		rf = cx_obj(f, CX_O_REFORMAT, e->reformat);
		if (!rf)
			return false;
	}
	if (!o || !(rf ? add(o, rf, p) : encrypt_in_place(o->sa, p)))
		return false;
	p->l4csum = p->inner_csum = false;
	cx_pull(p);
	cx_parse(p);
	return true;
}

/* headers and trailer of a decrypted packet go; n: what was encrypted */
static bool del(struct cx_obj *rf, struct cx_pkt *p, u8 *b, u32 n)
{
	u32 pad = b[n - 2], gone;
	u8 next = b[n - 1];

	if (pad + 2 > n)
		return false;
	n -= pad + 2;
	gone = ESP_HDR + pad + 2 + ESP_ICV;
	p->frag[0].len = p->plen = n;
	p->nfrag = n ? 1 : 0;
	if (rf->rf.type == MLX5_REFORMAT_TYPE_DEL_ESP_TRANSPORT) {
		p->hlen -= ESP_HDR;
		ip_change(p, p->data + p->l3off, -(int)gone, next);
		return true;
	}
	if (next != IPPROTO_IPIP && next != IPPROTO_IPV6)
		return false;
	memcpy(p->data, rf->rf.data, ETH_HLEN);
	put_unaligned_be16(next == IPPROTO_IPIP ? ETH_P_IP : ETH_P_IPV6, p->data + 12);
	p->hlen = ETH_HLEN;
	return true;
}

/* sets the registers by which the following tables know what became of it */
void cx_esp_decrypt(struct cx_func *f, struct cx_fte *e, struct cx_pkt *p)
{
	void *m = MLX5_ADDR_OF(fte_match_param, p->mp, misc_parameters_2);
	struct cx_obj *o = cx_obj(f, CX_O_IPSEC, e->crypt), *rf = cx_obj(f, CX_O_REFORMAT, e->reformat);
	u32 esp = p->l4off, n, seq;
	struct cx_sa *s;

	*cx_ipsec_syndrome(m) = SYND_TRAILER;
	if (!o || !esp || p->l4proto != IPPROTO_ESP || esp + ESP_HDR > p->hlen)
		return;
	s = o->sa;
	n = ip_len(p->data + p->l3off, p->v6) - (esp - p->l3off);
	if (n < ESP_MIN || n > SZ_64K || !take(s, p, esp + ESP_HDR, n - ESP_HDR))
		return;
	n -= ESP_HDR + ESP_ICV;
	seq = get_unaligned_be32(p->data + esp + 4);
	p->l4csum = false;
	if (!crypt(s, p->data + esp, s->buf, n, cx_sa_seq_hi(s, seq), false)) {
		*cx_ipsec_syndrome(m) = SYND_AUTH;
		cx_dbg(1, "f%d IPsec object %x: number %u:%u is not authentic\n", f->idx, o->id, cx_sa_seq_hi(s, seq), seq);
		cx_pull(p);
		return;
	}
	if (s->full)
		MLX5_SET(fte_match_set_misc2, m, metadata_reg_c_4, cx_sa_received(o, seq));
	if ((e->action & MLX5_FLOW_CONTEXT_ACTION_PACKET_REFORMAT) && (!rf || !del(rf, p, s->buf, n)))
		return;
	*cx_ipsec_syndrome(m) = SYND_OK;
	cx_pull(p);
	cx_parse(p);
}

/* segment i of a large packet that is to be encrypted, as a packet of its own; NULL: no memory */
struct cx_pkt *cx_esp_segment(struct cx_pkt *p, u32 i)
{
	static u8 tail[4 + 2 + ESP_ICV];
	u32 off = i * p->mss, n = min(p->mss, p->plen - off), k, skip = off, left = n, add = 0;
	struct cx_pkt *q = cx_pkt_dup(p);
	u8 *esp, *l4, proto = p->l4proto;

	if (!q)
		return NULL;
	q->nfrag = 0;
	q->plen = n;
	for (k = 0; k < p->nfrag && left; k++) {
		u32 s = min(skip, p->frag[k].len), m = min(left, p->frag[k].len - s);

		skip -= s;
		left -= m;
		if (m)
			q->frag[q->nfrag++] = (struct cx_frag){ p->frag[k].p + s, m };
	}
	q->mss = 0;
	q->nsegs = 1;
	q->l3csum = true;
	l4 = q->data + q->l4off;
	if (p->l4proto == IPPROTO_ESP) {
		bool in6 = p->esp_next == IPPROTO_IPV6;

		esp = l4;
		l4 += ESP_HDR;
		proto = p->esp_next;
		if (in6 || proto == IPPROTO_IPIP) {
			cx_seg_ip(l4, in6, q->data + q->hlen - l4 + n, i);
			proto = l4[in6 ? 6 : 9];
			l4 += in6 ? 40 : (l4[0] & 15) * 4;
		}
		put_unaligned_be32(get_unaligned_be32(esp + 4) + i, esp + 4);
		put_unaligned_be64(get_unaligned_be64(esp + 8) + i, esp + 8);
		add = trailer(tail, q->data + q->hlen - esp - ESP_HDR + n, p->esp_next);
		if (q->nfrag < CX_FRAGS)
			q->frag[q->nfrag++] = (struct cx_frag){ tail, add };
		q->plen += add;
	}
	cx_seg_ip(q->data + q->l3off, q->v6, q->hlen + n + add - q->l3off, i);
	if (proto == IPPROTO_TCP && l4 + sizeof(struct tcphdr) <= q->data + q->hlen)
		cx_seg_tcp(l4, i, off, off + n == p->plen);
	return q;
}
