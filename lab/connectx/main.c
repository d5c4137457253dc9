// SPDX-License-Identifier: GPL-2.0
/* Module parameters, load and unload. */
#include "connectx.h"

static int ports = 2;
module_param(ports, int, 0444);
MODULE_PARM_DESC(ports, "ports of a card, each a PF (1..2)");
static int cards = 1;
module_param(cards, int, 0444);
MODULE_PARM_DESC(cards, "cards, each on a bus of its own (1..4)");
static int vfs = 8;
module_param(vfs, int, 0444);
MODULE_PARM_DESC(vfs, "TotalVFs of a port (0..127)");
static int sfs = 8;
module_param(sfs, int, 0444);
MODULE_PARM_DESC(sfs, "scalable functions that a port can have (0..64)");
static int domain = 1;
module_param(domain, int, 0444);
MODULE_PARM_DESC(domain, "PCI domain of the virtual bus");
static int busnr = 0x3b;
module_param(busnr, int, 0444);
MODULE_PARM_DESC(busnr, "PCI bus number of the first card; the others follow");
static unsigned long membase = 0x60000000;
module_param(membase, ulong, 0444);
MODULE_PARM_DESC(membase, "start of the memory reserved for the BARs (memmap=SIZE$BASE)");
static unsigned long memsize = SZ_256M;
module_param(memsize, ulong, 0444);
MODULE_PARM_DESC(memsize, "its size: 1M a port, 256K a VF, BAR 2 of each port are needed");
unsigned int cx_log;
module_param_named(log, cx_log, uint, 0644);
MODULE_PARM_DESC(log, "0 quiet, 1 objects of offloads, 2 every command, 3 every packet's way");
bool cx_crypto = true;
module_param_named(crypto, cx_crypto, bool, 0444);
MODULE_PARM_DESC(crypto, "0: a card whose crypto is fused off (no TLS, no IPsec)");
bool cx_ipsec = true;
module_param_named(ipsec, cx_ipsec, bool, 0444);
MODULE_PARM_DESC(ipsec, "0: TLS only");

bool cx_striding = true;
module_param_named(striding, cx_striding, bool, 0444);
MODULE_PARM_DESC(striding, "0: receive queues are cyclic ones only");

char *cx_serial;
module_param_named(serial, cx_serial, charp, 0444);
MODULE_PARM_DESC(serial, "serial number of the first card");
char *cx_psid = "MT_0000000359";
module_param_named(psid, cx_psid, charp, 0444);
MODULE_PARM_DESC(psid, "the cards' PSID");
u32 cx_fw[3] = { 22, 35, 4030 };
static char *firmware;
module_param(firmware, charp, 0444);
MODULE_PARM_DESC(firmware, "what the firmware calls itself, as 22.35.4030; it changes nothing else");

struct cx_func *cx_funcs;
struct cx_port cx_ports[CX_MAX_CARDS * CX_MAX_PORTS];
struct cx_lag cx_lags[CX_MAX_CARDS];
int cx_ncards, cx_nports, cx_nvfs, cx_nsfs;

static int __init cx_init(void)
{
	unsigned long align;
	size_t need;
	int err;

	if (cards < 1 || cards > CX_MAX_CARDS || ports < 1 || ports > CX_MAX_PORTS || vfs < 0 || vfs > CX_MAX_VFS ||
	    sfs < 0 || sfs > CX_MAX_SFS) {
		pr_err("connectx_emu: cards 1..%d, ports 1..%d, vfs 0..%d and sfs 0..%d\n", CX_MAX_CARDS, CX_MAX_PORTS,
		       CX_MAX_VFS, CX_MAX_SFS);
		return -EINVAL;
	}
	if ((firmware && sscanf(firmware, "%u.%u.%u", &cx_fw[0], &cx_fw[1], &cx_fw[2]) != 3) || cx_fw[0] > 255 ||
	    cx_fw[1] > 255 || cx_fw[2] > 65535 || strlen(cx_psid) > CX_PSID_SZ ||
	    (cx_serial && strlen(cx_serial) >= CX_SERIAL_SZ)) {
		pr_err("connectx_emu: firmware is as 22.35.4030, psid has %d letters at most, serial %d\n", CX_PSID_SZ,
		       CX_SERIAL_SZ - 1);
		return -EINVAL;
	}
	cx_ncards = cards;
	cx_nports = ports;
	cx_nvfs = vfs;
	cx_nsfs = sfs;
	need = cards * cx_card_mem();
	align = max_t(unsigned long, CX_PF_BAR, cx_bar2_size());
	if (memsize < need || membase & (align - 1)) {
		pr_err("connectx_emu: %d cards with %d ports of %d VFs and %d SFs need %zu bytes of BAR memory, %luM aligned\n",
		       cards, ports, vfs, sfs, need, align >> 20);
		return -EINVAL;
	}
	cx_ipsec = cx_ipsec && cx_crypto;
	err = cx_lag_init();
	if (err)
		return err;
	return cx_bus_create(domain, busnr, membase, need);
}

static void __exit cx_exit(void)
{
	cx_bus_destroy();
}

module_init(cx_init);
module_exit(cx_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Emulated ConnectX-6 Dx for the real mlx5 driver");
