// SPDX-License-Identifier: GPL-2.0
/*
 * Data encryption keys (DEKs), and the time that making them takes. A key is an object of its own, or one of a bulk that
 * one command allocates without keys and others fill, a key each: firmware from 22.33.0783 on has bulks, and drivers
 * from 6.3 on keep them as a pool.
 *
 * A card makes one key after another, whichever function asks: a command that makes one is answered when those before it
 * are done and its own time is over. All other commands go by.
 */
#include "connectx.h"

#define BULK_BASE	0x400000	/* ids of bulks; those of cx_new_id are below, those of counters from 0x800000 on */
#define BULKS		(0x400000 >> CX_LOG_BULK)

struct cx_key { u8 len, key[32]; };

static uint log_dek_max_alloc = CX_LOG_BULK;
module_param(log_dek_max_alloc, uint, 0444);
MODULE_PARM_DESC(log_dek_max_alloc, "log2 of the keys that one command allocates, at most 12; 0: one key a command, as firmware before 22.33.0783");

static ktime_t engine_free[CX_MAX_CARDS];	/* when the last key that was asked for is made */

u8 cx_log_bulk(void)
{
	return min_t(uint, log_dek_max_alloc, CX_LOG_BULK);
}

/* not 0: the command makes a key, and is to be answered then */
ktime_t cx_key_due(struct cx_func *f, void *in)
{
	ktime_t *free = &engine_free[cx_card_of(f)], now = ktime_get();
	u64 ns = (u64)READ_ONCE(cx_faults.tls_setup_us) * NSEC_PER_USEC;
	u16 op = MLX5_GET(general_obj_in_cmd_hdr, in, opcode);

	if (!ns || (op != MLX5_CMD_OP_CREATE_GENERAL_OBJECT && op != MLX5_CMD_OP_MODIFY_GENERAL_OBJECT) ||
	    MLX5_GET(general_obj_in_cmd_hdr, in, obj_type) != MLX5_GENERAL_OBJECT_TYPES_ENCRYPTION_KEY)
		return 0;
	*free = ktime_add_ns(ktime_after(*free, now) ? *free : now, ns);
	return *free;
}

/* a PF starts anew, and what was being made is not wanted any more */
void cx_keys_reset(struct cx_func *pf)
{
	engine_free[cx_card_of(pf)] = 0;
}

static int set_key(struct cx_key *k, void *in)
{
	void *c = MLX5_ADDR_OF(create_encryption_key_in, in, encryption_key_object);
	u8 *from = MLX5_ADDR_OF(encryption_key_obj, c, key);
	int size = MLX5_GET(encryption_key_obj, c, key_size);

	if (size > MLX5_GENERAL_OBJECT_TYPE_ENCRYPTION_KEY_KEY_SIZE_256)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	cx_fault_warn();
	/* a short key is in the upper half of the field */
	k->len = size ? 32 : 16;
	memcpy(k->key, from + (size ? 0 : 16), k->len);
	return 0;
}

/* op_param of a general object's command: log_obj_range of a CREATE, obj_offset of the others; 6.1 has no names for them */
static u32 op_param(void *in)
{
	return get_unaligned_be32(in + 12);
}

int cx_key_create(struct cx_func *f, void *in, void *out)
{
	u8 log = op_param(in) >> 24 & 0x1f;
	u32 id = BULK_BASE;
	struct cx_obj *o;
	int i, st = 0;

	if (!cx_crypto || log > cx_log_bulk())
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	for (i = 0; log && i < BULKS && xa_load(&f->objs, id); i++)
		id += 1 << CX_LOG_BULK;
	if (i == BULKS)
		return MLX5_CMD_STAT_NO_RES_ERR;
	o = cx_obj_new(f, CX_O_DEK, log ? id : cx_new_id(f));
	if (!o)
		return MLX5_CMD_STAT_NO_RES_ERR;
	o->dek.n = 1 << log;
	o->dek.key = kvcalloc(o->dek.n, sizeof(*o->dek.key), GFP_KERNEL);
	if (!o->dek.key)
		st = MLX5_CMD_STAT_NO_RES_ERR;
	else if (!log)
		st = set_key(o->dek.key, in);
	if (st) {
		cx_obj_free(o);
		return st;
	}
	cx_dbg(1, "f%d keys %x: %u\n", f->idx, o->id, o->dek.n);
	cx_set_id(out, o->id);
	return 0;
}

/* contexts have a cipher of their own each, and go on with the key that they began with: nothing is cached that SYNC_CRYPTO would have to drop */
int cx_key_modify(struct cx_obj *o, void *in)
{
	void *c = MLX5_ADDR_OF(create_encryption_key_in, in, encryption_key_object);
	u32 offset = op_param(in) & 0x7fffffff;

	if (MLX5_GET64(encryption_key_obj, c, modify_field_select) != 1 || offset >= o->dek.n)
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	cx_dbg(1, "f%d key %x: another one\n", o->f->idx, o->id + offset);
	return set_key(&o->dek.key[offset], in);
}

void cx_key_free(struct cx_obj *o)
{
	kvfree_sensitive(o->dek.key, o->dek.n * sizeof(*o->dek.key));
}

/* a cipher with the key of this index; NULL: there is none, or no memory */
struct cx_gcm *cx_key_gcm(struct cx_func *f, u32 index)
{
	u32 first = index >= BULK_BASE ? index & ~((1u << CX_LOG_BULK) - 1) : index;
	struct cx_obj *o = cx_obj(f, CX_O_DEK, first);
	struct cx_key *k = o && index - first < o->dek.n ? &o->dek.key[index - first] : NULL;

	return k && k->len ? cx_gcm_new(k->key, k->len) : NULL;
}
