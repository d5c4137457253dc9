/* SPDX-License-Identifier: GPL-2.0 */
/* Which functions a card has, how they are numbered, and the vports of a port's eswitch. */
#ifndef CX_FUNC_H
#define CX_FUNC_H

#define CX_SF_BASE	0x8000		/* vport of a port's first scalable function (sf_base_id) */

/* cx_funcs has a card's functions in a row: PFs, the VFs of each, both in the order of their devfns, the SFs of each */
static inline int cx_card_devfns(void) { return cx_nports * (1 + cx_nvfs); }
static inline int cx_card_funcs(void) { return cx_card_devfns() + cx_nports * cx_nsfs; }
static inline int cx_nfuncs(void) { return cx_ncards * cx_card_funcs(); }
static inline int cx_all_ports(void) { return cx_ncards * cx_nports; }
static inline int cx_card_of(struct cx_func *f) { return f->idx / cx_card_funcs(); }
static inline int cx_place(struct cx_func *f) { return f->idx % cx_card_funcs(); }	/* on its card: a PF's or VF's devfn */
static inline int cx_vhca(struct cx_func *f) { return cx_place(f) + 1; }	/* as the card numbers its functions */

/* the function behind a vport, which is there */
static inline struct cx_func *cx_vf(int port, int vport)
{
	struct cx_func *card = &cx_funcs[port / cx_nports * cx_card_funcs()];
	int k = port % cx_nports;

	if (vport >= CX_SF_BASE)
		return card + cx_card_devfns() + k * cx_nsfs + vport - CX_SF_BASE;
	return card + (vport ? cx_nports + k * cx_nvfs + vport - 1 : k);
}

/* cx_port.vport: of the port's functions in this order, then of the uplink */
static inline int cx_nvports(void) { return 1 + cx_nvfs + cx_nsfs + 1; }

/* BAR 0 of a PF or VF; of the PF's BAR 2 an SF has as much as a VF */
static inline u32 cx_bar_size(struct cx_func *f) { return f->is_vf ? CX_VF_BAR : CX_PF_BAR; }

/* a PF's BAR 2; no smaller than BAR 0, so that all are aligned in a row */
static inline u32 cx_bar2_size(void)
{
	return cx_nsfs ? max_t(u32, CX_PF_BAR, roundup_pow_of_two(cx_nsfs) * CX_VF_BAR) : 0;
}

/* BAR memory of a card: BAR 2 of its PFs, their BAR 0, then that of the VFs */
static inline size_t cx_card_mem(void)
{
	return ALIGN(cx_nports * (cx_bar2_size() + CX_PF_BAR + (size_t)cx_nvfs * CX_VF_BAR), max_t(size_t, CX_PF_BAR, cx_bar2_size()));
}

/* an SF has no vectors of its own: it uses its PF's */
static inline int cx_vectors(struct cx_func *f) { return f->is_vf && !f->is_sf ? CX_MSIX_VF : CX_MSIX_PF; }

#endif
