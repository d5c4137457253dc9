// SPDX-License-Identifier: GPL-2.0
/* The virtual PCI host bridge: root bus, BAR memory, creation and removal of the functions. */
#include "connectx.h"
#include <linux/vmalloc.h>

static struct pci_sysdata sysdata;
static struct resource mem, busn;
static struct pci_bus *root;
static void *ram;
static phys_addr_t base;

static phys_addr_t bar_phys(struct cx_func *f)
{
	if (!f->is_vf)
		return base + f->pf * CX_PF_BAR;
	return base + cx_nports * CX_PF_BAR + (phys_addr_t)(f->idx - cx_nports) * CX_VF_BAR;
}

void *cx_bar_ram(struct cx_func *f)
{
	return ram + (bar_phys(f) - base);
}

/* the function whose BAR holds physical address pa; called from the kprobe */
struct cx_func *cx_func_at(phys_addr_t pa, u32 *off)
{
	phys_addr_t o;
	unsigned int i;

	if (pa < base)
		return NULL;
	o = pa - base;
	if (o < (phys_addr_t)cx_nports * CX_PF_BAR) {
		*off = o % CX_PF_BAR;
		return &cx_funcs[o / CX_PF_BAR];
	}
	o -= cx_nports * CX_PF_BAR;
	if (o >= (phys_addr_t)cx_nports * cx_nvfs * CX_VF_BAR)
		return NULL;
	i = cx_nports + o / CX_VF_BAR;
	*off = o % CX_VF_BAR;
	return &cx_funcs[i];
}

static int add_bus(int domain, int busnr, size_t size)
{
	LIST_HEAD(res);

	mem = (struct resource){ .name = "connectx_emu", .start = base, .end = base + size - 1,
		.flags = IORESOURCE_MEM | IORESOURCE_PREFETCH | IORESOURCE_MEM_64 };
	busn = (struct resource){ .name = "connectx_emu bus", .start = busnr, .end = busnr, .flags = IORESOURCE_BUS };
	sysdata = (struct pci_sysdata){ .domain = domain };
	pci_add_resource(&res, &mem);
	pci_add_resource(&res, &busn);
	pci_lock_rescan_remove();
	root = pci_create_root_bus(NULL, busnr, &cx_pci_ops, &sysdata, &res);
	if (!root) {
		pci_unlock_rescan_remove();
		pci_free_resource_list(&res);
		return -ENODEV;
	}
	dev_set_msi_domain(&root->dev, cx_msi_domain());
	pci_scan_child_bus(root);
	/* BARs are preset and claimed: assignment would avoid every e820 entry */
	pci_bus_claim_resources(root);
	pci_bus_add_devices(root);
	pci_unlock_rescan_remove();
	return 0;
}

static void funcs_init(void)
{
	int i;

	cx_vpd_init();
	for (i = 0; i < cx_nfuncs(); i++) {
		struct cx_func *f = &cx_funcs[i];

		f->idx = i;
		f->is_vf = i >= cx_nports;
		f->pf = f->is_vf ? (i - cx_nports) / cx_nvfs : i;
		f->vport = f->is_vf ? (i - cx_nports) % cx_nvfs + 1 : 0;
		f->hot = jiffies;
		xa_init(&f->objs);
		xa_init(&f->setcap);
		INIT_LIST_HEAD(&f->sqs);
		/* a VF's BAR register is its PF's: the address of the first VF */
		cx_config_init(f, f->is_vf ? 0 : bar_phys(f));
	}
}

phys_addr_t cx_vf_bar_base(int port)
{
	return base + cx_nports * CX_PF_BAR + (phys_addr_t)port * cx_nvfs * CX_VF_BAR;
}

int cx_bus_create(int domain, int busnr, phys_addr_t membase, size_t size)
{
	int err = -ENOMEM;

	base = membase;
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
	err = add_bus(domain, busnr, size);
	if (!err)
		return 0;
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
	pci_lock_rescan_remove();
	pci_stop_root_bus(root);
	pci_remove_root_bus(root);
	pci_unlock_rescan_remove();
	cx_card_stop();
	cx_msi_destroy();
	cx_wire_exit();
	cx_tx_exit();
	cx_fw_exit();
	cx_vport_exit();
	vfree(cx_funcs);
	iounmap((void __iomem *)ram);
}
