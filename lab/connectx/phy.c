// SPDX-License-Identifier: GPL-2.0
/* Registers of a port's cable: speeds and negotiation, why there is no link, FEC, pause, and the EEPROM of the module in its cage, a copper cable of 2 m. */
#include "connectx.h"

/* 1G to 100G as a ConnectX-6 Dx has them */
#define SPEEDS	(BIT(MLX5E_1000BASE_KX) | BIT(MLX5E_10GBASE_CR) | BIT(MLX5E_10GBASE_SR) | BIT(MLX5E_25GBASE_CR) | \
		 BIT(MLX5E_25GBASE_SR) | BIT(MLX5E_40GBASE_CR4) | BIT(MLX5E_40GBASE_SR4) | BIT(MLX5E_50GBASE_CR2) | \
		 BIT(MLX5E_100GBASE_CR4) | BIT(MLX5E_100GBASE_SR4))
/* FEC modes, as bits */
#define NO_FEC	1
#define FIRE	2
#define RS	4
#define AN_COMPLETE	1		/* an_status */
#define I2C_MODULE	0x50
#define NOT_CONNECTED	3		/* mcia_reg.status */
#define I2C_ERROR	9
/* why a link is down, as PDDR's troubleshooting page has it */
enum { CLOSED = 1, NO_PARTNER, NO_PARTNER_FORCED = 36, NO_COMMON_MODE = 39, UNSUPPORTED_RATE = 42, NO_CABLE = 1024 };
#define EEPROM		256
#define MCIA_DATA	16
#define MCIA_MAX	48		/* bytes of one access */

static const u8 fastest[] = {		/* what a copper cable carries */
	MLX5E_100GBASE_CR4, MLX5E_50GBASE_CR2, MLX5E_40GBASE_CR4, MLX5E_25GBASE_CR, MLX5E_10GBASE_CR, MLX5E_1000BASE_KX,
};

void cx_phy_init(struct cx_port *p)
{
	p->phy.speeds = SPEEDS;
	p->phy.pause_rx = p->phy.pause_tx = true;
}

static int speed(struct cx_port *p)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(fastest); i++)
		if (p->phy.speeds & BIT(fastest[i]))
			return fastest[i];
	return -1;
}

/* what a cable cannot carry leaves the link down */
bool cx_phy_link(struct cx_port *p) { return speed(p) >= 0; }

/* whether a cable is in the port's cage */
static bool caged(int port) { return !READ_ONCE(cx_faults.wire[port].down); }

static int ptys(int port, bool rd, void *d, void *o)
{
	struct cx_port *p = &cx_ports[port];
	u32 admin = MLX5_GET(ptys_reg, d, eth_proto_admin);
	int s;

	if (!rd) {
		if (!admin || (admin & ~SPEEDS))
			return MLX5_CMD_STAT_BAD_PARAM_ERR;
		p->phy.speeds = admin;
		p->phy.an_off = MLX5_GET(ptys_reg, d, an_disable_admin);
	}
	s = p->up ? speed(p) : -1;
	MLX5_SET(ptys_reg, o, local_port, 1);
	MLX5_SET(ptys_reg, o, proto_mask, MLX5_PTYS_EN);
	MLX5_SET(ptys_reg, o, an_disable_cap, 1);
	MLX5_SET(ptys_reg, o, an_disable_admin, p->phy.an_off);
	MLX5_SET(ptys_reg, o, an_status, s >= 0 && !p->phy.an_off ? AN_COMPLETE : 0);
	MLX5_SET(ptys_reg, o, eth_proto_capability, SPEEDS);
	MLX5_SET(ptys_reg, o, eth_proto_admin, p->phy.speeds);
	MLX5_SET(ptys_reg, o, eth_proto_oper, s >= 0 ? BIT(s) : 0);
	MLX5_SET(ptys_reg, o, eth_proto_lp_advertise, s >= 0 && !p->phy.an_off ? SPEEDS : 0);
	MLX5_SET(ptys_reg, o, connector_type, caged(port) ? MLX5E_PORT_DA : MLX5E_PORT_NONE);
	return 0;
}

/* the best that is allowed; 0 allows all */
static u32 best(u8 admin, u8 cap)
{
	u8 a = admin ? admin & cap : cap;

	return a & RS ? RS : a & FIRE ? FIRE : NO_FEC;
}

static const u8 c10 = NO_FEC | FIRE, c25 = NO_FEC | FIRE | RS, c100 = NO_FEC | RS;

/* the FEC that is done, and on how many lanes */
static u32 fec(struct cx_port *p, u32 *lanes)
{
	u8 *a = p->phy.fec;

	*lanes = 1;
	switch (speed(p)) {
	case MLX5E_100GBASE_CR4:
		*lanes = 4;
		return best(a[3], c100);
	case MLX5E_50GBASE_CR2:
		*lanes = 2;
		return best(a[2], c25);
	case MLX5E_25GBASE_CR:
		return best(a[1], c25);
	case MLX5E_40GBASE_CR4:
		*lanes = 4;
		fallthrough;
	case MLX5E_10GBASE_CR:
		return best(a[0] ?: NO_FEC, c10);
	}
	return NO_FEC;
}

/* a frame comes in with one bit wrong, on one lane after another; false: it stays wrong, and its check sequence shows it */
bool cx_phy_bit_error(struct cx_port *p)
{
	u32 lanes, mode = fec(p, &lanes), lane = p->phy.lane++ % lanes;

	if (mode == NO_FEC) {
		p->phy.crc++;
		return false;
	}
	p->phy.corrected[lane]++;
	if (mode == RS)
		p->phy.rs++;
	else
		p->phy.fire[lane]++;
	return true;
}

/* the groups of PPCNT that are about lanes; false: it is another. What is not set is of errors that do not happen here */
bool cx_phy_counters(struct cx_port *p, int grp, void *c)
{
	u64 *bits = p->phy.corrected, *fire = p->phy.fire;

	switch (grp) {
	case MLX5_PHYSICAL_LAYER_COUNTERS_GROUP:
#define L(n, v) CX_COUNTER(phys_layer_cntrs, c, n, v)
		L(fc_fec_corrected_blocks_lane0, fire[0]);
		L(fc_fec_corrected_blocks_lane1, fire[1]);
		L(fc_fec_corrected_blocks_lane2, fire[2]);
		L(fc_fec_corrected_blocks_lane3, fire[3]);
		L(rs_fec_corrected_blocks, p->phy.rs);
		L(rs_fec_single_error_blocks, p->phy.rs);
		MLX5_SET(phys_layer_cntrs, c, link_down_events, p->phy.downs);
		return true;
	case MLX5_PHYSICAL_LAYER_STATISTICAL_GROUP:
#define T(n, v) CX_COUNTER(phys_layer_statistical_cntrs, c, n, v)
		T(phy_received_bits, p->rx.bytes * 8);
		T(phy_symbol_errors, p->phy.crc);	/* what FEC has left */
		T(phy_corrected_bits, bits[0] + bits[1] + bits[2] + bits[3]);
		T(phy_corrected_bits_lane0, bits[0]);
		T(phy_corrected_bits_lane1, bits[1]);
		T(phy_corrected_bits_lane2, bits[2]);
		T(phy_corrected_bits_lane3, bits[3]);
		return true;
	}
	return false;
}

static int pplm(struct cx_port *p, bool rd, void *d, void *o)
{
	u8 *a = p->phy.fec, want[4];
	u32 lanes;

	if (!rd) {
		want[0] = MLX5_GET(pplm_reg, d, fec_override_admin_10g_40g);
		want[1] = MLX5_GET(pplm_reg, d, fec_override_admin_25g);
		want[2] = MLX5_GET(pplm_reg, d, fec_override_admin_50g);
		want[3] = MLX5_GET(pplm_reg, d, fec_override_admin_100g);
		if ((want[0] & ~c10) || (want[1] & ~c25) || (want[2] & ~c25) || (want[3] & ~c100) ||
		    MLX5_GET(pplm_reg, d, fec_override_admin_56g))
			return MLX5_CMD_STAT_BAD_PARAM_ERR;
		memcpy(a, want, sizeof(want));
	}
	MLX5_SET(pplm_reg, o, local_port, 1);
	MLX5_SET(pplm_reg, o, fec_mode_active, p->up ? fec(p, &lanes) : 0);
	MLX5_SET(pplm_reg, o, fec_override_cap_10g_40g, c10);
	MLX5_SET(pplm_reg, o, fec_override_cap_25g, c25);
	MLX5_SET(pplm_reg, o, fec_override_cap_50g, c25);
	MLX5_SET(pplm_reg, o, fec_override_cap_100g, c100);
	MLX5_SET(pplm_reg, o, fec_override_admin_10g_40g, a[0]);
	MLX5_SET(pplm_reg, o, fec_override_admin_25g, a[1]);
	MLX5_SET(pplm_reg, o, fec_override_admin_50g, a[2]);
	MLX5_SET(pplm_reg, o, fec_override_admin_100g, a[3]);
	return 0;
}

/* whether pause frames are sent and obeyed: nothing here sends any. By priority they cannot be */
static int pfcc(struct cx_port *p, bool rd, void *d, void *o)
{
	if (!rd) {
		if (MLX5_GET(pfcc_reg, d, pfctx) || MLX5_GET(pfcc_reg, d, pfcrx))
			return MLX5_CMD_STAT_BAD_PARAM_ERR;
		if (!MLX5_GET(pfcc_reg, d, pptx_mask_n))
			p->phy.pause_tx = MLX5_GET(pfcc_reg, d, pptx);
		if (!MLX5_GET(pfcc_reg, d, pprx_mask_n))
			p->phy.pause_rx = MLX5_GET(pfcc_reg, d, pprx);
	}
	MLX5_SET(pfcc_reg, o, local_port, 1);
	MLX5_SET(pfcc_reg, o, pptx, p->phy.pause_tx);
	MLX5_SET(pfcc_reg, o, pprx, p->phy.pause_rx);
	return 0;
}

static u32 reason(int port)
{
	struct cx_port *p = &cx_ports[port];

	if (p->up)
		return 0;
	if (!p->admin_up)
		return CLOSED;
	if (!caged(port))
		return NO_CABLE;
	if (!cx_phy_link(p))
		return p->phy.an_off ? UNSUPPORTED_RATE : NO_COMMON_MODE;
	return p->phy.an_off ? NO_PARTNER_FORCED : NO_PARTNER;
}

static int pddr(int port, void *d, void *o)
{
	void *c = MLX5_ADDR_OF(pddr_reg, o, page_data);

	MLX5_SET(pddr_reg, o, local_port, 1);
	MLX5_SET(pddr_reg, o, page_select, MLX5_GET(pddr_reg, d, page_select));
	if (MLX5_GET(pddr_reg, d, page_select) != MLX5_PDDR_REG_PAGE_SELECT_TROUBLESHOOTING_INFO_PAGE ||
	    MLX5_GET(pddr_reg, d, page_data.pddr_troubleshooting_page.group_opcode) != MLX5_PDDR_REG_TRBLSH_GROUP_OPCODE_MONITOR)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	MLX5_SET(pddr_troubleshooting_page, c, status_opcode.pddr_monitor_opcode.monitor_opcode, reason(port));
	return 0;
}

static void text(u8 *at, int len, const char *s)
{
	memset(at, ' ', len);
	memcpy(at, s, min_t(int, len, strlen(s)));
}

/* SFF-8636, a flat memory: a lower half and one page */
static void eeprom(int port, u8 *b)
{
	u8 sum = 0;
	char s[17];
	int i;

	memset(b, 0, EEPROM);
	b[0] = b[128] = MLX5_MODULE_ID_QSFP28;
	b[1] = 7;			/* revision 2.7 */
	b[2] = 4;			/* flat */
	b[130] = 0x23;			/* no separable connector */
	b[131] = 0x88;			/* 40GBASE-CR4, and see byte 192 */
	b[139] = 5;			/* 64B/66B */
	b[140] = 0xff;			/* more than 25.4 GBd: */
	b[222] = 103;			/* 25.75 */
	b[146] = 2;			/* m of copper */
	b[147] = 0xa0;			/* unequalized */
	text(b + 148, 16, "Mellanox");
	b[166] = 0x02;			/* OUI 00:02:c9 */
	b[167] = 0xc9;
	text(b + 168, 16, "MCP1600-C002E30N");
	text(b + 184, 2, "A3");
	b[186] = 4; b[187] = 6; b[188] = 8; b[189] = 11;	/* attenuation in dB at 2.5, 5, 7 and 12.9 GHz */
	for (i = 128; i < 191; i++)
		sum += b[i];
	b[191] = sum;
	b[192] = 0x0b;			/* 100GBASE-CR4, 25GBASE-CR CA-L */
	snprintf(s, sizeof(s), "EMU2026C%05d", port + 1);
	text(b + 196, 16, s);
	text(b + 212, 8, "260101");
	for (sum = 0, i = 192; i < 223; i++)
		sum += b[i];
	b[223] = sum;
}

static int mcia(int port, bool rd, void *d, void *o, int len)
{
	u32 off = MLX5_GET(mcia_reg, d, device_address), n = MLX5_GET(mcia_reg, d, size);
	u8 b[EEPROM];

	if (!rd || len < MCIA_DATA + MCIA_MAX || !n || n > MCIA_MAX || off >= EEPROM || n > EEPROM - off)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	memcpy(o, d, MCIA_DATA);
	if (!caged(port)) {
		MLX5_SET(mcia_reg, o, status, NOT_CONNECTED);
		return 0;
	}
	if (MLX5_GET(mcia_reg, d, i2c_device_address) != I2C_MODULE || MLX5_GET(mcia_reg, d, module)) {
		MLX5_SET(mcia_reg, o, status, I2C_ERROR);
		return 0;
	}
	eeprom(port, b);
	memcpy(o + MCIA_DATA, b + off, n);
	return 0;
}

/* a VF sees the link; the rest is the PF's */
int cx_phy_reg(struct cx_func *f, u16 id, bool rd, void *d, void *o, int len)
{
	struct cx_port *p = &cx_ports[f->pf];

	if (f->is_vf && id == MLX5_REG_MCIA)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	switch (id) {
	case MLX5_REG_PTYS:
		return ptys(f->pf, rd, d, o);
	case MLX5_REG_PPLM:
		return pplm(p, rd, d, o);
	case MLX5_REG_PFCC:
		return pfcc(p, rd, d, o);
	case MLX5_REG_PDDR:
		return pddr(f->pf, d, o);
	}
	return mcia(f->pf, rd, d, o, len);
}
