/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the threads of threads.c share: one VM of real locks with two slots.
 *
 * Guest memory is a counter a page.  The small slot is logged all the time; its
 * pages move about.  The large one is logged now and then, so that its leaves are
 * split and collapsed; the host maps it by 2M and by 4K in turn.
 */
#ifndef VELLUM_UNIT_THREADS_H
#define VELLUM_UNIT_THREADS_H

#include <sched.h>

#include "fake_cpu.h"
#include "fake_host.h"
#include "flat.h"
#include "mmu/shadow.h"
#include "tap.h"

#define NR_VCPUS     2
#define RING_ENTRIES 1024
#define EPTP	     0x123000ull
#define VIEW_ID	     3

/* The small slot: the host's first pages.  L2 has them in another order. */
#define NPAGES	200
#define BASE	0x1c7
#define L2_BASE 0x7000
/* The large one: by the host's index, by GFN, and where L2's EPT has it, by 2M. */
#define BIG_INDEX   HOST_BLOCK
#define NBIG	    (2 * HOST_BLOCK)
#define BIG_BASE    (8 * HOST_BLOCK)
#define L2_BIG_BASE (16 * HOST_BLOCK)
#define NR_COUNTED  (BIG_INDEX + NBIG)

enum tracker { BITMAP, RING, VIEW, NR_TRACKERS };

struct vcpu {
	struct fake_cpu cpu;
	struct fake_cpu l2; /* the same CPU in L2 */
	struct shadow_vcpu shadow;
	struct ring ring;
	struct table_cache tables;
	u64 random;
	u64 seen_gen;
	int mode;
	u32 exits;
	bool kick;
	u32 fetch;
	u32 writes[NR_COUNTED]; /* by the host's index */
	u64 total;		/* of writes */
	u64 l2_writes;
	u64 l2_logged; /* drained from the log of L2's addresses */
	u64 restored;
	pthread_t thread;
};

struct threads {
	struct mmu mmu;
	struct host host;
	pthread_mutex_t slots_lock;
	struct slot *slot, *big; /* the large one is another at each change of its flags */
	struct vcpu vcpu[NR_VCPUS];
	bool has_ring, stop;
	u64 seed;
	u64 tlb_gen;
	u32 memory[HOST_FRAMES]; /* what stands in each host page */
	/* What each harvester believes; by the host's index. */
	u32 copy[NR_TRACKERS][NR_COUNTED];
	u64 logged_times, collapses, shrunk;
};

extern struct threads threads;

static inline u64 rnd(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static inline bool stopped(void)
{
	return __atomic_load_n(&threads.stop, __ATOMIC_RELAXED);
}

/* What stands in the page that the host has at @index. */
u32 threads_read(unsigned int index);

/* threads_vcpu.c.  A thread's function takes its struct vcpu. */
void *vcpu_thread(void *arg);
/* Every vCPU that is in the guest leaves it, and has read its log. */
void threads_kick(void);
/* As vmx/ does it: raise the generation, kick, free the dead tables. */
void threads_discharge(struct tlb_batch *batch);

/* threads_harvest.c.  Under the slots_lock, but for the threads' functions. */
void *harvester_thread(void *arg);
void *tracker_thread(void *arg);
/* All that is owed to everybody. */
void harvest_all(void);
/* The large slot comes, and its logging goes on or off. */
void toggle_big(void);

/* threads_host.c: the host's memory management, and L1. */
void *invalidator_thread(void *arg);

#endif
