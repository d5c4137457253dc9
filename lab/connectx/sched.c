// SPDX-License-Identifier: GPL-2.0
/*
 * Scheduling elements of an eswitch: a tree of nodes (TSARs) and vports, each with a rate (a token bucket) and a share.
 * They act where a function's packets leave its send queues: while an element of its path has no tokens, or a sibling that
 * waits has had less for its share, the queue is left alone. Nothing is dropped.
 */
#include "connectx.h"

#define UNIT		8000		/* tokens in a byte: a Mbit/s makes one in a nanosecond */
#define BURST_NS	(50 * NSEC_PER_MSEC)
#define SHARE_UNIT	1024		/* of a byte, in virtual time, for an element with a share of one */
#define KNOWN_BITS	(MODIFY_SCHEDULING_ELEMENT_IN_MODIFY_BITMASK_BW_SHARE | \
			 MODIFY_SCHEDULING_ELEMENT_IN_MODIFY_BITMASK_MAX_AVERAGE_BW)

static LIST_HEAD(elements);
static u32 round;

void cx_sched_round(void) { round++; }

static struct cx_obj *element(struct cx_func *f, u32 id)
{
	return id ? cx_obj(f, CX_O_SCHED, id) : NULL;
}

static bool has_tokens(struct cx_obj *o, u64 now)
{
	s64 burst = (s64)o->sched.max * BURST_NS;

	if (!o->sched.max)
		return true;
	o->sched.tokens = min(burst, o->sched.tokens + (s64)o->sched.max * min_t(s64, now - o->sched.then, NSEC_PER_SEC));
	o->sched.then = now;
	return o->sched.tokens > 0;
}

/* no sibling that has waited since the last round is behind; who comes anew starts where the others are */
static bool is_next(struct cx_obj *o, struct cx_obj *parent)
{
	struct cx_obj *s;

	if (round - o->sched.seen > 1)
		o->sched.served = max(o->sched.served, parent->sched.vtime);
	o->sched.seen = round;
	if (!parent->sched.max && !o->sched.share)
		return true;		/* nothing to share out */
	list_for_each_entry(s, &elements, node)
		if (s->f == o->f && s->sched.parent == parent->id && round - s->sched.seen <= 1 &&
		    s->sched.served < o->sched.served)
			return false;
	return true;
}

/* may this vport send a packet? Asked only when it has one */
bool cx_sched_ready(struct cx_func *f, struct cx_vport *v)
{
	struct cx_func *pf = cx_vf(f->pf, 0);
	struct cx_obj *o = element(pf, v->sched), *p;
	u64 now = o ? ktime_get_ns() : 0;

	for (; o; o = p) {
		if (!has_tokens(o, now))
			return false;
		p = element(pf, o->sched.parent);
		if (p && !is_next(o, p))
			return false;
	}
	return true;
}

void cx_sched_spend(struct cx_func *f, struct cx_vport *v, u32 bytes)
{
	struct cx_func *pf = cx_vf(f->pf, 0);
	struct cx_obj *o = element(pf, v->sched), *p;

	for (; o; o = p) {
		if (o->sched.max)
			o->sched.tokens -= (s64)bytes * UNIT;
		p = element(pf, o->sched.parent);
		if (p)
			p->sched.vtime = max(p->sched.vtime, o->sched.served);
		o->sched.served += div_u64((u64)bytes * SHARE_UNIT, max(o->sched.share, 1U));
	}
}

void cx_sched_free(struct cx_obj *o)
{
	struct cx_vport *v = o->sched.elem == SCHEDULING_CONTEXT_ELEMENT_TYPE_VPORT ?
			     cx_vport(o->f->pf, o->sched.attr & 0xffff) : NULL;

	list_del(&o->node);
	if (v && v->sched == o->id)
		v->sched = 0;
}

static void set_rates(struct cx_obj *o, void *c, u32 bits)
{
	if (bits & MODIFY_SCHEDULING_ELEMENT_IN_MODIFY_BITMASK_BW_SHARE)
		o->sched.share = MLX5_GET(scheduling_context, c, bw_share);
	if (bits & MODIFY_SCHEDULING_ELEMENT_IN_MODIFY_BITMASK_MAX_AVERAGE_BW) {
		o->sched.max = MLX5_GET(scheduling_context, c, max_average_bw);
		o->sched.tokens = 0;
		o->sched.then = ktime_get_ns();
	}
	cx_dbg(1, "f%d scheduling element %x: %s %u, parent %x, at most %u Mbit/s, share %u\n", o->f->idx, o->id,
	       o->sched.elem ? "vport" : "node", o->sched.attr & 0xffff, o->sched.parent, o->sched.max, o->sched.share);
}

static int create(struct cx_func *f, void *in, void *out)
{
	void *c = MLX5_ADDR_OF(create_scheduling_element_in, in, scheduling_context);
	u32 attr = MLX5_GET(scheduling_context, c, element_attributes);
	u32 parent = MLX5_GET(scheduling_context, c, parent_element_id);
	int elem = MLX5_GET(scheduling_context, c, element_type), depth = 0;
	struct cx_obj *p = element(f, parent), *o;
	struct cx_vport *v = NULL;

	if (parent && (!p || p->sched.elem != SCHEDULING_CONTEXT_ELEMENT_TYPE_TSAR))
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	for (; p; p = element(f, p->sched.parent))
		depth++;
	if (depth >= 1 << CX_LOG_SCHED_DEPTH || MLX5_GET(scheduling_context, c, bw_share) > CX_MAX_SHARE)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	switch (elem) {
	case SCHEDULING_CONTEXT_ELEMENT_TYPE_TSAR:
		if (attr >> 16 != TSAR_ELEMENT_TSAR_TYPE_DWRR)
			return MLX5_CMD_STAT_BAD_PARAM_ERR;
		break;
	case SCHEDULING_CONTEXT_ELEMENT_TYPE_VPORT:
		v = cx_vport(f->pf, attr & 0xffff);
		if (!parent || !v || v->sched)
			return MLX5_CMD_STAT_BAD_PARAM_ERR;
		break;
	default:
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	}
	o = cx_obj_new(f, CX_O_SCHED, cx_new_id(f));
	if (!o)
		return MLX5_CMD_STAT_NO_RES_ERR;
	o->sched.elem = elem;
	o->sched.attr = attr;
	o->sched.parent = parent;
	o->sched.seen = round - 2;
	list_add_tail(&o->node, &elements);
	set_rates(o, c, KNOWN_BITS);
	if (v)
		v->sched = o->id;
	MLX5_SET(create_scheduling_element_out, out, scheduling_element_id, o->id);
	return 0;
}

static int destroy(struct cx_obj *o)
{
	struct cx_obj *s;

	list_for_each_entry(s, &elements, node)
		if (s->f == o->f && s->sched.parent == o->id)
			return MLX5_CMD_STAT_RES_BUSY;
	cx_obj_free(o);
	return 0;
}

static void query(struct cx_obj *o, void *out)
{
	void *c = MLX5_ADDR_OF(query_scheduling_element_out, out, scheduling_context);

	MLX5_SET(scheduling_context, c, element_type, o->sched.elem);
	MLX5_SET(scheduling_context, c, element_attributes, o->sched.attr);
	MLX5_SET(scheduling_context, c, parent_element_id, o->sched.parent);
	MLX5_SET(scheduling_context, c, bw_share, o->sched.share);
	MLX5_SET(scheduling_context, c, max_average_bw, o->sched.max);
}

/* hierarchy and element id are at the same place in every command of this family */
int cx_sched_cmd(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	struct cx_obj *o = element(f, MLX5_GET(modify_scheduling_element_in, in, scheduling_element_id));
	u16 op = MLX5_GET(mbox_in, in, opcode);
	u32 bits;

	if (f->is_vf || MLX5_GET(modify_scheduling_element_in, in, scheduling_hierarchy) != SCHEDULING_HIERARCHY_E_SWITCH)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	if (op == MLX5_CMD_OP_CREATE_SCHEDULING_ELEMENT)
		return create(f, in, out);
	if (!o)
		return MLX5_CMD_STAT_BAD_RES_ERR;
	switch (op) {
	case MLX5_CMD_OP_DESTROY_SCHEDULING_ELEMENT:
		return destroy(o);
	case MLX5_CMD_OP_QUERY_SCHEDULING_ELEMENT:
		if (outlen < MLX5_ST_SZ_BYTES(query_scheduling_element_out))
			return MLX5_CMD_STAT_BAD_OUTP_LEN_ERR;
		query(o, out);
		return 0;
	case MLX5_CMD_OP_MODIFY_SCHEDULING_ELEMENT:
		bits = MLX5_GET(modify_scheduling_element_in, in, modify_bitmask);
		if (bits & ~KNOWN_BITS ||
		    MLX5_GET(modify_scheduling_element_in, in, scheduling_context.bw_share) > CX_MAX_SHARE)
			return MLX5_CMD_STAT_BAD_PARAM_ERR;
		set_rates(o, MLX5_ADDR_OF(modify_scheduling_element_in, in, scheduling_context), bits);
		return 0;
	}
	return MLX5_CMD_STAT_BAD_OP_ERR;
}
