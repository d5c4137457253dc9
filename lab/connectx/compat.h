/* SPDX-License-Identifier: GPL-2.0 */
/* What differs between the kernels this module builds on (with msix.c, which has the interrupt domains). */
#ifndef CX_COMPAT_H
#define CX_COMPAT_H

#include <linux/version.h>
#include <linux/msi.h>
#include <crypto/aes.h>
#include <crypto/algapi.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
#define MSI_FLAG_NO_AFFINITY 0		/* a chip without irq_set_affinity says it */
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
typedef struct aes_enckey cx_aes;
#define cx_aes_setkey(ctx, key, len) aes_prepareenckey(ctx, key, len)
#else
typedef struct crypto_aes_ctx cx_aes;
#define cx_aes_setkey(ctx, key, len) aes_expandkey(ctx, key, len)
#endif

#if __has_include(<crypto/gf128hash.h>)
#include <crypto/gf128hash.h>
#define cx_ghash_setkey(key, h) (ghash_preparekey(key, h), true)
#define cx_ghash_free(key) do { } while (0)
#else
/* the GHASH library of 7.x, on the multiplication of older kernels */
#include <crypto/gf128mul.h>
struct ghash_key { struct gf128mul_4k *t; };
struct ghash_ctx { const struct ghash_key *key; u8 acc[16]; size_t partial; };

static inline bool cx_ghash_setkey(struct ghash_key *key, const u8 *h)
{
	key->t = gf128mul_init_4k_lle((const be128 *)h);
	return key->t;
}

#define cx_ghash_free(key) gf128mul_free_4k((key)->t)

static inline void ghash_init(struct ghash_ctx *c, const struct ghash_key *key)
{
	*c = (struct ghash_ctx){ .key = key };
}

static inline void ghash_update(struct ghash_ctx *c, const u8 *b, size_t len)
{
	while (len) {
		size_t n = min(len, 16 - c->partial);

		crypto_xor(c->acc + c->partial, b, n);
		c->partial = (c->partial + n) & 15;
		if (!c->partial)
			gf128mul_4k_lle((be128 *)c->acc, c->key->t);
		b += n;
		len -= n;
	}
}

static inline void ghash_final(struct ghash_ctx *c, u8 *out)
{
	if (c->partial)
		gf128mul_4k_lle((be128 *)c->acc, c->key->t);
	memcpy(out, c->acc, 16);
}
#endif

#endif
