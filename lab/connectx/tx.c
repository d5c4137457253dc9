// SPDX-License-Identifier: GPL-2.0
/* Send queues: work requests to packets, TLS work requests, completions. */
#include "connectx.h"
#include <linux/ip.h>
#include <linux/vmalloc.h>
#include <net/ip.h>

#define CQE_REQ		0
#define BATCH		64
#define INS_VLAN	0x8000		/* in place of the inline header size */
#define INS_TRAILER	0x4000
#define ASO_IPSEC	0		/* operation modifier */
#define ESP_TAIL	17		/* next header and ICV */
#define UMR_SZ		128		/* control, UMR and mkey segments, of which TLS parameters or MTTs come after */
#define TLS_STATIC_OFF	UMR_SZ

static struct cx_pkt *pkt;
static u8 *scratch;

u8 *cx_scratch(void) { return scratch; }

int cx_tx_init(void)
{
	pkt = kzalloc(sizeof(*pkt), GFP_KERNEL);
	scratch = vzalloc(CX_SCRATCH);
	if (pkt && scratch)
		return 0;
	cx_tx_exit();
	return -ENOMEM;
}

void cx_tx_exit(void)
{
	kfree(pkt);
	vfree(scratch);
}

static bool add_frag(struct cx_pkt *p, u8 *b, u32 n)
{
	if (!n)
		return true;
	if (!b || p->nfrag == CX_FRAGS || p->plen + n > SZ_256K)
		return false;
	p->frag[p->nfrag++] = (struct cx_frag){ b, n };
	p->plen += n;
	return true;
}

/* the data segments from ds16 on; an inline one with the trailer flag is the ESP trailer and goes last */
static int gather(struct cx_func *f, struct cx_pkt *p, u8 *wqe, int i, int ds, bool trl)
{
	u8 *tail = NULL, *b;
	u32 tlen = 0, got;

	for (; i < ds; i++) {
		struct mlx5_wqe_data_seg *s = (void *)wqe + i * 16;
		u32 n = be32_to_cpu(s->byte_count);

		if (!(n & MLX5_INLINE_SEG)) {
			u64 a = be64_to_cpu(s->addr);

			for (; n; n -= got, a += got) {
				got = n;
				b = cx_dma_part(f, a, &got, false);
				if (!add_frag(p, b, got))
					return -1;
			}
			continue;
		}
		n &= 0x3ff;
		if (i * 16 + 4 + n > ds * 16)
			return -1;
		if (trl) {
			tail = (u8 *)s + 4;
			tlen = n;
		} else if (!add_frag(p, (u8 *)s + 4, n)) {
			return -1;
		}
		i += DIV_ROUND_UP(n + 4, 16) - 1;
	}
	if (tlen && !add_frag(p, tail, tlen))
		return -1;
	return tlen;
}

/* the driver has taken the trailer out of the IP length */
static void add_ip_len(struct cx_pkt *p, int n)
{
	u8 *l3 = p->data + p->l3off;

	if (!n || !p->l3off)
		return;
	if (p->v6) {
		put_unaligned_be16(get_unaligned_be16(l3 + 4) + n, l3 + 4);
		return;
	}
	put_unaligned_be16(get_unaligned_be16(l3 + 2) + n, l3 + 2);
	p->l3csum = true;
}

static void send(struct cx_func *f, struct cx_obj *sq, u8 *wqe, int ds, bool lso)
{
	struct mlx5_wqe_eth_seg *e = (void *)wqe + 16;
	u16 ihs = get_unaligned_be16((u8 *)e + 12), tci = get_unaligned_be16((u8 *)e + 14);
	u32 tisn = get_unaligned_be32(wqe + 12) >> 8;
	bool ins = ihs & INS_VLAN, trl = ihs & INS_TRAILER;
	struct cx_obj *tis;
	struct cx_pkt *p = pkt;
	int dsi = 2, tlen;

	cx_pkt_reset(p);
	ihs = ins ? 0 : ihs & 0x3ff;
	if (ihs) {
		if (ihs > CX_HDR || 16 + 14 + ihs > ds * 16)
			return;
		memcpy(p->data, (u8 *)e + 14, ihs);
		p->hlen = ihs;
		if (ihs > 2)
			dsi += DIV_ROUND_UP(ihs - 2, 16);
	}
	tlen = gather(f, p, wqe, dsi, ds, trl);
	if (tlen < 0)
		return;
	if (lso && tlen > ESP_TAIL) {	/* each segment takes a trailer of its own: only the next header matters */
		p->esp_next = p->frag[--p->nfrag].p[tlen - ESP_TAIL];
		p->plen -= tlen;
		tlen = 0;
	}
	/* of a large packet, exactly the inline part is the header */
	if (!lso && !cx_pull(p))
		return;
	if (p->hlen < ETH_HLEN)
		return;
	p->mss = lso ? be16_to_cpu(e->mss) : 0;
	p->nsegs = p->mss ? max(1U, DIV_ROUND_UP(p->plen, p->mss)) : 1;
	p->l3csum = e->cs_flags & MLX5_ETH_WQE_L3_CSUM;
	p->l4csum = e->cs_flags & MLX5_ETH_WQE_L4_CSUM;
	p->in_l3csum = e->cs_flags & MLX5_ETH_WQE_L3_INNER_CSUM;
	p->inner_csum = e->cs_flags & MLX5_ETH_WQE_L4_INNER_CSUM;
	p->sqn = sq->id;
	p->port = &cx_ports[f->pf];
	MLX5_SET(fte_match_param, p->mp, misc_parameters.source_sqn, sq->id);
	MLX5_SET(fte_match_param, p->mp, misc_parameters_2.metadata_reg_a, be32_to_cpu(e->flow_table_metadata));
	cx_parse(p);
	add_ip_len(p, tlen);
	if (ins)
		cx_vlan_push(p, ETH_P_8021Q << 16 | tci);
	tis = cx_obj(f, CX_O_TIS, tisn ?: sq->sq.tis);
	p->affinity = tis ? tis->t.affinity : 0;
	p->td = tis ? tis->t.td : 0;
	if (tisn && !cx_tls_tx(f, tisn, p))
		return;
	cx_fault_slow(p->hlen + p->plen);
	cx_tx_packet(f, p);
}

static void dump(struct cx_func *f, u8 *wqe, int ds)
{
	int i;

	for (i = 1; i < ds; i++) {
		struct mlx5_wqe_data_seg *s = (void *)wqe + i * 16;
		u32 n = be32_to_cpu(s->byte_count) & 0x7fffffff, got;
		u64 a = be64_to_cpu(s->addr);

		for (; n; n -= got, a += got) {
			u8 *b;

			got = n;
			b = cx_dma_part(f, a, &got, false);
			if (!b)
				break;
			cx_tls_dump(f, get_unaligned_be32(wqe + 12) >> 8, b, got);
		}
	}
}

static void run_wqe(struct cx_func *f, struct cx_obj *sq, u8 *wqe, int op, int opmod, int ds)
{
	struct mlx5_seg_get_psv *get = (void *)wqe + 16;
	u32 tn = get_unaligned_be32(wqe + 12) >> 8;	/* TIS or TIR, in TLS work requests */

	switch (op) {
	case MLX5_OPCODE_SEND: case MLX5_OPCODE_LSO:
		if (ds >= 2)
			send(f, sq, wqe, ds, op == MLX5_OPCODE_LSO);
		return;
	case MLX5_OPCODE_UMR:
		if (!opmod && ds * 16 >= UMR_SZ)
			cx_mkey_umr(f, wqe, ds * 16);
		if (ds * 16 < TLS_STATIC_OFF + MLX5_ST_SZ_BYTES(tls_static_params))
			return;
		if (opmod == MLX5_OPC_MOD_TLS_TIS_STATIC_PARAMS)
			cx_tls_static(f, tn, wqe + TLS_STATIC_OFF);
		else if (opmod == MLX5_OPC_MOD_TLS_TIR_STATIC_PARAMS)
			cx_tls_rx_static(f, tn, wqe + TLS_STATIC_OFF);
		return;
	case MLX5_OPCODE_SET_PSV:
		if (ds < 2)
			return;
		tn = get_unaligned_be32(wqe + 16) & 0xffffff;
		if (opmod == MLX5_OPC_MOD_TLS_TIS_PROGRESS_PARAMS)
			cx_tls_progress(f, tn);
		else if (opmod == MLX5_OPC_MOD_TLS_TIR_PROGRESS_PARAMS)
			cx_tls_rx_progress(f, tn, wqe + 20);
		return;
	case MLX5_OPCODE_GET_PSV:
		if (opmod == MLX5_OPC_MOD_TLS_TIR_PROGRESS_PARAMS && ds * 16 >= 16 + sizeof(*get))
			cx_tls_rx_read(f, be32_to_cpu(get->psv_index[0]) & 0xffffff, be64_to_cpu(get->va));
		return;
	case MLX5_OPCODE_DUMP:
		dump(f, wqe, ds);
		return;
	case MLX5_OPCODE_ACCESS_ASO:
		if (opmod == ASO_IPSEC && ds >= 4)
			cx_ipsec_aso(f, wqe);
		return;
	case MLX5_OPCODE_NOP:
		return;
	}
	pr_info_ratelimited("connectx_emu: f%d sq %x: work request 0x%x is not supported\n", f->idx, sq->id, op);
}

/* one work request; buf: 1024 bytes for a copy of it */
static void step(struct cx_obj *sq, struct cx_obj *cq, u8 *buf)
{
	u32 m = (1 << sq->wq.log_sz) - 1, i;
	struct mlx5_wqe_ctrl_seg *c = cx_wq_at(sq, (sq->wq.pi & m) * CX_ENTRY, false);
	u32 w0 = be32_to_cpu(READ_ONCE(c->opmod_idx_opcode)), ds = be32_to_cpu(READ_ONCE(c->qpn_ds)) & 0x3f;
	bool ce = (READ_ONCE(c->fm_ce_se) & 0xc) == MLX5_WQE_CTRL_CQ_UPDATE;
	u32 nbb = DIV_ROUND_UP(ds, 4) ?: 1;
	u16 idx = sq->wq.pi;

	for (i = 0; i < nbb; i++)
		cx_copy(buf + i * CX_ENTRY, cx_wq_at(sq, ((sq->wq.pi + i) & m) * CX_ENTRY, false), CX_ENTRY);
	if (sq->wq.gone)
		return;
	run_wqe(sq->f, sq, buf, w0 & 0xff, w0 >> 24, ds);
	sq->wq.pi += nbb;
	if (ce) {
		struct mlx5_cqe64 *q = cx_cqe_next(cq);

		q->wqe_counter = cpu_to_be16(idx);
		q->sop_drop_qpn = cpu_to_be32(w0 << 24 | sq->id);
		cx_cqe_commit(cq, q, CQE_REQ);
	}
}

/* operation modifier and opcode of the next one */
static u32 next_op(struct cx_obj *sq)
{
	struct mlx5_wqe_ctrl_seg *c = cx_wq_at(sq, (sq->wq.pi & ((1 << sq->wq.log_sz) - 1)) * CX_ENTRY, false);

	return be32_to_cpu(READ_ONCE(c->opmod_idx_opcode)) & 0xff0000ff;
}

static bool pending(struct cx_obj *sq)
{
	bool any = (u16)be32_to_cpu(READ_ONCE(cx_wq_dbr(sq)[1])) != (u16)sq->wq.pi;

	dma_rmb();
	return any && !sq->wq.gone;
}

bool cx_sq_run(struct cx_obj *sq)
{
	struct cx_func *f = sq->f;
	struct cx_obj *cq;
	static u8 wqe[1024];
	int budget = BATCH;

	if (!pending(sq))
		return false;
	cq = cx_obj(f, CX_O_CQ, sq->sq.cqn);
	if (!cq || sq->wq.log_stride != 6)
		return false;
	while (pending(sq) && budget--) {
		u32 op = next_op(sq) & 0xff;

		if ((op == MLX5_OPCODE_SEND || op == MLX5_OPCODE_LSO) && !cx_sched_ready(f, cx_vport(f->pf, f->vport))) {
			f->hot = jiffies + CX_HOT;	/* looked at again soon, though nothing has been done */
			return budget < BATCH - 1;
		}
		step(sq, cq, wqe);
	}
	return true;
}

/*
 * While a packet is delivered, and wants for a buffer: those work requests only that make one. None of them is a packet or
 * touches what a packet's way depends on, and the queues with UMRs are not those that packets come from.
 */
void cx_sq_umrs(struct cx_func *f)
{
	static u8 wqe[1024];
	struct cx_obj *sq, *cq;

	list_for_each_entry(sq, &f->sqs, node) {
		cq = sq->sq.umr && pending(sq) ? cx_obj(f, CX_O_CQ, sq->sq.cqn) : NULL;
		if (!cq || sq->wq.log_stride != 6)
			continue;
		while (pending(sq) && (next_op(sq) == MLX5_OPCODE_UMR || next_op(sq) == MLX5_OPCODE_NOP))
			step(sq, cq, wqe);
		cx_cq_kick(cq);
	}
}
