/* SPDX-License-Identifier: GPL-2.0 */
/* What differs between the kernels this module builds on (with msix.c, which has the interrupt domains). */
#ifndef CX_COMPAT_H
#define CX_COMPAT_H

#include <linux/version.h>
#include <linux/msi.h>
#include <crypto/aes.h>
#include <crypto/algapi.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
#define MSI_FLAG_NO_AFFINITY 0
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)	/* who says that interrupts are a function's own: the IOMMU, later their domain */
#define CX_CAP_INTR_REMAP IOMMU_CAP_INTR_REMAP
#define CX_ISOLATED_MSI IRQ_DOMAIN_FLAG_MSI_REMAP
#else
#define CX_CAP_INTR_REMAP IOMMU_CAP_CACHE_COHERENCY
#define CX_ISOLATED_MSI IRQ_DOMAIN_FLAG_ISOLATED_MSI
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 19, 0)
#define CX_ATTACH_ARGS(d, dev) struct iommu_domain *d, struct device *dev
#else
#define CX_ATTACH_ARGS(d, dev) struct iommu_domain *d, struct device *dev, struct iommu_domain *old
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
typedef struct aes_enckey cx_aes;
#define cx_aes_setkey(ctx, key, len) aes_prepareenckey(ctx, key, len)
#else
typedef struct crypto_aes_ctx cx_aes;
#define cx_aes_setkey(ctx, key, len) aes_expandkey(ctx, key, len)
#endif

/* what this card has of cmd_hca_cap_2: older headers have no names for it */
struct mlx5_ifc_cx_hca_cap_2_bits {
	u8 reserved_at_0[0x80], migratable[0x1], reserved_at_81[0x1f];
	u8 max_reformat_insert_size[0x8], max_reformat_insert_offset[0x8], max_reformat_remove_size[0x8], max_reformat_remove_offset[0x8];
	u8 reserved_at_c0[0x12], sf_eq_usage[0x1], reserved_at_d3[0x375];
	u8 max_num_eqs_24b[0x18], reserved_at_460[0x3a0];
};

/* bulks of keys, of which 6.1 does not know */
#define CX_CAP_CRYPTO		0x1a
#define CX_OP_SYNC_CRYPTO	0xb12
struct mlx5_ifc_cx_crypto_cap_bits {
	u8 reserved_at_0[0x3], synchronize_dek[0x1], reserved_at_4[0x1c];
	u8 reserved_at_20[0x3], log_dek_max_alloc[0x5], reserved_at_28[0x3], log_max_num_deks[0x5], reserved_at_30[0x30];
	u8 reserved_at_60[0x3], log_dek_granularity[0x5], reserved_at_68[0x18], reserved_at_80[0x780];
};

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)	/* not in the driver's headers yet */
enum { MLX5_INITIAL_SEG_NIC_INTERFACE_SW_RESET = 7 };
enum {
	MLX5_REFORMAT_TYPE_ADD_ESP_TRANSPORT_OVER_IPV4 = 0x5,
	MLX5_REFORMAT_TYPE_L2_TO_L3_ESP_TUNNEL = 0x6,
	MLX5_REFORMAT_TYPE_DEL_ESP_TRANSPORT = 0x8,
	MLX5_REFORMAT_TYPE_L3_ESP_TUNNEL_TO_L2 = 0x9,
	MLX5_REFORMAT_TYPE_ADD_ESP_TRANSPORT_OVER_IPV6 = 0xb,
};
struct mlx5_ifc_ipsec_aso_bits {
	u8 valid[0x1], reserved_at_201[0x1], mode[0x2], window_sz[0x2], soft_lft_arm[0x1], hard_lft_arm[0x1];
	u8 remove_flow_enable[0x1], esn_event_arm[0x1], reserved_at_20a[0x16];
	u8 remove_flow_pkt_cnt[0x20], remove_flow_soft_lft[0x20], reserved_at_260[0x80], mode_parameter[0x20];
	u8 replay_protection_window[0x100];
};
#define G12(f, v)			/* capabilities that only later drivers look at */
#define P12(f, v)
#else
#define G12(f, v) G(f, v)
#define P12(f, v) P(f, v)
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)	/* private to the driver before */
enum mlx5_ifc_vhca_state {
	MLX5_VHCA_STATE_INVALID, MLX5_VHCA_STATE_ALLOCATED, MLX5_VHCA_STATE_ACTIVE, MLX5_VHCA_STATE_IN_USE,
	MLX5_VHCA_STATE_TEARDOWN_REQUEST,
};
#endif

/* ipsec_syndrome of the match parameters; older headers have no name for it */
static inline u8 *cx_ipsec_syndrome(void *misc2)
{
	return (u8 *)MLX5_ADDR_OF(fte_match_set_misc2, misc2, macsec_syndrome) + 1;
}

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
