/* SPDX-License-Identifier: GPL-2.0 */
/* The host's memory as a function sees it, and the IOMMU in front of that; included by connectx.h. */
#ifndef CONNECTX_DMA_H
#define CONNECTX_DMA_H

/* iommu.c */
void cx_iommu_init(void);
void cx_iommu_exit(void);
void cx_iommu_round(void);
void *cx_iommu_page(struct cx_dom *d, u64 addr, bool write);

/*
 * dma.c. What these give is good until the card's thread is through with its round: what is to be kept longer is the address
 * on the bus. NULL: nothing is there, or it may not be written; for a function behind the IOMMU that is a fault, which is logged.
 */
void *cx_dma(struct cx_func *f, u64 addr, u32 len, bool write);
void *cx_dma_part(struct cx_func *f, u64 addr, u32 *len, bool write);
void *cx_dma_fault(struct cx_func *f, u64 addr, u32 len, bool write);
bool cx_dma_ok(struct cx_func *f, u64 addr, u64 len);

/* up to 64 bytes, aligned, at a kept address of which cx_dma_ok has said that it is good */
static inline void *cx_dma_known(struct cx_func *f, u64 addr, bool write)
{
	if (likely(!f->dom))
		return phys_to_virt(addr);
	return cx_iommu_page(f->dom, addr, write) ?: cx_dma_fault(f, addr, 64, write);
}
#endif
