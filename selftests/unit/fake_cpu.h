/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A CPU that walks the real EPT: A/D bits, a page-modification log, and a TLB
 * with paging-structure caches that forgets nothing until it is told to.  So a
 * flush that is missing shows, which no machine at hand would do.
 */
#ifndef VELLUM_UNIT_FAKE_CPU_H
#define VELLUM_UNIT_FAKE_CPU_H

#include "mmu/pml.h"

#define TLB_ENTRIES 4096
#define TLB_LARGE   16 /* entries for 2M */
#define PSC_ENTRIES 64

enum cpu_access { CPU_READ, CPU_WRITE, CPU_FETCH };
enum cpu_result { CPU_DONE, CPU_VIOLATION, CPU_MISCONFIG, CPU_PML_FULL };

struct tlb_entry {
	gfn_t gfn; /* of a large one: the first of its 2M */
	u32 generation;
	bool dirty; /* a write needs no walk */
	u64 spte;   /* of @gfn */
};

/* A table that the CPU found on a walk and may use again without one. */
struct psc_entry {
	u64 key;
	u32 generation;
	u64 *table;
};

struct fake_cpu {
	u64 *root;
	bool ad;
	u8 level; /* of the largest leaf that it knows */
	bool pml_on;
	u64 low_bits; /* garbage that this CPU leaves in the low bits of a log entry */
	u16 index;    /* PML index */
	u64 log[PML_ENTRIES];
	unsigned int nr_logged;
	gfn_t logged[PML_ENTRIES]; /* what it logged, in its order: the oracle's copy */
	u64 large_walks;	   /* that ended at a large leaf */
	u64 giant_walks;	   /* and at one of 1G */
	u32 generation;
	struct tlb_entry tlb[TLB_ENTRIES];
	struct tlb_entry large[TLB_LARGE];
	struct psc_entry psc[EPT_LEVELS][PSC_ENTRIES];	  /* by the level of the table */
	void (*on_walk)(struct fake_cpu *cpu, gfn_t gfn); /* a translation was made by a walk */
};

void cpu_init(struct fake_cpu *cpu, const struct mmu *mmu);
/* One access.  On CPU_DONE *hfn is the host page that it went to. */
enum cpu_result cpu_access(struct fake_cpu *cpu, gfn_t gfn, enum cpu_access access, hfn_t *hfn);
/* INVEPT. */
void cpu_flush(struct fake_cpu *cpu);
/* The TLB may lose an entry at any time. */
void cpu_evict(struct fake_cpu *cpu, gfn_t gfn);
/* The host page that @gfn is cached as, or 0. */
hfn_t cpu_cached(const struct fake_cpu *cpu, gfn_t gfn);
/* Is any GFN of [first, end)?  The first, or GFN_NONE. */
gfn_t cpu_cached_in(const struct fake_cpu *cpu, gfn_t first, gfn_t end);
/* The log was read: an empty one. */
void cpu_log_reset(struct fake_cpu *cpu);

#endif
