// SPDX-License-Identifier: GPL-2.0
/* Memory keys with a translation table (MTTs), which work requests (UMR) change: the buffers of a striding receive queue. */
#include "connectx.h"

#define UMR_FLAGS	(MLX5_UMR_INLINE | MLX5_UMR_TRANSLATION_OFFSET_EN)
#define MTT_ADDR	(~7ULL)		/* the low bits are rights */
#define MTTS_OCTWORD	2

static void set(struct cx_obj *o, u32 first, const __be64 *mtt, u32 n)
{
	u32 i;

	for (i = 0; i < n && (u64)first + i < o->mkey.n; i++) {
		u64 a = be64_to_cpu(mtt[i]) & MTT_ADDR;

		/* of the IOMMU's map it is asked only when something is there to be written */
		o->mkey.page[first + i] = o->f->dom || cx_dma_ok(o->f, a, 1ULL << o->mkey.shift) ? a : 0;
	}
}

/* any other key stands for all of the memory that the function sees */
int cx_create_mkey(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	void *c = MLX5_ADDR_OF(create_mkey_in, in, memory_key_mkey_entry);
	__be64 *mtt = MLX5_ADDR_OF(create_mkey_in, in, klm_pas_mtt);
	u32 n = MLX5_GET(create_mkey_in, in, translations_octword_actual_size), mode = MLX5_GET(mkc, c, access_mode_1_0);
	struct cx_obj *o;

	if (mode != MLX5_MKC_ACCESS_MODE_PA && mode != MLX5_MKC_ACCESS_MODE_MTT) {
		pr_info_once("connectx_emu: a memory key of mode %u is not supported\n", mode);
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	}
	n = mode == MLX5_MKC_ACCESS_MODE_MTT ? n * MTTS_OCTWORD : 0;
	if ((void *)(mtt + n) > in + inlen)
		return MLX5_CMD_STAT_BAD_INP_LEN_ERR;
	o = cx_obj_new(f, CX_O_MKEY, cx_new_id(f));
	if (!o)
		return MLX5_CMD_STAT_NO_RES_ERR;
	if (n) {
		o->mkey.shift = MLX5_GET(mkc, c, log_page_size);
		o->mkey.page = kvcalloc(n, sizeof(*o->mkey.page), GFP_KERNEL);
		if (!o->mkey.page || o->mkey.shift > 30) {
			cx_obj_free(o);
			return MLX5_CMD_STAT_NO_RES_ERR;
		}
		o->mkey.n = n;
		set(o, 0, mtt, n);
	}
	cx_set_id(out, o->id);
	return 0;
}

/* a work request: the key in the control segment, its UMR segment, a context of which nothing changes, the MTTs */
void cx_mkey_umr(struct cx_func *f, const u8 *wqe, u32 len)
{
	const struct mlx5_wqe_umr_ctrl_seg *u = (const void *)wqe + sizeof(struct mlx5_wqe_ctrl_seg);
	const u8 *mtt = (const u8 *)(u + 1) + sizeof(struct mlx5_mkey_seg);
	struct cx_obj *o = cx_obj(f, CX_O_MKEY, get_unaligned_be32(wqe + 12) >> 8);
	u32 n = be16_to_cpu(u->xlt_octowords), first = be32_to_cpu(u->xlt_offset_47_16) << 16 | be16_to_cpu(u->xlt_offset);

	if (!o || (u->flags & UMR_FLAGS) != UMR_FLAGS || mtt + n * MLX5_OCTWORD > wqe + len) {
		pr_info_once("connectx_emu: f%d a UMR with flags %x is not supported\n", f->idx, u->flags);
		return;
	}
	set(o, first * MTTS_OCTWORD, (const __be64 *)mtt, n * MTTS_OCTWORD);
}

/* where len bytes at va of the key are, to be written; returns the number of pieces, 0: they are not all there */
int cx_mkey_at(struct cx_func *f, u32 lkey, u64 va, u32 len, struct cx_iov *v, int max)
{
	struct cx_obj *o = cx_obj(f, CX_O_MKEY, lkey >> 8);
	int k;

	for (k = 0; o && len && k < max; k++) {
		u64 i = va >> o->mkey.shift;
		u32 off = va & ((1U << o->mkey.shift) - 1), n = min(len, (1U << o->mkey.shift) - off);
		u8 *p;

		if (i >= o->mkey.n || !o->mkey.page[i])
			return 0;
		p = f->dom ? cx_dma_part(f, o->mkey.page[i] + off, &n, true) : phys_to_virt(o->mkey.page[i] + off);
		if (!p)
			return 0;
		v[k] = (struct cx_iov){ p, n };
		va += n;
		len -= n;
	}
	return len ? 0 : k;
}
