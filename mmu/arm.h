/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Arming one leaf: for the files of mmu/ whose loops do nothing else.  Pure.
 */
#ifndef VELLUM_MMU_ARM_H
#define VELLUM_MMU_ARM_H

#include "mmu/spte.h"

/*
 * Was it written since it was last armed?  Write lock held; the CPU may set A
 * and D meanwhile, and a fault may give back W.
 */
static inline bool rearm_leaf(u64 *sptep)
{
	u64 old = READ_ONCE(*sptep), new;

	do {
		/* What this is mostly about, by one comparison. */
		if (likely(spte_is_dirty_ad(old)))
			new = (old & ~EPT_D) | SPTE_WAS_DIRTY;
		else if (spte_was_written(old))
			new = spte_rearm(old);
		else
			return false;
	} while (!try_cmpxchg64(sptep, &old, new));
	return true;
}

/* Was the leaf accessed?  @clear: forget it.  Write lock held. */
static inline bool age_leaf(u64 *sptep, bool clear)
{
	u64 old = READ_ONCE(*sptep);

	do {
		if (!spte_is_young(old))
			return false;
	} while (clear && !try_cmpxchg64(sptep, &old, spte_age(old)));
	return true;
}

#endif
