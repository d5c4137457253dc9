// SPDX-License-Identifier: GPL-2.0
/* From a function's addresses to memory: physical ones, or through the map of its IOMMU domain, a page at a time. */
#include "connectx.h"

#define PART	SZ_64K			/* looked up at once */

static bool memory(u64 addr, u64 len)
{
	return addr && addr + len >= addr && pfn_valid(PHYS_PFN(addr)) && pfn_valid(PHYS_PFN(addr + len - !!len));
}

void *cx_dma_fault(struct cx_func *f, u64 addr, u32 len, bool write)
{
	pr_warn_ratelimited("connectx_emu: f%d DMA fault: %s of %u bytes at 0x%llx\n", f->idx, write ? "write" : "read", len, addr);
	return NULL;
}

/* as much of *len bytes as is in one piece there; *len is that then */
void *cx_dma_part(struct cx_func *f, u64 addr, u32 *len, bool write)
{
	u8 *first, *p;
	u32 n;

	if (!f->dom)
		return memory(addr, *len) ? phys_to_virt(addr) : NULL;
	first = cx_iommu_page(f->dom, addr, write);
	if (!first)
		return cx_dma_fault(f, addr, *len, write);
	*len = min_t(u32, *len, PART);
	for (n = PAGE_SIZE - offset_in_page(addr); n < *len; n += PAGE_SIZE) {
		p = cx_iommu_page(f->dom, addr + n, write);
		if (p != first + n) {
			*len = n;
			break;
		}
	}
	return first;
}

/* all of it, in one piece: of what a page cannot hold that is not so behind the IOMMU, and a fault */
void *cx_dma(struct cx_func *f, u64 addr, u32 len, bool write)
{
	u32 n = len;
	void *p = cx_dma_part(f, addr, &n, write);

	return p && n < len ? cx_dma_fault(f, addr, len, write) : p;
}

/* whether an address can be kept: all of it is memory; behind the IOMMU, its beginning is mapped, for the rest may be so later */
bool cx_dma_ok(struct cx_func *f, u64 addr, u64 len)
{
	if (!f->dom)
		return memory(addr, len);
	return cx_iommu_page(f->dom, addr, false) || cx_dma_fault(f, addr, min_t(u64, len, U32_MAX), false);
}
