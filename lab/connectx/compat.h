/* SPDX-License-Identifier: GPL-2.0 */
/* What differs between the kernels this module builds on (with msix.c, which has the interrupt domains). */
#ifndef CX_COMPAT_H
#define CX_COMPAT_H

#include <linux/version.h>
#include <crypto/aes.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
typedef struct aes_enckey cx_aes;
#define cx_aes_setkey(ctx, key, len) aes_prepareenckey(ctx, key, len)
#else
typedef struct crypto_aes_ctx cx_aes;
#define cx_aes_setkey(ctx, key, len) aes_expandkey(ctx, key, len)
#endif

#endif
