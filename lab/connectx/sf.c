// SPDX-License-Identifier: GPL-2.0
/*
 * Scalable functions: allocated and enabled by their PF, then used by a driver of their own through registers in the PF's
 * BAR 2. What becomes of one the PF is told by an event, of which it then asks the state, and which it arms again.
 */
#include "connectx.h"

/* private to the driver in mainline headers */
struct mlx5_ifc_vhca_state_context_bits {
	u8 arm_change_event[0x1], reserved_at_1[0xb], vhca_state[0x4], reserved_at_10[0x10];
	u8 sw_function_id[0x20], reserved_at_40[0x40];
};
struct mlx5_ifc_query_vhca_state_out_bits {
	u8 status[0x8], reserved_at_8[0x18], syndrome[0x20], reserved_at_40[0x40];
	struct mlx5_ifc_vhca_state_context_bits vhca_state_context;
};
struct mlx5_ifc_vhca_state_field_select_bits { u8 reserved_at_0[0x1e], sw_function_id[0x1], arm_change_event[0x1]; };
struct mlx5_ifc_modify_vhca_state_in_bits {
	u8 opcode[0x10], uid[0x10], reserved_at_20[0x10], op_mod[0x10];
	u8 embedded_cpu_function[0x1], reserved_at_41[0xf], function_id[0x10];
	struct mlx5_ifc_vhca_state_field_select_bits vhca_state_field_select;
	struct mlx5_ifc_vhca_state_context_bits vhca_state_context;
};

/* a change that comes before the PF has armed again is told when it does */
static void tell(struct cx_func *sf)
{
	struct mlx5_eqe_vhca_state d = { .function_id = cpu_to_be16(sf->vport) };

	if (!sf->vhca.armed || !sf->vhca.changed)
		return;
	sf->vhca.armed = sf->vhca.changed = false;
	cx_event(cx_vf(sf->pf, 0), MLX5_EVENT_TYPE_VHCA_STATE_CHANGE, 0, &d, sizeof(d));
}

static int become(struct cx_func *sf, u8 state)
{
	cx_dbg(1, "f%d, scalable function %u, goes from state %u to %u\n", sf->idx, sf->vhca.sw_id, sf->vhca.state, state);
	sf->vhca.state = state;
	sf->vhca.changed = true;
	tell(sf);
	return 0;
}

static int alloc(struct cx_func *sf)
{
	if (sf->vhca.state != MLX5_VHCA_STATE_INVALID)
		return MLX5_CMD_STAT_BAD_RES_STATE_ERR;
	cx_vport_reset(sf->pf, cx_vport(sf->pf, sf->vport));
	cx_link_update(sf->pf);
	return become(sf, MLX5_VHCA_STATE_ALLOCATED);
}

static void off(struct cx_func *sf)
{
	sf->vhca.state = MLX5_VHCA_STATE_INVALID;
	sf->vhca.sw_id = 0;
	cx_fw_reset(sf);
}

/* the PF is reset: none of its functions is allocated any more */
void cx_sfs_off(struct cx_func *pf)
{
	int i;

	for (i = 0; i < cx_nsfs; i++) {
		struct cx_func *sf = cx_vf(pf->pf, CX_SF_BASE + i);

		sf->vhca.armed = sf->vhca.changed = false;
		off(sf);
	}
}

static int dealloc(struct cx_func *sf)
{
	if (sf->vhca.state == MLX5_VHCA_STATE_INVALID)
		return MLX5_CMD_STAT_BAD_RES_STATE_ERR;
	off(sf);
	return 0;
}

/* by its PF: from now on a driver may use it */
static int activate(struct cx_func *sf)
{
	if (sf->vhca.state != MLX5_VHCA_STATE_ALLOCATED)
		return MLX5_CMD_STAT_BAD_RES_STATE_ERR;
	cx_fw_reset(sf);
	return become(sf, MLX5_VHCA_STATE_ACTIVE);
}

/* by its PF: who uses it is asked to leave */
static int deactivate(struct cx_func *sf)
{
	switch (sf->vhca.state) {
	case MLX5_VHCA_STATE_ACTIVE:
		return become(sf, MLX5_VHCA_STATE_ALLOCATED);
	case MLX5_VHCA_STATE_IN_USE:
		return become(sf, MLX5_VHCA_STATE_TEARDOWN_REQUEST);
	}
	return MLX5_CMD_STAT_BAD_RES_STATE_ERR;
}

/* by the driver of the function itself */
static int attach(struct cx_func *sf)
{
	switch (sf->vhca.state) {
	case MLX5_VHCA_STATE_ACTIVE:
		return become(sf, MLX5_VHCA_STATE_IN_USE);
	case MLX5_VHCA_STATE_IN_USE:
		return 0;
	}
	return MLX5_CMD_STAT_BAD_RES_STATE_ERR;
}

static int detach(struct cx_func *sf)
{
	switch (sf->vhca.state) {
	case MLX5_VHCA_STATE_IN_USE:
		return become(sf, MLX5_VHCA_STATE_ACTIVE);
	case MLX5_VHCA_STATE_TEARDOWN_REQUEST:
		return become(sf, MLX5_VHCA_STATE_ALLOCATED);
	}
	return 0;
}

/* ENABLE_HCA, DISABLE_HCA: PFs and VFs are there already */
int cx_hca_cmd(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	struct cx_func *t = cx_other(f, MLX5_GET(enable_hca_in, in, function_id));
	bool on = MLX5_GET(mbox_in, in, opcode) == MLX5_CMD_OP_ENABLE_HCA;

	if (!t)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	if (!t->is_sf)
		return 0;
	if (t == f)
		return on ? attach(t) : detach(t);
	return on ? activate(t) : deactivate(t);
}

static int query(struct cx_func *sf, void *out, int outlen)
{
	void *c = MLX5_ADDR_OF(query_vhca_state_out, out, vhca_state_context);

	if (outlen < MLX5_ST_SZ_BYTES(query_vhca_state_out))
		return MLX5_CMD_STAT_BAD_OUTP_LEN_ERR;
	MLX5_SET(vhca_state_context, c, arm_change_event, sf->vhca.armed);
	MLX5_SET(vhca_state_context, c, vhca_state, sf->vhca.state);
	MLX5_SET(vhca_state_context, c, sw_function_id, sf->vhca.sw_id);
	return 0;
}

static int modify(struct cx_func *sf, void *in)
{
	void *s = MLX5_ADDR_OF(modify_vhca_state_in, in, vhca_state_field_select);
	void *c = MLX5_ADDR_OF(modify_vhca_state_in, in, vhca_state_context);

	if (MLX5_GET(vhca_state_field_select, s, sw_function_id))
		sf->vhca.sw_id = MLX5_GET(vhca_state_context, c, sw_function_id);
	if (MLX5_GET(vhca_state_field_select, s, arm_change_event)) {
		sf->vhca.armed = MLX5_GET(vhca_state_context, c, arm_change_event);
		tell(sf);
	}
	return 0;
}

/* function_id is at the same place in every command of this family */
int cx_sf_cmd(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	struct cx_func *sf = cx_other(f, MLX5_GET(alloc_sf_in, in, function_id));

	if (!sf || !sf->is_sf || sf == f)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	switch (MLX5_GET(mbox_in, in, opcode)) {
	case MLX5_CMD_OP_ALLOC_SF:
		return alloc(sf);
	case MLX5_CMD_OP_DEALLOC_SF:
		return dealloc(sf);
	case MLX5_CMD_OP_QUERY_VHCA_STATE:
		return query(sf, out, outlen);
	case MLX5_CMD_OP_MODIFY_VHCA_STATE:
		return modify(sf, in);
	}
	return MLX5_CMD_STAT_BAD_OP_ERR;
}
