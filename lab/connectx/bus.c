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

/* BAR memory of a card: its PFs' first, then the VFs' */
static size_t card_mem(void)
{
	return ALIGN(cx_nports * CX_PF_BAR + cx_nports * cx_nvfs * CX_VF_BAR, CX_PF_BAR);
}

static phys_addr_t bar_phys(struct cx_func *f)
{
	phys_addr_t b = base + cx_card_of(f) * card_mem();
	int n = cx_devfn(f);

	return n < cx_nports ? b + n * CX_PF_BAR : b + cx_nports * CX_PF_BAR + (phys_addr_t)(n - cx_nports) * CX_VF_BAR;
}

void *cx_bar_ram(struct cx_func *f)
{
	return ram + (bar_phys(f) - base);
}

int cx_bus_card(struct pci_bus *bus)
{
	return bus->number - first_bus;
}

/* the function whose BAR holds physical address pa; called from the kprobe */
struct cx_func *cx_func_at(phys_addr_t pa, u32 *off)
{
	phys_addr_t o = pa - base;
	u32 card, n;

	if (pa < base || o >= cx_ncards * card_mem())
		return NULL;
	card = o / card_mem();
	o %= card_mem();
	if (o < cx_nports * CX_PF_BAR) {
		*off = o % CX_PF_BAR;
		return &cx_funcs[card * cx_card_funcs() + o / CX_PF_BAR];
	}
	n = cx_nports + (o - cx_nports * CX_PF_BAR) / CX_VF_BAR;
	*off = o % CX_VF_BAR;
	return n < cx_card_funcs() ? &cx_funcs[card * cx_card_funcs() + n] : NULL;
}

static int add_bus(int domain, int card)
{
	struct bus *b = &buses[card];
	LIST_HEAD(res);

	b->mem = (struct resource){ .name = "connectx_emu", .start = base + card * card_mem(),
		.end = base + (card + 1) * card_mem() - 1,
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
	for (i = 0; i < cx_nfuncs(); i++)
		cx_funcs[i].idx = i;
	for (i = 0; i < cx_nfuncs(); i++) {
		struct cx_func *f = &cx_funcs[i];

		n = cx_devfn(f);
		f->is_vf = n >= cx_nports;
		f->pf = cx_card_of(f) * cx_nports + (f->is_vf ? (n - cx_nports) / cx_nvfs : n);
		f->vport = f->is_vf ? (n - cx_nports) % cx_nvfs + 1 : 0;
		f->hot = jiffies;
		xa_init(&f->objs);
		xa_init(&f->setcap);
		INIT_LIST_HEAD(&f->sqs);
		cx_grant_reset(f);
		/* a VF's BAR register is its PF's: the address of the first VF */
		cx_config_init(f, f->is_vf ? 0 : bar_phys(f));
	}
}

phys_addr_t cx_vf_bar_base(int port)
{
	return bar_phys(cx_vf(port, 1));
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
	for (i = 0; i < cx_ncards && !err; i++)
		err = add_bus(domain, i);
	if (!err)
		return 0;
	remove_buses();
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
