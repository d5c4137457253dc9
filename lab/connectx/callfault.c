// SPDX-License-Identifier: GPL-2.0
/*
 * Faults of the kernel above the card, by debugfs (connectx_emu/calls): a function of the kernel that gives an errno is
 * not run but gives one at once, when a process of some name calls it. That is what a driver's or a subsystem's
 * refusal looks like from user space, also where no command of the card leads to it. x86-64 only.
 *
 *   fail FUNCTION SKIP COUNT ERRNO COMM   of the calls by COMM the first SKIP go as ever, and the next COUNT give -ERRNO
 *   count FUNCTION COMM                   they are counted only
 *   clear                                 all are as before
 *
 * Reading has a line a function: its name, how often it was called, and how many failures are left.
 */
#include "connectx.h"
#include <linux/debugfs.h>
#include <linux/kprobes.h>
#include <linux/sched.h>
#include <linux/seq_file.h>

#define MAX_CALLS	64

static struct call {
	struct kprobe probe;
	char name[KSYM_NAME_LEN < 64 ? KSYM_NAME_LEN : 64], comm[TASK_COMM_LEN];
	atomic_t calls, left;
	int skip, err;
} calls[MAX_CALLS];
static int used;
static DEFINE_MUTEX(lock);

#ifdef CONFIG_X86_64
/* where a call that fails goes on: it returns to the caller, with what is in ax */
static void noinline notrace give_back(void)
{
	asm volatile("" : : : "memory");
}

static int entered(struct kprobe *p, struct pt_regs *regs)
{
	struct call *c = container_of(p, struct call, probe);
	int n;

	if (strcmp(current->comm, c->comm))
		return 0;
	n = atomic_inc_return(&c->calls);
	if (n <= c->skip || atomic_dec_if_positive(&c->left) < 0)
		return 0;
	regs->ax = c->err;
	regs->ip = (unsigned long)give_back;
	return 1;
}

/* its being there says that the one before changes where execution goes on: no jump, no shared ftrace in its place */
static void after(struct kprobe *p, struct pt_regs *regs, unsigned long flags)
{
}
#endif

static void clear(void)
{
	while (used)
		unregister_kprobe(&calls[--used].probe);
}

static int add(struct call *c)
{
#ifdef CONFIG_X86_64
	c->probe = (struct kprobe){ .symbol_name = c->name, .pre_handler = entered, .post_handler = after };
	return register_kprobe(&c->probe);
#else
	return -EOPNOTSUPP;
#endif
}

static ssize_t calls_write(struct file *file, const char __user *ub, size_t n, loff_t *pos)
{
	char line[128], what[8], name[64], comm[TASK_COMM_LEN];
	int got, skip = 0, count = 0, err = 0, ret;
	struct call *c;

	if (n >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, ub, n))
		return -EFAULT;
	line[n] = 0;
	mutex_lock(&lock);
	if (sysfs_streq(line, "clear")) {
		clear();
		ret = n;
		goto out;
	}
	ret = -EINVAL;
	got = sscanf(line, "%7s %63s %d %d %d %15s", what, name, &skip, &count, &err, comm);
	if (got == 6 && !strcmp(what, "fail")) {
		if (skip < 0 || count <= 0 || err <= 0 || err > MAX_ERRNO)
			goto out;
	} else if (sscanf(line, "%7s %63s %15s", what, name, comm) != 3 || strcmp(what, "count")) {
		goto out;
	}
	ret = -ENOSPC;
	if (used == MAX_CALLS)
		goto out;
	c = &calls[used];
	strscpy(c->name, name, sizeof(c->name));
	strscpy(c->comm, comm, sizeof(c->comm));
	atomic_set(&c->calls, 0);
	atomic_set(&c->left, count);
	c->skip = skip;
	c->err = -err;
	ret = add(c);
	if (!ret) {
		used++;
		ret = n;
	}
out:
	mutex_unlock(&lock);
	return ret;
}

static int calls_show(struct seq_file *s, void *unused)
{
	int i;

	mutex_lock(&lock);
	for (i = 0; i < used; i++)
		seq_printf(s, "%s %d %d\n", calls[i].name, atomic_read(&calls[i].calls), atomic_read(&calls[i].left));
	mutex_unlock(&lock);
	return 0;
}

static int calls_open(struct inode *inode, struct file *file)
{
	return single_open(file, calls_show, NULL);
}

static const struct file_operations calls_ops = {
	.owner = THIS_MODULE, .open = calls_open, .read = seq_read, .write = calls_write,
	.llseek = seq_lseek, .release = single_release,
};

void cx_calls_init(struct dentry *root)
{
	debugfs_create_file("calls", 0600, root, NULL, &calls_ops);
}

/* debugfs has gone: nobody writes any more */
void cx_calls_exit(void)
{
	clear();
}
