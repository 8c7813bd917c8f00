/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is counted.  Read by anybody through KVM_GET_STATS_FD; uapi/stats.c has
 * the names.
 */
#ifndef VELLUM_VMX_STATS_H
#define VELLUM_VMX_STATS_H

#include <linux/atomic.h>
#include <linux/minmax.h>

#include "mmu/fault.h"

/* Basic exit reasons are below this; what is not, and entries that failed, count here. */
#define STAT_EXIT_OTHER 80

/*
 * Why a vCPU that could have run did not; what an exit itself and its entry cost
 * the CPU is not in it.
 */
enum stall_cause {
	STALL_NONE,
	STALL_RING_FULL, /* from the exit until the guest is entered again: userspace's time, too */
	STALL_MAP,	 /* a fault that maps, or in vain: the host's time for the page, too */
	STALL_SPLIT,	 /* a fault that splits a large leaf */
	STALL_RESTORE,	 /* a fault that gives back a permission */
	STALL_PML,	 /* its log is read: it was full, or the vCPU left the guest anyway */
	STALL_FLUSH,	 /* made to leave the guest: translations go */
	STALL_DRAIN,	 /* the same: a harvest wants what was written so far */
	STALL_REQUEST,	 /* the same: PML goes on or off, and whatever else all vCPUs are told */
	STALL_CAUSES
};

/* Of a vCPU: written by its own thread alone, so nothing here is atomic. */
struct vcpu_stats {
	u64 exits[STAT_EXIT_OTHER + 1]; /* by exit reason */
	u64 faults[FAULT_KINDS];	/* by enum fault_kind */
	u64 mmio;			/* accesses that were emulated */
	u64 pml_drains;			/* logs that were not empty */
	u64 pml_entries;
	u64 ring_full;
	u64 tlb_flushes;
	u64 requests; /* times that other threads' requests were taken up */
	u64 injections;
	u64 sleeps;		   /* in KVM_RUN: halted, or waiting to be started */
	u64 stalled[STALL_CAUSES]; /* ticks of the host's TSC */
};

/* Of a VM: under slots_lock, but for kicks. */
struct vm_stats {
	u64 gets;	   /* KVM_GET_DIRTY_LOG */
	u64 clears;	   /* KVM_CLEAR_DIRTY_LOG */
	u64 resets;	   /* KVM_RESET_DIRTY_RINGS */
	u64 reset_entries; /* that those gave back */
	atomic64_t kicks;  /* times that vCPUs had to leave the guest for a flush or a drain */
};

/* @reason is the whole exit reason field. */
static inline void stats_count_exit(struct vcpu_stats *stats, u32 reason)
{
	stats->exits[min_t(u32, reason, STAT_EXIT_OTHER)]++;
}

#endif
