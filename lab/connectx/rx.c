// SPDX-License-Identifier: GPL-2.0
/* Receive: TIR to RQ, buffers, completion entries. */
#include "connectx.h"
#include <linux/delay.h>
#include <net/checksum.h>
#include <net/ip.h>

#define CQE_RESP_SEND	2
#define L3_IPV6		1		/* l3_hdr_type of a completion entry */
#define L3_IPV4		2
#define LKEY_TERMINATE	0x100

struct rq_sink {
	struct cx_sink s;
	struct cx_func *f;
	struct cx_obj *rq, *cq;
	struct cx_pkt *p;
	const u8 *tls;			/* of each segment: what TLS receive did with it */
	u32 seg, hash;
	u8 hash_type;
	u16 vlan;
	bool has_vlan;
};

static bool rq_empty(struct cx_obj *rq)
{
	return !(u16)(be32_to_cpu(READ_ONCE(cx_wq_dbr(rq)[0])) - rq->wq.pi) || rq->wq.gone;
}

/* out of buffers: let the driver's poll run and fill up; one that does not is not waited for again until it has */
static bool rq_wait(struct cx_obj *rq, struct cx_obj *cq)
{
	int i;

	if (!rq_empty(rq))
		return true;
	if (rq->rq.stalled == rq->wq.pi + 1ULL)
		return false;
	for (i = 0; i < 40; i++) {
		cx_cq_kick(cq);
		if (rq->rq.striding)	/* the driver posts a buffer only after its UMR */
			cx_sq_umrs(rq->f);
		if (!rq_empty(rq))
			return true;
		if (i < 4)
			cond_resched();
		else
			usleep_range(50, 80);
		if (!rq_empty(rq))
			return true;
	}
	rq->rq.stalled = rq->wq.pi + 1ULL;
	return false;
}

static void cqe_strides(struct cx_obj *rq, struct mlx5_cqe64 *c, u32 strides, u32 len, bool filler)
{
	c->wqe_id = cpu_to_be16(rq->rq.wqe);
	c->wqe_counter = cpu_to_be16(rq->rq.used);
	c->byte_cnt = cpu_to_be32(filler << 31 | strides << 16 | len);
}

/* strides of the work request are used up; after the last of them comes the next work request of the list */
static void use(struct cx_obj *rq, u32 strides)
{
	struct mlx5_wqe_srq_next_seg *w = cx_wq_at(rq, rq->rq.wqe << rq->wq.log_stride, false);

	rq->rq.used += strides;
	if (rq->rq.used < 1 << rq->rq.log_strides)
		return;
	rq->rq.used = 0;
	rq->rq.wqe = be16_to_cpu(w->next_wqe_index) & ((1 << rq->wq.log_sz) - 1);
	rq->wq.pi++;
	rq->f->hot = jiffies + CX_HOT;	/* the driver makes a new buffer, for which there is no hint */
}

/* room in the strides of a work request; where the rest of them is too little, it is passed over */
static int strides_room(struct rq_sink *s, struct cx_iov *v, int max, u32 len)
{
	struct cx_obj *rq = s->rq;
	u32 n = DIV_ROUND_UP(len, 1 << rq->rq.log_stride_sz), left = (1 << rq->rq.log_strides) - rq->rq.used;
	struct mlx5_wqe_data_seg *d;

	if (n > 1 << rq->rq.log_strides)
		return 0;
	if (n > left) {
		struct mlx5_cqe64 *c = cx_cqe_next(s->cq);

		cqe_strides(rq, c, left, 0, true);
		cx_cqe_commit(s->cq, c, CQE_RESP_SEND);
		use(rq, left);
		if (!rq_wait(rq, s->cq))
			return 0;
	}
	d = cx_wq_at(rq, (rq->rq.wqe << rq->wq.log_stride) + sizeof(struct mlx5_wqe_srq_next_seg), false);
	return cx_mkey_at(s->f, be32_to_cpu(d->lkey), be64_to_cpu(d->addr) + (rq->rq.used << rq->rq.log_stride_sz), len, v, max);
}

static int rq_room(struct cx_sink *sink, struct cx_iov *v, int max, u32 len)
{
	struct rq_sink *s = container_of(sink, struct rq_sink, s);
	struct cx_obj *rq = s->rq;
	struct mlx5_wqe_data_seg *d;
	u32 at, got;
	int n, i, k = 0;

	s->seg++;
	if (!rq_wait(rq, s->cq))
		goto drop;
	if (rq->rq.striding) {
		k = strides_room(s, v, max, len);
		if (k)
			return k;
		goto drop;
	}
	at = (rq->wq.pi & ((1 << rq->wq.log_sz) - 1)) << rq->wq.log_stride;
	n = (1 << rq->wq.log_stride) / sizeof(*d);
	for (i = 0; i < n && len && k < max; i++) {
		u64 a;
		u32 sz;

		d = cx_wq_at(rq, at + i * sizeof(*d), false);
		sz = be32_to_cpu(READ_ONCE(d->byte_count)) & 0x7fffffff;
		a = be64_to_cpu(READ_ONCE(d->addr));
		if (be32_to_cpu(d->lkey) == LKEY_TERMINATE || !sz)
			break;
		for (sz = min(sz, len); sz && k < max; sz -= got, len -= got, a += got) {
			got = sz;
			v[k].p = cx_dma_part(s->f, a, &got, true);
			if (!v[k].p)
				goto drop;
			v[k++].len = got;
		}
	}
	if (!len)
		return k;
drop:
	s->f->oob++;
	cx_dbg(3, "f%d rq %x: no room\n", s->f->idx, rq->id);
	return 0;
}

/* what the card finds of the checksums: those that it has filled in itself are right; sum as in cx_sink */
static u8 checked(struct cx_pkt *p, u32 len, __wsum sum, u8 *l3, u8 *l4)
{
	u32 end, fo = p->l4off - ETH_HLEN;
	u8 ok = CQE_L2_OK, *h = p->data + p->l3off;
	bool frag = MLX5_GET(fte_match_param, p->mp, outer_headers.frag);

	*l3 = *l4 = 0;
	if (!p->l3off)
		return ok;
	*l3 = p->v6 ? L3_IPV6 : L3_IPV4;
	if (p->v6 || p->mss || p->l3csum || !ip_fast_csum(h, h[0] & 15))
		ok |= CQE_L3_OK;
	if (!p->l4off || frag || (p->l4proto != IPPROTO_TCP && p->l4proto != IPPROTO_UDP))
		return ok;
	*l4 = p->l4proto == IPPROTO_TCP ? CQE_L4_HDR_TYPE_TCP_ACK_AND_DATA : CQE_L4_HDR_TYPE_UDP;
	if (p->l4csum || p->mss || (p->l4proto == IPPROTO_UDP && !get_unaligned((u16 *)(p->data + p->l4off + 6))))
		return ok | CQE_L4_OK;
	end = p->l3off + (p->v6 ? 40 + get_unaligned_be16(h + 4) : get_unaligned_be16(h + 2));
	if (end < p->l4off + 8 || end > len || (end < len && p->plen))
		return ok;
	sum = csum_sub(sum, csum_partial(p->data + ETH_HLEN, fo, 0));
	if (end < len)		/* padding */
		sum = csum_block_sub(sum, csum_partial(p->data + end, len - end, 0), end - p->l4off);
	return cx_l4_sum(&p->out, p->data, end - p->l4off, sum) ? ok : ok | CQE_L4_OK;
}

static void rq_done(struct cx_sink *sink, u32 len, __wsum sum)
{
	struct rq_sink *s = container_of(sink, struct rq_sink, s);
	struct mlx5_cqe64 *c = cx_cqe_next(s->cq);
	u8 l3, l4, ok = checked(s->p, len, sum, &l3, &l4);
	struct cx_pkt *p = s->p;
	struct cx_obj *rq = s->rq;
	u64 ns = ktime_get_ns();

	if (s->tls) {
		c->tls_outer_l3_tunneled = s->tls[s->seg - 1] << 3;
		if (s->tls[s->seg - 1] == CQE_TLS_OFFLOAD_DECRYPTED)	/* it was right when the bytes were others */
			ok |= CQE_L4_OK;
	}
	c->hds_ip_ext = ok;
	c->l4_l3_hdr_type = l4 << 4 | l3 << 2 | s->has_vlan;
	c->rss_hash_result = cpu_to_be32(s->hash);
	c->rss_hash_type = s->hash_type;
	c->vlan_info = cpu_to_be16(s->vlan);
	c->check_sum = (__force __be16)~csum_fold(sum);
	c->sop_drop_qpn = cpu_to_be32(p->tag & 0xffffff);
	c->srqn = cpu_to_be32(rq->id);
	c->ft_metadata = cpu_to_be32(p->reg_b);
	c->timestamp_h = cpu_to_be32(ns >> 32);
	c->timestamp_l = cpu_to_be32(ns);
	if (rq->rq.striding) {
		u32 n = DIV_ROUND_UP(len, 1 << rq->rq.log_stride_sz);

		cqe_strides(rq, c, n, len, false);
		cx_cqe_commit(s->cq, c, CQE_RESP_SEND);
		use(rq, n);
	} else {
		c->byte_cnt = cpu_to_be32(len);
		c->wqe_counter = cpu_to_be16(rq->wq.pi++);
		cx_cqe_commit(s->cq, c, CQE_RESP_SEND);
	}
	rq->rq.stalled = 0;
}

static void rq_deliver(struct cx_func *f, u32 rqn, struct cx_pkt *p, const u8 *tls, u32 hash, u8 hash_type)
{
	struct cx_obj *rq = cx_obj(f, CX_O_RQ, rqn), *cq;
	struct rq_sink s = { .s = { rq_room, rq_done }, .f = f, .rq = rq, .p = p, .tls = tls, .hash = hash, .hash_type = hash_type };

	if (!rq || rq->rq.state != MLX5_RQC_STATE_RDY || rq->wq.gone)
		return;
	cq = cx_obj(f, CX_O_CQ, rq->rq.cqn);
	if (!cq)
		return;
	s.cq = cq;
	if (!rq->rq.vsd && get_unaligned_be16(p->data + 12) == ETH_P_8021Q) {
		s.vlan = get_unaligned_be16(p->data + 14);
		s.has_vlan = true;
		cx_vlan_pop(p);
	}
	cx_emit(p, &s.s);
}

/*
 * Whether the packet comes from the function itself, in the TIR's transport domain, and the TIR has none of those. The bits are
 * named for blocking in the driver's headers, yet every driver sets them where it wants its own packets.
 */
static bool own(struct cx_func *f, struct cx_obj *t, struct cx_pkt *p)
{
	u8 bit = is_multicast_ether_addr(p->data) ? MLX5_TIRC_SELF_LB_BLOCK_BLOCK_MULTICAST : MLX5_TIRC_SELF_LB_BLOCK_BLOCK_UNICAST;

	return p->port == &cx_ports[f->pf] && p->src == f->vport && p->td == t->t.td && !(t->t.self & bit);
}

void cx_tir_deliver(struct cx_func *f, u32 tirn, struct cx_pkt *p)
{
	struct cx_obj *t = cx_obj(f, CX_O_TIR, tirn), *r;
	u32 i, hash;
	u8 type;
	const u8 *tls;

	if (!t || own(f, t, p))
		return;
	tls = t->t.tls ? cx_tls_rx(t, p) : NULL;
	if (t->t.disp == MLX5_TIRC_DISP_TYPE_DIRECT) {
		rq_deliver(f, t->t.rqn, p, tls, 0, 0);
		return;
	}
	r = cx_obj(f, CX_O_RQT, t->t.rqt);
	if (!r || !r->rqt.n)
		return;
	i = cx_rss(&t->t.rss, p, r->rqt.n, &hash, &type);
	rq_deliver(f, r->rqt.rq[i], p, tls, hash, type);
}
