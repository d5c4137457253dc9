/* SPDX-License-Identifier: GPL-2.0 */
/* The PCI side: bus, configuration space, interrupts; included by connectx.h. */
#ifndef CONNECTX_PCI_H
#define CONNECTX_PCI_H

/* bus.c, config.c, vsc.c, msix.c */
int cx_bus_create(int domain, int busnr, phys_addr_t base, size_t size);
void cx_bus_destroy(void);
struct cx_func *cx_func_at(phys_addr_t pa, u32 *off);
void *cx_bar_ram(struct cx_func *f);
void cx_config_init(struct cx_func *f);
void cx_vpd_init(void);
phys_addr_t cx_bar_base(int port, int vport);
struct cx_func *cx_func_get(struct pci_bus *bus, unsigned int devfn);
int cx_bus_card(struct pci_bus *bus);
bool cx_func_enabled(struct cx_func *f);
extern struct pci_ops cx_pci_ops;
int cx_msi_create(int domain);
void cx_msi_destroy(void);
struct irq_domain *cx_msi_domain(void);
void cx_irq(struct cx_func *f, int vec);
void cx_irq_retry(struct cx_func *f);
#define CX_PCIE_OFF	0x60
#define CX_MSIX_OFF	0x9c
#define CX_VSC_OFF	0xb0
#define CX_SRIOV_OFF	0x180
void cx_vsc_init(struct cx_func *f);
void cx_vsc_read(struct cx_func *f, int where);
void cx_vsc_write(struct cx_func *f, int where, u32 v);

#endif
