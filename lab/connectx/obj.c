// SPDX-License-Identifier: GPL-2.0
/* The objects of a function, by id, and general objects. */
#include "connectx.h"

struct cx_obj *cx_obj(struct cx_func *f, int type, u32 id)
{
	struct cx_obj *o = xa_load(&f->objs, id);

	return o && o->type == type ? o : NULL;
}

u32 cx_new_id(struct cx_func *f)
{
	do {
		f->next_id = (f->next_id + 1) & 0x3fffff;
	} while (!f->next_id || xa_load(&f->objs, f->next_id));
	return f->next_id;
}

void cx_set_id(void *out, u32 id)
{
	put_unaligned_be32(id, out + 8);
}

struct cx_obj *cx_obj_new(struct cx_func *f, int type, u32 id)
{
	struct cx_obj *o = kzalloc(sizeof(*o), GFP_KERNEL);

	if (!o)
		return NULL;
	o->type = type;
	o->id = id;
	o->f = f;
	INIT_LIST_HEAD(&o->node);
	if (xa_err(xa_store(&f->objs, id, o, GFP_KERNEL))) {
		kfree(o);
		return NULL;
	}
	return o;
}

void cx_obj_free(struct cx_obj *o)
{
	struct cx_func *f = o->f;

	xa_erase(&f->objs, o->id);
	switch (o->type) {
	case CX_O_CQ: case CX_O_SQ: case CX_O_RQ:
		list_del_init(&o->node);
		cx_wq_free(&o->wq);
		break;
	case CX_O_MKEY:
		kvfree(o->mkey.page);
		break;
	case CX_O_RQT:
		kvfree(o->rqt.rq);
		break;
	case CX_O_FT:
		cx_ft_free(o);
		break;
	case CX_O_FG:
		cx_fg_free(o);
		break;
	case CX_O_MH:
		kfree(o->mh.act);
		break;
	case CX_O_TIS:
		cx_tls_free(o);
		break;
	case CX_O_TIR:
		cx_tls_rx_free(o);
		break;
	case CX_O_IPSEC:
		cx_ipsec_free(o);
		break;
	case CX_O_DEK:
		cx_key_free(o);
		break;
	case CX_O_SCHED:
		cx_sched_free(o);
		break;
	}
	kfree_sensitive(o);
}

void cx_objs_free(struct cx_func *f)
{
	static const u8 first[] = { CX_O_SQ, CX_O_FT, CX_O_FG };	/* these point at others */
	struct cx_obj *o;
	unsigned long k;
	int i;

	for (i = 0; i < ARRAY_SIZE(first); i++)
		xa_for_each(&f->objs, k, o)
			if (o->type == first[i])
				cx_obj_free(o);
	xa_for_each(&f->objs, k, o)
		cx_obj_free(o);
	memset(f->root, 0, sizeof(f->root));
	f->fdb = NULL;
}

/* an object of which only the existence matters */
int cx_create_simple(struct cx_func *f, int type, void *out)
{
	struct cx_obj *o;
	u32 id = cx_new_id(f);

	if (type == CX_O_QCNT)		/* eight bits in the queue contexts */
		for (id = 1; id < 256 && xa_load(&f->objs, 0x800000 + id); id++)
			;
	if (type == CX_O_QCNT && id == 256)
		return MLX5_CMD_STAT_NO_RES_ERR;
	o = cx_obj_new(f, type, type == CX_O_QCNT ? 0x800000 + id : id);
	if (!o)
		return MLX5_CMD_STAT_NO_RES_ERR;
	cx_set_id(out, id);
	return 0;
}

int cx_destroy(struct cx_func *f, int type, u32 id)
{
	struct cx_obj *o = cx_obj(f, type, id);

	if (!o)
		return MLX5_CMD_STAT_BAD_RES_ERR;
	cx_obj_free(o);
	return 0;
}

static int general_type(u16 t)
{
	return t == MLX5_GENERAL_OBJECT_TYPES_ENCRYPTION_KEY ? CX_O_DEK :
	       t == MLX5_OBJ_TYPE_MATCH_DEFINER ? CX_O_DEFINER :
	       t == MLX5_GENERAL_OBJECT_TYPES_IPSEC ? CX_O_IPSEC : CX_O_NONE;
}

int cx_general_create(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	int type = general_type(MLX5_GET(general_obj_in_cmd_hdr, in, obj_type)), st;
	struct cx_obj *o;
	u32 id;

	if (type == CX_O_DEK)
		return cx_key_create(f, in, out);
	if (!type || (type == CX_O_IPSEC && !cx_ipsec) ||
	    (type == CX_O_DEFINER && (f->is_vf || !cx_lag_hash)))
		return MLX5_CMD_STAT_BAD_PARAM_ERR;
	id = cx_new_id(f);
	o = cx_obj_new(f, type, id);
	if (!o)
		return MLX5_CMD_STAT_NO_RES_ERR;
	st = type == CX_O_DEFINER ? cx_definer_create(o, in) : cx_ipsec_create(f, o, in);
	if (st) {
		cx_obj_free(o);
		return st;
	}
	cx_set_id(out, id);
	return 0;
}

int cx_general_destroy(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	return cx_destroy(f, general_type(MLX5_GET(general_obj_in_cmd_hdr, in, obj_type)),
			  MLX5_GET(general_obj_in_cmd_hdr, in, obj_id));
}

int cx_general_query(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	struct cx_obj *o = cx_obj(f, general_type(MLX5_GET(general_obj_in_cmd_hdr, in, obj_type)),
				  MLX5_GET(general_obj_in_cmd_hdr, in, obj_id));

	return o && o->type == CX_O_IPSEC ? cx_ipsec_query(o, out, outlen) : MLX5_CMD_STAT_BAD_RES_ERR;
}

int cx_general_modify(struct cx_func *f, void *in, int inlen, void *out, int outlen)
{
	struct cx_obj *o = cx_obj(f, general_type(MLX5_GET(general_obj_in_cmd_hdr, in, obj_type)),
				  MLX5_GET(general_obj_in_cmd_hdr, in, obj_id));

	if (o && o->type == CX_O_DEK)
		return cx_key_modify(o, in);
	if (!o || o->type != CX_O_IPSEC)
		return MLX5_CMD_STAT_BAD_RES_ERR;
	return cx_ipsec_modify(o, in);
}
