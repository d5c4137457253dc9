// SPDX-License-Identifier: GPL-2.0
/* ESP with AES-GCM, for the crypto actions of flow entries (crypto offload; the driver builds headers and trailers). */
#include "connectx.h"
#include <crypto/utils.h>
#include <linux/ip.h>
#include <net/ip6_checksum.h>

#define ESP_IV	8			/* after SPI and sequence number */
#define ESP_HDR	16
#define ICV	16
#define BUF	SZ_64K

struct cx_sa {
	struct cx_gcm *gcm;
	u8 salt[4];
	bool esn;
	u32 esn_msb;
	u8 *buf;
};

int cx_ipsec_create(struct cx_func *f, struct cx_obj *o, void *in)
{
	void *c = MLX5_ADDR_OF(create_ipsec_obj_in, in, ipsec_object);
	struct cx_obj *dek = cx_obj(f, CX_O_DEK, MLX5_GET(ipsec_obj, c, dekn));
	struct cx_sa *s;

	if (!dek || MLX5_GET(ipsec_obj, c, full_offload))
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return MLX5_CMD_STAT_NO_RES_ERR;
	o->sa = s;
	s->gcm = cx_gcm_new(dek->dek.key, dek->dek.len);
	s->buf = kvmalloc(BUF, GFP_KERNEL);
	if (!s->gcm || !s->buf)
		return MLX5_CMD_STAT_NO_RES_ERR;
	memcpy(s->salt, MLX5_ADDR_OF(ipsec_obj, c, salt), 4);
	s->esn = MLX5_GET(ipsec_obj, c, esn_en);
	s->esn_msb = MLX5_GET(ipsec_obj, c, esn_msb);
	cx_dbg(1, "f%d IPsec object %x: key of %d bits, esn %d\n", f->idx, o->id, dek->dek.len * 8, s->esn);
	return 0;
}

/* the driver moves the high half of the sequence number on */
int cx_ipsec_modify(struct cx_obj *o, void *in)
{
	void *c = MLX5_ADDR_OF(create_ipsec_obj_in, in, ipsec_object);

	o->sa->esn_msb = MLX5_GET(ipsec_obj, c, esn_msb);
	return 0;
}

void cx_ipsec_free(struct cx_obj *o)
{
	if (!o->sa)
		return;
	cx_gcm_free(o->sa->gcm);
	kvfree(o->sa->buf);
	kfree_sensitive(o->sa);
}

/* the transport header inside a payload that is about to be encrypted */
static void inner_csum(struct cx_pkt *p, u8 *b, u32 n)
{
	u8 *l3 = p->data + p->l3off, proto = b[n - 1], pad = b[n - 2];
	int co = proto == IPPROTO_TCP ? 16 : proto == IPPROTO_UDP ? 6 : 0;
	u32 m = n - 2 - min_t(u32, pad, n - 2);
	__wsum w;

	if (!co || m < co + 2)
		return;
	put_unaligned(0, (u16 *)(b + co));
	w = csum_partial(b, m, 0);
	put_unaligned((__force u16)(p->v6 ?
		csum_ipv6_magic((void *)l3 + 8, (void *)l3 + 24, m, proto, w) :
		csum_tcpudp_magic(((struct iphdr *)l3)->saddr, ((struct iphdr *)l3)->daddr, m, proto, w)),
		(u16 *)(b + co));
}

/* 0: done; 1: authentication failed; -1: not an ESP packet or no such SA. The packet becomes headers plus one buffer. */
int cx_ipsec_crypt(struct cx_func *f, u32 id, struct cx_pkt *p, bool enc)
{
	struct cx_obj *o = cx_obj(f, CX_O_IPSEC, id);
	u32 esp = p->l4off, n, have, alen = 8;
	u8 aad[12], tag[ICV], *b;
	struct cx_gcm_run run;
	struct cx_sa *s;
	int ret = 0;

	if (!o || !esp || p->l4proto != IPPROTO_ESP || p->mss || esp + ESP_HDR > p->hlen)
		return -1;
	s = o->sa;
	have = p->hlen - esp - ESP_HDR + p->plen;
	n = (p->v6 ? 40 + get_unaligned_be16(p->data + p->l3off + 4) : get_unaligned_be16(p->data + p->l3off + 2)) -
	    (esp - p->l3off) - ESP_HDR;
	if (n > have || n < ICV + 2 || n > BUF - CX_HDR)
		return -1;
	/* what follows the ESP header, in one piece; padding of the frame is left out */
	b = s->buf;
	have = p->hlen - esp - ESP_HDR;
	memcpy(b, p->data + esp + ESP_HDR, have);
	if (!cx_linear(p, b + have, BUF - have))
		return -1;
	p->hlen = esp + ESP_HDR;
	p->frag[0] = (struct cx_frag){ b, n };
	p->nfrag = 1;
	p->plen = n;
	n -= ICV;

	memcpy(aad, p->data + esp, 4);
	if (s->esn) {
		put_unaligned_be32(s->esn_msb, aad + 4);
		alen = 12;
	}
	memcpy(aad + alen - 4, p->data + esp + 4, 4);
	if (enc && p->inner_csum)
		inner_csum(p, b, n);
	cx_gcm_start(s->gcm, &run, s->salt, p->data + esp + 8, aad, alen);
	cx_gcm_crypt(s->gcm, &run, b, n, enc);
	cx_gcm_tag(s->gcm, &run, tag);
	if (enc)
		memcpy(b + n, tag, ICV);
	else
		ret = crypto_memneq(tag, b + n, ICV) ? 1 : 0;
	p->l4csum = false;
	cx_pull(p);
	return ret;
}
