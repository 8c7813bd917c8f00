/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VM of one fake vCPU for the tests of single functions: an MMU of a given
 * kind, slots, a ring, and the fake host behind them.
 */
#ifndef VELLUM_UNIT_FIXTURE_H
#define VELLUM_UNIT_FIXTURE_H

#include "fake_cpu.h"
#include "fake_host.h"
#include "mmu/fault.h"
#include "tap.h"

enum fixture_mode { FIX_PML, FIX_SCAN, FIX_WRPROT, FIX_SOFT, NR_FIX_MODES };

struct fixture {
	struct mmu mmu;
	struct host host;
	struct ring ring;
	struct table_cache tables;
	struct fake_cpu cpu;
};

static inline struct slots *fixture_slots(struct fixture *f)
{
	return rcu_dereference(f->host.slots);
}

void fixture_init(struct fixture *f, enum fixture_mode mode);
void fixture_exit(struct fixture *f);
/* Host pages from @index on; KVM_MEM_* in @flags.  Logged slots get a bitmap. */
struct slot *fixture_slot(struct fixture *f, u32 id, gfn_t base, u64 npages, unsigned int index,
			  u32 flags);
/* @old is logged from now on, all its pages dirty or none: what stands in its place. */
struct slot *fixture_relog(struct fixture *f, struct slot *old, bool set);
/* And logged no longer. */
struct slot *fixture_unlog(struct fixture *f, struct slot *old);
int fixture_fault(struct fixture *f, gfn_t gfn, enum cpu_access access);
/* Accesses until it is done: drains the log at each exit.  False: MMIO or an error. */
bool fixture_touch(struct fixture *f, gfn_t gfn, enum cpu_access access);
/* Reads the log, empties it. */
unsigned int fixture_drain(struct fixture *f);
/* Drains, flushes, frees tables. */
void fixture_discharge(struct fixture *f, struct tlb_batch *batch);
u64 fixture_rnd(void);

/* Installs @spte for @gfn in place of @old.  Read lock held. 0, -EAGAIN or -ENOMEM. */
int fixture_map(struct mmu *mmu, gfn_t gfn, u64 old, u64 spte, struct table_cache *cache);

#endif
