/* SPDX-License-Identifier: GPL-2.0 */
/* What the security associations (ipsec.c) and the ESP packets (esp.c) have in common. */
#ifndef CONNECTX_IPSEC_H
#define CONNECTX_IPSEC_H

#include "connectx.h"

#define ESP_HDR	16			/* SPI, sequence number, initialization vector */
#define ESP_ICV	16
#define ESP_BUF	SZ_16K			/* a packet of the largest MTU, and what ESP adds */

struct cx_sa {
	struct cx_gcm *gcm;
	u8 salt[4], iv[8];
	bool full, esn, overlap, event;	/* event: the driver is still to be told */
	u32 esn_msb;
	u8 aso[MLX5_ST_SZ_BYTES(ipsec_aso)];	/* counters and window, as the driver reads and changes them */
	DECLARE_BITMAP(window, 256);	/* bit n: the number n before the highest has been received */
	u8 *buf;			/* the payload of the packet on its way through this SA */
};

u32 cx_sa_seq_hi(struct cx_sa *s, u32 seq);
bool cx_sa_next(struct cx_obj *o, u32 *seq);
u8 cx_sa_received(struct cx_obj *o, u32 seq);

#endif
