/* SPDX-License-Identifier: GPL-2.0 */
/*
 * connectx_emu: ConnectX-6 Dx functions on a virtual PCI bus, driven by the real mlx5_core.
 *
 * Who owns what. One kernel thread, the "card" (card.c), runs the firmware and the data path: everything below
 * is read and written by that thread alone, without locks, but for what other contexts need and how they get it:
 *  - configuration space (struct cx_func.cfg, .wm): the PCI core, under its own lock; the thread only reads it;
 *  - doorbells: a kprobe sets bits in cx_func.doorbell (atomically) and wakes the thread;
 *  - resets (FLR, VFE, memory enable) and transmit hints: bits in cx_func.flags, then a wake-up;
 *  - the map of a function's IOMMU: its own lock; which one it is, the thread sets (iommu.c);
 *  - wire netdevs: skbs go through the two queues of struct cx_wire, each with its own lock.
 * Interrupts are delivered by the thread, so a driver's NAPI poll may run on top of it: nothing of the card may
 * be held or half changed where cx_irq() is called (cq_flush, eqe_post).
 */
#ifndef CONNECTX_H
#define CONNECTX_H

#include <linux/module.h>
#include <linux/pci.h>
#include <linux/etherdevice.h>
#include <linux/xarray.h>
#include <linux/mlx5/device.h>
#include <linux/mlx5/driver.h>
#include <linux/mlx5/vport.h>
#include <linux/mlx5/qp.h>
#include <linux/mlx5/port.h>
#include "compat.h"

/* private to the driver in mainline headers */
struct mlx5_ifc_mbox_out_bits { u8 status[0x8]; u8 reserved_at_8[0x18]; u8 syndrome[0x20]; u8 reserved_at_40[0x40]; };
struct mlx5_ifc_mbox_in_bits { u8 opcode[0x10]; u8 uid[0x10]; u8 reserved_at_20[0x10]; u8 op_mod[0x10]; u8 reserved_at_40[0x40]; };

#define CX_VENDOR	0x15b3
#define CX_PF_ID	0x101d
#define CX_VF_ID	0x101e
#define CX_PF_BAR	SZ_1M
#define CX_VF_BAR	SZ_256K
#define CX_MSIX_TBL	0x8000		/* inside BAR0, after the initialization segment */
#define CX_MSIX_PBA	0x9000
#define CX_UAR_FIRST	16		/* first usable UAR page */
#define CX_MSIX_PF	32
#define CX_MSIX_VF	8
#define CX_MAX_EQ	64
#define CX_MAX_PORTS	2		/* of a card */
#define CX_MAX_CARDS	4
#define CX_MAX_VFS	127
#define CX_MAX_SFS	64
#define CX_MAX_UC	128
#define CX_MAX_VLAN	512
#define CX_MAX_MTU	9978
#define CX_VXLAN_PORTS	4
#define CX_LOG_SLOTS	5		/* of a command queue */
#define CX_SLOTS	(1 << CX_LOG_SLOTS)
#define CX_CAPS		0x40
#define CX_CAP_SZ	4096
#define CX_MAX_ENCAP	76		/* up to Ethernet, IPv6, ESP and IV */
#define CX_MAX_EDIT	16	/* bytes that come into a frame or go, in its first so many */
#define CX_MP_SZ	MLX5_ST_SZ_BYTES(fte_match_param)
#define CX_FW_MAJOR	cx_fw[0]
#define CX_FW_MINOR	cx_fw[1]
#define CX_FW_SUB	cx_fw[2]
#define CX_PSID_SZ	16
#define CX_SERIAL_SZ	32
#define CX_HW_ID	0x212

enum cx_type {				/* what an object id stands for */
	CX_O_NONE, CX_O_PD, CX_O_TD, CX_O_MKEY, CX_O_TIS, CX_O_CQ, CX_O_RQ, CX_O_SQ, CX_O_RQT, CX_O_TIR,
	CX_O_FT, CX_O_FG, CX_O_MH, CX_O_FC, CX_O_QCNT, CX_O_XRCD, CX_O_RMP, CX_O_SRQ, CX_O_QP, CX_O_UCTX,
	CX_O_SCHED, CX_O_DEK, CX_O_IPSEC, CX_O_REFORMAT, CX_O_PSV, CX_O_DEFINER,
};

/* table types of the flow table commands */
enum { CX_FT_NIC_RX, CX_FT_NIC_TX, CX_FT_EGRESS, CX_FT_INGRESS, CX_FT_FDB, CX_FT_PORT_SEL = 9, CX_FT_TYPES };

/* cx_func.granted: what a VF may have; of IPsec a PF may all, and the rest is about VFs */
enum { CX_IPSEC = 1, CX_IPSEC_TRAILER = 2, CX_IPSEC_CRYPTO = 4, CX_IPSEC_PACKET = 8, CX_ROCE = 16, CX_MIGRATABLE = 32 };

/* cx_func.flags: requests to the card's thread */
enum { CX_F_RESET, CX_F_TX, CX_F_DOORBELL, CX_F_SW_RESET };

struct cx_func;
struct cx_dom;

struct cx_eq {
	bool used;
	u8 log_size, vec;
	u32 pgshift, pi;
	u64 mask;			/* event types 0..63 */
	u64 *page;
};

struct cx_count { u64 pkts, bytes; };

struct cx_vport {
	u16 num;
	u8 ctx[0x100];			/* nic_vport_context */
	u8 esw[0x100];			/* esw_vport_context */
	int nuc, nmc, nvlan;
	u64 uc[CX_MAX_UC], mc[CX_MAX_UC];
	u16 vlan[CX_MAX_VLAN];
	u8 admin;			/* MLX5_VPORT_ADMIN_STATE_* */
	bool armed, changed, link;	/* armed: to tell the PF of changes of the context */
	u32 ingress, egress;		/* root tables of the ACLs */
	struct cx_count rx[3], tx[3];	/* unicast, multicast, broadcast */
	u64 rx_down, tx_down;		/* packets discarded because the link is down */
	u64 rx_steer, refused;		/* packets that receive steering has no place for; commands that failed */
	u32 sched;			/* its scheduling element, one of the PF's objects */
};

struct cx_port {			/* a physical port and its eswitch */
	struct cx_vport *vport;		/* PF, VFs, scalable functions, then the uplink */
	bool admin_up, up;		/* PAOS, and what the cable gives */
	u16 mtu, vxlan[CX_VXLAN_PORTS];	/* UDP ports of VXLAN */
	struct {			/* phy.c: as the driver has set them, and what was seen on the lanes */
		u32 speeds, lane, downs;	/* lane: the next that has a bit error */
		bool an_off, pause_rx, pause_tx;
		u8 fec[4];
		u64 corrected[4], fire[4], rs, crc;	/* bits and blocks that FEC has made right; frames that were left wrong */
	} phy;
	struct cx_count rx, tx;
	u64 rx_mcast, rx_bcast, tx_mcast, tx_bcast, drops;
};

struct cx_func {
	u8 cfg[PCI_CFG_SPACE_EXP_SIZE], wm[PCI_CFG_SPACE_EXP_SIZE];
	int idx, pf, vport;		/* place in cx_funcs, port, vport number in that port's eswitch */
	bool is_vf, is_sf, hca_up;	/* is_vf: not a PF, but a VF or a scalable function */
	bool polled;			/* its driver writes registers where no probe sees it */
	struct cx_dom *dom, *next_dom;	/* NULL: addresses on the bus are physical ones; next_dom: what the IOMMU has asked for */
	unsigned long flags;
	atomic_t doorbell;		/* command slots rung */
	u32 late;			/* those that are not answered before their time in due */
	ktime_t due[CX_SLOTS];
	u32 hang;			/* health syndrome with which the firmware has stopped */
	struct { u32 counter, sw_reset; } vsc;	/* a PF's gateway in configuration space: the PCI core, as cfg */
	u32 cmdq_h, cmdq_l;		/* as last written by the driver */
	void *bar;			/* RAM behind BAR0; NULL while the function is off */
	struct mlx5_init_seg *seg;
	struct cx_eq eq[CX_MAX_EQ];
	u64 *pages;
	int npages, maxpages;
	DECLARE_BITMAP(uars, CX_PF_BAR / SZ_4K);
	DECLARE_BITMAP(irq_pending, CX_MSIX_PF);
	u32 next_id, next_fc, granted, max_eqs;
	struct { u8 state; bool armed, changed; u32 sw_id; } vhca;	/* of a scalable function: sf.c */
	u64 oob;			/* packets dropped for want of receive buffers */
	struct xarray objs;		/* id -> struct cx_obj */
	struct xarray setcap;		/* capability type -> page set by SET_HCA_CAP */
	struct list_head sqs;		/* struct cx_obj.node of every SQ that may run */
	unsigned long hot;		/* jiffies until which its SQs are polled closely */
	u32 root[CX_FT_TYPES];
	struct cx_func *fdb;		/* the PF whose table the FDB's root is */
};

struct cx_wq {				/* the memory of a CQ, RQ or SQ */
	u8 log_sz, log_stride, pgshift;
	bool gone;			/* its memory was not mapped: stopped */
	u64 dbr, *page;			/* on the bus */
	u32 pi;				/* CQ: producer; SQ, RQ: consumer */
};

struct cx_rss { u8 fn; bool sym, v6, udp; u32 fields; u8 key[40]; };	/* how a TIR hashes */

struct cx_hash { struct hlist_head *head; u32 mask; };
struct cx_definer { u16 format; u8 mask[64]; };

struct cx_obj {
	u8 type;			/* enum cx_type */
	u32 id;
	struct cx_func *f;
	struct list_head node;		/* SQ: cx_func.sqs; CQ: dirty list; FG: cx_obj.groups; IPSEC: events */
	struct cx_wq wq;
	union {
		struct { u32 eqn; u8 last_sn; } cq;
		struct { u32 cqn, tis; u8 state; bool umr; } sq;
		struct {
			u32 cqn;
			u8 state;
			bool vsd, striding;
			u8 log_strides, log_stride_sz;
			u16 wqe, used;	/* striding: the work request that is being filled, and its strides that are */
			u64 stalled;
		} rq;
		struct { u8 shift; u32 n; u64 *page; } mkey;
		struct { u32 n, *rq; } rqt;
		struct {		/* TIR, TIS */
			u8 disp, affinity, self;	/* self: whether what its own function has sent is received, by bits */
			bool tls_en;
			u32 rqn, rqt, td;	/* td: transport domain */
			void *tls;
			struct cx_rss rss;
		} t;
		struct { u8 tt, miss, level; u32 miss_id; struct list_head groups; struct xarray fte; } ft;
		struct {
			struct cx_obj *ft;
			u32 start, end;
			int nkey;
			struct { u16 off; u64 mask; } key[CX_MP_SZ / 8];
			struct cx_hash hash;
			struct cx_definer *def;	/* of a hash group */
		} fg;
		struct { u32 n; u8 (*act)[8]; } mh;
		struct cx_count fc;
		struct { u32 n; struct cx_key *key; } dek;	/* a bulk of n keys, or one: keys.c */
		struct { u8 elem; u32 attr, parent, share, max, seen; s64 tokens; u64 then, served, vtime; } sched;
		struct cx_sa *sa;
		struct { u8 type, len, at, data[CX_MAX_ENCAP]; } rf;	/* at: of the frame, where len bytes come in or go */
		struct cx_definer def;
	};
};

struct cx_frag { u8 *p; u32 len; };
struct cx_l3 { u8 l3off, l4off, l4proto; bool v6; };	/* as in struct cx_pkt */
#define CX_HEADROOM	96		/* the headers of a tunnel, VLAN tags */
#define CX_HDR		192		/* linear part: the headers, at most */
#define CX_FRAGS	80

struct cx_pkt {
	u8 *data;			/* in hbuf: linear part */
	u32 hlen, plen;			/* bytes there, and in the fragments */
	struct cx_frag frag[CX_FRAGS];
	int nfrag;
	struct_group(meta,
	u32 mss;			/* not 0: an LSO packet, cut up where it is delivered */
	u32 nsegs;
	union {
		struct { u8 l3off, l4off, l4proto; bool v6; };	/* offsets: 0: not an IP packet, no L4 header */
		struct cx_l3 out;
	};
	struct cx_l3 in;		/* behind a tunnel's header */
	u8 tun, esp_next;		/* the inner Ethernet header; of a large ESP packet, whose trailers are still to be made */
	bool l3csum, l4csum, in_l3csum, inner_csum;	/* checksums still to be filled in */
	struct cx_port *port;		/* eswitch it came into, vport it came from */
	int src;
	u32 sqn, td, tag, reg_b;	/* send queue and transport domain, of what this card has sent */
	u8 affinity;
	);
	u8 hbuf[CX_HEADROOM + CX_HDR];
	__be64 mp[CX_MP_SZ / 8];	/* fte_match_param */
};

struct cx_lag { bool active; u8 mode, remap[2]; };

extern struct cx_func *cx_funcs;
extern struct cx_port cx_ports[CX_MAX_CARDS * CX_MAX_PORTS];	/* of all cards */
extern struct cx_lag cx_lags[CX_MAX_CARDS];
extern int cx_ncards, cx_nports, cx_nvfs, cx_nsfs;	/* ports of a card, VFs and scalable functions of a port */
extern unsigned int cx_log;
extern u32 cx_fw[3];			/* what the firmware calls itself */
extern char *cx_serial, *cx_psid;	/* of the first card; of all */
extern bool cx_crypto, cx_ipsec, cx_lag_hash, cx_striding;

#define cx_dbg(n, fmt, ...) do { if (cx_log >= (n)) pr_info("connectx_emu: " fmt, ##__VA_ARGS__); } while (0)

#include "func.h"
#include "pci.h"

/* card.c */
#define CX_HOT	msecs_to_jiffies(20)	/* a function's queues are polled closely for so long after a hint */
int cx_card_start(void);
void cx_card_stop(void);
void cx_wake(void);
void cx_request(struct cx_func *f, int flag);

static inline bool cx_ipsec_may(struct cx_func *f, u32 what) { return cx_ipsec && (!f->is_vf || f->granted & what); }

/* fw.c, cmd.c, caps.c, grant.c */
int cx_fw_init(void);
void cx_fw_exit(void);
void cx_fw_reset(struct cx_func *f);
void cx_fw_sw_reset(struct cx_func *pf);
void cx_fw_health(struct cx_func *f);
void cx_fw_doorbell(struct cx_func *f, u32 slots, bool late);
bool cx_fw_late(struct cx_func *f);
ktime_t cx_fw_next(struct cx_func *f);
void cx_fw_poll(struct cx_func *f);
int cx_exec(struct cx_func *f, void *in, int inlen, void *out, int outlen);
struct cx_func *cx_other(struct cx_func *f, int id);
void cx_caps_get(struct cx_func *f, int type, bool max, void *page);
void cx_setcap_free(struct cx_func *f);
void cx_grant_reset(struct cx_func *f);
void cx_grant_show(struct cx_func *vf, int type, void *page);
bool cx_granted(struct cx_func *f, int type, void *page);
int cx_grant(struct cx_func *vf, int type, void *want);

/* sf.c */
int cx_hca_cmd(struct cx_func *f, void *in, int inlen, void *out, int outlen);
int cx_sf_cmd(struct cx_func *f, void *in, int inlen, void *out, int outlen);
void cx_sfs_off(struct cx_func *pf);

/* obj.c */
typedef int (*cx_handler)(struct cx_func *f, void *in, int inlen, void *out, int outlen);
struct cx_obj *cx_obj(struct cx_func *f, int type, u32 id);
struct cx_obj *cx_obj_new(struct cx_func *f, int type, u32 id);
void cx_obj_free(struct cx_obj *o);
void cx_objs_free(struct cx_func *f);
u32 cx_new_id(struct cx_func *f);
void cx_set_id(void *out, u32 id);
int cx_create_simple(struct cx_func *f, int type, void *out);
int cx_destroy(struct cx_func *f, int type, u32 id);
int cx_general_create(struct cx_func *f, void *in, int inlen, void *out, int outlen);
int cx_general_destroy(struct cx_func *f, void *in, int inlen, void *out, int outlen);
int cx_general_query(struct cx_func *f, void *in, int inlen, void *out, int outlen);
int cx_general_modify(struct cx_func *f, void *in, int inlen, void *out, int outlen);

/* vport.c, reg.c, lag.c */
int cx_vport_init(void);
void cx_vport_exit(void);
void cx_vport_reset(int port, struct cx_vport *v);
struct cx_vport *cx_vport(int port, int num);
int cx_vport_cmd(struct cx_func *f, void *in, int inlen, void *out, int outlen);
void cx_count(struct cx_count c[3], const u8 *dmac, u32 pkts, u64 bytes);
void cx_link_update(int port);
int cx_access_reg(struct cx_func *f, void *in, int inlen, void *out, int outlen);
int cx_lag_init(void);
int cx_lag_cmd(struct cx_func *f, void *in, int inlen, void *out, int outlen);
int cx_lag_port(struct cx_pkt *p, int port);
int cx_port_of(struct cx_func *f, u16 vhca);

/* sched.c */
#define CX_MAX_SHARE	100
#define CX_LOG_SCHED_DEPTH 2
int cx_sched_cmd(struct cx_func *f, void *in, int inlen, void *out, int outlen);
void cx_sched_free(struct cx_obj *o);
void cx_sched_round(void);
bool cx_sched_ready(struct cx_func *f, struct cx_vport *v);
void cx_sched_spend(struct cx_func *f, struct cx_vport *v, u32 bytes);

/* fault.c */
struct cx_faults {
	u32 vf_probe_ms, tls_setup_us, wrong_icv, wrong_byte, warn, slow_ns;
	bool no_encrypt, still;
	struct cx_cable { u32 loss, corrupt, reorder, bit_errors, down; } wire[CX_MAX_CARDS * CX_MAX_PORTS];
};
extern struct cx_faults cx_faults;
void cx_fault_init(void);
void cx_fault_warn(void);
void cx_fault_slow(u32 bytes);
void cx_fault_exit(void);
void cx_calls_init(struct dentry *root);
void cx_calls_exit(void);
int cx_fault_status(u16 op, u32 *synd);
u64 cx_fault_delay(struct cx_func *f, void *in);
bool cx_fault_take(u32 *n);
bool cx_fault_chance(u32 per);

/* flow.c, definer.c, steer.c */
int cx_flow_cmd(struct cx_func *f, void *in, int inlen, void *out, int outlen);
void cx_ft_free(struct cx_obj *ft);
void cx_fg_free(struct cx_obj *fg);
int cx_definer_create(struct cx_obj *o, void *in);
u32 cx_definer_hash(const struct cx_definer *d, const struct cx_pkt *p);
struct cx_dst { u8 type; u16 vhca; u32 id, reformat; };
struct cx_fte {
	struct hlist_node node;
	struct cx_obj *fg;
	u32 index, action, mh, tag, push_vlan[2], crypt, reformat;
	bool reformats;			/* reformat is a tunnel's header, or bytes that come in or go */
	int ndst, ncnt;
	u32 cnt[4];
	u64 *key;			/* masked match value, fg.nkey words */
	struct cx_dst dst[];
};
struct cx_fte *cx_flow_lookup(struct cx_obj *ft, const struct cx_pkt *p);
void cx_tx_packet(struct cx_func *f, struct cx_pkt *p);
void cx_uplink_rx(int port, struct cx_pkt *p);

/* phy.c */
void cx_phy_init(struct cx_port *p);
bool cx_phy_link(struct cx_port *p);
bool cx_phy_bit_error(struct cx_port *p);
bool cx_phy_counters(struct cx_port *p, int grp, void *c);
#define CX_COUNTER(l, c, n, v) put_unaligned_be64(v, MLX5_ADDR_OF(l, c, n##_high))	/* of a group of PPCNT */
int cx_phy_reg(struct cx_func *f, u16 id, bool rd, void *d, void *o, int len);

/* trace.c */
int cx_trace_reg(struct cx_func *f, u16 id, bool rd, void *d, void *o, int len);
void cx_trace_release(struct cx_func *f);

/* rss.c */
int cx_rss_set(struct cx_rss *r, void *c);
u32 cx_rss(const struct cx_rss *r, const struct cx_pkt *p, u32 n, u32 *hash, u8 *type);

/* wire.c */
int cx_wire_init(void);
void cx_wire_exit(void);
bool cx_wire_run(int port);
void cx_wire_tx(int port, struct cx_pkt *p);
bool cx_wire_up(int port);
void cx_wire_carrier(int port, bool up);

#include "dma.h"
#include "pkt.h"
#include "queue.h"
#include "crypt.h"
#endif
