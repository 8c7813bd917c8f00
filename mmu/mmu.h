/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The MMU of one VM: its state, its lock, and how its writes are tracked.
 */
#ifndef VELLUM_MMU_MMU_H
#define VELLUM_MMU_MMU_H

#include "mmu/slot.h"
#include "mmu/spte.h"
#include "types.h"

/* What this machine and the module's parameters allow. */
struct mmu_caps {
	bool ad;	  /* EPT A/D bits */
	bool pml;	  /* page-modification logging; only with ad */
	bool l2_pml;	  /* and of what L2 writes; only with pml */
	u8 level;	  /* of the largest leaf: 1 (4K; so is 0), 2 (2M) or 3 (1G) */
	bool large_nx;	  /* large leaves must not be executable */
	bool eager_split; /* large leaves are split when logging begins, not by a write */
};

/*
 * MMU notifier state: faults that looked up the host's page outside the lock
 * must see that it was taken away meanwhile.  Written under the write lock.
 */
struct mmu_race {
	unsigned long seq;   /* invalidations that ended */
	unsigned long count; /* invalidations under way */
	unsigned long start; /* hva range that holds all those under way */
	unsigned long end;
};

struct shadows;

struct mmu {
	rwlock_t lock;
	u64 *root;
	struct mmu_caps caps;
	enum spte_kind kind; /* of every leaf that will be mapped */
	bool logs_l2;	     /* shadow.h: L2's writes are known by D and the CPU's log */
	struct mmu_race race;
	atomic_long_t nr_tables;		 /* shadows' and all */
	atomic_long_t nr_pages[EPT_LEAF_LEVELS]; /* leaves that map a page, by level - 1 */
	atomic_long_t nr_splits;		 /* large leaves that were split, ever */
	atomic_long_t nr_mmio_tables;		 /* tables made for MMIO alone */
	struct shadows *shadows; /* mmu/shadow.h; NULL until the guest is a hypervisor */
};

/*
 * The one place that decides how a VM's writes are tracked.  A ring needs to
 * hear of a write as it happens: D bits without PML cannot tell it, so such a
 * VM is write-protected.
 */
static inline enum spte_kind mmu_choose_kind(struct mmu_caps caps, bool ring)
{
	if (!caps.ad)
		return SPTE_SOFT;
	return caps.pml || !ring ? SPTE_AD : SPTE_WRPROT;
}

/*
 * The same for what L2 writes.  A leaf that goes away knows of writes whose log is
 * still to be drained: a bitmap takes them, a ring nobody may write to then.
 */
static inline bool mmu_choose_logs_l2(struct mmu_caps caps, bool ring)
{
	return caps.l2_pml && caps.pml && !ring;
}

/* D bits are the only record of a write until a harvest reads them. */
static inline bool mmu_scans_d(const struct mmu *mmu)
{
	return mmu->kind == SPTE_AD && !mmu->caps.pml;
}

/* Who takes a D bit away has to tell of the write: a log, if there is one, does not alone. */
static inline bool mmu_reads_d(const struct mmu *mmu)
{
	return mmu_scans_d(mmu) || mmu->logs_l2;
}

/* What the CPU is given for the tables below @root (SDM 3C 25.6.11). */
static inline u64 mmu_eptp(const struct mmu *mmu, const u64 *root)
{
	return env_table_pa(root) | EPTP_MT_WB | EPTP_WALK_4 | (mmu->caps.ad ? EPTP_AD : 0);
}

/* Memory that is mapped, in pages of 4K. */
static inline long mmu_mapped(const struct mmu *mmu)
{
	long mapped = 0;
	int level;

	for (level = 1; level <= EPT_LEAF_LEVELS; level++)
		mapped += atomic_long_read(&mmu->nr_pages[level - 1]) * EPT_LEVEL_PAGES(level);
	return mapped;
}

/*
 * The VM has, or has had, roots beside its own that CPUs may cache translations
 * of: a flush is of all contexts (INVEPT's global type).  Any context.
 */
static inline bool mmu_has_shadows(const struct mmu *mmu)
{
	return READ_ONCE(mmu->shadows);
}

static inline bool mmu_has_large(const struct mmu *mmu)
{
	return atomic_long_read(&mmu->nr_pages[1]) || atomic_long_read(&mmu->nr_pages[2]);
}

#endif
