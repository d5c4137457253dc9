// SPDX-License-Identifier: GPL-2.0
/*
 * The IOMMU in front of the functions. Each is a group of its own. The kernel's drivers have the identity domain, in which the
 * addresses on the bus are physical ones as ever; a function that is given away has a paging domain, a map of pages of 4K with
 * rights, and reaches nothing else. The card's thread looks addresses up for a round at most, so what is unmapped is
 * out of reach once a round is over: that is waited for. The thread itself moves a function from one domain to another,
 * and resets it then, so that no address that one owner has given is ever used in the domain of another.
 */
#include "connectx.h"
#include <linux/iommu.h>
#include <linux/platform_device.h>

#define MSI_BASE	0xfee00000
#define WRITABLE	1		/* low bit of an entry of the map; the rest is the number of the frame */

struct cx_dom {
	struct iommu_domain d;
	struct xarray pages;		/* by the number of the page */
	bool blocked;
};

static struct iommu_device iommu;
static struct iommu_ops *ops;		/* not in the module's memory: the core would hold the module for each device that there is */
static struct device *root;
static bool registered;
static atomic_t asked = ATOMIC_INIT(0);	/* rounds to be waited for */
static int answered;
static DECLARE_WAIT_QUEUE_HEAD(round_over);

static struct cx_dom *to_dom(struct iommu_domain *d) { return container_of(d, struct cx_dom, d); }

static struct cx_func *func_of(struct device *dev)
{
	struct pci_dev *p;

	if (!dev_is_pci(dev))
		return NULL;
	p = to_pci_dev(dev);
	if (p->bus->ops != &cx_pci_ops || !pci_is_root_bus(p->bus) || p->devfn >= cx_card_devfns())
		return NULL;
	return &cx_funcs[cx_bus_card(p->bus) * cx_card_funcs() + p->devfn];
}

/* in the card's thread, when nothing is on its way */
void cx_iommu_round(void)
{
	int n = atomic_read(&asked), i;

	if (likely(n == answered))
		return;
	smp_rmb();			/* domains are asked for before */
	for (i = 0; i < cx_nfuncs(); i++) {
		struct cx_func *f = &cx_funcs[i];
		struct cx_dom *d = READ_ONCE(f->next_dom);

		if (f->dom == d)
			continue;
		cx_dbg(1, "f%d: %s\n", f->idx, !d ? "physical addresses" : d->blocked ? "no memory" : "a map of its own");
		f->dom = d;
		f->polled = d && !d->blocked;
		cx_fw_reset(f);
	}
	smp_store_release(&answered, n);
	wake_up_all(&round_over);
}

static void wait_round(void)
{
	int n = atomic_inc_return(&asked);

	cx_wake();
	wait_event(round_over, smp_load_acquire(&answered) - n >= 0);
}

static void set_dom(struct cx_func *f, struct cx_dom *d)
{
	int i;

	if (!f || f->next_dom == d)
		return;
	WRITE_ONCE(f->next_dom, d);
	for (i = 0; !f->is_vf && i < cx_nsfs; i++)	/* scalable functions do their DMA as the PF */
		WRITE_ONCE(cx_vf(f->pf, CX_SF_BASE + i)->next_dom, d);
	wait_round();
}

static int attach(CX_ATTACH_ARGS(d, dev))
{
	struct cx_func *f = func_of(dev);

	if (!f)
		return -ENODEV;
	set_dom(f, d->type == IOMMU_DOMAIN_IDENTITY ? NULL : to_dom(d));
	return 0;
}

static int map_pages(struct iommu_domain *d, unsigned long iova, phys_addr_t pa, size_t pgsize, size_t n, int prot, gfp_t gfp,
		     size_t *mapped)
{
	unsigned long right = prot & IOMMU_WRITE ? WRITABLE : 0;
	size_t i;
	int err;

	for (i = 0; i < n * (pgsize / PAGE_SIZE); i++) {
		err = xa_insert(&to_dom(d)->pages, PHYS_PFN(iova) + i, xa_mk_value((PHYS_PFN(pa) + i) << 1 | right), gfp);
		if (err)
			return err == -EBUSY ? -EEXIST : err;
		*mapped += PAGE_SIZE;
	}
	return 0;
}

static size_t unmap_pages(struct iommu_domain *d, unsigned long iova, size_t pgsize, size_t n, struct iommu_iotlb_gather *g)
{
	size_t i;

	for (i = 0; i < n * (pgsize / PAGE_SIZE); i++)
		if (!xa_erase(&to_dom(d)->pages, PHYS_PFN(iova) + i))
			break;
	return i * PAGE_SIZE;
}

static void flush_all(struct iommu_domain *d) { wait_round(); }
static void iotlb_sync(struct iommu_domain *d, struct iommu_iotlb_gather *g) { wait_round(); }

static phys_addr_t iova_to_phys(struct iommu_domain *d, dma_addr_t iova)
{
	void *e = xa_load(&to_dom(d)->pages, PHYS_PFN(iova));

	return e ? PFN_PHYS(xa_to_value(e) >> 1) + offset_in_page(iova) : 0;
}

/* memory at an address, up to the end of its page; NULL: it is not mapped, or not for writes, or no memory */
void *cx_iommu_page(struct cx_dom *d, u64 addr, bool write)
{
	void *e = xa_load(&d->pages, PHYS_PFN(addr));

	if (!e || (write && !(xa_to_value(e) & WRITABLE)) || !pfn_valid(xa_to_value(e) >> 1))
		return NULL;
	return phys_to_virt(PFN_PHYS(xa_to_value(e) >> 1)) + offset_in_page(addr);
}

static bool coherent(struct iommu_domain *d) { return true; }

static void paging_free(struct iommu_domain *d)
{
	xa_destroy(&to_dom(d)->pages);
	kfree(to_dom(d));
}

static const struct iommu_domain_ops paging_ops = {
	.attach_dev = attach, .map_pages = map_pages, .unmap_pages = unmap_pages, .flush_iotlb_all = flush_all,
	.iotlb_sync = iotlb_sync, .iova_to_phys = iova_to_phys, .enforce_cache_coherency = coherent, .free = paging_free,
};

static struct iommu_domain *alloc_paging(struct device *dev)
{
	struct cx_dom *d = kzalloc(sizeof(*d), GFP_KERNEL);

	if (!d)
		return NULL;
	xa_init(&d->pages);
	d->d.geometry = (struct iommu_domain_geometry){ .aperture_end = DMA_BIT_MASK(48), .force_aperture = true };
	d->d.pgsize_bitmap = SZ_4K;
	return &d->d;
}

static bool capable_of(struct device *dev, enum iommu_cap cap)
{
	return func_of(dev) && (cap == IOMMU_CAP_CACHE_COHERENCY || cap == CX_CAP_INTR_REMAP);
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
static struct iommu_domain *alloc_type(unsigned int type)
{
	struct iommu_domain *d;

	if (type != IOMMU_DOMAIN_IDENTITY && type != IOMMU_DOMAIN_UNMANAGED && type != IOMMU_DOMAIN_BLOCKED)
		return NULL;
	d = alloc_paging(NULL);
	if (d)
		to_dom(d)->blocked = type == IOMMU_DOMAIN_BLOCKED;
	return d;
}

/* the core leaves the operations with the buses for ever */
static void forget_ops(void)
{
	if (pci_bus_type.iommu_ops == ops)
		pci_bus_type.iommu_ops = NULL;
	if (platform_bus_type.iommu_ops == ops)
		platform_bus_type.iommu_ops = NULL;
}
#define DOMAINS .domain_alloc = alloc_type, .pgsize_bitmap = SZ_4K
#else
static const struct iommu_domain_ops static_ops = { .attach_dev = attach };
static struct iommu_domain identity = { .type = IOMMU_DOMAIN_IDENTITY, .ops = &static_ops };
static struct cx_dom blocked = { .d = { .type = IOMMU_DOMAIN_BLOCKED, .ops = &static_ops }, .blocked = true,
				 .pages = XARRAY_INIT(blocked.pages, 0) };
static void forget_ops(void) { }
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
#define DOMAINS .domain_alloc_paging = alloc_paging, .identity_domain = &identity, .blocked_domain = &blocked.d, .pgsize_bitmap = SZ_4K
#else
#define DOMAINS .domain_alloc_paging = alloc_paging, .identity_domain = &identity, .blocked_domain = &blocked.d
#endif
#endif

static struct iommu_device *probe_device(struct device *dev) { return func_of(dev) ? &iommu : ERR_PTR(-ENODEV); }
static int default_type(struct device *dev) { return IOMMU_DOMAIN_IDENTITY; }
static void release_device(struct device *dev) { set_dom(func_of(dev), NULL); }

/* where interrupts are written to: no memory can be mapped there */
static void resv_regions(struct device *dev, struct list_head *list)
{
	struct iommu_resv_region *r = iommu_alloc_resv_region(MSI_BASE, SZ_1M, IOMMU_WRITE | IOMMU_NOEXEC | IOMMU_MMIO,
							      IOMMU_RESV_MSI, GFP_KERNEL);

	if (r)
		list_add_tail(&r->list, list);
}

/* a card without it is as good as before for the kernel's drivers: another IOMMU may have the bus */
void cx_iommu_init(void)
{
	int err = -ENOMEM;

	ops = kzalloc(sizeof(*ops), GFP_KERNEL);
	if (!ops)
		goto out;
	*ops = (struct iommu_ops){
		DOMAINS, .capable = capable_of, .probe_device = probe_device, .release_device = release_device,
		.device_group = generic_device_group, .get_resv_regions = resv_regions, .def_domain_type = default_type,
		.default_domain_ops = &paging_ops,
	};
	root = root_device_register("connectx_emu");
	err = PTR_ERR_OR_ZERO(root);
	if (err)
		goto free;
	err = iommu_device_sysfs_add(&iommu, root, NULL, "connectx_emu");	/* the core links the functions to it */
	if (err)
		goto unroot;
	err = iommu_device_register(&iommu, ops, NULL);
	registered = !err;
	if (registered)
		return;
	iommu_device_sysfs_remove(&iommu);
unroot:
	root_device_unregister(root);
free:
	kfree(ops);
out:
	pr_warn("connectx_emu: no IOMMU, so vfio-pci will not take a function: %d\n", err);
}

void cx_iommu_exit(void)
{
	if (!registered)
		return;
	iommu_device_unregister(&iommu);
	forget_ops();
	iommu_device_sysfs_remove(&iommu);
	root_device_unregister(root);
	kfree(ops);
	registered = false;
}
