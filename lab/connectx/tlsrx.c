// SPDX-License-Identifier: GPL-2.0
/*
 * TLS 1.2 AES-GCM receive: what one TIR gets, in the order of its TCP sequence, decrypted record by record. The headers,
 * nonces and tags stay as they came; a packet is told to be decrypted only if all of its data is, and otherwise left alone.
 *
 * A hole inside a record costs that record alone: where the next one starts is known. A hole over a header loses the
 * track. The stream is then searched for what looks like a header, the packet of the first one asks the driver for a resync, and
 * records are counted from there without decrypting until new static parameters name that header and its record number.
 */
#include "connectx.h"
#include <net/tcp.h>

#define HEAD		5		/* of the header: type, version, length */
#define SEGS		8192
#define PATIENCE	32		/* records without an answer until a resync is asked for again; doubles */
#define PSV_BYTES	64

/* record_tracker_state and auth_state of the progress parameters */
enum { START, TRACKING, SEARCHING };
enum { NO_OFFLOAD, OFFLOAD };
enum verdict { GOOD, NO_RECORD, BAD_TAG };

struct cx_tls_rx {
	struct cx_gcm *gcm;
	struct cx_gcm_run run;
	u8 salt[4], hdr[CX_TLS_HDR], tag[CX_TLS_TAG];
	u8 state;
	bool on;			/* records are decrypted */
	bool blind;			/* but not this one */
	bool forged;			/* its tag does not match so far */
	u32 next;			/* sequence number that follows */
	u32 high;			/* searched up to here */
	u32 off, len;			/* place in the record, its length */
	u64 record;			/* its number; unless on, counted from the header at resync */
	u32 resync, patience;
	u32 start;			/* where the last record began, and its number */
	u64 start_record;
	u64 bytes, records, resyncs;
};

static u8 work[CX_SCRATCH], orig[SZ_64K], flags[SEGS];

static bool header(const u8 *b)
{
	u32 len = get_unaligned_be16(b + 3);

	return b[0] >= 20 && b[0] <= 23 && b[1] == 3 && b[2] == 3 && len >= CX_TLS_MIN_REC && len <= CX_TLS_MAX_REC;
}

static void record_start(struct cx_tls_rx *t)
{
	u8 aad[13];

	t->blind = !t->on;
	t->forged = false;
	if (t->blind)
		return;
	put_unaligned_be64(t->record, aad);
	memcpy(aad + 8, t->hdr, 3);
	put_unaligned_be16(t->len - CX_TLS_HDR - CX_TLS_TAG, aad + 11);
	cx_gcm_start(t->gcm, &t->run, t->salt, t->hdr + HEAD, aad, sizeof(aad));
}

/* follows the stream over n bytes, decrypting in place what can be; *clear: all of it could */
static enum verdict feed(struct cx_tls_rx *t, u8 *b, u32 n, u32 seq, bool *clear)
{
	while (n) {
		u32 data = t->len - CX_TLS_TAG, k;

		if (!t->off) {
			t->start = seq;
			t->start_record = t->record;
		}
		if (t->off < CX_TLS_HDR) {
			k = min(n, (t->off < HEAD ? HEAD : CX_TLS_HDR) - t->off);
			memcpy(t->hdr + t->off, b, k);
			if (t->off + k == HEAD) {
				if (!header(t->hdr))
					return NO_RECORD;
				t->len = HEAD + get_unaligned_be16(t->hdr + 3);
			} else if (t->off + k == CX_TLS_HDR) {
				record_start(t);
			}
		} else if (t->blind) {
			k = min(n, t->len - t->off);
			*clear = false;
		} else if (t->off < data) {
			k = min(n, data - t->off);
			cx_gcm_crypt(t->gcm, &t->run, b, k, false);
		} else {
			if (t->off == data)
				cx_gcm_tag(t->gcm, &t->run, t->tag);
			k = min(n, t->len - t->off);
			t->forged |= !cx_faults.no_encrypt && memcmp(t->tag + t->off - data, b, k);
		}
		t->off += k;
		b += k;
		n -= k;
		seq += k;
		if (t->off >= CX_TLS_HDR && t->off == t->len) {
			t->off = 0;
			t->record++;
			if (!t->blind && t->forged)
				return BAD_TAG;
			t->records += !t->blind;
		}
	}
	return GOOD;
}

/* the track is lost: the first of the bytes from which headers follow one another to the packet's end starts a new one */
static u8 search(struct cx_tls_rx *t, u8 *b, u32 n, u32 seq)
{
	bool clear = false;
	u32 i, o;

	t->state = SEARCHING;
	t->on = false;
	t->high = seq + n;
	for (i = 0; i + HEAD <= n; i++) {
		for (o = i; o + HEAD <= n && header(b + o); o += HEAD + get_unaligned_be16(b + o + 3))
			;
		if (o + HEAD > n)
			break;
	}
	if (i + HEAD > n)
		return CQE_TLS_OFFLOAD_NOT_DECRYPTED;
	t->state = TRACKING;
	t->next = seq + n;
	t->resync = seq + i;
	t->patience = PATIENCE;
	t->record = 0;
	t->off = 0;
	feed(t, b + i, n - i, seq + i, &clear);
	return CQE_TLS_OFFLOAD_RESYNC;
}

/* gap bytes are missing; false: the next header may be among them */
static bool skip(struct cx_tls_rx *t, u32 gap)
{
	if (t->off < HEAD || t->off + gap < CX_TLS_HDR || t->off + gap > t->len)
		return false;
	t->off += gap;
	t->blind = true;
	if (t->off == t->len) {
		t->off = 0;
		t->record++;
	}
	return true;
}

/* the packet that was to ask may not have reached the driver */
static u8 ask_again(struct cx_tls_rx *t, u32 seq)
{
	if (t->on || t->start_record < t->patience || before(t->start, seq))
		return CQE_TLS_OFFLOAD_NOT_DECRYPTED;
	t->resync = t->start;
	t->record -= t->start_record;
	t->start_record = 0;
	t->patience = min(t->patience * 2, 1U << 20);
	return CQE_TLS_OFFLOAD_RESYNC;
}

/* the n bytes of a segment, and a copy to go back to; the result is for its completion entry */
static u8 segment(struct cx_tls_rx *t, u8 *b, u8 *copy, u32 n, u32 seq)
{
	u32 end = seq + n, old = 0;
	bool clear = t->on;

	if (t->state == START || !after(end, t->state == SEARCHING ? t->high : t->next))
		return CQE_TLS_OFFLOAD_NOT_DECRYPTED;
	if (t->state == SEARCHING)
		return search(t, copy, n, seq);
	if (before(seq, t->next)) {
		old = t->next - seq;
		clear = false;
	} else if (seq != t->next && !skip(t, seq - t->next)) {
		return search(t, copy, n, seq);
	}
	t->next = end;
	switch (feed(t, b + old, n - old, seq + old, &clear)) {
	case NO_RECORD:
		return search(t, copy, n, seq);
	case BAD_TAG:
		t->state = SEARCHING;
		t->on = false;
		t->high = end;
		cx_dbg(1, "TLS receive: record %llu is not authentic\n", t->record - 1);
		return CQE_TLS_OFFLOAD_ERROR;
	case GOOD:
		break;
	}
	if (!clear)
		return ask_again(t, seq);
	t->bytes += n;
	return CQE_TLS_OFFLOAD_DECRYPTED;
}

/* the payload of p, decrypted where it can be; for each segment what to tell the driver, NULL: nothing */
const u8 *cx_tls_rx(struct cx_obj *tir, struct cx_pkt *p)
{
	struct cx_tls_rx *t = tir->t.tls;
	u8 *th = p->data + p->l4off;
	u32 hl, n, seq, size, o, i;
	int len = cx_tcp_payload(p, &hl);

	if (len <= 0)
		return NULL;
	n = len;
	o = p->hlen - hl;
	size = p->mss && p->plen > p->mss ? p->mss : n;
	if (o + p->plen > sizeof(work) || size > sizeof(orig) || n > size * SEGS || (o && size < n))
		return NULL;
	memcpy(work, p->data + hl, o);
	for (i = 0; i < p->nfrag; o += p->frag[i++].len)
		cx_copy(work + o, p->frag[i].p, p->frag[i].len);
	/* what was damaged on its way is for TCP to drop, and no part of the stream */
	if (!p->l4csum && cx_l4_sum(&p->out, p->data, hl - p->l4off + n,
				    csum_add(csum_partial(th, hl - p->l4off, 0), csum_partial(work, n, 0))))
		return NULL;
	p->hlen = hl;
	p->plen = o;
	p->frag[0] = (struct cx_frag){ work, o };
	p->nfrag = 1;
	seq = get_unaligned_be32(th + 4);
	for (i = o = 0; o < n; o += size, i++) {
		u32 k = min(size, n - o);
		bool on = t->on;

		if (on)
			cx_copy(orig, work + o, k);
		flags[i] = segment(t, work + o, on ? orig : work + o, k, seq + o);
		if (on && flags[i] != CQE_TLS_OFFLOAD_DECRYPTED)
			cx_copy(work + o, orig, k);
		cx_dbg(3, "TLS receive: %u bytes at %u: %u\n", k, seq + o, flags[i]);
	}
	return flags;
}

/* the first of a TIR; later ones answer a resync request */
void cx_tls_rx_static(struct cx_func *f, u32 tirn, void *p)
{
	struct cx_obj *tir = cx_obj(f, CX_O_TIR, tirn);
	u64 record = MLX5_GET64(tls_static_params, p, initial_record_number);
	struct cx_tls_rx *t = tir && tir->t.tls_en ? tir->t.tls : NULL;

	if (t) {
		u32 seq = MLX5_GET(tls_static_params, p, resync_tcp_sn);

		cx_dbg(1, "f%d TIR %x: TLS record %llu is at %u, asked for %u\n", f->idx, tirn, record, seq, t->resync);
		if (t->state != TRACKING || t->on || seq != t->resync)
			return;
		t->record += record;
		t->on = true;
		t->resyncs++;
		return;
	}
	if (!tir || !tir->t.tls_en) {
		pr_info_ratelimited("connectx_emu: f%d TLS parameters for TIR %x, which is not there\n", f->idx, tirn);
		return;
	}
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t)
		return;
	t->gcm = cx_tls_key(f, p);
	if (!t->gcm) {
		kfree(t);
		return;
	}
	memcpy(t->salt, MLX5_ADDR_OF(tls_static_params, p, gcm_iv), 4);
	t->record = record;
	tir->t.tls = t;
	cx_dbg(1, "f%d TIR %x: TLS from record %llu\n", f->idx, tirn, record);
}

void cx_tls_rx_progress(struct cx_func *f, u32 tirn, void *p)
{
	struct cx_obj *tir = cx_obj(f, CX_O_TIR, tirn);
	struct cx_tls_rx *t = tir ? tir->t.tls : NULL;

	if (!t)
		return;
	t->next = MLX5_GET(tls_progress_params, p, next_record_tcp_sn);
	t->off = 0;
	t->state = TRACKING;
	t->on = true;
}

/* GET_PSV: where the search for a header has come to */
void cx_tls_rx_read(struct cx_func *f, u32 tirn, u64 addr)
{
	struct cx_obj *tir = cx_obj(f, CX_O_TIR, tirn);
	struct cx_tls_rx *t = tir ? tir->t.tls : NULL;
	u8 *b = cx_dma(f, addr, PSV_BYTES, true), *c = b + 4;

	if (!b)
		return;
	memset(b, 0, PSV_BYTES);
	put_unaligned_be32(tirn, b);
	if (!t)
		return;
	MLX5_SET(tls_progress_params, c, next_record_tcp_sn, t->next);
	MLX5_SET(tls_progress_params, c, hw_resync_tcp_sn, t->resync);
	MLX5_SET(tls_progress_params, c, record_tracker_state, t->state);
	MLX5_SET(tls_progress_params, c, auth_state, t->on ? OFFLOAD : NO_OFFLOAD);
	if (!t->on)
		MLX5_SET(tls_progress_params, c, hw_offset_record_number, t->record);
	cx_dbg(1, "f%d TIR %x: TLS state %u, resync at %u\n", f->idx, tirn, t->state, t->resync);
}

void cx_tls_rx_free(struct cx_obj *tir)
{
	struct cx_tls_rx *t = tir->t.tls;

	if (!t)
		return;
	cx_dbg(1, "f%d TIR %x: %llu bytes, %llu records decrypted, %llu resyncs\n", tir->f->idx, tir->id, t->bytes,
	       t->records, t->resyncs);
	cx_gcm_free(t->gcm);
	kfree_sensitive(t);
}
