/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An EPT violation or misconfiguration, from the GPA to an SPTE that lets the
 * access through.
 */
#ifndef VELLUM_MMU_FAULT_H
#define VELLUM_MMU_FAULT_H

#include "mmu/dirty.h"

/* What became of a fault, for who counts and traces. */
enum fault_kind {
	FAULT_RETRIED,	/* nothing: a race was lost, a slot goes, or an error */
	FAULT_RESTORED, /* the page was there: write permission was given back */
	FAULT_MAPPED,	/* the host's page was looked up and mapped */
	FAULT_SPLIT,	/* the same, where a large leaf stood, which was split for it */
	FAULT_EMULATED, /* FAULT_MMIO */
	FAULT_KINDS
};

struct fault {
	gpa_t gpa;
	bool write;
	bool fetch;
	bool lend; /* a shadow leaf is to be made of it (shadow.h): no access of this guest's */
	enum fault_kind kind; /* out */
};

enum fault_result {
	FAULT_FIXED = 0, /* enter the guest again (also after a lost race) */
	FAULT_MMIO = 1,	 /* no memory there, or a write to a read-only slot: emulate */
};

/*
 * Gives back what logging or access tracking took, without a lock, and records
 * a write that was permitted so; false: mmu_fault() is due.  The vCPU's thread
 * in a burst (interrupts off, in the guest as far as others can see), so that
 * every flush and every drain waits until this is over; SRCU lock held for
 * @slots.  Sets @fault->kind.
 */
bool mmu_restore(struct mmu *mmu, const struct slots *slots, struct fault *fault,
		 struct ring *ring);

/*
 * Resolves @fault.  The vCPU's thread, in the VM owner's mm, interrupts on,
 * may sleep; SRCU lock held for @slots.  @tables is the vCPU's cache, @ring its
 * ring or NULL.  Sets @fault->kind.  Returns an enum fault_result, or -EFAULT
 * (the host has no page there), -EINTR (a fatal signal), -ENOMEM.
 */
int mmu_fault(struct mmu *mmu, const struct slots *slots, struct fault *fault,
	      struct table_cache *tables, struct ring *ring);

/*
 * The part of it that needs no sleep: is @gpa's entry a current MMIO one?  Any
 * context that may take the read lock.
 */
bool mmu_is_mmio(struct mmu *mmu, const struct slots *slots, gpa_t gpa);

#endif
