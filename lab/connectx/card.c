// SPDX-License-Identifier: GPL-2.0
/*
 * The card's thread, and what wakes it. Commands: a kprobe on iowrite32be sees every ring of a command doorbell, exact
 * and at once. Packets: UAR doorbells are plain stores, so the net_dev_xmit tracepoint says which function has just
 * been given a packet; its queues are then polled for a while. What no hint announces (NOPs of an internal queue,
 * re-armed completion queues) is found by a slow poll of all queues. Of a function that a machine has, no hint comes at all:
 * its command doorbell and queues are polled closely.
 */
#include "connectx.h"
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/tracepoint.h>
#include <linux/vmalloc.h>

#define SLOW_POLL	msecs_to_jiffies(20)

static struct task_struct *task;
static DECLARE_WAIT_QUEUE_HEAD(wait);
static atomic_t wakes = ATOMIC_INIT(0);
static struct tracepoint *xmit_tp;

void cx_wake(void)
{
	atomic_inc(&wakes);
	wake_up(&wait);
}

void cx_request(struct cx_func *f, int flag)
{
	set_bit(flag, &f->flags);
	cx_wake();
}

static int doorbell(struct kprobe *p, struct pt_regs *regs)
{
	u32 val = regs_get_kernel_argument(regs, 0), off;
	unsigned long va = regs_get_kernel_argument(regs, 1);
	struct cx_func *f;
	struct page *pg;

	if (!is_vmalloc_addr((void *)va))
		return 0;
	pg = vmalloc_to_page((void *)va);
	if (!pg)
		return 0;
	f = cx_func_at(page_to_phys(pg) + offset_in_page(va), &off);
	if (!f)
		return 0;
	switch (off) {
	case offsetof(struct mlx5_init_seg, cmdq_addr_h):
		WRITE_ONCE(f->cmdq_h, val);
		break;
	case offsetof(struct mlx5_init_seg, cmdq_addr_l_sz):
		WRITE_ONCE(f->cmdq_l, val);
		if ((val >> MLX5_NIC_IFC_OFFSET & 7) == MLX5_INITIAL_SEG_NIC_INTERFACE_SW_RESET)
			cx_request(f, CX_F_SW_RESET);
		break;
	case offsetof(struct mlx5_init_seg, cmd_dbell):
		atomic_or(val, &f->doorbell);
		cx_request(f, CX_F_DOORBELL);
		break;
	}
	return 0;
}

static struct kprobe probe = { .symbol_name = "iowrite32be", .pre_handler = doorbell };

/* net_dev_xmit(skb, rc, dev, len): the packet is in a send queue, the doorbell rung (or to be rung by the next one) */
static void xmit_hint(void *data, struct sk_buff *skb, int rc, struct net_device *dev, unsigned int len)
{
	struct device *d = dev->dev.parent;
	struct pci_dev *pdev;
	struct cx_func *f;
	bool sf = false, wake = false;
	int i;

	/* a scalable function's device is below its PF's, and does not say which one it is: all of the PF's are meant */
	if (d && !dev_is_pci(d)) {
		d = d->parent;
		sf = true;
	}
	if (!d || !dev_is_pci(d))
		return;
	pdev = to_pci_dev(d);
	f = pdev->bus->ops == &cx_pci_ops ? cx_func_get(pdev->bus, pdev->devfn) : NULL;
	if (!f)
		return;
	if (!sf)
		wake = !test_and_set_bit(CX_F_TX, &f->flags);
	for (i = 0; sf && i < cx_nsfs; i++)
		wake |= !test_and_set_bit(CX_F_TX, &cx_vf(f->pf, CX_SF_BASE + i)->flags);
	if (wake)
		cx_wake();
}

static void find_tp(struct tracepoint *tp, void *priv)
{
	if (!strcmp(tp->name, "net_dev_xmit"))
		xmit_tp = tp;
}

static void tick(void)
{
	u64 ns = ktime_get_ns();
	int i;

	for (i = 0; i < cx_nfuncs(); i++) {
		struct cx_func *f = &cx_funcs[i];

		if (!f->seg)
			continue;
		cx_fw_health(f);
		f->seg->internal_timer_h = cpu_to_be32(ns >> 32);
		f->seg->internal_timer_l = cpu_to_be32(ns);
		cx_irq_retry(f);
	}
}

static bool run_sqs(struct cx_func *f)
{
	struct cx_obj *sq;
	bool work = false;

	list_for_each_entry(sq, &f->sqs, node)
		work |= cx_sq_run(sq);
	return work;
}

/* one round over everything that may have work; all: also over functions without a hint */
static bool run_all(bool all)
{
	bool work = false;
	int i;

	cx_iommu_round();
	cx_sched_round();
	for (i = 0; i < cx_nfuncs(); i++) {
		struct cx_func *f = &cx_funcs[i];

		if (test_and_clear_bit(CX_F_RESET, &f->flags)) {
			cx_fw_reset(f);
			work = true;
		}
		if (test_and_clear_bit(CX_F_SW_RESET, &f->flags)) {
			cx_fw_sw_reset(f);
			work = true;
		}
		if (f->polled && f->seg)
			cx_fw_poll(f);
		if (test_and_clear_bit(CX_F_DOORBELL, &f->flags)) {
			cx_fw_doorbell(f, atomic_xchg(&f->doorbell, 0), false);
			work = true;
		}
		work |= cx_fw_late(f);
		if (!f->seg || list_empty(&f->sqs))
			continue;
		if (test_and_clear_bit(CX_F_TX, &f->flags))
			f->hot = jiffies + CX_HOT;
		if (all || f->polled || time_before(jiffies, f->hot)) {
			bool w = run_sqs(f);

			if (w)
				f->hot = jiffies + CX_HOT;
			work |= w;
		}
	}
	for (i = 0; i < cx_all_ports(); i++)
		work |= cx_wire_run(i);
	work |= cx_ipsec_events();
	work |= cx_cq_flush();
	return work;
}

/*
 * How long to nap, when nothing came idle times: the longer, the longer it is already, 50 us .. 1 ms while hot, and not beyond the time of a late
 * command; 0: until the slow poll.
 */
static u64 nap(unsigned int idle)
{
	ktime_t next = KTIME_MAX;
	bool hot = false;
	u64 ns = 0;
	s64 left;
	int i;

	for (i = 0; i < cx_nfuncs(); i++) {
		hot |= time_before(jiffies, cx_funcs[i].hot) || (cx_funcs[i].polled && cx_funcs[i].seg);
		if (cx_funcs[i].late)
			next = min(next, cx_fw_next(&cx_funcs[i]));
	}
	if (hot)
		ns = min(50u << min(idle / 8, 4u), 1000u) * NSEC_PER_USEC;
	if (next == KTIME_MAX)
		return ns;
	left = max_t(s64, ktime_to_ns(ktime_sub(next, ktime_get())), 1);
	return min_t(u64, left, ns ?: jiffies_to_nsecs(SLOW_POLL));
}

static int card(void *arg)
{
	unsigned long next_tick = jiffies, next_all = jiffies;
	unsigned int idle = 0;
	int seen;
	u64 ns;

	while (!kthread_should_stop()) {
		bool all = time_after_eq(jiffies, next_all);

		if (time_after_eq(jiffies, next_tick)) {
			next_tick = jiffies + HZ / 20;
			tick();
		}
		if (all)
			next_all = jiffies + SLOW_POLL;
		seen = atomic_read(&wakes);
		if (run_all(all)) {
			idle = 0;
			cond_resched();
			continue;
		}
		ns = nap(idle);
		if (ns) {
			idle++;
			wait_event_interruptible_hrtimeout(wait, atomic_read(&wakes) != seen || kthread_should_stop(),
							   ns_to_ktime(ns));
		} else {
			wait_event_interruptible_timeout(wait, atomic_read(&wakes) != seen || kthread_should_stop(),
							 SLOW_POLL);
		}
	}
	return 0;
}

int cx_card_start(void)
{
	int err;

	task = kthread_run(card, NULL, "connectx");
	if (IS_ERR(task))
		return PTR_ERR(task);
	set_user_nice(task, -5);
	err = register_kprobe(&probe);
	if (err) {
		pr_err("connectx_emu: kprobe on %s: %d (CONFIG_KPROBES is needed)\n", probe.symbol_name, err);
		kthread_stop(task);
		return err;
	}
	for_each_kernel_tracepoint(find_tp, NULL);
	if (xmit_tp && tracepoint_probe_register(xmit_tp, xmit_hint, NULL))
		xmit_tp = NULL;
	if (!xmit_tp)
		pr_warn("connectx_emu: no net_dev_xmit tracepoint, transmit is polled\n");
	return 0;
}

void cx_card_stop(void)
{
	if (xmit_tp)
		tracepoint_probe_unregister(xmit_tp, xmit_hint, NULL);
	tracepoint_synchronize_unregister();
	unregister_kprobe(&probe);
	kthread_stop(task);
}
