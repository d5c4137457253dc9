// SPDX-License-Identifier: GPL-2.0
/* Which of several receive queues: a hash of the fields that the TIR context selects, and what the completion says of it. */
#include "connectx.h"

#define KEY	40
/* rss_hash_type of a completion: the protocols that were hashed */
#define HASH_IP(v)	((v) << 2)	/* 1: IPv4, 2: IPv6 */
#define HASH_L4(v)	((v) << 6)	/* 1: TCP, 2: UDP, 3: SPI */
#define PORTS	(MLX5_HASH_FIELD_SEL_L4_SPORT | MLX5_HASH_FIELD_SEL_L4_DPORT)

/* of a TIR context */
int cx_rss_set(struct cx_rss *r, void *c)
{
	void *o = MLX5_ADDR_OF(tirc, c, rx_hash_field_selector_outer);
	struct cx_rss n = {
		.fn = MLX5_GET(tirc, c, rx_hash_fn),
		.sym = MLX5_GET(tirc, c, rx_hash_symmetric),
		.v6 = MLX5_GET(rx_hash_field_select, o, l3_prot_type),
		.udp = MLX5_GET(rx_hash_field_select, o, l4_prot_type),
		.fields = MLX5_GET(rx_hash_field_select, o, selected_fields),
	};

	BUILD_BUG_ON(MLX5_FLD_SZ_BYTES(tirc, rx_hash_toeplitz_key) != KEY || sizeof(n.key) != KEY);
	/* the key is as long as two IPv6 addresses and two ports, or an SPI */
	if (n.fn > MLX5_RX_HASH_FN_TOEPLITZ || ((n.fields & PORTS) && (n.fields & MLX5_HASH_FIELD_SEL_IPSEC_SPI)))
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	memcpy(n.key, MLX5_ADDR_OF(tirc, c, rx_hash_toeplitz_key), KEY);
	*r = n;
	return 0;
}

/* a source and a destination of n bytes, those that are selected; symmetric: their OR and their XOR */
static u8 *pair(u8 *to, const u8 *a, int n, bool src, bool dst, bool sym)
{
	int i;

	if (src && dst && sym) {
		for (i = 0; i < n; i++) {
			to[i] = a[i] | a[n + i];
			to[n + i] = a[i] ^ a[n + i];
		}
		return to + 2 * n;
	}
	if (src)
		to = memcpy(to, a, n) + n;
	if (dst)
		to = memcpy(to, a + n, n) + n;
	return to;
}

static u32 toeplitz(const u8 *key, const u8 *b, int n)
{
	u64 w = get_unaligned_be64(key);
	u32 h = 0;
	int i, j;

	for (i = 0; i < n; i++) {
		for (j = 7; j >= 0; j--, w <<= 1)
			if (b[i] >> j & 1)
				h ^= w >> 32;
		if (i + 8 < KEY)
			w |= key[i + 8];
	}
	return h;
}

/* the entry of an RQT with n entries; hash and type are for the completion */
u32 cx_rss(const struct cx_rss *r, const struct cx_pkt *p, u32 n, u32 *hash, u8 *type)
{
	const u8 *l3 = p->data + p->l3off, *l4 = p->data + p->l4off;
	bool sym = r->sym && r->fn == MLX5_RX_HASH_FN_TOEPLITZ;
	u8 in[KEY], *e = in, x = 0;
	u32 ix, bits = ilog2(n), i;

	*hash = *type = 0;
	if (r->fn == MLX5_RX_HASH_FN_NONE || !r->fields || !p->l3off || p->v6 != r->v6)
		return 0;
	e = pair(e, l3 + (p->v6 ? 8 : 12), p->v6 ? 16 : 4, r->fields & MLX5_HASH_FIELD_SEL_SRC_IP,
		 r->fields & MLX5_HASH_FIELD_SEL_DST_IP, sym);
	if (e > in)
		*type |= HASH_IP(p->v6 ? 2 : 1);
	if (p->l4off && (r->fields & PORTS) && p->l4proto == (r->udp ? IPPROTO_UDP : IPPROTO_TCP)) {
		e = pair(e, l4, 2, r->fields & MLX5_HASH_FIELD_SEL_L4_SPORT, r->fields & MLX5_HASH_FIELD_SEL_L4_DPORT, sym);
		*type |= HASH_L4(r->udp ? 2 : 1);
	}
	if (p->l4off && (r->fields & MLX5_HASH_FIELD_SEL_IPSEC_SPI) && p->l4proto == IPPROTO_ESP) {
		e = memcpy(e, l4, 4) + 4;
		*type |= HASH_L4(3);
	}
	if (r->fn == MLX5_RX_HASH_FN_TOEPLITZ) {
		*hash = toeplitz(r->key, in, e - in);
		return *hash % n;
	}
	while (e > in)
		x ^= *--e;
	*hash = x;
	for (ix = i = 0; i < bits; i++)		/* "inverted": the driver turns its table's indices round as well */
		ix |= (x >> i & 1) << (bits - 1 - i);
	return ix;
}
