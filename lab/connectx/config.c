// SPDX-License-Identifier: GPL-2.0
/* Configuration space: capabilities, SR-IOV, VPD, serial number, function level reset. */
#include "connectx.h"

#define VPD_OFF		0x48
#define DSN_OFF		0x100
#define ARI_OFF		0x110
#define VPD_MAX		256

static u8 vpd[CX_MAX_CARDS][VPD_MAX];

static void w8(struct cx_func *f, int o, u8 v)   { f->cfg[o] = v; }
static void w16(struct cx_func *f, int o, u16 v) { put_unaligned_le16(v, f->cfg + o); }
static void w32(struct cx_func *f, int o, u32 v) { put_unaligned_le32(v, f->cfg + o); }
static void m16(struct cx_func *f, int o, u16 v) { put_unaligned_le16(v, f->wm + o); }
static void m32(struct cx_func *f, int o, u32 v) { put_unaligned_le32(v, f->wm + o); }
static u16 r16(struct cx_func *f, int o)	 { return get_unaligned_le16(f->cfg + o); }

bool cx_func_enabled(struct cx_func *f)
{
	struct cx_func *p = cx_vf(f->pf, 0);

	if (f->is_sf)
		return f->vhca.state != MLX5_VHCA_STATE_INVALID;
	return !f->is_vf || ((r16(p, CX_SRIOV_OFF + PCI_SRIOV_CTRL) & PCI_SRIOV_CTRL_VFE) &&
			     f->vport <= r16(p, CX_SRIOV_OFF + PCI_SRIOV_NUM_VF));
}

struct cx_func *cx_func_get(struct pci_bus *bus, unsigned int devfn)
{
	struct cx_func *f;

	if (!pci_is_root_bus(bus) || devfn >= cx_card_devfns())
		return NULL;
	f = &cx_funcs[cx_bus_card(bus) * cx_card_funcs() + devfn];
	return cx_func_enabled(f) ? f : NULL;
}

static int cfg_read(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 *val)
{
	struct cx_func *f = cx_func_get(bus, devfn);

	if (!f || where + size > PCI_CFG_SPACE_EXP_SIZE) {
		*val = ~0;
		return PCIBIOS_DEVICE_NOT_FOUND;
	}
	if (size == 4)
		cx_vsc_read(f, where);
	*val = size == 1 ? f->cfg[where] : size == 2 ? r16(f, where) : get_unaligned_le32(f->cfg + where);
	return PCIBIOS_SUCCESSFUL;
}

/* the driver waits while the segment says "initializing": until the thread has done the reset */
static void start_reset(struct cx_func *f)
{
	struct mlx5_init_seg *s = cx_bar_ram(f);

	/* the driver reads these before it looks at "initializing" */
	s->fw_rev = cpu_to_be32(CX_FW_MINOR << 16 | CX_FW_MAJOR);
	s->cmdif_rev_fw_sub = cpu_to_be32(5 << 16 | CX_FW_SUB);
	WRITE_ONCE(s->initializing, cpu_to_be32(BIT(31)));
	cx_request(f, CX_F_RESET);
}

static void vpd_access(struct cx_func *f)
{
	u16 a = r16(f, VPD_OFF + PCI_VPD_ADDR);

	if (a & PCI_VPD_ADDR_F)
		return;
	w32(f, VPD_OFF + PCI_VPD_DATA, a + 4 <= VPD_MAX ? get_unaligned_le32(vpd[cx_card_of(f)] + a) : 0);
	w16(f, VPD_OFF + PCI_VPD_ADDR, a | PCI_VPD_ADDR_F);
}

static int cfg_write(struct pci_bus *bus, unsigned int devfn, int where, int size, u32 val)
{
	struct cx_func *f = cx_func_get(bus, devfn);
	u16 cmd, ctrl;
	int i;

	if (!f || where + size > PCI_CFG_SPACE_EXP_SIZE)
		return PCIBIOS_DEVICE_NOT_FOUND;
	cmd = r16(f, PCI_COMMAND);
	ctrl = r16(f, CX_SRIOV_OFF + PCI_SRIOV_CTRL);
	for (i = 0; i < size; i++) {
		u8 m = f->wm[where + i];

		f->cfg[where + i] = (f->cfg[where + i] & ~m) | ((val >> (8 * i)) & m);
	}
	if (where <= VPD_OFF + 3 && where + size > VPD_OFF + 2 && !f->is_vf)
		vpd_access(f);
	if (size == 4)
		cx_vsc_write(f, where, val);
	if (where == PCI_COMMAND && (r16(f, PCI_COMMAND) & ~cmd & PCI_COMMAND_MEMORY))
		start_reset(f);
	if (where == CX_PCIE_OFF + PCI_EXP_DEVCTL && val & PCI_EXP_DEVCTL_BCR_FLR)
		start_reset(f);
	if (!f->is_vf && where == CX_SRIOV_OFF + PCI_SRIOV_CTRL &&
	    ((r16(f, where) ^ ctrl) & PCI_SRIOV_CTRL_VFE))
		for (i = 1; i <= cx_nvfs; i++)
			start_reset(cx_vf(f->pf, i));
	return PCIBIOS_SUCCESSFUL;
}

struct pci_ops cx_pci_ops = { .read = cfg_read, .write = cfg_write };

static void bar64(struct cx_func *f, int o, phys_addr_t a, u32 size)
{
	w32(f, o, (u32)a | PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH);
	w32(f, o + 4, (u64)a >> 32);
	m32(f, o, ~(size - 1));
	m32(f, o + 4, ~0);
}

static void sriov_init(struct cx_func *f)
{
	int o = CX_SRIOV_OFF;

	w32(f, o, PCI_EXT_CAP_ID_SRIOV | 1 << 16);
	m16(f, o + PCI_SRIOV_CTRL, 0x1f);
	w16(f, o + PCI_SRIOV_INITIAL_VF, cx_nvfs);
	w16(f, o + PCI_SRIOV_TOTAL_VF, cx_nvfs);
	m16(f, o + PCI_SRIOV_NUM_VF, 0xffff);
	w8(f, o + PCI_SRIOV_FUNC_LINK, cx_place(f));
	w16(f, o + PCI_SRIOV_VF_OFFSET, cx_place(cx_vf(f->pf, 1)) - cx_place(f));
	w16(f, o + PCI_SRIOV_VF_STRIDE, 1);
	w16(f, o + PCI_SRIOV_VF_DID, CX_VF_ID);
	w32(f, o + PCI_SRIOV_SUP_PGSIZE, 0x553);
	w32(f, o + PCI_SRIOV_SYS_PGSIZE, 1);
	m32(f, o + PCI_SRIOV_SYS_PGSIZE, ~0);
	bar64(f, o + PCI_SRIOV_BAR, cx_bar_base(f->pf, 1), CX_VF_BAR);
}

void cx_config_init(struct cx_func *f)
{
	bool vf = f->is_vf;

	w16(f, PCI_VENDOR_ID, vf ? 0xffff : CX_VENDOR);
	w16(f, PCI_DEVICE_ID, vf ? 0xffff : CX_PF_ID);
	m16(f, PCI_COMMAND, vf ? PCI_COMMAND_MASTER :
	    PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	w16(f, PCI_STATUS, PCI_STATUS_CAP_LIST);
	w16(f, PCI_CLASS_DEVICE, PCI_CLASS_NETWORK_ETHERNET);
	w8(f, PCI_HEADER_TYPE, !vf && cx_nports > 1 ? 0x80 : 0);
	f->wm[PCI_CACHE_LINE_SIZE] = 0xff;
	f->wm[PCI_INTERRUPT_LINE] = 0xff;
	w16(f, PCI_SUBSYSTEM_VENDOR_ID, CX_VENDOR);
	w16(f, PCI_SUBSYSTEM_ID, 0x0083);
	w8(f, PCI_CAPABILITY_LIST, CX_PCIE_OFF);

	w8(f, CX_PCIE_OFF, PCI_CAP_ID_EXP);
	w8(f, CX_PCIE_OFF + 1, CX_MSIX_OFF);
	w16(f, CX_PCIE_OFF + PCI_EXP_FLAGS, 2 | PCI_EXP_TYPE_ENDPOINT << 4);
	w32(f, CX_PCIE_OFF + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_FLR | PCI_EXP_DEVCAP_RBER | 2);
	m16(f, CX_PCIE_OFF + PCI_EXP_DEVCTL, 0x7fff);
	w32(f, CX_PCIE_OFF + PCI_EXP_LNKCAP, PCI_EXP_LNKCAP_SLS_16_0GB | 16 << 4);
	w16(f, CX_PCIE_OFF + PCI_EXP_LNKSTA, PCI_EXP_LNKSTA_CLS_16_0GB | 16 << 4);
	w32(f, CX_PCIE_OFF + PCI_EXP_LNKCAP2, 0x1e);
	w16(f, CX_PCIE_OFF + PCI_EXP_LNKCTL2, 4);

	w8(f, CX_MSIX_OFF, PCI_CAP_ID_MSIX);
	w8(f, CX_MSIX_OFF + 1, vf ? 0 : VPD_OFF);
	w16(f, CX_MSIX_OFF + PCI_MSIX_FLAGS, cx_vectors(f) - 1);
	m16(f, CX_MSIX_OFF + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	w32(f, CX_MSIX_OFF + PCI_MSIX_TABLE, CX_MSIX_TBL);
	w32(f, CX_MSIX_OFF + PCI_MSIX_PBA, CX_MSIX_PBA);

	if (vf) {
		w32(f, 0x100, PCI_EXT_CAP_ID_ARI | 1 << 16);
		return;
	}
	w8(f, VPD_OFF, PCI_CAP_ID_VPD);
	w8(f, VPD_OFF + PCI_CAP_LIST_NEXT, CX_VSC_OFF);
	cx_vsc_init(f);
	m16(f, VPD_OFF + PCI_VPD_ADDR, 0xffff);
	bar64(f, PCI_BASE_ADDRESS_0, cx_bar_base(f->pf, 0), CX_PF_BAR);
	if (cx_nsfs)
		bar64(f, PCI_BASE_ADDRESS_2, cx_bar_base(f->pf, CX_SF_BASE), cx_bar2_size());
	w32(f, DSN_OFF, PCI_EXT_CAP_ID_DSN | 1 << 16 | ARI_OFF << 20);
	w32(f, DSN_OFF + 4, 0x03aabb00 + (cx_card_of(f) << 8) + cx_place(f));
	w32(f, DSN_OFF + 8, 0xb8599f00);
	w32(f, ARI_OFF, PCI_EXT_CAP_ID_ARI | 1 << 16 | (cx_nvfs ? CX_SRIOV_OFF << 20 : 0));
	w16(f, ARI_OFF + PCI_ARI_CAP, cx_place(f) + 1 < cx_nports ? (cx_place(f) + 1) << 8 : 0);
	if (cx_nvfs)
		sriov_init(f);
}

static int vpd_kw(u8 *p, const char *kw, const char *s)
{
	p[0] = kw[0];
	p[1] = kw[1];
	p[2] = strlen(s);
	memcpy(p + 3, s, strlen(s));
	return 3 + strlen(s);
}

static void vpd_init(int card)
{
	static const char id[] = "ConnectX-6 Dx EN adapter card, 100GbE, dual-port QSFP56 (emulated)";
	u8 sum = 0, *v = vpd[card];
	int o = 0, ro, i;
	char sn[CX_SERIAL_SZ];

	memset(v, 0, VPD_MAX);
	v[o++] = 0x82;
	v[o++] = sizeof(id) - 1;
	v[o++] = 0;
	memcpy(v + o, id, sizeof(id) - 1);
	o += sizeof(id) - 1;
	v[o] = 0x90;
	ro = o;
	o += 3;
	o += vpd_kw(v + o, "PN", "MCX623106AN-CDAT");
	o += vpd_kw(v + o, "EC", "A7");
	snprintf(sn, sizeof(sn), "EMU2026X%05d", card + 1);
	if (cx_serial && !card)
		strscpy(sn, cx_serial, sizeof(sn));
	o += vpd_kw(v + o, "SN", sn);
	v[o] = 'R';
	v[o + 1] = 'V';
	v[o + 2] = 1;
	put_unaligned_le16(o + 4 - ro - 3, v + ro + 1);
	o += 3;
	for (i = 0; i < o; i++)
		sum += v[i];
	v[o++] = -sum;
	v[o] = 0x78;
}

void cx_vpd_init(void)
{
	int i;

	for (i = 0; i < cx_ncards; i++)
		vpd_init(i);
}
