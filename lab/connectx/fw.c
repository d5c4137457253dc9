// SPDX-License-Identifier: GPL-2.0
/* The command queue: mailboxes in and out, completion, reset of a function. */
#include "connectx.h"
#include <linux/vmalloc.h>

#define LOG_STRIDE	6
#define MAX_CMD		SZ_1M
#define RFR_CRITICAL	0x8a		/* the driver is to reset; severity 2 is valid and critical */

struct cmd_lay {			/* 64-byte command queue entry */
	u8 type, rsvd0[3];
	__be32 inlen;
	__be64 in_ptr;
	u8 in[16], out[16];
	__be64 out_ptr;
	__be32 outlen;
	u8 token, sig, rsvd1, own;
};

static void *ib, *ob;

/* what is wrong with a chain of mailbox blocks (delivery status): it ends too soon, a block is not to be reached */
enum { D_OK, D_FAULT = 6, D_IN_LEN = 7, D_OUT_LEN = 8 };
enum dir { IN, OUT, TRY };		/* TRY: as OUT, without a copy */

/* copies between b and the inline 16 bytes plus the chain of mailbox blocks */
static u8 mailbox(struct cx_func *f, u8 *inl, u64 next, u8 *b, int len, enum dir dir)
{
	struct mlx5_cmd_prot_block *p;
	int o = 16, n;

	if (dir == IN)
		memcpy(b, inl, 16);
	else if (dir == OUT)
		memcpy(inl, b, 16);
	for (; o < len; o += n) {
		next &= ~0x3ffULL;
		if (!next)
			return dir == IN ? D_IN_LEN : D_OUT_LEN;
		p = cx_dma(f, next, sizeof(*p), dir != IN);
		if (!p)
			return D_FAULT;
		n = min(512, len - o);
		if (dir == IN)
			memcpy(b + o, p->data, n);
		else if (dir == OUT)
			memcpy(p->data, b + o, n);
		next = be64_to_cpu(READ_ONCE(p->next));
	}
	return D_OK;
}

/* false: the answer is to be late, and *due says when it is */
static bool run_slot(struct cx_func *f, struct cmd_lay *l, bool late, ktime_t *due)
{
	u32 inlen = be32_to_cpu(READ_ONCE(l->inlen)), outlen = be32_to_cpu(READ_ONCE(l->outlen)), synd = 0;
	u64 to = be64_to_cpu(READ_ONCE(l->out_ptr));
	u16 op;
	int st;
	u8 d;

	if (inlen < 8 || outlen < 8 || inlen > MAX_CMD || outlen > MAX_CMD) {
		pr_warn_ratelimited("connectx_emu: f%d command of %u bytes, answer of %u\n", f->idx, inlen, outlen);
		l->own = 0xb << 1;	/* delivery status: bad input length */
		return true;
	}
	/* handlers may look at a whole fixed-size command: what was not sent reads as zero */
	memset(ib + 16, 0, max(inlen, 0x400u) - 16);
	memset(ob, 0, max(outlen, 0x400u));
	d = mailbox(f, l->in, be64_to_cpu(l->in_ptr), ib, inlen, IN);
	if (!d && f->dom)		/* nothing is done whose answer cannot be given */
		d = mailbox(f, l->out, to, ob, outlen, TRY);
	if (d) {
		WRITE_ONCE(l->own, d << 1);
		return true;
	}
	op = MLX5_GET(mbox_in, ib, opcode);
	if (!late) {
		u64 ns = cx_fault_delay(f, ib);

		*due = cx_key_due(f, ib);
		if (ns)
			*due = ktime_add_ns(*due ?: ktime_get(), ns);
		if (*due)
			return false;
	}
	st = cx_fault_status(op, &synd);
	if (!st)
		st = cx_exec(f, ib, inlen, ob, outlen);
	if (st) {
		cx_vport(f->pf, f->vport)->refused++;
		memset(ob, 0, 16);
		MLX5_SET(mbox_out, ob, status, st);
		MLX5_SET(mbox_out, ob, syndrome, synd ?: 0xe00000 | op << 8 | st);
		cx_dbg(1, "f%d command 0x%x: status %d\n", f->idx, op, st);
	}
	d = mailbox(f, l->out, to, ob, outlen, OUT);
	wmb();
	WRITE_ONCE(l->own, d << 1);
	return true;
}

/* a driver that has the registers mapped: no probe sees what it writes */
void cx_fw_poll(struct cx_func *f)
{
	u32 slots = be32_to_cpu((__force __be32)xchg((__force u32 *)&f->seg->cmd_dbell, 0));

	if (!slots)
		return;
	WRITE_ONCE(f->cmdq_h, be32_to_cpu(READ_ONCE(f->seg->cmdq_addr_h)));
	WRITE_ONCE(f->cmdq_l, be32_to_cpu(READ_ONCE(f->seg->cmdq_addr_l_sz)));
	atomic_or(slots, &f->doorbell);
	set_bit(CX_F_DOORBELL, &f->flags);
}

/* late: they have waited as long as they were to */
void cx_fw_doorbell(struct cx_func *f, u32 slots, bool late)
{
	u64 base = (u64)READ_ONCE(f->cmdq_h) << 32 | (READ_ONCE(f->cmdq_l) & ~0xfff);
	struct cmd_lay *q = cx_dma(f, base, sizeof(*q) << CX_LOG_SLOTS, true);
	/* CREATE_EQ of the command EQ is itself polled: only an EQ that was there before completes */
	struct cx_eq *ceq = cx_cmd_eq(f);
	u32 done = 0;
	__be32 vec;
	int i;

	if (!f->seg || !q || f->hang)
		return;
	/* the driver's write of the address went over the low bits, which another probe reads */
	f->seg->cmdq_addr_l_sz = cpu_to_be32((u32)base | CX_LOG_SLOTS << 4 | LOG_STRIDE);
	for (i = 0; i < CX_SLOTS; i++) {
		if (!(slots >> i & 1) || !(READ_ONCE(q[i].own) & 1))
			continue;
		rmb();
		if (run_slot(f, &q[i], late, &f->due[i]))
			done |= 1 << i;
		else
			f->late |= 1 << i;
	}
	vec = cpu_to_be32(done);
	if (done && ceq && ceq->used)
		cx_eqe_post(f, ceq, MLX5_EVENT_TYPE_CMD, 0, &vec, 4);
}

/* late commands whose time has come */
bool cx_fw_late(struct cx_func *f)
{
	unsigned long late = f->late;
	ktime_t now;
	u32 ripe = 0;
	int i;

	if (!late)
		return false;
	now = ktime_get();
	for_each_set_bit(i, &late, CX_SLOTS)
		if (!ktime_after(f->due[i], now))
			ripe |= 1u << i;
	if (!ripe)
		return false;
	f->late &= ~ripe;
	cx_fw_doorbell(f, ripe, true);
	return true;
}

/* when the next of them is to be answered; KTIME_MAX: there is none */
ktime_t cx_fw_next(struct cx_func *f)
{
	unsigned long late = f->late;
	ktime_t next = KTIME_MAX;
	int i;

	for_each_set_bit(i, &late, CX_SLOTS)
		next = min(next, f->due[i]);
	return next;
}

/* function reset, FLR, VF enabled or disabled: everything the driver made is gone */
void cx_fw_reset(struct cx_func *f)
{
	struct mlx5_init_seg *s = cx_bar_ram(f);

	f->seg = NULL;
	f->hca_up = false;
	cx_objs_free(f);
	cx_eqs_free(f);
	if (!f->is_vf) {
		cx_keys_reset(f);
		cx_trace_release(f);
		cx_lags[cx_card_of(f)].active = false;
		cx_vxlan_reset(&cx_ports[f->pf]);
		cx_sfs_off(f);
	}
	cx_setcap_free(f);
	bitmap_zero(f->uars, CX_PF_BAR / SZ_4K);
	bitmap_zero(f->irq_pending, CX_MSIX_PF);
	f->npages = 0;
	f->cmdq_h = f->cmdq_l = 0;
	atomic_set(&f->doorbell, 0);
	f->late = 0;
	f->bar = cx_func_enabled(f) ? (void *)s : NULL;
	if (!f->bar) {
		cx_grant_reset(f);
		return;
	}
	s->cmd_dbell = 0;
	s->fw_rev = cpu_to_be32(CX_FW_MINOR << 16 | CX_FW_MAJOR);
	s->cmdif_rev_fw_sub = cpu_to_be32(5 << 16 | CX_FW_SUB);
	s->cmdq_addr_h = 0;
	/* a driver that has not asked for the reset finds out by this that its commands are gone */
	s->cmdq_addr_l_sz = cpu_to_be32(MLX5_INITIAL_SEG_NIC_INTERFACE_DISABLED << MLX5_NIC_IFC_OFFSET | CX_LOG_SLOTS << 4 | LOG_STRIDE);
	f->seg = s;
	wmb();
	WRITE_ONCE(s->initializing, cpu_to_be32(BIT(MLX5_FW_RESET_SUPPORTED_OFFSET)));
}

/* the driver has asked for a reset of the firmware: a PF and its VFs start anew, and say so */
void cx_fw_sw_reset(struct cx_func *pf)
{
	int n;

	for (n = 0; n <= cx_nvfs; n++) {
		struct cx_func *f = cx_vf(pf->pf, n);

		WRITE_ONCE(f->hang, 0);
		cx_grant_reset(f);
		if (!f->seg)
			continue;
		cx_fw_reset(f);
		f->seg->cmdq_addr_l_sz |= cpu_to_be32(MLX5_INITIAL_SEG_NIC_INTERFACE_DISABLED << MLX5_NIC_IFC_OFFSET);
	}
}

/* what the driver looks at to see whether the firmware lives */
void cx_fw_health(struct cx_func *f)
{
	struct health_buffer *h = &f->seg->health;
	u32 synd = READ_ONCE(f->hang);

	h->fw_ver = cpu_to_be32(CX_FW_MAJOR << 24 | CX_FW_MINOR << 16 | CX_FW_SUB);
	h->hw_id = cpu_to_be32(CX_HW_ID);
	h->rfr_severity = synd ? RFR_CRITICAL : 0;
	h->synd = synd;
	if (!synd)
		f->seg->health_counter = cpu_to_be32(be32_to_cpu(f->seg->health_counter) + 1);
}

int cx_fw_init(void)
{
	ib = vzalloc(MAX_CMD);
	ob = vzalloc(MAX_CMD);
	if (ib && ob)
		return 0;
	vfree(ib);
	vfree(ob);
	return -ENOMEM;
}

void cx_fw_exit(void)
{
	int i;

	for (i = 0; i < cx_nfuncs(); i++) {
		struct cx_func *f = &cx_funcs[i];

		cx_objs_free(f);
		cx_eqs_free(f);
		kvfree(f->pages);
		cx_setcap_free(f);
		xa_destroy(&f->setcap);
		xa_destroy(&f->objs);
	}
	vfree(ib);
	vfree(ob);
}
