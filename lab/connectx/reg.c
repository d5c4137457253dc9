// SPDX-License-Identifier: GPL-2.0
/* Access registers: MTU, admin state, counters, firmware information. */
#include "connectx.h"

#define MNVDA	0x9024		/* older headers do not have it */
#define FW_VERSION (CX_FW_MAJOR << 24 | CX_FW_MINOR << 16 | CX_FW_SUB)

static void ppcnt(struct cx_port *p, void *d, void *o)
{
	void *c = MLX5_ADDR_OF(ppcnt_reg, o, counter_set);
	u64 rxu = p->rx.pkts - p->rx_mcast - p->rx_bcast, txu = p->tx.pkts - p->tx_mcast - p->tx_bcast;

	memcpy(o, d, 8);
#define S(l, n, v) CX_COUNTER(l, c, n, v)
	if (cx_phy_counters(p, MLX5_GET(ppcnt_reg, d, grp), c))
		return;
	switch (MLX5_GET(ppcnt_reg, d, grp)) {
	case MLX5_IEEE_802_3_COUNTERS_GROUP:
		S(eth_802_3_cntrs_grp_data_layout, a_frames_transmitted_ok, p->tx.pkts);
		S(eth_802_3_cntrs_grp_data_layout, a_frames_received_ok, p->rx.pkts);
		S(eth_802_3_cntrs_grp_data_layout, a_frame_check_sequence_errors, p->phy.crc);
		S(eth_802_3_cntrs_grp_data_layout, a_octets_transmitted_ok, p->tx.bytes);
		S(eth_802_3_cntrs_grp_data_layout, a_octets_received_ok, p->rx.bytes);
		S(eth_802_3_cntrs_grp_data_layout, a_multicast_frames_xmitted_ok, p->tx_mcast);
		S(eth_802_3_cntrs_grp_data_layout, a_broadcast_frames_xmitted_ok, p->tx_bcast);
		S(eth_802_3_cntrs_grp_data_layout, a_multicast_frames_received_ok, p->rx_mcast);
		S(eth_802_3_cntrs_grp_data_layout, a_broadcast_frames_received_ok, p->rx_bcast);
		break;
	case MLX5_RFC_2863_COUNTERS_GROUP:
		S(eth_2863_cntrs_grp_data_layout, if_in_octets, p->rx.bytes);
		S(eth_2863_cntrs_grp_data_layout, if_in_ucast_pkts, rxu);
		S(eth_2863_cntrs_grp_data_layout, if_out_octets, p->tx.bytes);
		S(eth_2863_cntrs_grp_data_layout, if_out_ucast_pkts, txu);
		S(eth_2863_cntrs_grp_data_layout, if_in_multicast_pkts, p->rx_mcast);
		S(eth_2863_cntrs_grp_data_layout, if_in_broadcast_pkts, p->rx_bcast);
		S(eth_2863_cntrs_grp_data_layout, if_out_multicast_pkts, p->tx_mcast);
		S(eth_2863_cntrs_grp_data_layout, if_out_broadcast_pkts, p->tx_bcast);
		S(eth_2863_cntrs_grp_data_layout, if_out_discards, p->drops);
		break;
	case MLX5_RFC_2819_COUNTERS_GROUP:
		S(eth_2819_cntrs_grp_data_layout, ether_stats_octets, p->rx.bytes);
		S(eth_2819_cntrs_grp_data_layout, ether_stats_pkts, p->rx.pkts);
		break;
	case MLX5_PER_PRIORITY_COUNTERS_GROUP:		/* everything is priority 0 */
		if (MLX5_GET(ppcnt_reg, d, prio_tc))
			break;
		S(eth_per_prio_grp_data_layout, rx_octets, p->rx.bytes);
		S(eth_per_prio_grp_data_layout, rx_frames, p->rx.pkts);
		S(eth_per_prio_grp_data_layout, tx_octets, p->tx.bytes);
		S(eth_per_prio_grp_data_layout, tx_frames, p->tx.pkts);
		break;
	}
}

static int mcqi(void *d, void *o, int len)
{
	void *v = MLX5_ADDR_OF(mcqi_reg, o, data);

	memcpy(o, d, MLX5_ST_SZ_BYTES(mcqi_reg));
	switch (MLX5_GET(mcqi_reg, d, info_type)) {
	case 0:		/* capabilities */
		MLX5_SET(mcqi_reg, o, info_size, MLX5_ST_SZ_BYTES(mcqi_cap));
		return 0;
	case 1:		/* version: what runs is what is stored */
		if (len < MLX5_ST_SZ_BYTES(mcqi_reg) + MLX5_ST_SZ_BYTES(mcqi_version))
			return MLX5_CMD_STAT_BAD_INP_LEN_ERR;
		MLX5_SET(mcqi_reg, o, info_size, MLX5_ST_SZ_BYTES(mcqi_version));
		MLX5_SET(mcqi_version, v, version, FW_VERSION);
		return 0;
	}
	return MLX5_CMD_STAT_BAD_PARAM_ERR;
}

int cx_access_reg(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	bool rd = MLX5_GET(access_register_in, in, op_mod);
	void *d = MLX5_ADDR_OF(access_register_in, in, register_data);
	void *o = MLX5_ADDR_OF(access_register_out, out, register_data);
	u16 id = MLX5_GET(access_register_in, in, register_id);
	struct cx_port *p = &cx_ports[f->pf];
	int len = min(inlen, outlen) - 16;
	static DECLARE_BITMAP(seen, 0x10000);

	/* a query may send less than it wants back */
	if ((id == MLX5_REG_MCQI && rd) || id == MLX5_REG_MTRC_STDB)
		len = outlen - 16;
	if (len < 4 || len > 0x300)
		return MLX5_CMD_STAT_BAD_INP_LEN_ERR;
	cx_dbg(2, "f%d register 0x%04x %s\n", f->idx, id, rd ? "read" : "write");
	if (!rd)
		memcpy(o, d, min(len, inlen - 16));
	if (!rd && f->is_vf)
		return 0;		/* the port belongs to the PF: a VF's writes are taken and have no effect */
	switch (id) {
	case MLX5_REG_PTYS: case MLX5_REG_PPLM: case MLX5_REG_PFCC: case MLX5_REG_MCIA: case MLX5_REG_PDDR:
		return cx_phy_reg(f, id, rd, d, o, len);
	case MLX5_REG_MTRC_CAP: case MLX5_REG_MTRC_CONF: case MLX5_REG_MTRC_STDB: case MLX5_REG_MTRC_CTRL: case MLX5_REG_CORE_DUMP:
		return cx_trace_reg(f, id, rd, d, o, len);
	case MLX5_REG_PMTU:
		if (!rd)
			p->mtu = min_t(u16, MLX5_GET(pmtu_reg, d, admin_mtu), CX_MAX_MTU + 22);
		MLX5_SET(pmtu_reg, o, local_port, 1);
		MLX5_SET(pmtu_reg, o, max_mtu, CX_MAX_MTU + 22);
		MLX5_SET(pmtu_reg, o, admin_mtu, p->mtu);
		MLX5_SET(pmtu_reg, o, oper_mtu, p->mtu);
		return 0;
	case MLX5_REG_PAOS:
		if (!rd) {
			p->admin_up = MLX5_GET(paos_reg, d, admin_status) == MLX5_PORT_UP;
			cx_link_update(f->pf);
		}
		MLX5_SET(paos_reg, o, local_port, 1);
		MLX5_SET(paos_reg, o, admin_status, p->admin_up ? MLX5_PORT_UP : MLX5_PORT_DOWN);
		MLX5_SET(paos_reg, o, oper_status, p->up ? MLX5_PORT_UP : MLX5_PORT_DOWN);
		return 0;
	case MLX5_REG_PMLP:
		MLX5_SET(pmlp_reg, o, local_port, 1);
		MLX5_SET(pmlp_reg, o, width, 4);
		return 0;
	case MLX5_REG_PPCNT:
		if (len < MLX5_ST_SZ_BYTES(ppcnt_reg))
			return MLX5_CMD_STAT_BAD_INP_LEN_ERR;
		ppcnt(p, d, o);
		return 0;
	case MLX5_REG_PCAM:
		MLX5_SET(pcam_reg, o, port_access_reg_cap_mask.regs_5000_to_507f.ppcnt, 1);
		MLX5_SET(pcam_reg, o, port_access_reg_cap_mask.regs_5000_to_507f.pplm, 1);
		MLX5_SET(pcam_reg, o, feature_cap_mask.enhanced_features.ptys_connector_type, 1);
		MLX5_SET(pcam_reg, o, feature_cap_mask.enhanced_features.ppcnt_statistical_group, 1);
		MLX5_SET(pcam_reg, o, feature_cap_mask.enhanced_features.per_lane_error_counters, 1);
		return 0;
	case MLX5_REG_MCAM:
		if (MLX5_GET(mcam_reg, d, access_reg_group))
			return 0;
		MLX5_SET(mcam_reg, o, mng_access_reg_cap_mask.access_regs.mcqs, 1);
		MLX5_SET(mcam_reg, o, mng_access_reg_cap_mask.access_regs.mcqi, 1);
		MLX5_SET(mcam_reg, o, mng_access_reg_cap_mask.access_regs.tracer_registers, f->is_vf ? 0 : 0xf);
		return 0;
	case MLX5_REG_MCQS:			/* one component: the boot image */
		MLX5_SET(mcqs_reg, o, last_index_flag, 1);
		MLX5_SET(mcqs_reg, o, identifier, 1);
		MLX5_SET(mcqs_reg, o, component_update_state, 0 /* idle: nothing is pending */);
		return 0;
	case MLX5_REG_MCQI:
		return mcqi(d, o, len);
	case MLX5_REG_PCMR: case MLX5_REG_HOST_ENDIANNESS:
	case MLX5_REG_PVLC: case MLX5_REG_QPTS: case MLX5_REG_QPDPM: case MLX5_REG_QETCR:
	case MLX5_REG_QTCT: case MLX5_REG_PBMC: case MLX5_REG_PPTB:
		return 0;			/* QoS: kept nowhere, reads as zero */
	}
	if (id == MNVDA)			/* what is kept over a power cycle: nothing, so its devlink parameters have no values */
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	if (!test_and_set_bit(id, seen))
		pr_info("connectx_emu: f%d register 0x%04x (%s) is not there\n", f->idx, id, rd ? "read" : "write");
	return MLX5_CMD_STAT_BAD_PARAM_ERR;
}
