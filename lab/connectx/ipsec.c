// SPDX-License-Identifier: GPL-2.0
/*
 * Security associations: the IPsec object, and its ASO context, in which the card keeps what changes with each packet:
 * sequence number, replay window, lifetimes. The driver reads and re-arms the context by work requests.
 */
#include "ipsec.h"

#define ASO_AT	0x40		/* the context in an IPsec object */
#define MID	0x80000000U		/* half of the sequence numbers: where their high word may have moved on */
#define S(s, f)		MLX5_GET(ipsec_aso, (s)->aso, f)
#define SET(s, f, v)	MLX5_SET(ipsec_aso, (s)->aso, f, v)

enum { MODE_NONE, MODE_REPLAY, MODE_INC_SN };
enum { SYND_OK, SYND_REPLAY, SYND_EXPIRED };

static LIST_HEAD(events);		/* objects of which the driver is to be told */

int cx_ipsec_create(struct cx_func *f, struct cx_obj *o, void *in)
{
	void *c = MLX5_ADDR_OF(create_ipsec_obj_in, in, ipsec_object);
	struct cx_sa *s;

	if (!cx_ipsec_may(f, MLX5_GET(ipsec_obj, c, full_offload) ? CX_IPSEC_PACKET : CX_IPSEC_CRYPTO))
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return MLX5_CMD_STAT_NO_RES_ERR;
	o->sa = s;
	s->gcm = cx_key_gcm(f, MLX5_GET(ipsec_obj, c, dekn));
	s->buf = kmalloc(ESP_BUF, GFP_KERNEL);
	if (!s->gcm || !s->buf)
		return MLX5_CMD_STAT_NO_RES_ERR;
	memcpy(s->salt, MLX5_ADDR_OF(ipsec_obj, c, salt), sizeof(s->salt));
	memcpy(s->iv, MLX5_ADDR_OF(ipsec_obj, c, implicit_iv), sizeof(s->iv));
	memcpy(s->aso, c + ASO_AT, sizeof(s->aso));
	s->full = MLX5_GET(ipsec_obj, c, full_offload);
	s->esn = MLX5_GET(ipsec_obj, c, esn_en);
	s->esn_msb = MLX5_GET(ipsec_obj, c, esn_msb);
	s->overlap = MLX5_GET(ipsec_obj, c, esn_overlap);
	cx_dbg(1, "f%d IPsec object %x: %s offload, key %x, esn %d, mode %u from %u\n", f->idx, o->id,
	       s->full ? "packet" : "crypto", MLX5_GET(ipsec_obj, c, dekn), s->esn, S(s, mode), S(s, mode_parameter));
	return 0;
}

/* the driver follows the high half of the sequence number */
int cx_ipsec_modify(struct cx_obj *o, void *in)
{
	void *c = MLX5_ADDR_OF(modify_ipsec_obj_in, in, ipsec_object);
	u64 sel = MLX5_GET64(ipsec_obj, c, modify_field_select);

	if (sel & MLX5_MODIFY_IPSEC_BITMASK_ESN_OVERLAP)
		o->sa->overlap = MLX5_GET(ipsec_obj, c, esn_overlap);
	if (sel & MLX5_MODIFY_IPSEC_BITMASK_ESN_MSB)
		o->sa->esn_msb = MLX5_GET(ipsec_obj, c, esn_msb);
	cx_dbg(1, "IPsec object %x: high word %u, overlap %d\n", o->id, o->sa->esn_msb, o->sa->overlap);
	return 0;
}

int cx_ipsec_query(struct cx_obj *o, void *out, int outlen)
{
	void *c = MLX5_ADDR_OF(query_ipsec_obj_out, out, ipsec_object);
	struct cx_sa *s = o->sa;

	if (outlen < MLX5_ST_SZ_BYTES(query_ipsec_obj_out))
		return MLX5_CMD_STAT_BAD_OUTP_LEN_ERR;
	MLX5_SET64(ipsec_obj, c, modify_field_select,
		   MLX5_MODIFY_IPSEC_BITMASK_ESN_OVERLAP | MLX5_MODIFY_IPSEC_BITMASK_ESN_MSB);
	MLX5_SET(ipsec_obj, c, full_offload, s->full);
	MLX5_SET(ipsec_obj, c, esn_en, s->esn);
	MLX5_SET(ipsec_obj, c, esn_overlap, s->overlap);
	MLX5_SET(ipsec_obj, c, esn_msb, s->esn_msb);
	memcpy(c + ASO_AT, s->aso, sizeof(s->aso));
	return 0;
}

void cx_ipsec_free(struct cx_obj *o)
{
	list_del_init(&o->node);
	if (!o->sa)
		return;
	cx_gcm_free(o->sa->gcm);
	kfree(o->sa->buf);
	kfree_sensitive(o->sa);
}

/* a work request of the driver: read the context, and change 64 bits of it from a dword on */
void cx_ipsec_aso(struct cx_func *f, const u8 *wqe)
{
	struct cx_obj *o = cx_obj(f, CX_O_IPSEC, get_unaligned_be32(wqe + 12));
	u64 va = get_unaligned_be64(wqe + 16), val = get_unaligned_be64(wqe + 48), mask = get_unaligned_be64(wqe + 56);
	u8 cond = wqe[29], off = wqe[31];
	u8 *to = va & 1 ? cx_dma(f, va & ~1ULL, MLX5_ST_SZ_BYTES(ipsec_aso), true) : NULL;

	if (!o)
		return;
	if (to)
		memcpy(to, o->sa->aso, MLX5_ST_SZ_BYTES(ipsec_aso));
	if (cond == 0x11 && !(wqe[28] >> 6) && off * 4 + 8 <= sizeof(o->sa->aso)) {	/* always, bit by bit */
		u8 *p = o->sa->aso + off * 4;

		put_unaligned_be64((get_unaligned_be64(p) & ~mask) | (val & mask), p);
	}
	cx_dbg(1, "f%d IPsec object %x: context %s%s, number %u, packets left %u, soft at %u\n", f->idx, o->id,
	       va & 1 ? "read" : "", cond ? " changed" : "", S(o->sa, mode_parameter), S(o->sa, remove_flow_pkt_cnt),
	       S(o->sa, remove_flow_soft_lft));
}

/* events wait until no packet is on its way: an interrupt may run the driver's poll */
static void tell(struct cx_obj *o)
{
	o->sa->event = true;
	if (list_empty(&o->node))
		list_add_tail(&o->node, &events);
}

bool cx_ipsec_events(void)
{
	struct mlx5_eqe_obj_change d = { .obj_type = cpu_to_be16(MLX5_GENERAL_OBJECT_TYPES_IPSEC) };
	bool any = false;

	while (!list_empty(&events)) {
		struct cx_obj *o = list_first_entry(&events, struct cx_obj, node);
		struct cx_func *f = o->f;

		list_del_init(&o->node);
		d.obj_id = cpu_to_be32(o->id);
		cx_dbg(1, "f%d IPsec object %x: event\n", f->idx, o->id);
		f->hot = jiffies + 5 * CX_HOT;	/* the driver will ask, and wait 10 ms for the answer */
		cx_event(f, MLX5_EVENT_TYPE_OBJECT_CHANGE, 0, &d, sizeof(d));
		any = true;
	}
	return any;
}

/* a packet of the lifetime; false: there is none left */
static bool lifetime(struct cx_obj *o)
{
	struct cx_sa *s = o->sa;
	u32 left = S(s, remove_flow_pkt_cnt);

	if (!S(s, remove_flow_enable))
		return true;
	if (!left)
		return false;
	SET(s, remove_flow_pkt_cnt, --left);
	if (S(s, soft_lft_arm) && left == S(s, remove_flow_soft_lft)) {
		SET(s, soft_lft_arm, 0);
		tell(o);
	}
	if (!left && S(s, hard_lft_arm)) {
		SET(s, hard_lft_arm, 0);
		tell(o);
	}
	return true;
}

/* the high word belongs to the numbers below the middle too, or already to the next turn's */
u32 cx_sa_seq_hi(struct cx_sa *s, u32 seq)
{
	return s->esn ? s->esn_msb + (s->overlap && seq < MID) : 0;
}

/* the numbers are past the middle, or all of the window is past the turn */
static bool past(struct cx_sa *s, u32 top, u32 window)
{
	return s->overlap ? top < MID && top >= window : top >= MID;
}

/* the driver moves the high word on then; it arms the event again before it has, so only the step counts */
static void esn_event(struct cx_obj *o, u32 old, u32 top, u32 window)
{
	struct cx_sa *s = o->sa;

	if (s->esn && S(s, esn_event_arm) && past(s, top, window) && !past(s, old, window)) {
		SET(s, esn_event_arm, 0);
		tell(o);
	}
}

/* the sequence number of the next packet to be sent; false: none may be */
bool cx_sa_next(struct cx_obj *o, u32 *seq)
{
	struct cx_sa *s = o->sa;

	*seq = S(s, mode_parameter);
	if ((!*seq && !s->esn) || !lifetime(o))
		return false;
	SET(s, mode_parameter, *seq + 1);
	esn_event(o, *seq, *seq + 1, 0);
	return true;
}

/* an authentic packet was received: what its metadata register says */
u8 cx_sa_received(struct cx_obj *o, u32 seq)
{
	struct cx_sa *s = o->sa;
	u32 top = S(s, mode_parameter), size = 32 << S(s, window_sz);
	u64 t = (u64)cx_sa_seq_hi(s, top) << 32 | top, n = (u64)cx_sa_seq_hi(s, seq) << 32 | seq;

	if (S(s, mode) == MODE_REPLAY) {
		if (n <= t && (t - n >= size || test_bit(t - n, s->window)))
			return SYND_REPLAY;
		if (n > t) {
			if (n - t < 256)
				bitmap_shift_left(s->window, s->window, n - t, 256);
			else
				bitmap_zero(s->window, 256);
			SET(s, mode_parameter, seq);
			t = n;
		}
		__set_bit(t - n, s->window);
		esn_event(o, top, (u32)t, size);
	}
	return lifetime(o) ? SYND_OK : SYND_EXPIRED;
}
