// SPDX-License-Identifier: GPL-2.0
/* Capabilities: one readable place. What is not set here, the driver does not try. */
#include "connectx.h"

#define G(f, v)  MLX5_SET(cmd_hca_cap, c, f, v)
#define E(f, v)  MLX5_SET(per_protocol_networking_offload_caps, c, f, v)
#define W(f, v)  MLX5_SET(e_switch_cap, c, f, v)
#define P(f, v)  MLX5_SET(flow_table_prop_layout, p, f, v)

static void match_caps(void *p)
{
#define M(f) P(ft_field_support.f, 0); P(ft_field_bitmask_support.f, 0)
	memset(MLX5_ADDR_OF(flow_table_prop_layout, p, ft_field_support), 0xff, 16);
	memset(MLX5_ADDR_OF(flow_table_prop_layout, p, ft_field_bitmask_support), 0xff, 16);
	M(outer_geneve_vni); M(outer_geneve_oam); M(outer_geneve_protocol_type); M(outer_geneve_opt_len);
	M(geneve_tlv_option_0_data); M(outer_first_mpls_over_udp); M(outer_first_mpls_over_gre);
	M(inner_first_mpls); M(outer_first_mpls); M(bth_dst_qp);
}

static void base_caps(void *p)
{
	P(ft_support, 1); P(flow_modify_en, 1); P(modify_root, 1);
	P(identified_miss_table_mode, 1); P(flow_table_modify, 1); P12(reset_root_to_default, 1);
	P(log_max_ft_size, 22); P(max_ft_level, 64); P(log_max_ft_num, 20);
	P(log_max_destination, 9); P(log_max_flow, 22);
	match_caps(p);
}

static void table_caps(void *p)
{
	base_caps(p);
	P(flow_counter, 1);
	P(pop_vlan, 1); P(push_vlan, 1); P(pop_vlan_2, 1); P(push_vlan_2, 1);
	P(reformat_and_vlan_action, 1); P(reformat_and_modify_action, 1);
	P(ignore_flow_level, 1); P(table_miss_action_domain, 1); P(termination_table, 1);
	P(log_max_modify_header_context, 16); P(max_modify_header_actions, 32); P(log_max_flow_counter, 20);
}

static void general(struct cx_func *f, void *c)
{
	u64 objs = 0;

	G(port_type, MLX5_CAP_PORT_TYPE_ETH); G(num_ports, 1); G(vhca_id, cx_vhca(f)); G(native_port_num, f->pf % cx_nports + 1);
	/* objects */
	G(log_max_srq_sz, 15); G(log_max_srq, 16); G(log_max_qp_sz, 15); G(log_max_qp, 17);
	G(log_max_cq_sz, 22); G(log_max_cq, 20); G(log_max_eq_sz, 22); G(log_max_eq, 6); G(max_num_eqs, CX_MAX_EQ);
	G(log_max_mkey, 22); G(max_indirection, 4); G(log_max_mrw_sz, 63); G(log_max_klm_list_size, 16);
	G(log_max_bsf_list_size, 6); G(log_max_msg, 30); G(log_max_pd, 20); G(log_max_transport_domain, 20);
	G(log_max_rq, 18); G(log_max_sq, 18); G(log_max_tir, 18); G(log_max_tis, 18); G(log_max_rmp, 16);
	G(log_max_rqt, 18); G(log_max_rqt_size, 11); G(log_max_tis_per_sq, 4); G(max_qp_cnt, 255);
	/* queues: no inline headers, no multi-packet work requests to send; the least strides of a receive buffer are 8 */
	G(striding_rq, cx_striding); G(ext_stride_num_range, 1);
	G(log_max_stride_sz_rq, 13); G(log_min_stride_sz_rq, 4); G(log_max_stride_sz_sq, 6); G(log_min_stride_sz_sq, 6);
	G(log_max_wq_sz, 15); G(basic_cyclic_rcv_wqe, 1); G(max_wqe_sz_sq, 1024); G(max_wqe_sz_rq, 512);
	G(log_pg_sz, 12); G(log_bf_reg_size, 9); G(num_of_uars_per_page, 1); G(uar_sz, 5);
	G(cqe_version, 1); G(compact_address_vector, 1); G(cq_oi, 1); G(cq_moderation, 1);
	G12(cq_period_mode_modify, 1); G(cq_eq_remap, 1); G(cq_period_start_from_cqe, 1);
	G(scqe_break_moderation, 1); G(umr_ptr_rlky, 1); G(mkey_by_name, 1);
	/* Ethernet */
	G(eth_net_offloads, 1); G(nic_flow_table, 1); G(eth_virt, 1); G(vport_counters, 1);
	G(receive_discard_vport_down, 1); G(transmit_discard_vport_down, 1); G(nic_receive_steering_discard, 1);
	G(vnic_env_queue_counters, 1); G(eq_overrun_count, 1); G(vnic_env_cq_overrun, 1);
	G(invalid_command_count, 1); G(quota_exceeded_count, 1);
	G(log_max_vlan_list, 9); G(log_max_current_mc_list, 7); G(log_max_current_uc_list, 7);
	G(log_max_current_uc_list_wr_supported, 1); G(disable_local_lb_uc, 1); G(disable_local_lb_mc, 1);
	G(log_max_l2_table, 10); G(nic_vport_change_event, 1); G(ports_check, 1);
	G(flow_counter_bulk_alloc, 0); G(log_max_flow_counter_bulk, 10); G(max_flow_counter_15_0, 0xffff);
	/* the rest */
	G(device_frequency_khz, 1000000); G(device_frequency_mhz, 1000);	/* a tick is a nanosecond */
	G(hca_cap_2, 1); G(debug, !f->is_vf); G(driver_version, 1); G(pcam_reg, 1); G(mcam_reg, 1); G(max_tc, 8); G(release_all_pages, 1);
	if (cx_nports > 1) {
		G(num_lag_ports, 2);
		G(lag_tx_port_affinity, 1);
	}
	if (!f->is_vf) {
		G(vport_group_manager, 1); G(eswitch_manager, 1); G(vhca_group_manager, 1); G(qos, 1);
		G(vhca_resource_manager, 1); G(migration, 1);	/* reads and grants capabilities of VFs: grant.c */
		G(lag_master, cx_nports > 1); G(lag_native_fdb_selection, cx_lag_hash);
		G(create_lag_when_not_master_up, cx_lag_hash); G(port_selection_cap, cx_lag_hash);
	}
	if (!f->is_vf && cx_nsfs) {
		G(sf, 1); G(max_num_sf, cx_nsfs); G(log_max_sf, order_base_2(cx_nsfs)); G(sf_base_id, CX_SF_BASE);
		G(log_min_sf_size, ilog2(CX_VF_BAR / SZ_4K)); G(vhca_state, 1);
		G(event_on_vhca_state_allocated, 1); G(event_on_vhca_state_active, 1);
		G(event_on_vhca_state_in_use, 1); G(event_on_vhca_state_teardown_request, 1);
	}
	/* of RoCE a VF has the capability, as on the real card until its PF takes it away; there is no traffic */
	G(roce_rw_supported, f->is_vf); G(roce, f->is_vf);
	if (cx_crypto) {
		objs |= MLX5_HCA_CAP_GENERAL_OBJECT_TYPES_ENCRYPTION_KEY;
		G(log_max_dek, cx_log_bulk() ? CX_LOG_KEYS : 12);
		G12(crypto, !!cx_log_bulk());
		G(tls_tx, 1); G(tls_rx, 1);
	}
	if (cx_ipsec_may(f, CX_IPSEC)) {
		objs |= MLX5_HCA_CAP_GENERAL_OBJECT_TYPES_IPSEC;
		G(ipsec_offload, 1);
	}
	MLX5_SET64(cmd_hca_cap, c, general_obj_types, objs);
}

static void general2(struct cx_func *f, void *c)
{
	MLX5_SET(cx_hca_cap_2, c, migratable, !!(f->granted & CX_MIGRATABLE));
	MLX5_SET(cx_hca_cap_2, c, max_num_eqs_24b, f->max_eqs);
	MLX5_SET(cx_hca_cap_2, c, max_reformat_insert_size, CX_MAX_EDIT);
	MLX5_SET(cx_hca_cap_2, c, max_reformat_insert_offset, CX_MAX_EDIT);
	MLX5_SET(cx_hca_cap_2, c, max_reformat_remove_size, CX_MAX_EDIT);
	MLX5_SET(cx_hca_cap_2, c, max_reformat_remove_offset, CX_MAX_EDIT);
	MLX5_SET(cx_hca_cap_2, c, sf_eq_usage, f->is_sf);	/* that number counts for it */
}

static void ethernet(struct cx_func *f, void *c)
{
	E(csum_cap, 1); E(vlan_cap, 1); E(max_lso_cap, 18); E(wqe_vlan_insert, 1);
	E(self_lb_en_modifiable, 1); E(rss_ind_tbl_cap, 11);
	E(wqe_inline_mode, MLX5_CAP_INLINE_MODE_NOT_REQUIRED);
	E(reg_umr_sq, 1); E(scatter_fcs, 0); E(cqe_checksum_full, 1);
	E(swp, 1); E(swp_csum, 1); E(swp_lso, 1); E(insert_trailer, cx_ipsec_may(f, CX_IPSEC_TRAILER));
	E(tunnel_stateless_vxlan, 1); E(max_vxlan_udp_ports, CX_VXLAN_PORTS);
}

static void nic_tables(void *c)
{
	void *p = MLX5_ADDR_OF(flow_table_nic_cap, c, flow_table_properties_nic_receive);

	MLX5_SET(flow_table_nic_cap, c, max_encap_header_size, CX_MAX_ENCAP);
	MLX5_SET(flow_table_nic_cap, c, nic_rx_multi_path_tirs, 1);
	MLX5_SET(flow_table_nic_cap, c, nic_rx_multi_path_tirs_fts, 1);
	table_caps(p);
	P(ipsec_decrypt, cx_ipsec);
	P(decap, cx_ipsec); P12(reformat_del_esp_trasport, cx_ipsec); P12(reformat_l3_esp_tunnel_to_l2, cx_ipsec);
	p = MLX5_ADDR_OF(flow_table_nic_cap, c, flow_table_properties_nic_transmit);
	table_caps(p);
	P(ipsec_encrypt, cx_ipsec);
	P12(reformat_add_esp_trasport, cx_ipsec); P12(reformat_l2_to_l3_esp_tunnel, cx_ipsec);
}

static void esw_tables(void *c)
{
	void *p;

	MLX5_SET(flow_table_eswitch_cap, c, fdb_multi_path_to_table, 1);
	MLX5_SET(flow_table_eswitch_cap, c, multi_fdb_encap, 1);
	MLX5_SET(flow_table_eswitch_cap, c, flow_source, 1);
	MLX5_SET(flow_table_eswitch_cap, c, egress_acl_forward_to_vport, 1);
	MLX5_SET(flow_table_eswitch_cap, c, fdb_modify_header_fwd_to_table, 1);
	MLX5_SET(flow_table_eswitch_cap, c, fdb_to_vport_reg_c_id, 0x3);
	p = MLX5_ADDR_OF(flow_table_eswitch_cap, c, flow_table_properties_nic_esw_fdb);
	table_caps(p);
	P(reformat, 1); P(decap, 1); P(reformat_insert, 1); P(reformat_remove, 1);
	table_caps(MLX5_ADDR_OF(flow_table_eswitch_cap, c, flow_table_properties_esw_acl_ingress));
	table_caps(MLX5_ADDR_OF(flow_table_eswitch_cap, c, flow_table_properties_esw_acl_egress));
}

static void eswitch(void *c)
{
	W(vport_cvlan_strip, 1); W(vport_cvlan_insert_if_not_exist, 1);
	W(esw_uplink_ingress_acl, 1); W(merged_eswitch, cx_nports > 1);
	W(esw_shared_ingress_acl, cx_lag_hash); W(root_ft_on_other_esw, cx_lag_hash);
	W(vxlan_encap_decap, 1); W(nvgre_encap_decap, 1); W(log_max_packet_reformat_context, 14);
	W(max_encap_header_size, CX_MAX_ENCAP);
	W(nic_vport_node_guid_modify, 1); W(nic_vport_port_guid_modify, 1);
}

static void port_selection(void *c)
{
	MLX5_SET(port_selection_cap, c, port_select_flow_table, 1);
	base_caps(MLX5_ADDR_OF(port_selection_cap, c, flow_table_properties_port_selection));
}

/* of the eswitch's vports only: neither queues (HTB) nor traffic classes have rates */
static void qos(void *c)
{
#define Q(f, v)  MLX5_SET(qos_cap, c, f, v)
	Q(esw_scheduling, 1); Q(esw_bw_share, 1); Q(esw_rate_limit, 1); Q(max_tsar_bw_share, CX_MAX_SHARE);
	Q(log_esw_max_sched_depth, CX_LOG_SCHED_DEPTH); Q(esw_tsar_type, TSAR_TYPE_CAP_MASK_DWRR);
	Q(esw_element_type, ELEMENT_TYPE_CAP_MASK_TSAR | ELEMENT_TYPE_CAP_MASK_VPORT);
}

static void tls(void *c)
{
	MLX5_SET(tls_cap, c, tls_1_2_aes_gcm_128, 1);
	MLX5_SET(tls_cap, c, tls_1_2_aes_gcm_256, 1);
}

static void crypto(void *c)
{
	MLX5_SET(cx_crypto_cap, c, synchronize_dek, 1);
	MLX5_SET(cx_crypto_cap, c, log_dek_max_alloc, cx_log_bulk());
	MLX5_SET(cx_crypto_cap, c, log_dek_granularity, cx_log_bulk());
	MLX5_SET(cx_crypto_cap, c, log_max_num_deks, CX_LOG_KEYS);
}

static void ipsec(struct cx_func *f, void *c)
{
	MLX5_SET(ipsec_cap, c, ipsec_crypto_offload, cx_ipsec_may(f, CX_IPSEC_CRYPTO));
	MLX5_SET(ipsec_cap, c, ipsec_full_offload, cx_ipsec_may(f, CX_IPSEC_PACKET));
	MLX5_SET(ipsec_cap, c, ipsec_esn, 1);
	MLX5_SET(ipsec_cap, c, ipsec_crypto_esp_aes_gcm_128_encrypt, 1);
	MLX5_SET(ipsec_cap, c, ipsec_crypto_esp_aes_gcm_128_decrypt, 1);
	MLX5_SET(ipsec_cap, c, ipsec_crypto_esp_aes_gcm_256_encrypt, 1);
	MLX5_SET(ipsec_cap, c, ipsec_crypto_esp_aes_gcm_256_decrypt, 1);
	MLX5_SET(ipsec_cap, c, log_max_ipsec_offload, 12);
}

static void built(struct cx_func *f, int type, void *page)
{
	switch (type) {
	case MLX5_CAP_GENERAL:
		general(f, page);
		break;
	case MLX5_CAP_GENERAL_2:
		general2(f, page);
		break;
	case MLX5_CAP_ETHERNET_OFFLOADS:
		ethernet(f, page);
		break;
	case MLX5_CAP_FLOW_TABLE:
		nic_tables(page);
		break;
	case MLX5_CAP_ESWITCH_FLOW_TABLE:
		if (!f->is_vf)
			esw_tables(page);
		break;
	case MLX5_CAP_ESWITCH:
		if (!f->is_vf)
			eswitch(page);
		break;
	case MLX5_CAP_PORT_SELECTION:
		if (!f->is_vf && cx_lag_hash)
			port_selection(page);
		break;
	case MLX5_CAP_QOS:
		if (!f->is_vf)
			qos(page);
		break;
	case MLX5_CAP_DEBUG:
		if (!f->is_vf)
			MLX5_SET(debug_cap, page, core_dump_general, 1);
		break;
	case MLX5_CAP_TLS:
		if (cx_crypto)
			tls(page);
		break;
	case CX_CAP_CRYPTO:
		if (cx_crypto && cx_log_bulk())
			crypto(page);
		break;
	case MLX5_CAP_IPSEC:
		if (cx_ipsec)
			ipsec(f, page);
		break;
	}
}

/* page: CX_CAP_SZ bytes, zeroed */
void cx_caps_get(struct cx_func *f, int type, bool max, void *page)
{
	void *cur = max ? NULL : xa_load(&f->setcap, type);

	if (cur)
		memcpy(page, cur, CX_CAP_SZ);
	else
		built(f, type, page);
	if (f->is_vf)
		cx_grant_show(f, type, page);
}

/* what the driver has set lasts until the function is initialized anew */
void cx_setcap_free(struct cx_func *f)
{
	unsigned long k;
	void *p;

	xa_for_each(&f->setcap, k, p)
		kfree(xa_erase(&f->setcap, k));
}
