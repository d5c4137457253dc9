// SPDX-License-Identifier: GPL-2.0
/* Link aggregation: the mapping the driver gives, or its port selection tables, and the port a packet takes by them. */
#include "connectx.h"

static char *lag = "hash";
module_param(lag, charp, 0444);
MODULE_PARM_DESC(lag, "hash: port selection tables, a shared FDB and multiport eswitch; affinity: none of them");
bool cx_lag_hash;

int cx_lag_init(void)
{
	if (strcmp(lag, "hash") && strcmp(lag, "affinity")) {
		pr_err("connectx_emu: lag is hash or affinity\n");
		return -EINVAL;
	}
	cx_lag_hash = cx_nports > 1 && !strcmp(lag, "hash");
	return 0;
}

static int set_remap(struct cx_lag *l, void *c)
{
	u8 a = MLX5_GET(lagc, c, tx_remap_affinity_1), b = MLX5_GET(lagc, c, tx_remap_affinity_2);

	if (!a || !b || a > cx_nports || b > cx_nports)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	l->remap[0] = a;
	l->remap[1] = b;
	return 0;
}

static int create(struct cx_lag *l, void *c)
{
	u8 mode = MLX5_GET(lagc, c, port_select_mode), native = MLX5_GET(lagc, c, fdb_selection_mode);
	int st = 0;

	if (l->active)
		return MLX5_CMD_STAT_BAD_SYS_STATE_ERR;
	/* each port's packets go to its own FDB in either mode: a shared one is the same table */
	if (mode > MLX5_LAG_PORT_SELECT_MODE_PORT_SELECT_MPESW || ((mode || native) && !cx_lag_hash))
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	if (mode == MLX5_LAG_PORT_SELECT_MODE_QUEUE_AFFINITY)
		st = set_remap(l, c);
	if (st)
		return st;
	l->active = true;
	l->mode = mode;
	if (mode == MLX5_LAG_PORT_SELECT_MODE_QUEUE_AFFINITY)
		cx_dbg(1, "LAG created, map %d:%d\n", l->remap[0], l->remap[1]);
	else
		cx_dbg(1, "LAG created, mode %u\n", mode);
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
		return create(l, MLX5_ADDR_OF(create_lag_in, in, ctx));
	case MLX5_CMD_OP_MODIFY_LAG:
		c = MLX5_ADDR_OF(modify_lag_in, in, ctx);
		if (!l->active)
			return MLX5_CMD_STAT_BAD_SYS_STATE_ERR;
		if (l->mode || MLX5_GET(modify_lag_in, in, field_select) != 1)
			return MLX5_CMD_STAT_BAD_PARAM_ERR;
		st = set_remap(l, c);
		cx_dbg(1, "LAG modified, map %d:%d\n", l->remap[0], l->remap[1]);
		return st;
	case MLX5_CMD_OP_QUERY_LAG:
		c = MLX5_ADDR_OF(query_lag_out, out, ctx);
		if (!l->active)
			return MLX5_CMD_STAT_BAD_SYS_STATE_ERR;
		MLX5_SET(lagc, c, lag_state, 1);
		MLX5_SET(lagc, c, port_select_mode, l->mode);
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

/* the port selection tables, which are the first PF's */
static int select_port(struct cx_pkt *p, int port)
{
	struct cx_func *f = cx_vf(port / cx_nports * cx_nports, 0);
	struct cx_obj *ft = cx_obj(f, CX_O_FT, f->root[CX_FT_PORT_SEL]);
	struct cx_fte *e;
	int depth, to;

	for (depth = 0; ft && depth < 8; depth++) {
		e = cx_flow_lookup(ft, p);
		if (!e || !e->ndst)
			break;
		if (e->dst[0].type == MLX5_IFC_FLOW_DESTINATION_TYPE_UPLINK) {
			to = cx_port_of(f, e->dst[0].vhca);
			return to < 0 ? port : to;
		}
		ft = cx_obj(f, CX_O_FT, e->dst[0].id);
	}
	return port;
}

/*
 * The port by which a packet that leaves the eswitch of a port goes out. A PF and an uplink representor (vport 0) use
 * their own: LACPDUs must. A VF's goes by what its headers hash to, or by the affinity of its TIS, or if it has none by
 * its send queue, and the map. In a multiport eswitch the flow has said which port.
 */
int cx_lag_port(struct cx_pkt *p, int port)
{
	const struct cx_lag *l = &cx_lags[port / cx_nports];

	if (!l->active || !p->src || p->src == MLX5_VPORT_UPLINK || l->mode == MLX5_LAG_PORT_SELECT_MODE_PORT_SELECT_MPESW)
		return port;
	if (l->mode == MLX5_LAG_PORT_SELECT_MODE_PORT_SELECT_FT)
		return select_port(p, port);
	return port / cx_nports * cx_nports + l->remap[p->affinity ? (p->affinity - 1) & 1 : p->sqn & 1] - 1;
}
