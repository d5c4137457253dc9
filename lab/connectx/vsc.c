// SPDX-License-Identifier: GPL-2.0
/*
 * The vendor's capability of a PF: a gateway in configuration space, which works while the firmware does not. Behind it are the
 * CR space, which the driver dumps when the firmware has failed, and semaphores. All of it is done under the PCI core's lock.
 */
#include "connectx.h"

#define CTRL		0x04
#define COUNTER		0x08
#define SEMAPHORE	0x0c
#define ADDR		0x10
#define DATA		0x14
#define LENGTH		0x18
#define SPACE		0xffff		/* of CTRL; above it whether the space is there, and whether its size is in ADDR */
#define SIZE_VALID	BIT(28)
#define STATUS_OK	BIT(29)
#define FLAG		BIT(31)		/* of ADDR: write DATA there; is set when what was read is in DATA */
#define ADDR_MASK	GENMASK(29, 0)
#define SCAN_CRSPACE	0x7		/* spaces */
#define SEMAPHORES	0xa
#define SW_RESET	0x20		/* the one semaphore: who resets the firmware, which here is a PF's own */

/* what is at an address of CR space is there for people and tools: where a real card has what is known of the first and last only */
#define SEG_END		0x240		/* the initialization segment, with the health buffer, as the driver sees it */
#define PORT_AT		0x80000
#define DEVID_AT	0xf0014
#define CRSPACE_SIZE	(DEVID_AT + 4)

static u32 port_word(const struct cx_port *p, u32 i)
{
	switch (i) {
	case 0:
		return READ_ONCE(p->up) | READ_ONCE(p->admin_up) << 1;
	case 1:
		return READ_ONCE(p->mtu);
	case 2:
		return READ_ONCE(p->phy.downs);
	case 3: case 4:
		return READ_ONCE(p->rx.pkts) >> (i == 3 ? 32 : 0);
	case 5: case 6:
		return READ_ONCE(p->tx.pkts) >> (i == 5 ? 32 : 0);
	}
	return READ_ONCE(p->drops);
}

#define PORT_END (PORT_AT + 8 * 4)

static u32 crspace(struct cx_func *f, u32 at)
{
	if (at < SEG_END)
		return be32_to_cpu(READ_ONCE(((__be32 *)cx_bar_ram(f))[at / 4]));
	if (at >= PORT_AT && at < PORT_END)
		return port_word(&cx_ports[f->pf], (at - PORT_AT) / 4);
	return at == DEVID_AT ? CX_HW_ID : 0;
}

/* the next address with anything; what is in between is passed over */
static u32 next(u32 at)
{
	at += 4;
	if (at >= SEG_END && at < PORT_AT)
		return PORT_AT;
	return at >= PORT_END && at < DEVID_AT ? DEVID_AT : at;
}

static void put(struct cx_func *f, int reg, u32 v) { put_unaligned_le32(v, f->cfg + CX_VSC_OFF + reg); }
static u32 at(struct cx_func *f, int reg) { return get_unaligned_le32(f->cfg + CX_VSC_OFF + reg); }

static void access(struct cx_func *f, u32 v)
{
	u32 space = at(f, CTRL) & SPACE, a = v & ADDR_MASK & ~3;

	if (v & FLAG) {			/* only a semaphore can be written: taken, if it is free, or given back */
		if (space == SEMAPHORES && a == SW_RESET && (!f->vsc.sw_reset || !at(f, DATA)))
			f->vsc.sw_reset = at(f, DATA);
		put(f, ADDR, a);
		return;
	}
	if (space == SCAN_CRSPACE) {
		put(f, DATA, crspace(f, a));
		a = next(a);
	} else {
		put(f, DATA, space == SEMAPHORES && a == SW_RESET ? f->vsc.sw_reset : 0);
	}
	put(f, ADDR, a | FLAG);
}

/* a dword of configuration space is about to be read */
void cx_vsc_read(struct cx_func *f, int where)
{
	if (where == CX_VSC_OFF + COUNTER && !f->is_vf)
		put(f, COUNTER, ++f->vsc.counter ?: ++f->vsc.counter);	/* another each time; 0 is nobody's */
}

/* a dword has been written */
void cx_vsc_write(struct cx_func *f, int where, u32 v)
{
	u32 space = v & SPACE;

	if (f->is_vf)
		return;
	switch (where - CX_VSC_OFF) {
	case CTRL:
		if (space == SCAN_CRSPACE)
			put(f, ADDR, CRSPACE_SIZE);
		put(f, CTRL, space | (space == SCAN_CRSPACE ? STATUS_OK | SIZE_VALID : space == SEMAPHORES ? STATUS_OK : 0));
		break;
	case SEMAPHORE:			/* of the gateway itself */
		if (!v || !at(f, SEMAPHORE))
			put(f, SEMAPHORE, v);
		break;
	case ADDR:
		access(f, v);
		break;
	case DATA:
		put(f, DATA, v);
		break;
	}
}

void cx_vsc_init(struct cx_func *f)
{
	f->cfg[CX_VSC_OFF] = PCI_CAP_ID_VNDR;
	f->cfg[CX_VSC_OFF + PCI_CAP_FLAGS] = LENGTH;
}
