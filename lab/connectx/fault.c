// SPDX-License-Identifier: GPL-2.0
/*
 * Faults, by debugfs (connectx_emu/): what real cards do on bad days, on demand. The files are written by people and
 * read by the card's thread: numbers without locks, and the rules about commands under one.
 *
 *   commands     "fail OPCODE COUNT STATUS SYNDROME" or "delay OPCODE COUNT MILLISECONDS" adds a rule, "clear" takes all
 *                away; reading lists those that are left
 *   seen         opcode and number of the commands that came, of all functions, since "clear" was written to it
 *   calls        functions of the kernel that fail (callfault.c)
 *   vf_probe_ms  INIT_HCA of a VF takes so long
 *   tls_setup_us the card takes so long to make a key, one after another (keys.c; also the module parameter)
 *   wrong_icv    the next N TLS records and ESP packets sent get a wrong ICV
 *   wrong_byte   one byte of the plain text of the next N TLS records sent is changed before it is encrypted
 *   warn         the next N keys that are made are a warning in the kernel's log
 *   slow_ns      the card takes so long to send 1000 bytes, beside what it takes anyway
 *   still        1: the counters of flows stand still
 *   no_encrypt   1: TLS and ESP leave as plain text, and what is received is said to be decrypted and authentic as it is
 *   pfN/hang     not 0: the firmware of port N's PF stops with this health syndrome until the driver resets it
 *   wireN/       loss, corrupt, reorder: in 1/1000 of the frames, both ways; down: 1 pulls the cable
 *                bit_errors: in 1/1000 of the frames that come in a bit is wrong, which FEC corrects; without FEC they are lost
 */
#include "connectx.h"
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/random.h>
#include <linux/seq_file.h>

#define MAX_RULES	16
#define MAX_OPS		0x1000	/* of no command is the opcode as large */

struct cx_faults cx_faults;
module_param_named(tls_setup_us, cx_faults.tls_setup_us, uint, 0444);
MODULE_PARM_DESC(tls_setup_us, "time that the card takes to make a key, one after another, in microseconds");

static struct rule { bool fail; u16 op; u32 left, arg, synd; } rules[MAX_RULES];
static DEFINE_SPINLOCK(lock);
static struct dentry *root;
static u32 seen[MAX_OPS];

static struct rule *find(u16 op, bool fail)
{
	int i;

	for (i = 0; i < MAX_RULES; i++)
		if (rules[i].left && rules[i].op == op && rules[i].fail == fail)
			return &rules[i];
	return NULL;
}

/* the status with which a command is to fail, and the syndrome; 0: it is not */
int cx_fault_status(u16 op, u32 *synd)
{
	struct rule *r;
	int st = 0;

	spin_lock(&lock);
	if (op < MAX_OPS)
		seen[op]++;
	r = find(op, true);
	if (r) {
		r->left--;
		st = r->arg;
		*synd = r->synd;
	}
	spin_unlock(&lock);
	return st;
}

/* nanoseconds by which a command is to be late, whatever it does */
u64 cx_fault_delay(struct cx_func *f, void *in)
{
	u16 op = MLX5_GET(mbox_in, in, opcode);
	struct rule *r;
	u64 ns = 0;

	spin_lock(&lock);
	r = find(op, false);
	if (r) {
		r->left--;
		ns = (u64)r->arg * NSEC_PER_MSEC;
	}
	spin_unlock(&lock);
	if (op == MLX5_CMD_OP_INIT_HCA && f->is_vf)
		ns += (u64)READ_ONCE(cx_faults.vf_probe_ms) * NSEC_PER_MSEC;
	return ns;
}

/* one of a count that people set is used up */
bool cx_fault_take(u32 *n)
{
	if (!READ_ONCE(*n))
		return false;
	WRITE_ONCE(*n, *n - 1);
	return true;
}

/* the lab's machine does not take this one, by its name, for an error of the kernel (lab/internal/guest/kmsg.go) */
noinline void cx_fault_warn(void)
{
	WARN(cx_fault_take(&cx_faults.warn), "connectx_emu: a warning that was asked for\n");
}

void cx_fault_slow(u32 bytes)
{
	u64 ns = (u64)READ_ONCE(cx_faults.slow_ns) * bytes / 1000;

	for (; ns > NSEC_PER_MSEC; ns -= NSEC_PER_MSEC)
		udelay(USEC_PER_MSEC);
	ndelay(ns);
}

/* per: in 1/1000 */
bool cx_fault_chance(u32 per)
{
	return per && get_random_u32() % 1000 < per;
}

static ssize_t commands_write(struct file *file, const char __user *ub, size_t n, loff_t *pos)
{
	struct rule r = { .synd = 0 };
	char line[80], what[8];
	int i, got, op;

	if (n >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, ub, n))
		return -EFAULT;
	line[n] = 0;
	if (sysfs_streq(line, "clear")) {
		spin_lock(&lock);
		memset(rules, 0, sizeof(rules));
		spin_unlock(&lock);
		return n;
	}
	got = sscanf(line, "%7s %i %u %i %i", what, &op, &r.left, &r.arg, &r.synd);
	r.fail = got == 5 && !strcmp(what, "fail");
	if ((!r.fail && (got != 4 || strcmp(what, "delay"))) || !r.left || op < 0 || op > 0xffff || (r.fail && !r.arg))
		return -EINVAL;
	r.op = op;
	spin_lock(&lock);
	for (i = 0; i < MAX_RULES && rules[i].left; i++)
		;
	if (i < MAX_RULES)
		rules[i] = r;
	spin_unlock(&lock);
	return i < MAX_RULES ? n : -ENOSPC;
}

static int commands_show(struct seq_file *s, void *unused)
{
	int i;

	spin_lock(&lock);
	for (i = 0; i < MAX_RULES; i++)
		if (rules[i].left && rules[i].fail)
			seq_printf(s, "fail 0x%x %u %u 0x%x\n", rules[i].op, rules[i].left, rules[i].arg, rules[i].synd);
		else if (rules[i].left)
			seq_printf(s, "delay 0x%x %u %u\n", rules[i].op, rules[i].left, rules[i].arg);
	spin_unlock(&lock);
	return 0;
}

static int commands_open(struct inode *inode, struct file *file)
{
	return single_open(file, commands_show, NULL);
}

static const struct file_operations commands_ops = {
	.owner = THIS_MODULE, .open = commands_open, .read = seq_read, .write = commands_write,
	.llseek = seq_lseek, .release = single_release,
};

static ssize_t seen_write(struct file *file, const char __user *ub, size_t n, loff_t *pos)
{
	char line[8];

	if (n >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, ub, n))
		return -EFAULT;
	line[n] = 0;
	if (!sysfs_streq(line, "clear"))
		return -EINVAL;
	spin_lock(&lock);
	memset(seen, 0, sizeof(seen));
	spin_unlock(&lock);
	return n;
}

static int seen_show(struct seq_file *s, void *unused)
{
	int op;

	for (op = 0; op < MAX_OPS; op++)
		if (READ_ONCE(seen[op]))
			seq_printf(s, "0x%x %u\n", op, READ_ONCE(seen[op]));
	return 0;
}

static int seen_open(struct inode *inode, struct file *file)
{
	return single_open(file, seen_show, NULL);
}

static const struct file_operations seen_ops = {
	.owner = THIS_MODULE, .open = seen_open, .read = seq_read, .write = seen_write,
	.llseek = seq_lseek, .release = single_release,
};

static int down_get(void *data, u64 *v)
{
	*v = READ_ONCE(*(u32 *)data);
	return 0;
}

/* the cable is looked at by the card's thread */
static int down_set(void *data, u64 v)
{
	WRITE_ONCE(*(u32 *)data, !!v);
	cx_wake();
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(down_ops, down_get, down_set, "%llu\n");

void cx_fault_init(void)
{
	struct dentry *d;
	char name[8];
	int i;

	root = debugfs_create_dir("connectx_emu", NULL);
	debugfs_create_file("commands", 0600, root, NULL, &commands_ops);
	debugfs_create_file("seen", 0600, root, NULL, &seen_ops);
	cx_calls_init(root);
	debugfs_create_u32("vf_probe_ms", 0600, root, &cx_faults.vf_probe_ms);
	debugfs_create_u32("tls_setup_us", 0600, root, &cx_faults.tls_setup_us);
	debugfs_create_u32("wrong_icv", 0600, root, &cx_faults.wrong_icv);
	debugfs_create_u32("wrong_byte", 0600, root, &cx_faults.wrong_byte);
	debugfs_create_u32("warn", 0600, root, &cx_faults.warn);
	debugfs_create_u32("slow_ns", 0600, root, &cx_faults.slow_ns);
	debugfs_create_bool("still", 0600, root, &cx_faults.still);
	debugfs_create_bool("no_encrypt", 0600, root, &cx_faults.no_encrypt);
	for (i = 0; i < cx_all_ports(); i++) {
		snprintf(name, sizeof(name), "pf%d", i);
		d = debugfs_create_dir(name, root);
		debugfs_create_u32("hang", 0600, d, &cx_vf(i, 0)->hang);
		snprintf(name, sizeof(name), "wire%d", i);
		d = debugfs_create_dir(name, root);
		debugfs_create_u32("loss", 0600, d, &cx_faults.wire[i].loss);
		debugfs_create_u32("corrupt", 0600, d, &cx_faults.wire[i].corrupt);
		debugfs_create_u32("reorder", 0600, d, &cx_faults.wire[i].reorder);
		debugfs_create_u32("bit_errors", 0600, d, &cx_faults.wire[i].bit_errors);
		debugfs_create_file_unsafe("down", 0600, d, &cx_faults.wire[i].down, &down_ops);
	}
}

void cx_fault_exit(void)
{
	debugfs_remove(root);
	cx_calls_exit();
	memset(rules, 0, sizeof(rules));
}
