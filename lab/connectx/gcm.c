// SPDX-License-Identifier: GPL-2.0
/* AES-GCM, incremental at any byte, by the kernel's AES library and its 4k table for GHASH. */
#include "connectx.h"
#include "compat.h"
#include <crypto/gf128mul.h>
#include <crypto/utils.h>

struct cx_gcm {
	cx_aes aes;
	struct gf128mul_4k *h;
};

struct cx_gcm *cx_gcm_new(const u8 *key, int len)
{
	struct cx_gcm *g = kzalloc(sizeof(*g), GFP_KERNEL);
	be128 h = {};
	u8 z[16] = {};

	if (!g || cx_aes_setkey(&g->aes, key, len))
		goto err;
	aes_encrypt(&g->aes, (u8 *)&h, z);
	g->h = gf128mul_init_4k_lle(&h);
	memzero_explicit(&h, sizeof(h));
	if (g->h)
		return g;
err:
	kfree_sensitive(g);
	return NULL;
}

void cx_gcm_free(struct cx_gcm *g)
{
	if (!g)
		return;
	gf128mul_free_4k(g->h);
	kfree_sensitive(g);
}

/* clen counts bytes hashed so far in this part; a block is multiplied when it is full */
static void hash(struct cx_gcm *g, struct cx_gcm_run *r, const u8 *b, u32 len, u64 pos)
{
	while (len) {
		u32 o = pos & 15, n = min(len, 16 - o);

		crypto_xor(r->hash + o, b, n);
		if (o + n == 16)
			gf128mul_4k_lle((be128 *)r->hash, g->h);
		b += n;
		len -= n;
		pos += n;
	}
}

void cx_gcm_start(struct cx_gcm *g, struct cx_gcm_run *r, const u8 *salt, const u8 *iv, const u8 *aad, int alen)
{
	memset(r->hash, 0, 16);
	memcpy(r->ctr, salt, 4);
	memcpy(r->ctr + 4, iv, 8);
	put_unaligned_be32(1, r->ctr + 12);
	aes_encrypt(&g->aes, r->tag0, r->ctr);
	hash(g, r, aad, alen, 0);
	if (alen & 15)
		gf128mul_4k_lle((be128 *)r->hash, g->h);
	r->alen = alen;
	r->clen = 0;
}

void cx_gcm_crypt(struct cx_gcm *g, struct cx_gcm_run *r, u8 *b, u32 len, bool enc)
{
	if (cx_faults.no_encrypt) {
		r->clen += len;
		return;
	}
	while (len) {
		u32 o = r->clen & 15, n = min(len, 16 - o);

		if (!o) {
			put_unaligned_be32(2 + (r->clen >> 4), r->ctr + 12);
			aes_encrypt(&g->aes, r->ks, r->ctr);
		}
		if (!enc)
			hash(g, r, b, n, r->clen);
		crypto_xor(b, r->ks + o, n);
		if (enc)
			hash(g, r, b, n, r->clen);
		b += n;
		len -= n;
		r->clen += n;
	}
}

void cx_gcm_tag(struct cx_gcm *g, struct cx_gcm_run *r, u8 *tag)
{
	u8 l[16];

	if (r->clen & 15)
		gf128mul_4k_lle((be128 *)r->hash, g->h);
	put_unaligned_be64(r->alen * 8, l);
	put_unaligned_be64(r->clen * 8, l + 8);
	hash(g, r, l, 16, 0);
	crypto_xor_cpy(tag, r->tag0, r->hash, 16);
}
