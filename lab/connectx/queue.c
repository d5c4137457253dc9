// SPDX-License-Identifier: GPL-2.0
/* Completion, send and receive queues, RQT, TIR and TIS: their commands; completions and their arming. */
#include "connectx.h"

static LIST_HEAD(dirty);		/* CQs with completions that no event has told of */

/* a queue stops where its memory is not mapped: zeroes are read there, and what is written is lost */
static void *at(struct cx_obj *o, u64 addr, bool write)
{
	static const u8 zeroes[CX_ENTRY];
	static u8 lost[CX_ENTRY];
	void *p = cx_dma_known(o->f, addr, write);

	if (p)
		return p;
	o->wq.gone = true;
	return write ? lost : (void *)zeroes;
}

/* an entry, or a data segment of one */
void *cx_wq_at(struct cx_obj *o, u32 off, bool write)
{
	return at(o, o->wq.page[off >> o->wq.pgshift] + (off & ((1U << o->wq.pgshift) - 1)), write);
}

/* the doorbell record: what the driver has posted and consumed */
const __be32 *cx_wq_dbr(struct cx_obj *o)
{
	return at(o, o->wq.dbr, false);
}

void cx_wq_free(struct cx_wq *q)
{
	kvfree(q->page);
	q->page = NULL;
}

static int wq_init(struct cx_obj *o, u64 dbr, __be64 *pas, void *end)
{
	struct cx_wq *q = &o->wq;
	u64 bytes = 1ULL << (q->log_sz + q->log_stride);
	u32 n, i;

	if (q->log_sz > 22 || q->log_stride > 13 || q->pgshift > 30)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	n = DIV_ROUND_UP(bytes, 1ULL << q->pgshift);
	q->dbr = dbr & ~7ULL;
	if (!cx_dma_ok(o->f, q->dbr, 8) || (void *)(pas + n) > end)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	q->page = kvcalloc(n, sizeof(*q->page), GFP_KERNEL);
	if (!q->page)
		return MLX5_CMD_STAT_NO_RES_ERR;
	for (i = 0; i < n; i++) {
		q->page[i] = be64_to_cpu(pas[i]) & ~0xfffULL;
		if (!cx_dma_ok(o->f, q->page[i], min(bytes, 1ULL << q->pgshift)))
			return MLX5_CMD_STAT_BAD_PARAM_ERR;
	}
	return 0;
}

static int wq_set(struct cx_obj *o, void *wq, void *end)
{
	struct cx_wq *q = &o->wq;

	q->log_sz = MLX5_GET(wq, wq, log_wq_sz);
	q->log_stride = MLX5_GET(wq, wq, log_wq_stride);
	q->pgshift = MLX5_GET(wq, wq, log_wq_pg_sz) + 12;
	return wq_init(o, MLX5_GET64(wq, wq, dbr_addr), MLX5_ADDR_OF(wq, wq, pas), end);
}

struct mlx5_cqe64 *cx_cqe_next(struct cx_obj *cq)
{
	struct mlx5_cqe64 *c = cx_wq_at(cq, (cq->wq.pi & ((1 << cq->wq.log_sz) - 1)) * CX_ENTRY, true);

	memset(c, 0, 63);
	return c;
}

void cx_cqe_commit(struct cx_obj *cq, struct mlx5_cqe64 *c, u8 op)
{
	wmb();
	WRITE_ONCE(c->op_own, op << 4 | (cq->wq.pi >> cq->wq.log_sz & 1));
	cq->wq.pi++;
	cx_cq_dirty(cq);
}

void cx_cq_dirty(struct cx_obj *cq)
{
	if (list_empty(&cq->node))
		list_add_tail(&cq->node, &dirty);
}

/* the driver arms by writing a new sequence number to the record: one event for each, once there is something new */
static bool cq_event(struct cx_obj *cq)
{
	const __be32 *dbr = cx_wq_dbr(cq);
	u32 v = be32_to_cpu(READ_ONCE(dbr[1])), ci = be32_to_cpu(READ_ONCE(dbr[0]));
	struct mlx5_eqe_comp d = { .cqn = cpu_to_be32(cq->id) };
	struct cx_func *f = cq->f;
	u32 eqn = cq->cq.eqn;

	if (cq->wq.gone || !((cq->wq.pi - ci) & 0xffffff)) {	/* all consumed; a later arming finds new ones only */
		list_del_init(&cq->node);
		return false;
	}
	if (cq->cq.last_sn == (v >> 28 & 3) || !((cq->wq.pi - v) & 0xffffff))
		return false;
	cq->cq.last_sn = v >> 28 & 3;
	if (eqn < CX_MAX_EQ && f->eq[eqn].used)
		cx_eqe_post(f, &f->eq[eqn], MLX5_EVENT_TYPE_COMP, 0, &d, sizeof(d));
	return true;
}

void cx_cq_kick(struct cx_obj *cq)
{
	if (!list_empty(&cq->node))
		cq_event(cq);
}

bool cx_cq_flush(void)
{
	struct cx_obj *cq, *n;
	bool work = false;

	list_for_each_entry_safe(cq, n, &dirty, node)
		work |= cq_event(cq);
	return work;
}

static int rq_set(struct cx_obj *o, void *c, void *end)
{
	void *wq = MLX5_ADDR_OF(rqc, c, wq);
	u8 type = MLX5_GET(wq, wq, wq_type);

	o->rq.cqn = MLX5_GET(rqc, c, cqn);
	o->rq.vsd = MLX5_GET(rqc, c, vsd);
	if (MLX5_GET(rqc, c, mem_rq_type) || MLX5_GET(wq, wq, shampo_enable))
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	if (type == MLX5_WQ_TYPE_LINKED_LIST_STRIDING_RQ) {
		s8 strides = (s8)(MLX5_GET(wq, wq, log_wqe_num_of_strides) << 4) >> 4;	/* less than the base is negative */

		o->rq.striding = true;
		o->rq.log_strides = strides + MLX5_MPWQE_LOG_NUM_STRIDES_BASE;
		o->rq.log_stride_sz = MLX5_GET(wq, wq, log_wqe_stride_size) + MLX5_MPWQE_LOG_STRIDE_SZ_BASE;
		if (o->rq.log_strides > 14 || MLX5_GET(wq, wq, log_wq_stride) < 5)	/* next segment and a data segment */
			return MLX5_CMD_STAT_BAD_PARAM_ERR;
	} else if (type != MLX5_WQ_TYPE_CYCLIC) {
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	}
	return wq_set(o, wq, end);
}

static int rqt_set(struct cx_obj *o, void *c, void *end)
{
	u32 n = MLX5_GET(rqtc, c, rqt_actual_size), i, *rq;

	if (!n || MLX5_ADDR_OF(rqtc, c, rq_num[n]) > end)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	rq = kvcalloc(n, sizeof(*rq), GFP_KERNEL);
	if (!rq)
		return MLX5_CMD_STAT_NO_RES_ERR;
	for (i = 0; i < n; i++)
		rq[i] = MLX5_GET(rqtc, c, rq_num[i]);
	kvfree(o->rqt.rq);
	o->rqt.rq = rq;
	o->rqt.n = n;
	return 0;
}

static int create(struct cx_func *f, u16 op, void *in, void *end, void *out)
{
	static const struct { u16 op; u8 type; } types[] = {
		{ MLX5_CMD_OP_CREATE_CQ, CX_O_CQ }, { MLX5_CMD_OP_CREATE_SQ, CX_O_SQ },
		{ MLX5_CMD_OP_CREATE_RQ, CX_O_RQ }, { MLX5_CMD_OP_CREATE_RQT, CX_O_RQT },
		{ MLX5_CMD_OP_CREATE_TIR, CX_O_TIR }, { MLX5_CMD_OP_CREATE_TIS, CX_O_TIS },
	};
	struct cx_obj *o;
	int i, st = 0;
	void *c;

	for (i = 0; i < ARRAY_SIZE(types) && types[i].op != op; i++)
		;
	o = cx_obj_new(f, types[i].type, cx_new_id(f));
	if (!o)
		return MLX5_CMD_STAT_NO_RES_ERR;
	switch (o->type) {
	case CX_O_CQ:
		c = MLX5_ADDR_OF(create_cq_in, in, cq_context);
		o->wq.log_sz = MLX5_GET(cqc, c, log_cq_size);
		o->wq.log_stride = MLX5_GET(cqc, c, cqe_sz) ? 7 : 6;
		o->wq.pgshift = MLX5_GET(cqc, c, log_page_size) + 12;
		o->cq.eqn = MLX5_GET(cqc, c, c_eqn_or_apu_element) & 0xff;
		o->cq.last_sn = 0xff;
		if (o->wq.log_stride != 6)
			st = MLX5_CMD_STAT_BAD_PARAM_ERR;
		else
			st = wq_init(o, MLX5_GET64(cqc, c, dbr_addr), MLX5_ADDR_OF(create_cq_in, in, pas), end);
		break;
	case CX_O_SQ:
		c = MLX5_ADDR_OF(create_sq_in, in, ctx);
		o->sq.cqn = MLX5_GET(sqc, c, cqn);
		o->sq.tis = MLX5_GET(sqc, c, tis_num_0);
		o->sq.umr = MLX5_GET(sqc, c, reg_umr);
		st = wq_set(o, MLX5_ADDR_OF(sqc, c, wq), end);
		break;
	case CX_O_RQ:
		st = rq_set(o, MLX5_ADDR_OF(create_rq_in, in, ctx), end);
		break;
	case CX_O_RQT:
		st = rqt_set(o, MLX5_ADDR_OF(create_rqt_in, in, rqt_context), end);
		break;
	case CX_O_TIR:
		c = MLX5_ADDR_OF(create_tir_in, in, ctx);
		o->t.disp = MLX5_GET(tirc, c, disp_type);
		o->t.rqn = MLX5_GET(tirc, c, inline_rqn);
		o->t.rqt = MLX5_GET(tirc, c, indirect_table);
		o->t.tls_en = MLX5_GET(tirc, c, tls_en);
		o->t.td = MLX5_GET(tirc, c, transport_domain);
		o->t.self = MLX5_GET(tirc, c, self_lb_block);
		st = cx_rss_set(&o->t.rss, c);
		break;
	case CX_O_TIS:
		c = MLX5_ADDR_OF(create_tis_in, in, ctx);
		o->t.affinity = MLX5_GET(tisc, c, lag_tx_port_affinity);
		o->t.tls_en = MLX5_GET(tisc, c, tls_en);
		o->t.td = MLX5_GET(tisc, c, transport_domain);
		break;
	}
	if (st)
		cx_obj_free(o);
	else
		cx_set_id(out, o->id);
	return st;
}

static int modify_sq(struct cx_func *f, void *in)
{
	struct cx_obj *o = cx_obj(f, CX_O_SQ, MLX5_GET(modify_sq_in, in, sqn));

	if (!o)
		return MLX5_CMD_STAT_BAD_RES_ERR;
	o->sq.state = MLX5_GET(modify_sq_in, in, ctx.state);
	if (o->sq.state == MLX5_SQC_STATE_RST) {
		o->wq.pi = 0;
		o->wq.gone = false;
	}
	list_del_init(&o->node);
	if (o->sq.state == MLX5_SQC_STATE_RDY) {
		list_add_tail(&o->node, &f->sqs);
		f->hot = jiffies + CX_HOT;	/* the driver posts NOPs to start its polls, without a hint */
	}
	return 0;
}

static int modify_rq(struct cx_func *f, void *in)
{
	struct cx_obj *o = cx_obj(f, CX_O_RQ, MLX5_GET(modify_rq_in, in, rqn));

	if (!o)
		return MLX5_CMD_STAT_BAD_RES_ERR;
	o->rq.state = MLX5_GET(modify_rq_in, in, ctx.state);
	if (o->rq.state == MLX5_RQC_STATE_RST) {
		o->wq.pi = o->rq.wqe = o->rq.used = 0;
		o->wq.gone = false;
	}
	if (MLX5_GET64(modify_rq_in, in, modify_bitmask) & MLX5_MODIFY_RQ_IN_MODIFY_BITMASK_VSD)
		o->rq.vsd = MLX5_GET(modify_rq_in, in, ctx.vsd);
	return 0;
}

static int modify_tir(struct cx_func *f, void *in)
{
	struct cx_obj *o = cx_obj(f, CX_O_TIR, MLX5_GET(modify_tir_in, in, tirn));

	if (!o)
		return MLX5_CMD_STAT_BAD_RES_ERR;
	if (MLX5_GET(modify_tir_in, in, bitmask.self_lb_en))
		o->t.self = MLX5_GET(modify_tir_in, in, ctx.self_lb_block);
	if (MLX5_GET(modify_tir_in, in, bitmask.hash))
		return cx_rss_set(&o->t.rss, MLX5_ADDR_OF(modify_tir_in, in, ctx));
	return 0;	/* LRO: no effect here */
}

int cx_queue_cmd(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	u16 op = MLX5_GET(mbox_in, in, opcode);
	void *end = in + inlen;
	struct cx_obj *o;

	switch (op) {
	case MLX5_CMD_OP_CREATE_CQ: case MLX5_CMD_OP_CREATE_SQ: case MLX5_CMD_OP_CREATE_RQ:
	case MLX5_CMD_OP_CREATE_RQT: case MLX5_CMD_OP_CREATE_TIR: case MLX5_CMD_OP_CREATE_TIS:
		return create(f, op, in, end, out);
	case MLX5_CMD_OP_MODIFY_SQ:
		return modify_sq(f, in);
	case MLX5_CMD_OP_MODIFY_RQ:
		return modify_rq(f, in);
	case MLX5_CMD_OP_MODIFY_TIR:
		return modify_tir(f, in);
	case MLX5_CMD_OP_MODIFY_TIS:
		o = cx_obj(f, CX_O_TIS, MLX5_GET(modify_tis_in, in, tisn));
		if (o && MLX5_GET(modify_tis_in, in, bitmask.lag_tx_port_affinity))
			o->t.affinity = MLX5_GET(modify_tis_in, in, ctx.lag_tx_port_affinity);
		return o ? 0 : MLX5_CMD_STAT_BAD_RES_ERR;
	case MLX5_CMD_OP_MODIFY_CQ:		/* moderation only: no effect; resize is not offered */
		o = cx_obj(f, CX_O_CQ, MLX5_GET(modify_cq_in, in, cqn));
		return o ? 0 : MLX5_CMD_STAT_BAD_RES_ERR;
	case MLX5_CMD_OP_MODIFY_RQT:
		o = cx_obj(f, CX_O_RQT, MLX5_GET(modify_rqt_in, in, rqtn));
		return o ? rqt_set(o, MLX5_ADDR_OF(modify_rqt_in, in, ctx), end) : MLX5_CMD_STAT_BAD_RES_ERR;
	case MLX5_CMD_OP_QUERY_SQ:
		o = cx_obj(f, CX_O_SQ, MLX5_GET(query_sq_in, in, sqn));
		if (!o)
			return MLX5_CMD_STAT_BAD_RES_ERR;
		MLX5_SET(query_sq_out, out, sq_context.state, o->wq.gone ? MLX5_SQC_STATE_ERR : o->sq.state);
		MLX5_SET(query_sq_out, out, sq_context.cqn, o->sq.cqn);
		return 0;
	case MLX5_CMD_OP_QUERY_RQ:
		o = cx_obj(f, CX_O_RQ, MLX5_GET(query_rq_in, in, rqn));
		if (!o)
			return MLX5_CMD_STAT_BAD_RES_ERR;
		MLX5_SET(query_rq_out, out, rq_context.state, o->wq.gone ? MLX5_RQC_STATE_ERR : o->rq.state);
		MLX5_SET(query_rq_out, out, rq_context.cqn, o->rq.cqn);
		return 0;
	case MLX5_CMD_OP_QUERY_CQ:
		o = cx_obj(f, CX_O_CQ, MLX5_GET(query_cq_in, in, cqn));
		if (!o)
			return MLX5_CMD_STAT_BAD_RES_ERR;
		MLX5_SET(query_cq_out, out, cq_context.log_cq_size, o->wq.log_sz);
		MLX5_SET(query_cq_out, out, cq_context.producer_counter, o->wq.pi & 0xffffff);
		return 0;
	}
	return MLX5_CMD_STAT_BAD_OP_ERR;
}
