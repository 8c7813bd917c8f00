/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The host's side of a mapping: finding its page, hearing when it is taken
 * away, and copying to and from guest memory.  The only file of mmu/ that
 * knows the kernel's memory management; selftests/unit has its own.
 */
#ifndef VELLUM_MMU_HOST_H
#define VELLUM_MMU_HOST_H

#include "mmu/dirty.h"

/* The most that host_get_present() looks for at a time. */
#define HOST_PRESENT_MAX 16

struct host_page {
	hfn_t hfn;
	bool writable;
	int level; /* at which it is to be mapped; the caller's */
};

/*
 * The page at @hva of the current mm, faulted in, with a reference.  @write:
 * for writing.  Without it the page is given as writable where that costs
 * nothing.  May sleep.  0, -EFAULT, -EINTR (a fatal signal); -EAGAIN: lost to a
 * memory error, of which the thread was told by SIGBUS.
 */
int host_get_page(unsigned long hva, bool write, struct host_page *page);
void host_put_page(const struct host_page *page);

/*
 * Pages from @hva on of the current mm, at most @n, as long as they are
 * there and writable for the host; each with a reference, and marked as
 * referenced.  Never sleeps, brings nothing in.  How many.
 */
unsigned int host_get_present(unsigned long hva, unsigned int n, hfn_t *hfn);

/*
 * The level, @max at most, at which the host maps @page and what is around
 * @hva: 1, 2 (2M) or 3 (1G), naturally aligned.  True until the next
 * invalidation of that memory, so it is asked after host_race_begin().
 */
int host_page_level(unsigned long hva, const struct host_page *page, int max);

/* To be sampled before host_get_page(), and asked again under the MMU's lock. */
unsigned long host_race_begin(struct mmu *mmu);
/*
 * True: the @level page around @hva may have been taken away since, in part;
 * look it up again.  Lock held.
 */
bool host_race_lost(const struct mmu *mmu, unsigned long seq, unsigned long hva, int level);

#ifdef __KERNEL__
#include <linux/mmu_notifier.h>
#include <linux/srcu.h>
#include <linux/workqueue.h>

/*
 * What ties an MMU to a process.  @discharge is the VM's: it flushes every
 * vCPU and returns when all have acknowledged; called without the MMU's lock,
 * interrupts on, and it must not sleep (the OOM reaper may be behind it).
 */
struct host {
	struct mmu_notifier notifier;
	struct mm_struct *mm;
	struct mmu *mmu;
	struct srcu_struct srcu;   /* read: whoever uses *slots */
	struct slots __rcu *slots; /* written under the VM's slots_lock */
	gfn_t shrink_next;	   /* where host_shrink() goes on */
	void (*discharge)(struct host *host, struct tlb_batch *batch);
	struct work_struct collapse; /* host_collapse.c */
};

/*
 * The level of the host's mapping at @hva; 1 also where there is none.  @mm has users
 * (mm_users).  Any context; see host_page_level() for how long it is true.
 */
int host_mapping_level(struct mm_struct *mm, unsigned long hva);

/* Of the current mm.  0 or -errno; on success host_exit() is due. */
int host_init(struct host *host, struct mmu *mmu,
	      void (*discharge)(struct host *host, struct tlb_batch *batch));
/* No notifier runs after this, and no slot is left. */
void host_exit(struct host *host);

/*
 * Memory that was logged is mapped by large leaves again: @slot->uncollapsed says
 * of a slot, before it is published, how much of it is to be looked at.  In the
 * background, from host_collapse_start() on until host_exit().
 */
void host_collapse_init(struct host *host);
void host_collapse_start(struct host *host);
/* A bounded part of that.  True: there is more. */
bool host_collapse_step(struct host *host);

/*
 * As if the host invalidated @slot's pages from @first on, at @level, and left
 * them as they are.  Between the two the caller gives back its SRCU lock.
 */
void host_zap_begin(struct host *host, struct slot *slot, gfn_t first, int level,
		    struct tlb_batch *batch);
void host_zap_end(struct host *host, struct tlb_batch *batch);

/*
 * Takes the leaves of up to @max leaf tables away, so that the tables can be
 * freed, and frees them: a hand that goes round the guest's memory.  What the
 * leaves knew is kept as when the host takes a page away; the pages stay the
 * host's, and the guest's next access maps them again.  Returns how many it
 * looked at; fewer than @max: it came to the end of memory, and begins anew.
 *
 * For one caller at a time, interrupts on.  Allocates nothing, takes no lock
 * that is held over an allocation, and so may be called by any.
 */
unsigned long host_shrink(struct host *host, unsigned long max);

/*
 * Publishes @slots in place of the old array, and waits until nobody reads
 * the old one, which the caller then frees.  Under the slots_lock.
 */
struct slots *host_publish(struct host *host, struct slots *slots);

/*
 * Copies from or to guest memory through the owner's mapping; the range may
 * cross pages and slots.  The current mm is the VM's; may sleep; SRCU lock held
 * for @slots.  A write is recorded as dirty.  0 or -EFAULT.
 */
int host_read_guest(const struct slots *slots, gpa_t gpa, void *to, size_t len);
int host_write_guest(const struct slots *slots, gpa_t gpa, const void *from, size_t len,
		     struct ring *ring);
/* The same for @n words of 8 bytes of one page, by their numbers in it. */
int host_read_words(const struct slots *slots, gpa_t page, const u16 *number, unsigned int n,
		    u64 *to);
/*
 * Writes one byte if its page is there, in any context whose mm is the VM's.
 * Not recorded: the caller does that, by host_write_guest(), before a harvest
 * may be the last.  SRCU lock held.
 */
void host_poke_guest(const struct slots *slots, gpa_t gpa, u8 value);

/*
 * Sets @bits in the entry if it is still what it was, as the CPU sets accessed
 * and dirty bits.  0; -EAGAIN: it is not; -EFAULT.  Otherwise as above.
 */
int host_set_guest_bits(const struct slots *slots, const struct guest_entry *entry, u32 bits,
			struct ring *ring);
#endif

#endif
