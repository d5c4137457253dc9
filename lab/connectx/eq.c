// SPDX-License-Identifier: GPL-2.0
/* Event queues. */
#include "connectx.h"

void cx_eqe_post(struct cx_func *f, struct cx_eq *q, u8 type, u8 sub, const void *data, int len)
{
	u64 off = (u64)(q->pi & ((1 << q->log_size) - 1)) * sizeof(struct mlx5_eqe);
	struct mlx5_eqe *e = cx_dma_known(f, q->page[off >> q->pgshift] + (off & ((1ULL << q->pgshift) - 1)), true);

	if (!e)			/* not mapped any more: the event is lost */
		return;
	memset(e, 0, sizeof(*e) - 4);
	e->type = type;
	e->sub_type = sub;
	memcpy(&e->data, data, min_t(int, len, sizeof(e->data)));
	wmb();
	WRITE_ONCE(e->owner, !!(q->pi & (1 << q->log_size)));
	q->pi++;
	wmb();
	cx_irq(f, q->vec);
}

void cx_event(struct cx_func *f, u8 type, u8 sub, const void *data, int len)
{
	int i;

	for (i = 0; f->bar && i < CX_MAX_EQ; i++)
		if (f->eq[i].used && (f->eq[i].mask >> type & 1))
			cx_eqe_post(f, &f->eq[i], type, sub, data, len);
}

struct cx_eq *cx_cmd_eq(struct cx_func *f)
{
	int i;

	for (i = 0; i < CX_MAX_EQ; i++)
		if (f->eq[i].used && (f->eq[i].mask >> MLX5_EVENT_TYPE_CMD & 1))
			return &f->eq[i];
	return NULL;
}

static void eq_free(struct cx_eq *q)
{
	kfree(q->page);
	memset(q, 0, sizeof(*q));
}

void cx_eqs_free(struct cx_func *f)
{
	int i;

	for (i = 0; i < CX_MAX_EQ; i++)
		eq_free(&f->eq[i]);
}

int cx_create_eq(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	void *c = MLX5_ADDR_OF(create_eq_in, in, eq_context_entry);
	__be64 *pas = MLX5_ADDR_OF(create_eq_in, in, pas);
	struct cx_eq *q, t = {};
	u32 npas, i;
	int n;

	for (n = 1; n < CX_MAX_EQ && f->eq[n].used; n++)
		;
	if (n > f->max_eqs)
		return MLX5_CMD_STAT_NO_RES_ERR;
	t.log_size = MLX5_GET(eqc, c, log_eq_size);
	t.pgshift = MLX5_GET(eqc, c, log_page_size) + 12;
	t.vec = MLX5_GET(eqc, c, intr);
	t.mask = MLX5_GET64(create_eq_in, in, event_bitmask[0]);
	if (t.log_size > 22 || t.pgshift > 30 || t.vec >= cx_vectors(f))
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	npas = DIV_ROUND_UP(64ULL << t.log_size, 1ULL << t.pgshift);
	if ((u8 *)(pas + npas) > (u8 *)in + inlen)
		return MLX5_CMD_STAT_BAD_INP_LEN_ERR;
	t.page = kcalloc(npas, sizeof(*t.page), GFP_KERNEL);
	if (!t.page)
		return MLX5_CMD_STAT_NO_RES_ERR;
	for (i = 0; i < npas; i++) {
		t.page[i] = be64_to_cpu(pas[i]) & ~0xfffULL;
		if (!cx_dma_ok(f, t.page[i], 1ULL << t.pgshift)) {
			kfree(t.page);
			return MLX5_CMD_STAT_BAD_PARAM_ERR;
		}
	}
	t.used = true;
	q = &f->eq[n];
	*q = t;
	MLX5_SET(create_eq_out, out, eq_number, n);
	return 0;
}

int cx_destroy_eq(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	u32 n = MLX5_GET(destroy_eq_in, in, eq_number);

	if (n >= CX_MAX_EQ || !f->eq[n].used)
		return MLX5_CMD_STAT_BAD_RES_ERR;
	eq_free(&f->eq[n]);
	return 0;
}
