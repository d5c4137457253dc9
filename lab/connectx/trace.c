// SPDX-License-Identifier: GPL-2.0
/* What the firmware says of itself: the tracer, whose one owner on a card gives it a buffer, and the dump that is asked for. */
#include "connectx.h"

#define FIRST_ID	0x20		/* event ids of strings */
#define IDS		0x10
#define TIMESTAMP_ID	0xff
#define DB_BASE		0x10000		/* where the firmware has its strings */
#define DB_SIZE		256
#define EVENTS		32		/* of a block, the last of them a timestamp */
#define TICKS		0x7f		/* low bits of the time, which each event has */

struct mlx5_ifc_cx_string_event_bits { u8 lost[0x1], timestamp[0x7], event_id[0x8], tmsn[0xd], tdsn[0x3], param[0x20]; };
struct mlx5_ifc_cx_timestamp_event_bits { u8 timestamp7_0[0x8], event_id[0x8], urts[0x3], timestamp52_40[0xd], timestamp39_8[0x20]; };

/* of what a parameter is, the format says: all are %u or %x. The driver takes a pointer beyond the base only */
static const struct { u16 at; const char *s; } strings[] = {
	{ 0x08, "core dump %u, asked for by function %u" },
	{ 0x38, "port %u: link %u, went down %u times" },
	{ 0x68, "commands refused: %u, pages held: %u" },
	{ 0x98, "health syndrome 0x%x" },
	{ 0xb8, "end of core dump %u" },
};
enum { S_DUMP, S_PORT, S_COMMANDS, S_HEALTH, S_END };

static struct tracer {
	struct cx_func *owner;
	bool on;
	u32 mkey, log_pages, block, dumps, tmsn;
} tracers[CX_MAX_CARDS];

static struct tracer *of(struct cx_func *f) { return &tracers[cx_card_of(f)]; }

static int string(struct tracer *t, u8 *b, int i, u8 ticks, int which, int n, const u32 *params)
{
	int k;

	t->tmsn = (t->tmsn + 1) & 0x1fff;
	for (k = 0; k <= n && i < EVENTS - 1; k++, i++) {
		u8 *e = b + i * 8;

		MLX5_SET(cx_string_event, e, timestamp, ticks);
		MLX5_SET(cx_string_event, e, event_id, FIRST_ID);
		MLX5_SET(cx_string_event, e, tmsn, t->tmsn);
		MLX5_SET(cx_string_event, e, tdsn, k);
		MLX5_SET(cx_string_event, e, param, k ? params[k - 1] : DB_BASE + strings[which].at);
	}
	return i;
}

#define SAY(which, ...) do { \
	const u32 params[] = { __VA_ARGS__ }; \
	i = string(t, b, i, ns & TICKS, which, ARRAY_SIZE(params), params); } while (0)

static int dump(struct cx_func *f)
{
	u32 blocks, size = EVENTS * 8;
	struct tracer *t = of(f);
	u8 b[EVENTS * 8] = {}, *last = b + (EVENTS - 1) * 8;
	struct cx_port *p = &cx_ports[f->pf];
	u64 ns = ktime_get_ns();
	struct cx_iov v;
	int i = 0;

	if (t->owner != f || !t->on)
		return MLX5_CMD_STAT_BAD_SYS_STATE_ERR;
	blocks = (SZ_4K << t->log_pages) / size;
	if (cx_mkey_at(f, t->mkey, (t->block % blocks) * size, size, &v, 1) != 1)	/* a block is never across pages */
		return MLX5_CMD_STAT_BAD_RES_ERR;
	t->dumps++;
	SAY(S_DUMP, t->dumps, cx_place(f));
	SAY(S_PORT, f->pf % cx_nports + 1, p->up, p->phy.downs);
	SAY(S_COMMANDS, (u32)cx_vport(f->pf, f->vport)->refused, f->npages);
	SAY(S_HEALTH, READ_ONCE(f->hang));
	SAY(S_END, t->dumps);
	MLX5_SET(cx_timestamp_event, last, event_id, TIMESTAMP_ID);
	MLX5_SET(cx_timestamp_event, last, timestamp7_0, ns & 0xff);
	MLX5_SET(cx_timestamp_event, last, timestamp39_8, ns >> 8);
	MLX5_SET(cx_timestamp_event, last, timestamp52_40, ns >> 40 & 0x1fff);
	memcpy(v.p, b, size);
	t->block++;
	return 0;
}

static void cap(struct cx_func *f, void *o)
{
	void *db = MLX5_ADDR_OF(mtrc_cap, o, string_db_param[0]);

	MLX5_SET(mtrc_cap, o, trace_owner, of(f)->owner == f);
	MLX5_SET(mtrc_cap, o, trace_to_memory, 1);
	MLX5_SET(mtrc_cap, o, trc_ver, 1);
	MLX5_SET(mtrc_cap, o, num_string_db, 1);
	MLX5_SET(mtrc_cap, o, first_string_trace, FIRST_ID);
	MLX5_SET(mtrc_cap, o, num_string_trace, IDS);
	MLX5_SET(mtrc_cap, o, log_max_trace_buffer_size, 8);
	MLX5_SET(mtrc_string_db_param, db, string_db_base_address, DB_BASE);
	MLX5_SET(mtrc_string_db_param, db, string_db_size, DB_SIZE);
}

static int stdb(void *d, void *o, int len)
{
	u32 n = MLX5_GET(mtrc_stdb, d, read_size), from = MLX5_GET(mtrc_stdb, d, start_offset);
	u8 db[DB_SIZE] = {};
	int i;

	if (MLX5_GET(mtrc_stdb, d, string_db_index) || from >= DB_SIZE || n > DB_SIZE - from ||
	    len < MLX5_ST_SZ_BYTES(mtrc_stdb) + n)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	for (i = 0; i < ARRAY_SIZE(strings); i++)
		strscpy(db + strings[i].at, strings[i].s, DB_SIZE - strings[i].at);
	memcpy(o, d, MLX5_ST_SZ_BYTES(mtrc_stdb));
	memcpy(MLX5_ADDR_OF(mtrc_stdb, o, string_db_data), db + from, n);
	return 0;
}

/* the owner gives it up, or is gone: the card's other PFs are told */
void cx_trace_release(struct cx_func *f)
{
	struct tracer *t = of(f);
	u32 none = 0;
	int i;

	if (t->owner != f)
		return;
	t->owner = NULL;
	t->on = false;
	for (i = 0; i < cx_nports; i++) {
		struct cx_func *pf = cx_vf(f->pf / cx_nports * cx_nports + i, 0);

		if (pf != f)
			cx_event(pf, MLX5_EVENT_TYPE_DEVICE_TRACER, 0 /* ownership changes */, &none, sizeof(none));
	}
}

int cx_trace_reg(struct cx_func *f, u16 id, bool rd, void *d, void *o, int len)
{
	struct tracer *t = of(f);

	if (f->is_vf)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	switch (id) {
	case MLX5_REG_MTRC_CAP:
		if (len < MLX5_ST_SZ_BYTES(mtrc_cap))
			return MLX5_CMD_STAT_BAD_INP_LEN_ERR;
		if (!rd && !MLX5_GET(mtrc_cap, d, trace_owner))
			cx_trace_release(f);
		else if (!rd && !t->owner)
			*t = (struct tracer){ .owner = f, .dumps = t->dumps };
		cap(f, o);
		return 0;
	case MLX5_REG_MTRC_STDB:
		return stdb(d, o, len);
	case MLX5_REG_CORE_DUMP:
		return rd ? MLX5_CMD_STAT_BAD_PARAM_ERR : dump(f);
	}
	if (rd || t->owner != f)
		return rd ? MLX5_CMD_STAT_BAD_PARAM_ERR : MLX5_CMD_STAT_BAD_SYS_STATE_ERR;
	if (id == MLX5_REG_MTRC_CONF) {
		t->mkey = MLX5_GET(mtrc_conf, d, trace_mkey);
		t->log_pages = MLX5_GET(mtrc_conf, d, log_trace_buffer_size);
		t->block = 0;
		return t->log_pages > 8 ? MLX5_CMD_STAT_BAD_PARAM_ERR : 0;
	}
	if (MLX5_GET(mtrc_ctrl, d, modify_field_select) & 1)	/* else it is armed; nothing is written without being asked for */
		t->on = MLX5_GET(mtrc_ctrl, d, trace_status);
	return 0;
}
