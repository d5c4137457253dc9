// SPDX-License-Identifier: GPL-2.0
/* AES-GCM, incremental at any byte, by the kernel's AES library and its GHASH. */
#include "connectx.h"

struct cx_gcm {
	cx_aes aes;
	struct ghash_key h;
};

struct cx_gcm *cx_gcm_new(const u8 *key, int len)
{
	struct cx_gcm *g = kzalloc(sizeof(*g), GFP_KERNEL);
	u8 z[16] = {}, h[16] __aligned(16);
	bool ok;

	if (!g || cx_aes_setkey(&g->aes, key, len))
		goto err;
	aes_encrypt(&g->aes, h, z);
	ok = cx_ghash_setkey(&g->h, h);
	memzero_explicit(h, sizeof(h));
	if (ok)
		return g;
err:
	kfree_sensitive(g);
	return NULL;
}

void cx_gcm_free(struct cx_gcm *g)
{
	if (!g)
		return;
	cx_ghash_free(&g->h);
	kfree_sensitive(g);
}

/* each part that is hashed ends with zeroes up to a whole block */
static void pad(struct cx_gcm_run *r, u64 len)
{
	static const u8 z[16];

	ghash_update(&r->hash, z, -len & 15);
}

void cx_gcm_start(struct cx_gcm *g, struct cx_gcm_run *r, const u8 *salt, const u8 *iv, const u8 *aad, int alen)
{
	memcpy(r->ctr, salt, 4);
	memcpy(r->ctr + 4, iv, 8);
	put_unaligned_be32(1, r->ctr + 12);
	aes_encrypt(&g->aes, r->tag0, r->ctr);
	ghash_init(&r->hash, &g->h);
	ghash_update(&r->hash, aad, alen);
	pad(r, alen);
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
			ghash_update(&r->hash, b, n);
		crypto_xor(b, r->ks + o, n);
		if (enc)
			ghash_update(&r->hash, b, n);
		b += n;
		len -= n;
		r->clen += n;
	}
}

void cx_gcm_tag(struct cx_gcm *g, struct cx_gcm_run *r, u8 *tag)
{
	u8 l[16];

	pad(r, r->clen);
	put_unaligned_be64(r->alen * 8, l);
	put_unaligned_be64(r->clen * 8, l + 8);
	ghash_update(&r->hash, l, 16);
	ghash_final(&r->hash, tag);
	crypto_xor(tag, r->tag0, 16);
}
