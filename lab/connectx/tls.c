// SPDX-License-Identifier: GPL-2.0
/*
 * TLS 1.2 AES-GCM transmit: the TCP byte stream of one TIS, encrypted record by record wherever packets cut it. The driver
 * gives static parameters (key, salt, record number), then progress parameters; after a hole in the sequence it sends
 * both again and the record's bytes so far as dump work requests.
 */
#include "connectx.h"

struct cx_tls {
	struct cx_gcm *gcm;
	struct cx_gcm_run run;
	u8 salt[4], hdr[CX_TLS_HDR], tag[CX_TLS_TAG];
	u64 first, record;		/* number that the static parameters gave, and the current one */
	u32 next_seq, off, plen;	/* off: in the record */
	bool synced, broken;
	u64 bytes, records;
};

static void record_start(struct cx_tls *t)
{
	u32 len = get_unaligned_be16(t->hdr + 3);
	u8 aad[CX_TLS_HDR];

	if (len < CX_TLS_MIN_REC || len > CX_TLS_MAX_REC) {
		t->broken = true;
		return;
	}
	t->plen = len - 8 - CX_TLS_TAG;
	put_unaligned_be64(t->record, aad);
	memcpy(aad + 8, t->hdr, 3);
	put_unaligned_be16(t->plen, aad + 11);
	cx_gcm_start(t->gcm, &t->run, t->salt, t->hdr + 5, aad, sizeof(aad));
}

/* encrypts len bytes of the stream in place; false: it is not made of TLS records */
static bool feed(struct cx_tls *t, u8 *b, u32 len)
{
	while (len && !t->broken) {
		u32 n;

		if (t->off < CX_TLS_HDR) {
			n = min(len, CX_TLS_HDR - t->off);
			memcpy(t->hdr + t->off, b, n);
			if (t->off + n == CX_TLS_HDR)
				record_start(t);
		} else if (t->off < CX_TLS_HDR + t->plen) {
			n = min(len, CX_TLS_HDR + t->plen - t->off);
			if (t->off == CX_TLS_HDR && cx_fault_take(&cx_faults.wrong_byte))
				b[n - 1] ^= 0x20;
			cx_gcm_crypt(t->gcm, &t->run, b, n, true);
		} else {
			u32 o = t->off - CX_TLS_HDR - t->plen;

			if (!o) {
				cx_gcm_tag(t->gcm, &t->run, t->tag);
				t->tag[0] ^= cx_fault_take(&cx_faults.wrong_icv);
			}
			n = min(len, CX_TLS_TAG - o);
			memcpy(b, t->tag + o, n);
		}
		t->off += n;
		b += n;
		len -= n;
		if (t->off >= CX_TLS_HDR && t->off == CX_TLS_HDR + t->plen + CX_TLS_TAG) {
			t->off = 0;
			t->record++;
			t->records++;
		}
	}
	return !t->broken;
}

/* the cipher with the key that static parameters name; NULL: there is none, or they are for another TLS */
struct cx_gcm *cx_tls_key(struct cx_func *f, void *p)
{
	struct cx_gcm *gcm = MLX5_GET(tls_static_params, p, tls_version) == 2 ? cx_key_gcm(f, MLX5_GET(tls_static_params, p, dek_index)) : NULL;

	if (gcm)
		return gcm;
	pr_info_ratelimited("connectx_emu: f%d TLS parameters with key %x, version %d\n", f->idx,
			    MLX5_GET(tls_static_params, p, dek_index), MLX5_GET(tls_static_params, p, tls_version));
	return NULL;
}

void cx_tls_static(struct cx_func *f, u32 tisn, void *p)
{
	struct cx_obj *tis = cx_obj(f, CX_O_TIS, tisn);
	struct cx_tls *t;

	if (!tis || !tis->t.tls_en) {
		pr_info_ratelimited("connectx_emu: f%d TLS parameters for TIS %x, which is not there\n", f->idx, tisn);
		return;
	}
	t = tis->t.tls ?: kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t)
		return;
	tis->t.tls = t;
	cx_gcm_free(t->gcm);
	t->gcm = cx_tls_key(f, p);
	memcpy(t->salt, MLX5_ADDR_OF(tls_static_params, p, gcm_iv), 4);
	t->first = t->record = MLX5_GET64(tls_static_params, p, initial_record_number);
	t->off = 0;
	t->broken = !t->gcm;
	cx_dbg(1, "f%d TIS %x: TLS from record %llu\n", f->idx, tisn, t->record);
}

/*
 * The sequence number in it is 0: the next packet says where the stream goes on. Its offset of the record number is 0 too:
 * a driver that goes back to the record of the last static parameters does not send those again.
 */
void cx_tls_progress(struct cx_func *f, u32 tisn)
{
	struct cx_obj *tis = cx_obj(f, CX_O_TIS, tisn);
	struct cx_tls *t = tis ? tis->t.tls : NULL;

	if (!t)
		return;
	t->synced = false;
	t->off = 0;
	t->record = t->first;
}

void cx_tls_dump(struct cx_func *f, u32 tisn, const u8 *b, u32 len)
{
	struct cx_obj *tis = cx_obj(f, CX_O_TIS, tisn);

	if (!tis || !tis->t.tls)
		return;
	while (len) {
		u32 n = min_t(u32, len, CX_SCRATCH);

		cx_copy(cx_scratch(), b, n);
		feed(tis->t.tls, cx_scratch(), n);
		b += n;
		len -= n;
	}
}

/* bytes of TCP payload, without padding; *hl: what comes before them; < 0: the headers are not all there */
int cx_tcp_payload(const struct cx_pkt *p, u32 *hl)
{
	u32 n;

	if (!p->l4off || p->l4proto != IPPROTO_TCP)
		return 0;
	*hl = p->l4off + 20;
	if (*hl <= p->hlen)
		*hl = p->l4off + (p->data[p->l4off + 12] >> 4) * 4;
	if (*hl < p->l4off + 20 || *hl > p->hlen)
		return -1;
	/* the linear part may hold payload; the IP length tells padding apart */
	n = p->hlen - *hl + p->plen;
	if (!p->mss) {
		u32 ip = p->l3off + (p->v6 ? 40 + get_unaligned_be16(p->data + p->l3off + 4) :
				     get_unaligned_be16(p->data + p->l3off + 2));

		n = min(n, ip - min(*hl, ip));
	}
	return n;
}

/* false: the packet must not leave, it would be plain text */
bool cx_tls_tx(struct cx_func *f, u32 tisn, struct cx_pkt *p)
{
	struct cx_obj *tis = cx_obj(f, CX_O_TIS, tisn);
	struct cx_tls *t;
	u32 seq, hl;
	int n;

	if (!tis || !tis->t.tls_en)
		return true;		/* a TIS without TLS */
	t = tis->t.tls;
	if (!t || t->broken)
		return false;
	n = cx_tcp_payload(p, &hl);
	if (n <= 0)
		return !n;
	seq = get_unaligned_be32(p->data + p->l4off + 4);
	if (!t->synced) {
		t->next_seq = seq;
		t->synced = true;
	}
	if (seq != t->next_seq) {
		pr_info_ratelimited("connectx_emu: f%d TIS %x: TLS sequence %u, expected %u: dropped\n", f->idx, tisn,
				    seq, t->next_seq);
		return false;
	}
	if (!cx_linear(p, cx_scratch(), CX_SCRATCH) || !feed(t, p->data + hl, p->hlen - hl))
		return false;
	if (p->nfrag && !feed(t, p->frag[0].p, p->frag[0].len))
		return false;
	t->next_seq += n;
	t->bytes += n;
	return true;
}

void cx_tls_free(struct cx_obj *tis)
{
	struct cx_tls *t = tis->t.tls;

	if (!t)
		return;
	cx_dbg(1, "f%d TIS %x: %llu bytes, %llu records encrypted\n", tis->f->idx, tis->id, t->bytes, t->records);
	cx_gcm_free(t->gcm);
	kfree_sensitive(t);
}
