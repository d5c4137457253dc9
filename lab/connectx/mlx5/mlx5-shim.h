/* SPDX-License-Identifier: GPL-2.0 */
/* Debian leaves CONFIG_NET_TC_SKB_EXT unset; mlx5's CLS_ACT only needs this one call
 * (restoring the tc chain after a partial hardware hit), which may fail.
 */
#ifndef MLX5_SHIM_H
#define MLX5_SHIM_H
#include <linux/skbuff.h>
#if !IS_ENABLED(CONFIG_NET_TC_SKB_EXT)
struct tc_skb_ext {
	union { u64 act_miss_cookie; __u32 chain; };
	__u16 mru, zone;
	u8 post_ct:1, post_ct_snat:1, post_ct_dnat:1, act_miss:1, l2_miss:1;
};
static inline struct tc_skb_ext *tc_skb_ext_alloc(struct sk_buff *skb) { return NULL; }
#endif
#endif
