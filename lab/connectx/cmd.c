// SPDX-License-Identifier: GPL-2.0
/* The command table, and the commands that are about the function itself. */
#include "connectx.h"

#define PAGES_BOOT	2
#define PAGES_INIT	6

enum { PAGES_CANT_GIVE, PAGES_GIVE, PAGES_TAKE };

/* the function a command means by function_id: 0 is oneself, the others are those of this PF by their vports */
struct cx_func *cx_other(struct cx_func *f, int id)
{
	if (!id)
		return f;
	return f->is_vf || id == MLX5_VPORT_UPLINK || !cx_vport(f->pf, id) ? NULL : cx_vf(f->pf, id);
}

static int query_hca_cap(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	u16 op = MLX5_GET(query_hca_cap_in, in, op_mod);
	struct cx_func *t = f;

	if (MLX5_GET(query_hca_cap_in, in, other_function))
		t = cx_other(f, MLX5_GET(query_hca_cap_in, in, function_id));
	if (!t || op >> 1 >= CX_CAPS)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	if (outlen < 16 + CX_CAP_SZ)
		return MLX5_CMD_STAT_BAD_OUTP_LEN_ERR;
	cx_caps_get(t, op >> 1, !(op & 1), MLX5_ADDR_OF(query_hca_cap_out, out, capability));
	return 0;
}

static int set_hca_cap(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	u16 op = MLX5_GET(set_hca_cap_in, in, op_mod);
	struct cx_func *t = f;
	void *page;

	if (MLX5_GET(set_hca_cap_in, in, other_function))
		t = cx_other(f, MLX5_GET(set_hca_cap_in, in, function_id));
	if (!t || op >> 1 >= CX_CAPS)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	if (inlen < 16 + CX_CAP_SZ)
		return MLX5_CMD_STAT_BAD_INP_LEN_ERR;
	if (t != f)
		return cx_grant(t, op >> 1, MLX5_ADDR_OF(set_hca_cap_in, in, capability));
	if (!cx_granted(t, op >> 1, MLX5_ADDR_OF(set_hca_cap_in, in, capability)))
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	page = kmemdup(MLX5_ADDR_OF(set_hca_cap_in, in, capability), CX_CAP_SZ, GFP_KERNEL);
	if (!page)
		return MLX5_CMD_STAT_NO_RES_ERR;
	kfree(xa_store(&t->setcap, op >> 1, page, GFP_KERNEL));
	return 0;
}

static int query_issi(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	MLX5_SET(query_issi_out, out, current_issi, 1);
	MLX5_SET(query_issi_out, out, supported_issi_dw0, 3);
	return 0;
}

static int query_pages(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	u16 m = MLX5_GET(mbox_in, in, op_mod);

	MLX5_SET(query_pages_out, out, num_pages, m == MLX5_QUERY_PAGES_IN_OP_MOD_BOOT_PAGES ? PAGES_BOOT :
		 m == MLX5_QUERY_PAGES_IN_OP_MOD_INIT_PAGES ? PAGES_INIT : 0);
	return 0;
}

static int manage_pages(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	u32 n = MLX5_GET(manage_pages_in, in, input_num_entries), i;
	struct cx_func *t = cx_other(f, MLX5_GET(manage_pages_in, in, function_id));

	if (!t)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	switch (MLX5_GET(manage_pages_in, in, op_mod)) {
	case PAGES_CANT_GIVE:
		return 0;
	case PAGES_GIVE:
		if (MLX5_ADDR_OF(manage_pages_in, in, pas[n]) > in + inlen)
			return MLX5_CMD_STAT_BAD_INP_LEN_ERR;
		for (i = 0; i < n; i++) {
			if (t->npages == t->maxpages) {
				u64 *p = kvcalloc(t->maxpages * 2 + 64, sizeof(*p), GFP_KERNEL);

				if (!p)
					return MLX5_CMD_STAT_NO_RES_ERR;
				memcpy(p, t->pages, t->npages * sizeof(*p));
				kvfree(t->pages);
				t->pages = p;
				t->maxpages = t->maxpages * 2 + 64;
			}
			t->pages[t->npages++] = MLX5_GET64(manage_pages_in, in, pas[i]);
		}
		return 0;
	case PAGES_TAKE:
		n = min_t(u32, n, t->npages);
		n = min_t(u32, n, (outlen - 16) / 8);
		for (i = 0; i < n; i++)
			MLX5_ARRAY_SET64(manage_pages_out, out, pas, i, t->pages[--t->npages]);
		MLX5_SET(manage_pages_out, out, output_num_entries, n);
		return 0;
	}
	return MLX5_CMD_STAT_BAD_PARAM_ERR;
}

static int query_adapter(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	void *a = MLX5_ADDR_OF(query_adapter_out, out, query_adapter_struct);

	MLX5_SET(query_adapter_param_block, a, ieee_vendor_id, 0x2c9);
	memcpy(MLX5_ADDR_OF(query_adapter_param_block, a, vsd_contd_psid), cx_psid, min_t(size_t, strlen(cx_psid), CX_PSID_SZ));
	return 0;
}

static int init_hca(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	f->hca_up = true;
	return 0;
}

static int teardown_hca(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	f->hca_up = false;
	cx_trace_release(f);
	cx_objs_free(f);
	cx_eqs_free(f);
	cx_setcap_free(f);
	bitmap_zero(f->uars, CX_PF_BAR / SZ_4K);
	MLX5_SET(teardown_hca_out, out, state, 0);
	return 0;
}

static int alloc_uar(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	u32 max = cx_bar_size(f) / SZ_4K - CX_UAR_FIRST, i = find_first_zero_bit(f->uars, max);

	if (i >= max)
		return MLX5_CMD_STAT_NO_RES_ERR;
	__set_bit(i, f->uars);
	cx_set_id(out, CX_UAR_FIRST + i);
	return 0;
}

static int dealloc_uar(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	u32 i = MLX5_GET(dealloc_uar_in, in, uar) - CX_UAR_FIRST;

	if (i >= CX_PF_BAR / SZ_4K || !__test_and_clear_bit(i, f->uars))
		return MLX5_CMD_STAT_BAD_RES_ERR;
	return 0;
}

static int query_q_counter(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	MLX5_SET(query_q_counter_out, out, out_of_buffer, f->oob);
	return 0;
}

/* needs an answer of zeroes and has no effect on an emulated card; each for the reason given */
static int ok(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	return 0;
}

static int simple(struct cx_func *f, void *in, int inlen, void *out, int outlen);

static const struct cmd {
	u16 op;
	cx_handler fn;
	u8 type;		/* for create/destroy of objects that only need to exist, and all destroys */
} cmds[] = {
	/* the function */
	{ MLX5_CMD_OP_QUERY_HCA_CAP, query_hca_cap }, { MLX5_CMD_OP_SET_HCA_CAP, set_hca_cap },
	{ MLX5_CMD_OP_QUERY_ADAPTER, query_adapter }, { MLX5_CMD_OP_INIT_HCA, init_hca },
	{ MLX5_CMD_OP_TEARDOWN_HCA, teardown_hca }, { MLX5_CMD_OP_QUERY_ISSI, query_issi },
	{ MLX5_CMD_OP_QUERY_PAGES, query_pages }, { MLX5_CMD_OP_MANAGE_PAGES, manage_pages },
	{ MLX5_CMD_OP_ENABLE_HCA, cx_hca_cmd }, { MLX5_CMD_OP_DISABLE_HCA, cx_hca_cmd },
	{ MLX5_CMD_OP_SET_ISSI, ok },			/* only 1 is offered */
	{ MLX5_CMD_OP_SET_DRIVER_VERSION, ok },		/* information for people */
	{ MLX5_CMD_OP_NOP, ok },
	{ MLX5_CMD_OP_ALLOC_UAR, alloc_uar }, { MLX5_CMD_OP_DEALLOC_UAR, dealloc_uar },
	{ MLX5_CMD_OP_CREATE_EQ, cx_create_eq }, { MLX5_CMD_OP_DESTROY_EQ, cx_destroy_eq },
	{ MLX5_CMD_OP_ACCESS_REG, cx_access_reg },
	/* scalable functions */
	{ MLX5_CMD_OP_ALLOC_SF, cx_sf_cmd }, { MLX5_CMD_OP_DEALLOC_SF, cx_sf_cmd },
	{ MLX5_CMD_OP_QUERY_VHCA_STATE, cx_sf_cmd }, { MLX5_CMD_OP_MODIFY_VHCA_STATE, cx_sf_cmd },
	{ MLX5_CMD_OP_CREATE_MKEY, cx_create_mkey }, { MLX5_CMD_OP_DESTROY_MKEY, simple, CX_O_MKEY },
	/* objects whose existence is all that matters: keys and protection domains do not restrict */
	{ MLX5_CMD_OP_ALLOC_PD, simple, CX_O_PD }, { MLX5_CMD_OP_DEALLOC_PD, simple, CX_O_PD },
	{ MLX5_CMD_OP_ALLOC_TRANSPORT_DOMAIN, simple, CX_O_TD }, { MLX5_CMD_OP_DEALLOC_TRANSPORT_DOMAIN, simple, CX_O_TD },
	{ MLX5_CMD_OP_ALLOC_XRCD, simple, CX_O_XRCD }, { MLX5_CMD_OP_DEALLOC_XRCD, simple, CX_O_XRCD },
	{ MLX5_CMD_OP_ALLOC_Q_COUNTER, simple, CX_O_QCNT }, { MLX5_CMD_OP_DEALLOC_Q_COUNTER, simple, CX_O_QCNT },
	{ MLX5_CMD_OP_QUERY_Q_COUNTER, query_q_counter },
	/* queues */
	{ MLX5_CMD_OP_CREATE_CQ, cx_queue_cmd }, { MLX5_CMD_OP_DESTROY_CQ, simple, CX_O_CQ },
	{ MLX5_CMD_OP_MODIFY_CQ, cx_queue_cmd }, { MLX5_CMD_OP_QUERY_CQ, cx_queue_cmd },
	{ MLX5_CMD_OP_CREATE_SQ, cx_queue_cmd }, { MLX5_CMD_OP_DESTROY_SQ, simple, CX_O_SQ },
	{ MLX5_CMD_OP_MODIFY_SQ, cx_queue_cmd }, { MLX5_CMD_OP_QUERY_SQ, cx_queue_cmd },
	{ MLX5_CMD_OP_CREATE_RQ, cx_queue_cmd }, { MLX5_CMD_OP_DESTROY_RQ, simple, CX_O_RQ },
	{ MLX5_CMD_OP_MODIFY_RQ, cx_queue_cmd }, { MLX5_CMD_OP_QUERY_RQ, cx_queue_cmd },
	{ MLX5_CMD_OP_CREATE_RQT, cx_queue_cmd }, { MLX5_CMD_OP_DESTROY_RQT, simple, CX_O_RQT },
	{ MLX5_CMD_OP_MODIFY_RQT, cx_queue_cmd },
	{ MLX5_CMD_OP_CREATE_TIR, cx_queue_cmd }, { MLX5_CMD_OP_DESTROY_TIR, simple, CX_O_TIR },
	{ MLX5_CMD_OP_MODIFY_TIR, cx_queue_cmd },
	{ MLX5_CMD_OP_CREATE_TIS, cx_queue_cmd }, { MLX5_CMD_OP_DESTROY_TIS, simple, CX_O_TIS },
	{ MLX5_CMD_OP_MODIFY_TIS, cx_queue_cmd },
	/* vports */
	{ MLX5_CMD_OP_QUERY_VPORT_STATE, cx_vport_cmd }, { MLX5_CMD_OP_MODIFY_VPORT_STATE, cx_vport_cmd },
	{ MLX5_CMD_OP_QUERY_NIC_VPORT_CONTEXT, cx_vport_cmd }, { MLX5_CMD_OP_MODIFY_NIC_VPORT_CONTEXT, cx_vport_cmd },
	{ MLX5_CMD_OP_QUERY_ESW_VPORT_CONTEXT, cx_vport_cmd }, { MLX5_CMD_OP_MODIFY_ESW_VPORT_CONTEXT, cx_vport_cmd },
	{ MLX5_CMD_OP_QUERY_VPORT_COUNTER, cx_vport_cmd }, { MLX5_CMD_OP_QUERY_VNIC_ENV, cx_vport_cmd },
	{ MLX5_CMD_OP_SET_L2_TABLE_ENTRY, ok },		/* receive steering of the PF filters by itself */
	{ MLX5_CMD_OP_DELETE_L2_TABLE_ENTRY, ok },
	{ MLX5_CMD_OP_SET_WOL_ROL, ok },		/* no wake on LAN modes are offered */
	{ MLX5_CMD_OP_QUERY_WOL_ROL, ok },
	{ MLX5_CMD_OP_ADD_VXLAN_UDP_DPORT, cx_vxlan_cmd }, { MLX5_CMD_OP_DELETE_VXLAN_UDP_DPORT, cx_vxlan_cmd },
	/* steering */
	{ MLX5_CMD_OP_CREATE_FLOW_TABLE, cx_flow_cmd }, { MLX5_CMD_OP_DESTROY_FLOW_TABLE, cx_flow_cmd },
	{ MLX5_CMD_OP_MODIFY_FLOW_TABLE, cx_flow_cmd }, { MLX5_CMD_OP_SET_FLOW_TABLE_ROOT, cx_flow_cmd },
	{ MLX5_CMD_OP_CREATE_FLOW_GROUP, cx_flow_cmd }, { MLX5_CMD_OP_DESTROY_FLOW_GROUP, cx_flow_cmd },
	{ MLX5_CMD_OP_SET_FLOW_TABLE_ENTRY, cx_flow_cmd }, { MLX5_CMD_OP_DELETE_FLOW_TABLE_ENTRY, cx_flow_cmd },
	{ MLX5_CMD_OP_ALLOC_FLOW_COUNTER, cx_flow_cmd }, { MLX5_CMD_OP_DEALLOC_FLOW_COUNTER, simple, CX_O_FC },
	{ MLX5_CMD_OP_QUERY_FLOW_COUNTER, cx_flow_cmd },
	{ MLX5_CMD_OP_ALLOC_MODIFY_HEADER_CONTEXT, cx_flow_cmd },
	{ MLX5_CMD_OP_DEALLOC_MODIFY_HEADER_CONTEXT, simple, CX_O_MH },
	/* LAG */
	{ MLX5_CMD_OP_CREATE_LAG, cx_lag_cmd }, { MLX5_CMD_OP_MODIFY_LAG, cx_lag_cmd },
	{ MLX5_CMD_OP_QUERY_LAG, cx_lag_cmd }, { MLX5_CMD_OP_DESTROY_LAG, cx_lag_cmd },
	/* QoS */
	{ MLX5_CMD_OP_CREATE_SCHEDULING_ELEMENT, cx_sched_cmd }, { MLX5_CMD_OP_DESTROY_SCHEDULING_ELEMENT, cx_sched_cmd },
	{ MLX5_CMD_OP_MODIFY_SCHEDULING_ELEMENT, cx_sched_cmd }, { MLX5_CMD_OP_QUERY_SCHEDULING_ELEMENT, cx_sched_cmd },
	/* keys, security associations */
	{ MLX5_CMD_OP_CREATE_GENERAL_OBJECT, cx_general_create },
	{ MLX5_CMD_OP_DESTROY_GENERAL_OBJECT, cx_general_destroy },
	{ MLX5_CMD_OP_MODIFY_GENERAL_OBJECT, cx_general_modify },
	{ MLX5_CMD_OP_QUERY_GENERAL_OBJECT, cx_general_query },
	{ CX_OP_SYNC_CRYPTO, ok },			/* no key is cached: keys.c */
	{ MLX5_CMD_OP_ALLOC_PACKET_REFORMAT_CONTEXT, cx_reformat_alloc },
	{ MLX5_CMD_OP_DEALLOC_PACKET_REFORMAT_CONTEXT, simple, CX_O_REFORMAT },
};

/* CREATE and ALLOC have an even place before their DESTROY or DEALLOC: the destroys carry the id in dword 2 */
static int simple(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	u16 op = MLX5_GET(mbox_in, in, opcode);
	u32 id = get_unaligned_be32(in + 8);
	int i;

	for (i = 0; cmds[i].op != op; i++)
		;
	switch (op) {
	case MLX5_CMD_OP_ALLOC_PD: case MLX5_CMD_OP_ALLOC_TRANSPORT_DOMAIN: case MLX5_CMD_OP_ALLOC_XRCD:
	case MLX5_CMD_OP_ALLOC_Q_COUNTER:
		return cx_create_simple(f, cmds[i].type, out);
	case MLX5_CMD_OP_DEALLOC_Q_COUNTER:
		return cx_destroy(f, CX_O_QCNT, 0x800000 + (id & 0xff));
	case MLX5_CMD_OP_DEALLOC_FLOW_COUNTER: case MLX5_CMD_OP_DEALLOC_MODIFY_HEADER_CONTEXT:
	case MLX5_CMD_OP_DEALLOC_PACKET_REFORMAT_CONTEXT:
		return cx_destroy(f, cmds[i].type, id);
	}
	return cx_destroy(f, cmds[i].type, id & 0xffffff);
}

int cx_exec(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	u16 op = MLX5_GET(mbox_in, in, opcode);
	static DECLARE_BITMAP(unknown, 0x10000);
	int i;

	cx_dbg(2, "f%d command 0x%03x op_mod 0x%x in %d out %d\n", f->idx, op, MLX5_GET(mbox_in, in, op_mod),
	       inlen, outlen);
	for (i = 0; i < ARRAY_SIZE(cmds); i++)
		if (cmds[i].op == op)
			return cmds[i].fn(f, in, inlen, out, outlen);
	if (!test_and_set_bit(op, unknown))
		pr_info("connectx_emu: f%d command 0x%03x op_mod 0x%x is not known\n", f->idx, op,
			MLX5_GET(mbox_in, in, op_mod));
	return MLX5_CMD_STAT_BAD_OP_ERR;
}
