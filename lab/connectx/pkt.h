/* SPDX-License-Identifier: GPL-2.0 */
/* Packets: what is done to one on its way; included by connectx.h. */
#ifndef CONNECTX_PKT_H
#define CONNECTX_PKT_H

/* pkt.c, emit.c */
void cx_pkt_reset(struct cx_pkt *p);
void cx_parse(struct cx_pkt *p);
bool cx_matchable(const u64 *mask, u8 crit);
bool cx_pull(struct cx_pkt *p);
struct cx_pkt *cx_pkt_dup(const struct cx_pkt *p);
bool cx_linear(struct cx_pkt *p, u8 *buf, u32 size);
u32 cx_pkt_bytes(const struct cx_pkt *p);
void cx_vlan_push(struct cx_pkt *p, u32 vlan);
void cx_vlan_pop(struct cx_pkt *p);
bool cx_is_edit(const struct cx_obj *rf);
bool cx_edit(const struct cx_obj *rf, struct cx_pkt *p);
void cx_copy(void *dst, const void *src, u32 len);
struct cx_iov { u8 *p; u32 len; };
struct cx_sink {			/* where the segments of a packet go */
	/* room for one frame of len bytes: fills v, returns the count or 0 */
	int (*room)(struct cx_sink *s, struct cx_iov *v, int max, u32 len);
	/* the frame is there; sum: over everything after the Ethernet header */
	void (*done)(struct cx_sink *s, u32 len, __wsum sum);
};
void cx_emit(struct cx_pkt *p, struct cx_sink *s);
void cx_seg_ip(u8 *l3, bool v6, u32 len, u32 i);
void cx_seg_tcp(u8 *l4, u32 i, u32 off, bool last);
__sum16 cx_l4_sum(const struct cx_l3 *l, u8 *h, u32 l4len, __wsum sum);

/* tunnel.c */
bool cx_tunnel_find(struct cx_pkt *p, u8 *b, u8 *end);
void cx_tunnel_forget(struct cx_pkt *p);
void cx_tunnel_len(const struct cx_pkt *p, u8 *h, u32 len, u32 i);
bool cx_tunnel_header(struct cx_func *f, const u8 *b, u32 n);
bool cx_is_encap(const struct cx_obj *rf);
bool cx_encap(struct cx_obj *rf, struct cx_pkt *p);
bool cx_decap(struct cx_pkt *p);
void cx_vxlan_reset(struct cx_port *pt);
int cx_vxlan_cmd(struct cx_func *f, void *in, int inlen, void *out, int outlen);

/* modhdr.c */
bool cx_mh_known(const u8 *action);
void cx_modify_header(struct cx_obj *mh, struct cx_pkt *p);
#endif
