// SPDX-License-Identifier: GPL-2.0
/* MSI-X: the interrupt domain (where kernels differ) and delivery. The data of a message is the Linux irq number. */
#include "connectx.h"
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <linux/msi.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
#include <linux/irqchip/irq-msi-lib.h>
#endif

static struct irq_domain *dom;
static struct fwnode_handle *fwn;
static DEFINE_XARRAY(owners);		/* irq -> the function that it is for; its lock is held while one of a machine's is raised */

static int own(unsigned int irq, msi_alloc_info_t *arg)
{
	struct device *dev = arg->desc->dev;
	struct pci_dev *p = dev_is_pci(dev) ? to_pci_dev(dev) : NULL;
	struct cx_func *f = p && p->bus->ops == &cx_pci_ops ? cx_func_get(p->bus, p->devfn) : NULL;

	return f ? xa_err(xa_store(&owners, irq, f, GFP_KERNEL)) : -ENODEV;
}

static void compose(struct irq_data *d, struct msi_msg *msg)
{
	memset(msg, 0, sizeof(*msg));
	msg->address_lo = 0xfee00000;
	msg->data = d->irq;
}

static void ack(struct irq_data *d) { }

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
/* interrupts run where the card's thread does, whatever is asked */
static int set_affinity(struct irq_data *d, const struct cpumask *mask, bool force)
{
	return IRQ_SET_MASK_OK;
}
#else
#define set_affinity NULL		/* MSI_FLAG_NO_AFFINITY says it */
#endif

static struct irq_chip chip = { .name = "CX-MSI", .irq_compose_msi_msg = compose, .irq_ack = ack,
				.irq_set_affinity = set_affinity };

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
static int dom_alloc(struct irq_domain *d, unsigned int virq, unsigned int n, void *arg)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < n && !err; i++) {
		irq_domain_set_info(d, virq + i, virq + i, &chip, NULL, handle_edge_irq, NULL, NULL);
		err = own(virq + i, arg);
	}
	return err;
}

static void dom_free(struct irq_domain *d, unsigned int virq, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		xa_erase(&owners, virq + i);
	irq_domain_free_irqs_top(d, virq, n);
}

static const struct irq_domain_ops dom_ops = { .alloc = dom_alloc, .free = dom_free };
static const struct msi_parent_ops parent_ops = {
	.supported_flags = MSI_GENERIC_FLAGS_MASK | MSI_FLAG_PCI_MSIX,
	.required_flags = MSI_FLAG_USE_DEF_DOM_OPS | MSI_FLAG_USE_DEF_CHIP_OPS | MSI_FLAG_NO_AFFINITY,
	.chip_flags = MSI_CHIP_FLAG_SET_ACK,
	.bus_select_token = DOMAIN_BUS_VMD_MSI,
	.bus_select_mask = MATCH_PCI_MSI,
	.prefix = "CX-",
	.init_dev_msi_info = msi_lib_init_dev_msi_info,
};

static struct irq_domain *dom_create(void)
{
	struct irq_domain_info info = { .fwnode = fwn, .ops = &dom_ops, .bus_token = DOMAIN_BUS_VMD_MSI };

	return msi_create_parent_irq_domain(&info, &parent_ops);
}
#else
static int msi_init(struct irq_domain *d, struct msi_domain_info *info, unsigned int irq, irq_hw_number_t hwirq, msi_alloc_info_t *arg)
{
	irq_domain_set_info(d, irq, hwirq, info->chip, NULL, info->handler, NULL, info->handler_name);
	return own(irq, arg);
}

static void msi_free(struct irq_domain *d, struct msi_domain_info *info, unsigned int irq) { xa_erase(&owners, irq); }

static struct msi_domain_ops msi_ops = { .msi_init = msi_init, .msi_free = msi_free };
static struct msi_domain_info msi_info = {
	.flags = MSI_FLAG_USE_DEF_DOM_OPS | MSI_FLAG_USE_DEF_CHIP_OPS | MSI_FLAG_NO_AFFINITY | MSI_FLAG_PCI_MSIX,
	.ops = &msi_ops, .chip = &chip, .handler = handle_edge_irq, .handler_name = "edge",
};

static struct irq_domain *dom_create(void)
{
	return pci_msi_create_irq_domain(fwn, &msi_info, NULL);
}
#endif

int cx_msi_create(int domain)
{
	fwn = irq_domain_alloc_named_id_fwnode("CX-MSI", domain);
	if (!fwn)
		return -ENOMEM;
	dom = dom_create();
	if (dom) {
		dom->flags |= CX_ISOLATED_MSI;	/* fire() sees to it */
		return 0;
	}
	irq_domain_free_fwnode(fwn);
	return -ENODEV;
}

void cx_msi_destroy(void)
{
	irq_domain_remove(dom);
	irq_domain_free_fwnode(fwn);
	xa_destroy(&owners);
}

struct irq_domain *cx_msi_domain(void) { return dom; }

/* the table of a function that is given away may hold anything: only an interrupt of its own is raised, and only while it is that */
static void fire_own(struct cx_func *f, u32 irq)
{
	bool mine;

	xa_lock(&owners);
	mine = xa_load(&owners, irq) == f;
	if (mine)
		generic_handle_irq_safe(irq);
	xa_unlock(&owners);
	if (!mine)
		pr_warn_ratelimited("connectx_emu: f%d interrupt %u is not its own\n", f->idx, irq);
}

static bool fire(struct cx_func *f, int vec)
{
	void __iomem *e = (void __iomem *)(f->bar + CX_MSIX_TBL + vec * PCI_MSIX_ENTRY_SIZE);
	u16 fl = get_unaligned_le16(f->cfg + CX_MSIX_OFF + PCI_MSIX_FLAGS);

	if (!(fl & PCI_MSIX_FLAGS_ENABLE) || (fl & PCI_MSIX_FLAGS_MASKALL))
		return false;
	if (readl(e + PCI_MSIX_ENTRY_VECTOR_CTRL) & PCI_MSIX_ENTRY_CTRL_MASKBIT)
		return false;
	local_bh_disable();
	if (f->dom)
		fire_own(f, readl(e + PCI_MSIX_ENTRY_DATA));
	else
		generic_handle_irq_safe(readl(e + PCI_MSIX_ENTRY_DATA));
	local_bh_enable();
	return true;
}

static void pba(struct cx_func *f, int vec, bool on)
{
	u32 __iomem *w = (u32 __iomem *)(f->bar + CX_MSIX_PBA) + vec / 32;

	writel(on ? readl(w) | BIT(vec % 32) : readl(w) & ~BIT(vec % 32), w);
}

/* a masked interrupt is kept pending; cx_irq_retry sends it once it is unmasked */
void cx_irq(struct cx_func *f, int vec)
{
	if (f->is_sf)
		f = cx_vf(f->pf, 0);	/* whose vectors it uses */
	if (!f->bar || vec >= cx_vectors(f))
		return;
	if (!fire(f, vec)) {
		__set_bit(vec, f->irq_pending);
		pba(f, vec, true);
	}
}

void cx_irq_retry(struct cx_func *f)
{
	int vec;

	for_each_set_bit(vec, f->irq_pending, CX_MSIX_PF)
		if (fire(f, vec)) {
			__clear_bit(vec, f->irq_pending);
			pba(f, vec, false);
		}
}
