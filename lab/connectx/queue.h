/* SPDX-License-Identifier: GPL-2.0 */
/* Queues, and the memory they refer to; included by connectx.h. */
#ifndef CONNECTX_QUEUE_H
#define CONNECTX_QUEUE_H

/* eq.c */
int cx_create_eq(struct cx_func *f, void *in, int inlen, void *out, int outlen);
int cx_destroy_eq(struct cx_func *f, void *in, int inlen, void *out, int outlen);
struct cx_eq *cx_cmd_eq(struct cx_func *f);
void cx_eqe_post(struct cx_func *f, struct cx_eq *q, u8 type, u8 sub, const void *data, int len);
void cx_event(struct cx_func *f, u8 type, u8 sub, const void *data, int len);
void cx_eqs_free(struct cx_func *f);

/* queue.c */
int cx_queue_cmd(struct cx_func *f, void *in, int inlen, void *out, int outlen);
void cx_wq_free(struct cx_wq *q);
#define CX_ENTRY	64		/* of a CQ or an SQ */
void *cx_wq_at(struct cx_obj *o, u32 off, bool write);
const __be32 *cx_wq_dbr(struct cx_obj *o);
struct mlx5_cqe64 *cx_cqe_next(struct cx_obj *cq);
void cx_cqe_commit(struct cx_obj *cq, struct mlx5_cqe64 *c, u8 op);
void cx_cq_dirty(struct cx_obj *cq);
void cx_cq_kick(struct cx_obj *cq);
bool cx_cq_flush(void);

/* mkey.c */
int cx_create_mkey(struct cx_func *f, void *in, int inlen, void *out, int outlen);
void cx_mkey_umr(struct cx_func *f, const u8 *wqe, u32 len);
int cx_mkey_at(struct cx_func *f, u32 lkey, u64 va, u32 len, struct cx_iov *v, int max);

/* tx.c, rx.c */
bool cx_sq_run(struct cx_obj *sq);
void cx_sq_umrs(struct cx_func *f);
void cx_tir_deliver(struct cx_func *f, u32 tirn, struct cx_pkt *p);
int cx_tx_init(void);
void cx_tx_exit(void);
u8 *cx_scratch(void);
#define CX_SCRATCH	(SZ_256K + SZ_64K)
#endif
