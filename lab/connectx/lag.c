// SPDX-License-Identifier: GPL-2.0
/* Link aggregation: the mapping the driver gives, and the port a packet takes by it. */
#include "connectx.h"

static int set_remap(struct cx_lag *l, void *c)
{
	u8 a = MLX5_GET(lagc, c, tx_remap_affinity_1), b = MLX5_GET(lagc, c, tx_remap_affinity_2);

	if (!a || !b || a > cx_nports || b > cx_nports)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	l->remap[0] = a;
	l->remap[1] = b;
	return 0;
}

int cx_lag_cmd(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	struct cx_lag *l = &cx_lags[cx_card_of(f)];
	void *c;
	int st;

	if (f->is_vf || cx_nports < 2)
		return MLX5_CMD_STAT_BAD_OP_ERR;
	switch (MLX5_GET(mbox_in, in, opcode)) {
	case MLX5_CMD_OP_CREATE_LAG:
		c = MLX5_ADDR_OF(create_lag_in, in, ctx);
		if (l->active)
			return MLX5_CMD_STAT_BAD_SYS_STATE_ERR;
		/* only queue affinity is offered: no port selection flow tables, no native FDB selection */
		if (MLX5_GET(lagc, c, port_select_mode) || MLX5_GET(lagc, c, fdb_selection_mode))
			return MLX5_CMD_STAT_BAD_PARAM_ERR;
		st = set_remap(l, c);
		if (st)
			return st;
		l->active = true;
		cx_dbg(1, "LAG created, map %d:%d\n", l->remap[0], l->remap[1]);
		return 0;
	case MLX5_CMD_OP_MODIFY_LAG:
		c = MLX5_ADDR_OF(modify_lag_in, in, ctx);
		if (!l->active)
			return MLX5_CMD_STAT_BAD_SYS_STATE_ERR;
		if (!(MLX5_GET(modify_lag_in, in, field_select) & 1))
			return MLX5_CMD_STAT_BAD_PARAM_ERR;
		st = set_remap(l, c);
		cx_dbg(1, "LAG modified, map %d:%d\n", l->remap[0], l->remap[1]);
		return st;
	case MLX5_CMD_OP_QUERY_LAG:
		c = MLX5_ADDR_OF(query_lag_out, out, ctx);
		if (!l->active)
			return MLX5_CMD_STAT_BAD_SYS_STATE_ERR;
		MLX5_SET(lagc, c, lag_state, 1);
		MLX5_SET(lagc, c, tx_remap_affinity_1, l->remap[0]);
		MLX5_SET(lagc, c, tx_remap_affinity_2, l->remap[1]);
		return 0;
	case MLX5_CMD_OP_DESTROY_LAG:
		if (!l->active)
			return MLX5_CMD_STAT_BAD_SYS_STATE_ERR;
		l->active = false;
		cx_dbg(1, "LAG destroyed\n");
		return 0;
	}
	return MLX5_CMD_STAT_BAD_OP_ERR;
}

/*
 * The port by which a packet that leaves the eswitch of a port goes out. A PF and an uplink representor (vport 0) use
 * their own: LACPDUs must. A VF's goes by the affinity of its TIS, or if it has none by its send queue, and the map.
 */
int cx_lag_port(struct cx_pkt *p, int port)
{
	const struct cx_lag *l = &cx_lags[port / cx_nports];

	if (!l->active || !p->src || p->src == MLX5_VPORT_UPLINK)
		return port;
	return port / cx_nports * cx_nports + l->remap[p->affinity ? (p->affinity - 1) & 1 : p->sqn & 1] - 1;
}
