/* SPDX-License-Identifier: GPL-2.0 */
/*
 * As much of the kernel as mmu/host.c uses, so that the real one runs against
 * the fake host: page look-up, the MMU notifier, SRCU and user copies.
 */
#ifndef VELLUM_UNIT_FAKE_KERNEL_H
#define VELLUM_UNIT_FAKE_KERNEL_H

#include "env.h"

struct page;
struct mmu_notifier;

struct mmu_notifier_range {
	unsigned long start;
	unsigned long end;
};

/* There is one process, and one notifier. */
struct mm_struct {
	struct mmu_notifier *notifier;
};

struct task_struct {
	struct mm_struct *mm;
	bool killed;
	unsigned long bus_error; /* the address of the last one */
};

extern struct task_struct fake_task;
#define current (&fake_task)

struct mmu_notifier_ops {
	void (*release)(struct mmu_notifier *notifier, struct mm_struct *mm);
	int (*clear_flush_young)(struct mmu_notifier *notifier, struct mm_struct *mm,
				 unsigned long start, unsigned long end);
	int (*clear_young)(struct mmu_notifier *notifier, struct mm_struct *mm, unsigned long start,
			   unsigned long end);
	int (*test_young)(struct mmu_notifier *notifier, struct mm_struct *mm,
			  unsigned long address);
	int (*invalidate_range_start)(struct mmu_notifier *notifier,
				      const struct mmu_notifier_range *range);
	void (*invalidate_range_end)(struct mmu_notifier *notifier,
				     const struct mmu_notifier_range *range);
};

struct mmu_notifier {
	const struct mmu_notifier_ops *ops;
	void *registration;
};

int mmu_notifier_register(struct mmu_notifier *notifier, struct mm_struct *mm);
void mmu_notifier_unregister(struct mmu_notifier *notifier, struct mm_struct *mm);

#define FOLL_WRITE    1u
#define FOLL_HWPOISON 2u
int get_user_pages_fast_only(unsigned long start, int nr, unsigned int flags, struct page **pages);
long get_user_pages_unlocked(unsigned long start, unsigned long nr, struct page **pages,
			     unsigned int flags);
u64 page_to_pfn(const struct page *page);
struct page *pfn_to_page(u64 pfn);
void put_page(struct page *page);
bool PageCompound(const struct page *page);

static inline bool fatal_signal_pending(const struct task_struct *task)
{
	return task->killed;
}

#define BUS_MCEERR_AR 4
static inline int send_sig_mceerr(int code, void *addr, short lsb, struct task_struct *task)
{
	task->bus_error = code == BUS_MCEERR_AR && lsb == PAGE_SHIFT ? (unsigned long)addr : 0;
	return 0;
}

/* Return how much was not copied. */
unsigned long copy_from_user(void *to, const void *from, unsigned long n);
unsigned long copy_to_user(void *to, const void *from, unsigned long n);
#define get_user(x, ptr) (copy_from_user(&(x), ptr, sizeof(*(ptr))) ? -EFAULT : 0)
/* Never sleeps: 0, or -EFAULT where the page is not there for writing. */
long copy_to_user_nofault(void *to, const void *from, unsigned long n);
/* 0, 1: *@pold was not there, -EFAULT by way of the label, as asm/uaccess.h says. */
#define __try_cmpxchg_user(ptr, pold, value, label) \
	({ \
		__label__ label; \
		int cmpxchg_ret = -EFAULT; \
		typeof(*(ptr)) cmpxchg_now; \
		if (copy_from_user(&cmpxchg_now, ptr, sizeof(cmpxchg_now))) \
			goto label; \
		cmpxchg_ret = !try_cmpxchg(ptr, pold, value); \
label: \
		cmpxchg_ret; \
	})
#define offset_in_page(p) ((unsigned long)(p) & ~PAGE_MASK)

/* A test takes the steps of what is queued itself. */
struct work_struct {
	void (*run)(struct work_struct *work);
};

#define INIT_WORK(work, fn)	((work)->run = (fn))
#define queue_work(queue, work) ((void)(work))
#define cancel_work_sync(work)	((void)(work))

static inline bool mmget_not_zero(struct mm_struct *mm)
{
	return true;
}

static inline void mmput(struct mm_struct *mm)
{
	might_sleep();
}

/* Waiting for a reader would be for ever in one thread: it ends the test (fake_host.threads). */
struct srcu_struct {
	int readers;
	void *memory;
};

int init_srcu_struct(struct srcu_struct *srcu);
void cleanup_srcu_struct(struct srcu_struct *srcu);
int srcu_read_lock(struct srcu_struct *srcu);
void srcu_read_unlock(struct srcu_struct *srcu, int idx);
void synchronize_srcu_expedited(struct srcu_struct *srcu);
#define srcu_dereference(p, srcu) ((void)(srcu), rcu_dereference(p))
#define RCU_INIT_POINTER(p, v)	  ((p) = (v))

#endif
