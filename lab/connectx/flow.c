// SPDX-License-Identifier: GPL-2.0
/* Flow tables, groups, entries, counters, modify headers: the commands, and the lookup by a hash for each group. */
#include "connectx.h"
#include <linux/jhash.h>

static u32 key_hash(const u64 *k, int n, u32 mask)
{
	return jhash2((const u32 *)k, n * 2, 0) & mask;
}

/* groups are kept by their first index: the first hit is the one of highest priority */
struct cx_fte *cx_flow_lookup(struct cx_obj *ft, const struct cx_pkt *p)
{
	struct cx_obj *g;
	u64 key[CX_MP_SZ / 8];

	list_for_each_entry(g, &ft->ft.groups, node) {
		u32 i, n = g->fg.end - g->fg.start + 1;
		struct cx_fte *e, *best = NULL;

		if (g->fg.def) {
			best = xa_load(&ft->ft.fte, g->fg.start + cx_definer_hash(g->fg.def, p) % n);
			if (best)
				return best;
			continue;
		}
		for (i = 0; i < g->fg.nkey; i++)
			key[i] = (__force u64)p->mp[g->fg.key[i].off] & g->fg.key[i].mask;
		hlist_for_each_entry(e, &g->fg.hash.head[key_hash(key, g->fg.nkey, g->fg.hash.mask)], node)
			if ((!best || e->index < best->index) && !memcmp(e->key, key, g->fg.nkey * 8))
				best = e;
		if (best)
			return best;
	}
	return NULL;
}

static void fte_free(struct cx_obj *ft, struct cx_fte *e)
{
	xa_erase(&ft->ft.fte, e->index);
	hlist_del(&e->node);
	kfree(e);
}

void cx_fg_free(struct cx_obj *g)
{
	struct hlist_node *n;
	struct cx_fte *e;
	u32 i;

	for (i = 0; g->fg.ft && i <= g->fg.hash.mask; i++)
		hlist_for_each_entry_safe(e, n, &g->fg.hash.head[i], node)
			fte_free(g->fg.ft, e);
	kvfree(g->fg.hash.head);
	kfree(g->fg.def);
	list_del_init(&g->node);
}

void cx_ft_free(struct cx_obj *ft)
{
	struct cx_func *f = ft->f;
	struct cx_obj *g, *n;
	struct cx_fte *e;
	unsigned long k;
	int i;

	xa_for_each(&ft->ft.fte, k, e)
		fte_free(ft, e);
	xa_destroy(&ft->ft.fte);
	list_for_each_entry_safe(g, n, &ft->ft.groups, node) {
		list_del_init(&g->node);
		g->fg.ft = NULL;
	}
	for (i = 0; i < cx_nports; i++) {
		struct cx_func *pf = cx_vf(f->pf / cx_nports * cx_nports + i, 0);

		if (!f->is_vf && pf->fdb == f && pf->root[CX_FT_FDB] == ft->id)
			pf->root[CX_FT_FDB] = 0;
	}
	for (i = 0; i < CX_FT_TYPES; i++)
		if (f->root[i] == ft->id && i != CX_FT_FDB)
			f->root[i] = 0;
	for (i = 0; !f->is_vf && i < cx_nvports(); i++) {
		struct cx_vport *v = &cx_ports[f->pf].vport[i];

		if (v->ingress == ft->id)
			v->ingress = 0;
		if (v->egress == ft->id)
			v->egress = 0;
	}
}

static bool type_known(struct cx_func *f, int tt)
{
	return tt <= CX_FT_NIC_TX || (!f->is_vf && (tt <= CX_FT_FDB || (tt == CX_FT_PORT_SEL && cx_lag_hash)));
}

static int create_ft(struct cx_func *f, void *in, void *out)
{
	struct cx_obj *o;

	if (!type_known(f, MLX5_GET(create_flow_table_in, in, table_type)))
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	o = cx_obj_new(f, CX_O_FT, cx_new_id(f));
	if (!o)
		return MLX5_CMD_STAT_NO_RES_ERR;
	INIT_LIST_HEAD(&o->ft.groups);
	xa_init(&o->ft.fte);
	o->ft.tt = MLX5_GET(create_flow_table_in, in, table_type);
	o->ft.level = MLX5_GET(create_flow_table_in, in, flow_table_context.level);
	o->ft.miss = MLX5_GET(create_flow_table_in, in, flow_table_context.table_miss_action);
	o->ft.miss_id = MLX5_GET(create_flow_table_in, in, flow_table_context.table_miss_id);
	MLX5_SET(create_flow_table_out, out, table_id, o->id);
	return 0;
}

static int create_fg(struct cx_func *f, void *in, void *out)
{
	struct cx_obj *ft = cx_obj(f, CX_O_FT, MLX5_GET(create_flow_group_in, in, table_id)), *o, *g;
	u64 *m = MLX5_ADDR_OF(create_flow_group_in, in, match_criteria);
	u8 crit = MLX5_GET(create_flow_group_in, in, match_criteria_enable);
	struct cx_obj *def = NULL;
	u32 size;
	int i;

	if (!ft)
		return MLX5_CMD_STAT_BAD_RES_ERR;
	if (!cx_matchable(m, crit)) {
		pr_info_once("connectx_emu: a match on unknown fields is not supported\n");
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	}
	if (MLX5_GET(create_flow_group_in, in, group_type)) {	/* hash split: in port selection only */
		def = cx_obj(f, CX_O_DEFINER, MLX5_GET(create_flow_group_in, in, match_definer_id));
		if (!def || ft->ft.tt != CX_FT_PORT_SEL)
			return MLX5_CMD_STAT_BAD_PARAM_ERR;
	}
	o = cx_obj_new(f, CX_O_FG, cx_new_id(f));
	if (!o)
		return MLX5_CMD_STAT_NO_RES_ERR;
	o->fg.ft = ft;
	o->fg.start = MLX5_GET(create_flow_group_in, in, start_flow_index);
	o->fg.end = MLX5_GET(create_flow_group_in, in, end_flow_index);
	if (o->fg.end < o->fg.start) {
		o->fg.ft = NULL;
		cx_obj_free(o);
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	}
	for (i = 0; i < CX_MP_SZ / 8; i++) {
		u64 w = get_unaligned(m + i);

		if ((crit >> (i / 8) & 1) && w) {
			o->fg.key[o->fg.nkey].off = i;
			o->fg.key[o->fg.nkey++].mask = w;
		}
	}
	size = o->fg.nkey ? roundup_pow_of_two(min(o->fg.end - o->fg.start + 1, 1024u)) : 1;
	o->fg.hash.head = kvcalloc(size, sizeof(struct hlist_head), GFP_KERNEL);
	o->fg.def = def ? kmemdup(&def->def, sizeof(def->def), GFP_KERNEL) : NULL;
	if (!o->fg.hash.head || (def && !o->fg.def)) {
		o->fg.ft = NULL;
		cx_obj_free(o);
		return MLX5_CMD_STAT_NO_RES_ERR;
	}
	o->fg.hash.mask = size - 1;
	list_for_each_entry(g, &ft->ft.groups, node)
		if (g->fg.start > o->fg.start)
			break;
	list_add_tail(&o->node, &g->node);
	MLX5_SET(create_flow_group_out, out, group_id, o->id);
	return 0;
}

static void fte_key(struct cx_fte *e, struct cx_obj *g, void *val)
{
	int i;

	for (i = 0; i < g->fg.nkey; i++)
		e->key[i] = get_unaligned((u64 *)val + g->fg.key[i].off) & g->fg.key[i].mask;
}

/* what the data path knows how to do: refuse the rest here rather than ignore it there */
#define ACTIONS	(MLX5_FLOW_CONTEXT_ACTION_ALLOW | MLX5_FLOW_CONTEXT_ACTION_DROP | MLX5_FLOW_CONTEXT_ACTION_FWD_DEST | \
		 MLX5_FLOW_CONTEXT_ACTION_COUNT | MLX5_FLOW_CONTEXT_ACTION_MOD_HDR | MLX5_FLOW_CONTEXT_ACTION_VLAN_POP | \
		 MLX5_FLOW_CONTEXT_ACTION_VLAN_PUSH | MLX5_FLOW_CONTEXT_ACTION_VLAN_POP_2 | \
		 MLX5_FLOW_CONTEXT_ACTION_VLAN_PUSH_2 | MLX5_FLOW_CONTEXT_ACTION_CRYPTO_DECRYPT | \
		 MLX5_FLOW_CONTEXT_ACTION_CRYPTO_ENCRYPT | MLX5_FLOW_CONTEXT_ACTION_PACKET_REFORMAT | \
		 MLX5_FLOW_CONTEXT_ACTION_DECAP)
#define CRYPTO	(MLX5_FLOW_CONTEXT_ACTION_CRYPTO_DECRYPT | MLX5_FLOW_CONTEXT_ACTION_CRYPTO_ENCRYPT)

static int set_fte(struct cx_func *f, void *in, int inlen)
{
	struct cx_obj *ft = cx_obj(f, CX_O_FT, MLX5_GET(set_fte_in, in, table_id)), *g;
	void *c = MLX5_ADDR_OF(set_fte_in, in, flow_context);
	u32 idx = MLX5_GET(set_fte_in, in, flow_index);
	u32 nd = MLX5_GET(flow_context, c, destination_list_size), i;
	u32 nc = MLX5_GET(flow_context, c, flow_counter_list_size);
	struct cx_obj *rf = cx_obj(f, CX_O_REFORMAT, MLX5_GET(flow_context, c, packet_reformat_id));
	bool ext = MLX5_GET(flow_context, c, extended_destination), reformats;
	u8 *d = MLX5_ADDR_OF(flow_context, c, destination);
	u16 action = MLX5_GET(flow_context, c, action);
	struct cx_fte *e, *old;

	if (!ft)
		return MLX5_CMD_STAT_BAD_RES_ERR;
	g = cx_obj(f, CX_O_FG, MLX5_GET(flow_context, c, group_id));
	if (!g || g->fg.ft != ft || idx < g->fg.start || idx > g->fg.end)
		return MLX5_CMD_STAT_BAD_RES_ERR;
	reformats = (action & MLX5_FLOW_CONTEXT_ACTION_PACKET_REFORMAT) && ft->ft.tt == CX_FT_FDB && (cx_is_encap(rf) || cx_is_edit(rf));
	if ((action & ~ACTIONS) || (action & MLX5_FLOW_CONTEXT_ACTION_PACKET_REFORMAT && !(action & CRYPTO) && !reformats) ||
	    (action & MLX5_FLOW_CONTEXT_ACTION_DECAP && ft->ft.tt != CX_FT_FDB)) {
		pr_info_once("connectx_emu: flow action 0x%x is not supported\n", action);
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	}
	if (nd > 1024 || nc > 4 || d + nd * (ext ? 16 : 8) + nc * 8 > (u8 *)in + inlen)
		return MLX5_CMD_STAT_BAD_INP_LEN_ERR;
	e = kzalloc(struct_size(e, dst, nd) + 8 + g->fg.nkey * 8, GFP_KERNEL);
	if (!e)
		return MLX5_CMD_STAT_NO_RES_ERR;
	e->key = PTR_ALIGN((void *)&e->dst[nd], 8);
	e->fg = g;
	e->index = idx;
	e->action = action;
	e->mh = MLX5_GET(flow_context, c, modify_header_id);
	e->tag = MLX5_GET(flow_context, c, flow_tag);
	e->crypt = MLX5_GET(flow_context, c, encrypt_decrypt_obj_id);
	e->reformat = MLX5_GET(flow_context, c, packet_reformat_id);
	e->reformats = reformats;
	e->push_vlan[0] = get_unaligned_be32(MLX5_ADDR_OF(flow_context, c, push_vlan));
	e->push_vlan[1] = get_unaligned_be32(MLX5_ADDR_OF(flow_context, c, push_vlan_2));
	fte_key(e, g, MLX5_ADDR_OF(flow_context, c, match_value));
	for (i = 0; i < nd; i++, d += ext ? 16 : 8) {
		e->dst[i].type = MLX5_GET(dest_format_struct, d, destination_type);
		e->dst[i].id = MLX5_GET(dest_format_struct, d, destination_id);
		if (MLX5_GET(dest_format_struct, d, destination_eswitch_owner_vhca_id_valid))
			e->dst[i].vhca = MLX5_GET(dest_format_struct, d, destination_eswitch_owner_vhca_id);
		if (ext && MLX5_GET(dest_format_struct, d, packet_reformat)) {
			e->dst[i].reformat = MLX5_GET(extended_dest_format, d, packet_reformat_id);
			if (!cx_is_encap(cx_obj(f, CX_O_REFORMAT, e->dst[i].reformat))) {
				kfree(e);
				return MLX5_CMD_STAT_BAD_PARAM_ERR;
			}
		}
	}
	e->ndst = nd;
	for (i = 0; i < nc; i++, d += 8)
		e->cnt[i] = MLX5_GET(flow_counter_list, d, flow_counter_id);
	e->ncnt = nc;
	old = xa_load(&ft->ft.fte, idx);
	if (old)
		fte_free(ft, old);
	if (xa_err(xa_store(&ft->ft.fte, idx, e, GFP_KERNEL))) {
		kfree(e);
		return MLX5_CMD_STAT_NO_RES_ERR;
	}
	hlist_add_head(&e->node, &g->fg.hash.head[key_hash(e->key, g->fg.nkey, g->fg.hash.mask)]);
	return 0;
}

static int set_root(struct cx_func *f, void *in)
{
	int tt = MLX5_GET(set_flow_table_root_in, in, table_type), vn = f->vport;
	u32 r = MLX5_GET(set_flow_table_root_in, in, op_mod) ? 0 : MLX5_GET(set_flow_table_root_in, in, table_id);
	struct cx_func *owner = f;
	struct cx_vport *v;

	if (MLX5_GET(set_flow_table_root_in, in, table_eswitch_owner_vhca_id_valid)) {	/* a shared FDB */
		int port = cx_port_of(f, MLX5_GET(set_flow_table_root_in, in, table_eswitch_owner_vhca_id));

		if (f->is_vf || tt != CX_FT_FDB || port < 0)
			return MLX5_CMD_STAT_BAD_PARAM_ERR;
		owner = cx_vf(port, 0);
	}
	if (!type_known(f, tt) || (r && !cx_obj(owner, CX_O_FT, r)))
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	if (MLX5_GET(set_flow_table_root_in, in, other_vport))
		vn = MLX5_GET(set_flow_table_root_in, in, vport_number);
	v = cx_vport(f->pf, vn);
	if (!v)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	if (tt == CX_FT_EGRESS)
		v->egress = r;
	else if (tt == CX_FT_INGRESS)
		v->ingress = r;
	else
		f->root[tt] = r;
	if (tt == CX_FT_FDB)
		f->fdb = owner;
	return 0;
}

static int alloc_mh(struct cx_func *f, void *in, int inlen, void *out)
{
	u32 n = MLX5_GET(alloc_modify_header_context_in, in, num_of_actions);
	u8 *a = MLX5_ADDR_OF(alloc_modify_header_context_in, in, actions);
	struct cx_obj *o;
	u32 i;

	if (a + n * 8 > (u8 *)in + inlen)
		return MLX5_CMD_STAT_BAD_INP_LEN_ERR;
	for (i = 0; i < n; i++)
		if (!cx_mh_known(a + i * 8)) {
			pr_info_once("connectx_emu: modify header action %08x is not supported\n",
				     get_unaligned_be32(a + i * 8));
			return MLX5_CMD_STAT_BAD_PARAM_ERR;
		}
	o = cx_obj_new(f, CX_O_MH, cx_new_id(f));
	if (!o)
		return MLX5_CMD_STAT_NO_RES_ERR;
	o->mh.n = n;
	o->mh.act = kmemdup(a, n * 8, GFP_KERNEL);
	if (n && !o->mh.act) {
		cx_obj_free(o);
		return MLX5_CMD_STAT_NO_RES_ERR;
	}
	MLX5_SET(alloc_modify_header_context_out, out, modify_header_id, o->id);
	return 0;
}

/* dense ids, in a range of their own: the driver reads them back in bulk */
static int alloc_fc(struct cx_func *f, void *out)
{
	struct cx_obj *o;
	u32 n;

	for (n = 0; n < 0x100000; n++) {
		f->next_fc = f->next_fc % 0xfffff + 1;
		if (!xa_load(&f->objs, 0x1000000 + f->next_fc))
			break;
	}
	o = cx_obj_new(f, CX_O_FC, 0x1000000 + f->next_fc);
	if (!o)
		return MLX5_CMD_STAT_NO_RES_ERR;
	MLX5_SET(alloc_flow_counter_out, out, flow_counter_id, o->id);
	return 0;
}

static int query_fc(struct cx_func *f, void *in, void *out, int outlen)
{
	u32 n = MLX5_GET(query_flow_counter_in, in, num_of_counters) ?: 1, i;
	u32 b = MLX5_GET(query_flow_counter_in, in, flow_counter_id);

	if (MLX5_ADDR_OF(query_flow_counter_out, out, flow_statistics[n]) > out + outlen)
		return MLX5_CMD_STAT_BAD_OUTP_LEN_ERR;
	for (i = 0; i < n; i++) {
		struct cx_obj *o = cx_obj(f, CX_O_FC, b + i);
		void *c = MLX5_ADDR_OF(query_flow_counter_out, out, flow_statistics[i]);

		if (!o)
			continue;
		MLX5_SET64(traffic_counter, c, packets, o->fc.pkts);
		MLX5_SET64(traffic_counter, c, octets, o->fc.bytes);
		if (MLX5_GET(query_flow_counter_in, in, clear))
			o->fc = (struct cx_count){};
	}
	return 0;
}

int cx_flow_cmd(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	struct cx_obj *ft;
	struct cx_fte *e;

	switch (MLX5_GET(mbox_in, in, opcode)) {
	case MLX5_CMD_OP_CREATE_FLOW_TABLE:
		return create_ft(f, in, out);
	case MLX5_CMD_OP_DESTROY_FLOW_TABLE:
		return cx_destroy(f, CX_O_FT, MLX5_GET(destroy_flow_table_in, in, table_id));
	case MLX5_CMD_OP_MODIFY_FLOW_TABLE:
		ft = cx_obj(f, CX_O_FT, MLX5_GET(modify_flow_table_in, in, table_id));
		if (!ft)
			return MLX5_CMD_STAT_BAD_RES_ERR;
		if (MLX5_GET(modify_flow_table_in, in, modify_field_select) & MLX5_MODIFY_FLOW_TABLE_MISS_TABLE_ID) {
			ft->ft.miss = MLX5_GET(modify_flow_table_in, in, flow_table_context.table_miss_action);
			ft->ft.miss_id = MLX5_GET(modify_flow_table_in, in, flow_table_context.table_miss_id);
		}
		return 0;
	case MLX5_CMD_OP_CREATE_FLOW_GROUP:
		return create_fg(f, in, out);
	case MLX5_CMD_OP_DESTROY_FLOW_GROUP:
		return cx_destroy(f, CX_O_FG, MLX5_GET(destroy_flow_group_in, in, group_id));
	case MLX5_CMD_OP_SET_FLOW_TABLE_ENTRY:
		return set_fte(f, in, inlen);
	case MLX5_CMD_OP_DELETE_FLOW_TABLE_ENTRY:
		ft = cx_obj(f, CX_O_FT, MLX5_GET(delete_fte_in, in, table_id));
		e = ft ? xa_load(&ft->ft.fte, MLX5_GET(delete_fte_in, in, flow_index)) : NULL;
		if (!e)
			return MLX5_CMD_STAT_BAD_RES_ERR;
		fte_free(ft, e);
		return 0;
	case MLX5_CMD_OP_SET_FLOW_TABLE_ROOT:
		return set_root(f, in);
	case MLX5_CMD_OP_ALLOC_MODIFY_HEADER_CONTEXT:
		return alloc_mh(f, in, inlen, out);
	case MLX5_CMD_OP_ALLOC_FLOW_COUNTER:
		return alloc_fc(f, out);
	case MLX5_CMD_OP_QUERY_FLOW_COUNTER:
		return query_fc(f, in, out, outlen);
	}
	return MLX5_CMD_STAT_BAD_OP_ERR;
}
