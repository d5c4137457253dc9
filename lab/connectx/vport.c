// SPDX-License-Identifier: GPL-2.0
/* Vports: NIC and eswitch contexts, link state, counters. */
#include "connectx.h"
#include <linux/vmalloc.h>

#define GUID 0xb8599f0300aabb00ULL

/* vport num of a port's eswitch; NULL if there is none */
struct cx_vport *cx_vport(int port, int num)
{
	int n = num == MLX5_VPORT_UPLINK ? cx_nvports() - 1 : num;

	if (num >= CX_SF_BASE && num < CX_SF_BASE + cx_nsfs)
		n = 1 + cx_nvfs + num - CX_SF_BASE;
	else if (num > cx_nvfs && num != MLX5_VPORT_UPLINK)
		return NULL;
	return &cx_ports[port].vport[n];
}

/* the vport a command means: one's own, or as eswitch manager another one */
static struct cx_vport *target(struct cx_func *f, bool other, int num)
{
	if (!other)
		return cx_vport(f->pf, f->vport);
	return f->is_vf ? NULL : cx_vport(f->pf, num);
}

/* as it is before anyone has changed it */
void cx_vport_reset(int port, struct cx_vport *v)
{
	u64 guid = GUID + (port / cx_nports << 20), own = guid + (port % cx_nports << 12);
	int n = v - cx_ports[port].vport, num = v->num;

	memset(v, 0, sizeof(*v));
	v->num = num;
	MLX5_SET(nic_vport_context, v->ctx, mtu, 1500);
	MLX5_SET64(nic_vport_context, v->ctx, system_image_guid, guid);
	MLX5_SET64(nic_vport_context, v->ctx, port_guid, own + n);
	MLX5_SET64(nic_vport_context, v->ctx, node_guid, own + n);
	v->admin = num && num != MLX5_VPORT_UPLINK ? MLX5_VPORT_ADMIN_STATE_AUTO : MLX5_VPORT_ADMIN_STATE_UP;
}

int cx_vport_init(void)
{
	static const u8 oui[] = { 0xb8, 0x59, 0x9f, 0xaa };
	int p, n;

	for (p = 0; p < cx_all_ports(); p++) {
		struct cx_vport *v;
		u8 *mac;

		memset(&cx_ports[p], 0, sizeof(cx_ports[p]));
		v = cx_ports[p].vport = vzalloc(array_size(cx_nvports(), sizeof(*v)));
		if (!v) {
			cx_vport_exit();
			return -ENOMEM;
		}
		cx_ports[p].admin_up = true;
		cx_phy_init(&cx_ports[p]);
		cx_ports[p].mtu = 1522;
		cx_vxlan_reset(&cx_ports[p]);
		for (n = 0; n < cx_nvports(); n++) {
			v[n].num = n == cx_nvports() - 1 ? MLX5_VPORT_UPLINK : n > cx_nvfs ? CX_SF_BASE + n - 1 - cx_nvfs : n;
			cx_vport_reset(p, &v[n]);
		}
		/* the others start without an address, as on a card */
		mac = MLX5_ADDR_OF(nic_vport_context, v[0].ctx, permanent_address);
		memcpy(mac + 2, oui, sizeof(oui));
		mac[6] = 0xbb + p / cx_nports;
		mac[7] = p % cx_nports;
	}
	return 0;
}

void cx_vport_exit(void)
{
	int p;

	for (p = 0; p < ARRAY_SIZE(cx_ports); p++) {
		vfree(cx_ports[p].vport);
		cx_ports[p].vport = NULL;
	}
}

void cx_count(struct cx_count c[3], const u8 *dmac, u32 pkts, u64 bytes)
{
	int i = is_broadcast_ether_addr(dmac) ? 2 : is_multicast_ether_addr(dmac) ? 1 : 0;

	c[i].pkts += pkts;
	c[i].bytes += bytes;
}

/* the cable, PAOS or a vport's admin state has changed: tell the functions whose link changes */
void cx_link_update(int port)
{
	struct cx_port *p = &cx_ports[port];
	struct mlx5_eqe_port_state d = { .port = 1 << 4 };
	bool cable = cx_wire_up(port), up;
	int n;

	up = p->admin_up && cable && cx_phy_link(p);
	p->phy.downs += p->up && !up;
	p->up = up;
	cx_wire_carrier(port, p->admin_up && !READ_ONCE(cx_faults.wire[port].down));
	for (n = 0; n < cx_nvports() - 1; n++) {
		struct cx_vport *v = &p->vport[n];
		/* the link stays up for VFs while the PF is down (KEEP_ETH_LINK_UP, the default of these cards) */
		bool link = !n ? p->up : v->admin == MLX5_VPORT_ADMIN_STATE_AUTO ? cable :
			    v->admin == MLX5_VPORT_ADMIN_STATE_UP;

		if (v->link == link)
			continue;
		v->link = link;
		cx_event(cx_vf(port, v->num), MLX5_EVENT_TYPE_PORT_CHANGE,
			 link ? MLX5_PORT_CHANGE_SUBTYPE_ACTIVE : MLX5_PORT_CHANGE_SUBTYPE_DOWN, &d, sizeof(d));
	}
}

static int query_nic(struct cx_vport *v, void *in, void *out, int outlen)
{
	void *c = MLX5_ADDR_OF(query_nic_vport_context_out, out, nic_vport_context);
	int t = MLX5_GET(query_nic_vport_context_in, in, allowed_list_type), n, i;

	memcpy(c, v->ctx, sizeof(v->ctx));
	n = t == MLX5_NVPRT_LIST_TYPE_UC ? v->nuc : t == MLX5_NVPRT_LIST_TYPE_MC ? v->nmc : v->nvlan;
	n = min_t(int, n, (outlen - 0x110) / 8);
	n = max(n, 0);
	MLX5_SET(nic_vport_context, c, allowed_list_type, t);
	MLX5_SET(nic_vport_context, c, allowed_list_size, n);
	for (i = 0; i < n; i++) {
		u8 *e = MLX5_ADDR_OF(nic_vport_context, c, current_uc_mac_address[i]);

		if (t == MLX5_NVPRT_LIST_TYPE_VLAN)
			MLX5_SET(vlan_layout, e, vlan, v->vlan[i]);
		else
			memcpy(e, t == MLX5_NVPRT_LIST_TYPE_UC ? &v->uc[i] : &v->mc[i], 8);
	}
	return 0;
}

static int set_list(struct cx_vport *v, void *c, void *end)
{
	int t = MLX5_GET(nic_vport_context, c, allowed_list_type), i;
	int n = MLX5_GET(nic_vport_context, c, allowed_list_size);

	if (n > (t == MLX5_NVPRT_LIST_TYPE_VLAN ? CX_MAX_VLAN : CX_MAX_UC) ||
	    MLX5_ADDR_OF(nic_vport_context, c, current_uc_mac_address[n]) > end)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	for (i = 0; i < n; i++) {
		u8 *e = MLX5_ADDR_OF(nic_vport_context, c, current_uc_mac_address[i]);

		if (t == MLX5_NVPRT_LIST_TYPE_VLAN)
			v->vlan[i] = MLX5_GET(vlan_layout, e, vlan);
		else
			memcpy(t == MLX5_NVPRT_LIST_TYPE_UC ? &v->uc[i] : &v->mc[i], e, 8);
	}
	*(t == MLX5_NVPRT_LIST_TYPE_UC ? &v->nuc : t == MLX5_NVPRT_LIST_TYPE_MC ? &v->nmc : &v->nvlan) = n;
	return 0;
}

#define SEL(x) MLX5_GET(modify_nic_vport_field_select, s, x)
#define CP(x) MLX5_SET(nic_vport_context, v->ctx, x, MLX5_GET(nic_vport_context, c, x))
#define CP64(x) MLX5_SET64(nic_vport_context, v->ctx, x, MLX5_GET64(nic_vport_context, c, x))
static int modify_nic(struct cx_func *f, struct cx_vport *v, bool other, void *in, int inlen)
{
	void *s = MLX5_ADDR_OF(modify_nic_vport_context_in, in, field_select);
	void *c = MLX5_ADDR_OF(modify_nic_vport_context_in, in, nic_vport_context);
	bool ev = false;

	if (SEL(mtu))
		CP(mtu);
	if (SEL(min_inline))
		CP(min_wqe_inline_mode);
	if (SEL(disable_uc_local_lb))
		CP(disable_uc_local_lb);
	if (SEL(disable_mc_local_lb))
		CP(disable_mc_local_lb);
	if (SEL(roce_en))
		CP(roce_en);
	if (SEL(promisc)) {
		CP(promisc_uc);
		CP(promisc_mc);
		CP(promisc_all);
		ev = true;
	}
	if (SEL(permanent_address))
		memcpy(MLX5_ADDR_OF(nic_vport_context, v->ctx, permanent_address),
		       MLX5_ADDR_OF(nic_vport_context, c, permanent_address), 8);
	if (SEL(node_guid))
		CP64(node_guid);
	if (SEL(port_guid))
		CP64(port_guid);
	if (SEL(change_event))
		v->armed = MLX5_GET(nic_vport_context, c, arm_change_event);
	if (SEL(addresses_list)) {
		int st = set_list(v, c, in + inlen);

		if (st)
			return st;
		ev = true;
	}
	/* a change between the PF's reading and its arming is told when it arms: it would not look again */
	v->changed |= ev && !other;
	if (v->changed && v->armed) {
		struct mlx5_eqe_vport_change d = { .vport_num = cpu_to_be16(v->num) };

		v->armed = v->changed = false;
		cx_event(cx_vf(f->pf, 0), MLX5_EVENT_TYPE_NIC_VPORT_CHANGE, 0, &d, sizeof(d));
	}
	return 0;
}

#define CNT(name, c) do { \
	MLX5_SET64(query_vport_counter_out, out, name.packets, (c).pkts); \
	MLX5_SET64(query_vport_counter_out, out, name.octets, (c).bytes); } while (0)
static void query_counter(struct cx_vport *v, void *out)
{
	CNT(received_eth_unicast, v->rx[0]);
	CNT(received_eth_multicast, v->rx[1]);
	CNT(received_eth_broadcast, v->rx[2]);
	CNT(transmitted_eth_unicast, v->tx[0]);
	CNT(transmitted_eth_multicast, v->tx[1]);
	CNT(transmitted_eth_broadcast, v->tx[2]);
}

/* other_vport and vport_number are at the same place in every command of this family */
int cx_vport_cmd(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	bool other = MLX5_GET(query_vport_state_in, in, other_vport);
	struct cx_vport *v = target(f, other, MLX5_GET(query_vport_state_in, in, vport_number));
	u16 opmod = MLX5_GET(mbox_in, in, op_mod);

	if (!v)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	switch (MLX5_GET(mbox_in, in, opcode)) {
	case MLX5_CMD_OP_QUERY_NIC_VPORT_CONTEXT:
		if (outlen < 0x110)
			return MLX5_CMD_STAT_BAD_OUTP_LEN_ERR;
		return query_nic(v, in, out, outlen);
	case MLX5_CMD_OP_MODIFY_NIC_VPORT_CONTEXT:
		return modify_nic(f, v, other, in, inlen);
	case MLX5_CMD_OP_QUERY_VPORT_STATE:
		MLX5_SET(query_vport_state_out, out, admin_state, v->admin);
		MLX5_SET(query_vport_state_out, out, state, opmod == MLX5_VPORT_STATE_OP_MOD_UPLINK ?
			 cx_ports[f->pf].up : v->link);
		return 0;
	case MLX5_CMD_OP_MODIFY_VPORT_STATE:
		if (opmod != MLX5_VPORT_STATE_OP_MOD_UPLINK)
			v->admin = MLX5_GET(modify_vport_state_in, in, admin_state);
		cx_link_update(f->pf);
		return 0;
	case MLX5_CMD_OP_QUERY_ESW_VPORT_CONTEXT:
		memcpy(MLX5_ADDR_OF(query_esw_vport_context_out, out, esw_vport_context), v->esw, sizeof(v->esw));
		return 0;
	case MLX5_CMD_OP_MODIFY_ESW_VPORT_CONTEXT: {
		void *s = MLX5_ADDR_OF(modify_esw_vport_context_in, in, field_select);
		void *c = MLX5_ADDR_OF(modify_esw_vport_context_in, in, esw_vport_context);

#define ESEL(x) MLX5_GET(esw_vport_context_fields_select, s, x)
#define ECP(x) MLX5_SET(esw_vport_context, v->esw, x, MLX5_GET(esw_vport_context, c, x))
		if (ESEL(vport_cvlan_insert) &&
		    MLX5_GET(esw_vport_context, c, vport_cvlan_insert) > MLX5_VPORT_CVLAN_INSERT_WHEN_NO_CVLAN)
			return MLX5_CMD_STAT_BAD_PARAM_ERR;
		if (ESEL(vport_cvlan_strip))
			ECP(vport_cvlan_strip);
		if (ESEL(vport_cvlan_insert)) {
			ECP(vport_cvlan_insert);
			ECP(cvlan_pcp);
			ECP(cvlan_id);
		}
		if (ESEL(fdb_to_vport_reg_c_id)) {
			ECP(fdb_to_vport_reg_c);
			ECP(fdb_to_vport_reg_c_id);
		}
		return 0;
	}
	case MLX5_CMD_OP_QUERY_VNIC_ENV:	/* the other counters are of errors that do not happen here */
		MLX5_SET64(query_vnic_env_out, out, vport_env.receive_discard_vport_down, v->rx_down);
		MLX5_SET64(query_vnic_env_out, out, vport_env.transmit_discard_vport_down, v->tx_down);
		MLX5_SET64(query_vnic_env_out, out, vport_env.nic_receive_steering_discard, v->rx_steer);
		MLX5_SET(query_vnic_env_out, out, vport_env.invalid_command, v->refused);
		return 0;
	case MLX5_CMD_OP_QUERY_VPORT_COUNTER:
		query_counter(v, out);
		return 0;
	}
	return MLX5_CMD_STAT_BAD_OP_ERR;
}
