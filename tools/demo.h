/* SPDX-License-Identifier: GPL-2.0 */
/* The host's side of the demo guest (selftests/guest/demo.S). */
#ifndef TOOLS_DEMO_H
#define TOOLS_DEMO_H

#include "lib/cpu.h"
#include "lib/kvm.h"
#include "worker.h"

#define DEMO_VCPUS 8

struct demo_options {
	uint64_t mem_mib;
	unsigned int vcpus;
	uint32_t ring_entries; /* 0: no ring, dirty bitmap */
	uint64_t hot;	       /* pages that get most writes, for each vCPU */
	uint64_t sweep;	       /* one of so many writes goes to the sweep; a power of two */
	uint64_t seed;
};

/* A VM whose memory is one slot, with its vCPUs and their threads. */
struct demo {
	struct vm vm;
	struct mem mem;
	struct vcpu vcpu[DEMO_VCPUS];
	struct worker worker[DEMO_VCPUS];
	unsigned int vcpus;
	/* Written by the threads: */
	volatile uint64_t epochs[DEMO_VCPUS];
	volatile uint32_t reported[DEMO_VCPUS]; /* counter as the guest says it */
	volatile uint32_t command[DEMO_VCPUS];	/* what the guest gets to know next */
	volatile int64_t faults[DEMO_VCPUS];	/* what its check found; -1 before that */
};

/* Makes VM, memory (zero) and vCPUs. Prints a sentence on failure; 0 or -1. */
int demo_open(struct demo *demo, const struct demo_options *options);
void demo_close(struct demo *demo);

/* Puts the guest into memory and makes its vCPUs ready to start. */
int demo_load(struct demo *demo, const struct demo_options *options);

/* The threads. Any of these returns 0, or -1 after it said why. */
int demo_start(struct demo *demo);
int demo_wait_epochs(struct demo *demo, uint64_t epochs);
void demo_pause(struct demo *demo);
void demo_resume(struct demo *demo);
/* Ends the threads, wherever the guest is. */
void demo_stop(struct demo *demo);
/* Lets the guest check itself, and waits for the end of that. */
int demo_self_check(struct demo *demo);
/* Has a thread ended by itself? Says why, and returns -1. */
int demo_failed(struct demo *demo);

int demo_set_logging(struct demo *demo, bool on);

static inline uint64_t demo_pages(const struct demo *demo)
{
	return demo->mem.size / PAGE_SIZE;
}

/*
 * Check all of the guest's memory as the guest's own check does. To be asked
 * when the guest stands at the end of an epoch. Returns the number of faults.
 */
uint64_t demo_check_memory(const struct demo *demo);

/* Sum of the vCPUs' counters as they stand in guest memory at the end of their epochs. */
uint64_t demo_counter(const struct demo *demo);

static inline uint64_t ticks(void)
{
	uint32_t low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

#endif
