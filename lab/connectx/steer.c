// SPDX-License-Identifier: GPL-2.0
/* The way of a packet: send steering, the eswitch and its ACLs, receive steering; actions of flow entries. */
#include "connectx.h"

#define MISS_TO_TABLE	1
#define MAX_DEPTH	64

static void vport_rx(int port, int vport, struct cx_pkt *p);
static void esw_in(int port, int vport, struct cx_pkt *p);

/* the port of this function's card whose PF has the id; -1: none has */
int cx_port_of(struct cx_func *f, u16 vhca)
{
	return vhca && vhca <= cx_nports ? cx_card_of(f) * cx_nports + vhca - 1 : -1;
}

static bool walk(struct cx_func *f, u32 table, struct cx_pkt *p, int depth);

/* true: the packet goes on to the next domain */
static bool forward(struct cx_func *f, struct cx_fte *e, struct cx_pkt *p, int depth)
{
	bool on = false;
	int k;

	for (k = 0; k < e->ndst; k++) {
		struct cx_dst *d = &e->dst[k];
		struct cx_pkt *q = k < e->ndst - 1 ? cx_pkt_dup(p) : p;
		int port = d->vhca ? cx_port_of(f, d->vhca) : f->pf;

		if (!q)
			continue;
		if (d->reformat && !cx_encap(cx_obj(f, CX_O_REFORMAT, d->reformat), q))
			goto next;
		switch (d->type) {
		case MLX5_IFC_FLOW_DESTINATION_TYPE_FLOW_TABLE:
			on |= walk(f, d->id, q, depth);
			break;
		case MLX5_IFC_FLOW_DESTINATION_TYPE_TIR:
			cx_tir_deliver(f, d->id, q);
			break;
		case MLX5_IFC_FLOW_DESTINATION_TYPE_VPORT:
			if (port >= 0)
				vport_rx(port, d->id & 0xffff, q);
			break;
		case MLX5_IFC_FLOW_DESTINATION_TYPE_UPLINK:
			if (port >= 0)
				vport_rx(port, MLX5_VPORT_UPLINK, q);
			break;
		}
next:
		if (q != p)
			kfree(q);
	}
	return on;
}

static bool actions(struct cx_func *f, struct cx_fte *e, struct cx_pkt *p)
{
	u32 a = e->action;
	int k;

	for (k = 0; k < e->ncnt; k++) {
		struct cx_obj *c = cx_obj(f, CX_O_FC, e->cnt[k]);

		if (c && !READ_ONCE(cx_faults.still)) {
			c->fc.pkts += p->nsegs;
			c->fc.bytes += cx_pkt_bytes(p);
		}
	}
	if (e->tag)
		p->tag = e->tag;
	if (a & MLX5_FLOW_CONTEXT_ACTION_DROP)
		return false;
	if ((a & MLX5_FLOW_CONTEXT_ACTION_DECAP) && !cx_decap(p))
		return false;
	if (a & MLX5_FLOW_CONTEXT_ACTION_VLAN_POP)
		cx_vlan_pop(p);
	if (a & MLX5_FLOW_CONTEXT_ACTION_VLAN_POP_2)
		cx_vlan_pop(p);
	if ((a & MLX5_FLOW_CONTEXT_ACTION_CRYPTO_ENCRYPT) && !cx_esp_encrypt(f, e, p))
		return false;
	if (a & MLX5_FLOW_CONTEXT_ACTION_CRYPTO_DECRYPT)
		cx_esp_decrypt(f, e, p);
	if (a & MLX5_FLOW_CONTEXT_ACTION_MOD_HDR) {
		struct cx_obj *m = cx_obj(f, CX_O_MH, e->mh);

		if (m)
			cx_modify_header(m, p);
	}
	if (a & MLX5_FLOW_CONTEXT_ACTION_VLAN_PUSH)
		cx_vlan_push(p, e->push_vlan[0]);
	if (a & MLX5_FLOW_CONTEXT_ACTION_VLAN_PUSH_2)
		cx_vlan_push(p, e->push_vlan[1]);
	if (e->reformats) {
		struct cx_obj *rf = cx_obj(f, CX_O_REFORMAT, e->reformat);

		return cx_is_edit(rf) ? cx_edit(rf, p) : cx_encap(rf, p);
	}
	return true;
}

/* the packet leaves the function's send steering */
static void tx_out(struct cx_func *f, struct cx_pkt *p)
{
	struct cx_vport *v = cx_vport(f->pf, f->vport);

	cx_count(v->tx, p->data, p->nsegs, cx_pkt_bytes(p));
	cx_sched_spend(f, v, cx_pkt_bytes(p));
	esw_in(f->pf, f->vport, p);
}

/* each segment of a large packet is encrypted by itself, so they part here */
static void walk_segments(struct cx_func *f, struct cx_obj *ft, struct cx_pkt *p, int depth)
{
	u32 i;

	for (i = 0; i < p->nsegs; i++) {
		struct cx_pkt *q = cx_esp_segment(p, i);

		if (q && walk(f, ft->id, q, depth) && ft->ft.tt == CX_FT_NIC_TX)
			tx_out(f, q);
		kfree(q);
	}
}

/* what no table knows (legacy), or what one allows without saying where to: it is out there, or for the PF */
static bool fdb_default(struct cx_func *f, struct cx_pkt *p)
{
	vport_rx(f->pf, p->src == MLX5_VPORT_UPLINK ? 0 : MLX5_VPORT_UPLINK, p);
	return false;
}

/* a packet ends in a table; of those that a function was to receive there is a count */
static bool discard(struct cx_func *f, struct cx_obj *ft, struct cx_pkt *p)
{
	if (ft->ft.tt == CX_FT_NIC_RX)
		cx_vport(f->pf, f->vport)->rx_steer += p->nsegs;
	return false;
}

static bool walk(struct cx_func *f, u32 table, struct cx_pkt *p, int depth)
{
	struct cx_obj *ft = cx_obj(f, CX_O_FT, table);
	struct cx_fte *e;

	for (; ft && depth < MAX_DEPTH; depth++) {
		e = cx_flow_lookup(ft, p);
		if (e) {
			cx_dbg(3, "f%d type %d table %x entry %u action 0x%x to %d\n", f->idx, ft->ft.tt, ft->id,
			       e->index, e->action, e->ndst);
			if (p->mss && (e->action & MLX5_FLOW_CONTEXT_ACTION_CRYPTO_ENCRYPT)) {
				walk_segments(f, ft, p, depth);
				return false;
			}
			if (!actions(f, e, p))
				return discard(f, ft, p);
			if (e->action & MLX5_FLOW_CONTEXT_ACTION_FWD_DEST)
				return forward(f, e, p, depth + 1);
			if (!(e->action & MLX5_FLOW_CONTEXT_ACTION_ALLOW))
				return discard(f, ft, p);
			return ft->ft.tt != CX_FT_FDB || fdb_default(f, p);
		}
		cx_dbg(3, "f%d type %d table %x: no match\n", f->idx, ft->ft.tt, ft->id);
		if (ft->ft.miss != MISS_TO_TABLE) {
			switch (ft->ft.tt) {
			case CX_FT_NIC_TX: case CX_FT_INGRESS: case CX_FT_EGRESS:
				return true;
			case CX_FT_FDB:
				return fdb_default(f, p);
			}
			return discard(f, ft, p);
		}
		ft = cx_obj(f, CX_O_FT, ft->ft.miss_id);
	}
	return false;
}

static bool is_vf(int vport) { return vport && vport != MLX5_VPORT_UPLINK; }

/* whether a packet goes back to where it came from: out on the wire it never does */
static bool loops_back(struct cx_vport *v, struct cx_pkt *p)
{
	if (v->num == MLX5_VPORT_UPLINK)
		return false;
	return !(is_multicast_ether_addr(p->data) ? MLX5_GET(nic_vport_context, v->ctx, disable_mc_local_lb) :
		 MLX5_GET(nic_vport_context, v->ctx, disable_uc_local_lb));
}

/* one of the unicast addresses that the vport's driver wants */
static bool is_own(struct cx_vport *v, const u8 *mac)
{
	int i;

	for (i = 0; i < v->nuc; i++)
		if (ether_addr_equal_unaligned((u8 *)&v->uc[i] + 2, mac))
			return true;
	return false;
}

/* without an FDB there are the PF and the wire */
static void no_fdb(int port, struct cx_vport *v, struct cx_pkt *p)
{
	struct cx_pkt *q;

	if (!v->num && loops_back(v, p)) {
		if (is_own(v, p->data)) {
			vport_rx(port, 0, p);
			return;
		}
		q = is_multicast_ether_addr(p->data) ? cx_pkt_dup(p) : NULL;
		if (q)
			vport_rx(port, 0, q);
		kfree(q);
	}
	vport_rx(port, v->num ? 0 : MLX5_VPORT_UPLINK, p);
}

/* the packet leaves an eswitch through a vport */
static void vport_rx(int port, int vport, struct cx_pkt *p)
{
	struct cx_vport *v = cx_vport(port, vport);
	struct cx_func *pf = cx_vf(port, 0), *f;

	if (!v || (vport == p->src && p->port == &cx_ports[port] && !loops_back(v, p)))
		return;
	if (is_vf(vport) && !v->link) {
		v->rx_down += p->nsegs;
		return;
	}
	if (v->egress && !walk(pf, v->egress, p, 0))
		return;
	if (MLX5_GET(esw_vport_context, v->esw, vport_cvlan_strip))
		cx_vlan_pop(p);
	if (vport == MLX5_VPORT_UPLINK) {
		cx_wire_tx(cx_lag_port(p, port), p);
		return;
	}
	f = cx_vf(port, vport);
	cx_count(v->rx, p->data, p->nsegs, cx_pkt_bytes(p));
	if (vport)		/* registers do not cross into an unprivileged function */
		memset(MLX5_ADDR_OF(fte_match_param, p->mp, misc_parameters_2), 0,
		       MLX5_ST_SZ_BYTES(fte_match_set_misc2));
	p->tag = 0;
	if (f->bar && f->hca_up && f->root[CX_FT_NIC_RX])
		walk(f, f->root[CX_FT_NIC_RX], p, 0);
}

/* the packet enters the eswitch of a port from a vport */
static void esw_in(int port, int vport, struct cx_pkt *p)
{
	struct cx_vport *v = cx_vport(port, vport);
	struct cx_func *pf = cx_vf(port, 0);
	void *m = MLX5_ADDR_OF(fte_match_param, p->mp, misc_parameters);

	p->port = &cx_ports[port];
	p->src = vport;
	if (is_vf(vport) && !v->link) {
		v->tx_down += p->nsegs;
		return;
	}
	MLX5_SET(fte_match_set_misc, m, source_port, vport);
	MLX5_SET(fte_match_set_misc, m, source_eswitch_owner_vhca_id, cx_vhca(pf));
	if (v->ingress && !walk(pf, v->ingress, p, 0))
		return;
	/* after the ACL, which is to see that a VF with a VLAN sends no tags itself; no other mode is offered */
	if (MLX5_GET(esw_vport_context, v->esw, vport_cvlan_insert) == MLX5_VPORT_CVLAN_INSERT_WHEN_NO_CVLAN &&
	    !MLX5_GET(fte_match_param, p->mp, outer_headers.cvlan_tag))
		cx_vlan_push(p, ETH_P_8021Q << 16 | MLX5_GET(esw_vport_context, v->esw, cvlan_pcp) << 13 |
			     MLX5_GET(esw_vport_context, v->esw, cvlan_id));
	if (pf->root[CX_FT_FDB])
		walk(pf->fdb, pf->root[CX_FT_FDB], p, 0);
	else
		no_fdb(port, v, p);
}

void cx_tx_packet(struct cx_func *f, struct cx_pkt *p)
{
	if (f->root[CX_FT_NIC_TX] && !walk(f, f->root[CX_FT_NIC_TX], p, 0))
		return;
	tx_out(f, p);
}

void cx_uplink_rx(int port, struct cx_pkt *p)
{
	p->port = &cx_ports[port];
	cx_parse(p);
	esw_in(port, MLX5_VPORT_UPLINK, p);
}
