// SPDX-License-Identifier: GPL-2.0
/* The virtual PCI host bridge: root bus, BAR memory, creation and removal of the functions. */
#include "connectx.h"
#include <linux/vmalloc.h>

struct bus {				/* a card's */
	struct pci_sysdata sysdata;
	struct resource mem, busn;
	struct pci_bus *root;
};

static struct bus buses[CX_MAX_CARDS];
static int first_bus;
static void *ram;
static phys_addr_t base;

static phys_addr_t bar_phys(struct cx_func *f)
{
	phys_addr_t b = base + cx_card_of(f) * cx_card_mem();
	int k = f->pf % cx_nports;

	if (f->is_sf)
		return b + k * cx_bar2_size() + (phys_addr_t)(f->vport - CX_SF_BASE) * CX_VF_BAR;
	b += cx_nports * cx_bar2_size();
	if (!f->is_vf)
		return b + k * CX_PF_BAR;
	return b + cx_nports * CX_PF_BAR + (phys_addr_t)(cx_place(f) - cx_nports) * CX_VF_BAR;
}

void *cx_bar_ram(struct cx_func *f)
{
	return ram + (bar_phys(f) - base);
}

int cx_bus_card(struct pci_bus *bus)
{
	return bus->number - first_bus;
}

/* the function whose registers are at physical address pa; called from the kprobe */
struct cx_func *cx_func_at(phys_addr_t pa, u32 *off)
{
	phys_addr_t o = pa - base, bars2 = cx_nports * cx_bar2_size(), bars = cx_nports * CX_PF_BAR;
	int port;
	u32 n;

	if (pa < base || o >= cx_ncards * cx_card_mem())
		return NULL;
	port = o / cx_card_mem() * cx_nports;
	o %= cx_card_mem();
	*off = o % CX_VF_BAR;
	if (o < bars2) {
		n = o % cx_bar2_size() / CX_VF_BAR;
		return n < cx_nsfs ? cx_vf(port + o / cx_bar2_size(), CX_SF_BASE + n) : NULL;
	}
	o -= bars2;
	if (o < bars) {
		*off = o % CX_PF_BAR;
		return cx_vf(port + o / CX_PF_BAR, 0);
	}
	n = (o - bars) / CX_VF_BAR;
	return n < cx_nports * cx_nvfs ? cx_vf(port, 0) + cx_nports + n : NULL;
}

static int add_bus(int domain, int card)
{
	struct bus *b = &buses[card];
	LIST_HEAD(res);

	b->mem = (struct resource){ .name = "connectx_emu", .start = base + card * cx_card_mem(),
		.end = base + (card + 1) * cx_card_mem() - 1,
		.flags = IORESOURCE_MEM | IORESOURCE_PREFETCH | IORESOURCE_MEM_64 };
	b->busn = (struct resource){ .name = "connectx_emu bus", .start = first_bus + card, .end = first_bus + card,
		.flags = IORESOURCE_BUS };
	b->sysdata = (struct pci_sysdata){ .domain = domain };
	pci_add_resource(&res, &b->mem);
	pci_add_resource(&res, &b->busn);
	pci_lock_rescan_remove();
	b->root = pci_create_root_bus(NULL, first_bus + card, &cx_pci_ops, &b->sysdata, &res);
	if (!b->root) {
		pci_unlock_rescan_remove();
		pci_free_resource_list(&res);
		return -ENODEV;
	}
	dev_set_msi_domain(&b->root->dev, cx_msi_domain());
	pci_scan_child_bus(b->root);
	/* BARs are preset and claimed: assignment would avoid every e820 entry */
	pci_bus_claim_resources(b->root);
	pci_bus_add_devices(b->root);
	pci_unlock_rescan_remove();
	return 0;
}

static void remove_buses(void)
{
	int i;

	pci_lock_rescan_remove();
	for (i = cx_ncards - 1; i >= 0; i--) {
		if (!buses[i].root)
			continue;
		pci_stop_root_bus(buses[i].root);
		pci_remove_root_bus(buses[i].root);
		buses[i].root = NULL;
	}
	pci_unlock_rescan_remove();
}

static void funcs_init(void)
{
	int i, n;

	cx_vpd_init();
	for (i = 0; i < cx_nfuncs(); i++) {
		struct cx_func *f = &cx_funcs[i];

		f->idx = i;
		n = cx_place(f);
		f->is_vf = n >= cx_nports;
		f->is_sf = n >= cx_card_devfns();
		f->pf = cx_card_of(f) * cx_nports;
		if (f->is_sf) {
			f->pf += (n - cx_card_devfns()) / cx_nsfs;
			f->vport = CX_SF_BASE + (n - cx_card_devfns()) % cx_nsfs;
		} else if (f->is_vf) {
			f->pf += (n - cx_nports) / cx_nvfs;
			f->vport = (n - cx_nports) % cx_nvfs + 1;
		} else {
			f->pf += n;
		}
		f->hot = jiffies;
		xa_init(&f->objs);
		xa_init(&f->setcap);
		INIT_LIST_HEAD(&f->sqs);
		cx_grant_reset(f);
	}
	/* in what a PF says of its VFs is the address of the first one */
	for (i = 0; i < cx_nfuncs(); i++)
		if (!cx_funcs[i].is_sf)
			cx_config_init(&cx_funcs[i]);
}

phys_addr_t cx_bar_base(int port, int vport)
{
	return bar_phys(cx_vf(port, vport));
}

int cx_bus_create(int domain, int busnr, phys_addr_t membase, size_t size)
{
	int err = -ENOMEM, i;

	base = membase;
	first_bus = busnr;
	ram = (void *)ioremap(base, size);	/* the memory type the driver's own mapping has */
	if (!ram) {
		pr_err("connectx_emu: no memory at %pa: boot with memmap=%zuM$%pa\n", &base, size >> 20, &base);
		return -ENOMEM;
	}
	cx_funcs = vzalloc(array_size(cx_nfuncs(), sizeof(*cx_funcs)));
	if (!cx_funcs)
		goto unmap;
	funcs_init();
	err = cx_vport_init();
	if (err)
		goto free;
	err = cx_fw_init();
	if (err)
		goto vport;
	err = cx_tx_init();
	if (err)
		goto fw;
	err = cx_wire_init();
	if (err)
		goto tx;
	err = cx_msi_create(domain);
	if (err)
		goto wire;
	err = cx_card_start();
	if (err)
		goto msi;
	cx_fault_init();
	cx_iommu_init();
	for (i = 0; i < cx_ncards && !err; i++)
		err = add_bus(domain, i);
	if (!err)
		return 0;
	remove_buses();
	cx_iommu_exit();
	cx_fault_exit();
	cx_card_stop();
msi:
	cx_msi_destroy();
wire:
	cx_wire_exit();
tx:
	cx_tx_exit();
fw:
	cx_fw_exit();
vport:
	cx_vport_exit();
free:
	vfree(cx_funcs);
unmap:
	iounmap((void __iomem *)ram);
	return err;
}

void cx_bus_destroy(void)
{
	remove_buses();
	cx_iommu_exit();
	cx_fault_exit();
	cx_card_stop();
	cx_msi_destroy();
	cx_wire_exit();
	cx_tx_exit();
	cx_fw_exit();
	cx_vport_exit();
	vfree(cx_funcs);
	iounmap((void __iomem *)ram);
}
