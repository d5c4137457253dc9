/* SPDX-License-Identifier: GPL-2.0 */
/* TLS and IPsec; included by connectx.h. */
#ifndef CONNECTX_CRYPT_H
#define CONNECTX_CRYPT_H

/* keys.c */
#define CX_LOG_BULK	12		/* of a bulk of keys: the driver takes no larger ones */
#define CX_LOG_KEYS	20		/* of a function's */
u8 cx_log_bulk(void);
ktime_t cx_key_due(struct cx_func *f, void *in);
void cx_keys_reset(struct cx_func *pf);
int cx_key_create(struct cx_func *f, void *in, void *out);
int cx_key_modify(struct cx_obj *o, void *in);
void cx_key_free(struct cx_obj *o);
struct cx_gcm *cx_key_gcm(struct cx_func *f, u32 index);

/* gcm.c, tls.c, tlsrx.c */
#define CX_TLS_HDR	13		/* record header and explicit nonce: sent as they are */
#define CX_TLS_TAG	16
#define CX_TLS_MIN_REC	(8 + CX_TLS_TAG)	/* lengths in a header */
#define CX_TLS_MAX_REC	(16384 + 8 + CX_TLS_TAG)
struct cx_gcm;
struct cx_gcm *cx_gcm_new(const u8 *key, int len);
void cx_gcm_free(struct cx_gcm *g);
struct cx_gcm_run { u8 ctr[16], ks[16], tag0[16]; struct ghash_ctx hash; u64 alen, clen; };
void cx_gcm_start(struct cx_gcm *g, struct cx_gcm_run *r, const u8 *salt, const u8 *iv, const u8 *aad, int alen);
void cx_gcm_crypt(struct cx_gcm *g, struct cx_gcm_run *r, u8 *b, u32 len, bool enc);
void cx_gcm_tag(struct cx_gcm *g, struct cx_gcm_run *r, u8 *tag);
void cx_tls_static(struct cx_func *f, u32 tisn, void *params);
void cx_tls_progress(struct cx_func *f, u32 tisn);
void cx_tls_dump(struct cx_func *f, u32 tisn, const u8 *b, u32 len);
bool cx_tls_tx(struct cx_func *f, u32 tisn, struct cx_pkt *p);
void cx_tls_free(struct cx_obj *tis);
struct cx_gcm *cx_tls_key(struct cx_func *f, void *params);
int cx_tcp_payload(const struct cx_pkt *p, u32 *hl);
const u8 *cx_tls_rx(struct cx_obj *tir, struct cx_pkt *p);
void cx_tls_rx_static(struct cx_func *f, u32 tirn, void *params);
void cx_tls_rx_progress(struct cx_func *f, u32 tirn, void *params);
void cx_tls_rx_read(struct cx_func *f, u32 tirn, u64 addr);
void cx_tls_rx_free(struct cx_obj *tir);

/* ipsec.c, esp.c */
int cx_ipsec_create(struct cx_func *f, struct cx_obj *o, void *in);
int cx_ipsec_modify(struct cx_obj *o, void *in);
void cx_ipsec_free(struct cx_obj *o);
int cx_ipsec_query(struct cx_obj *o, void *out, int outlen);
void cx_ipsec_aso(struct cx_func *f, const u8 *wqe);
bool cx_ipsec_events(void);
int cx_reformat_alloc(struct cx_func *f, void *in, int inlen, void *out, int outlen);
bool cx_esp_encrypt(struct cx_func *f, struct cx_fte *e, struct cx_pkt *p);
void cx_esp_decrypt(struct cx_func *f, struct cx_fte *e, struct cx_pkt *p);
struct cx_pkt *cx_esp_segment(struct cx_pkt *p, u32 i);
#endif
