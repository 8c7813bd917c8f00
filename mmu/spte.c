// SPDX-License-Identifier: GPL-2.0
/*
 * Decisions about one SPTE that are more than a mask.  Pure.
 */
#include "mmu/spte.h"

static u64 accessed_leaf(enum spte_kind kind, const struct spte_page *page)
{
	u64 spte = (page->hfn << PAGE_SHIFT) | EPT_R | EPT_X | EPT_MT_WB | EPT_IPAT |
		   ((u64)kind << SPTE_KIND_SHIFT) | SPTE_MMU_WRITABLE;

	if (page->large)
		spte |= EPT_PS;
	if (page->no_exec)
		spte &= ~EPT_X;
	if (kind != SPTE_SOFT)
		spte |= EPT_A;
	if (!page->host_writable)
		return spte;
	spte |= SPTE_HOST_WRITABLE;

	/* By W: what is logged is writable only once it was recorded. */
	if (kind == SPTE_AD || page->write || !page->logged)
		spte |= EPT_W;
	/* Nobody logs it, so spare the CPU the walk that sets D, and PML an entry. */
	if (kind == SPTE_AD && page->write && !page->logged)
		spte |= EPT_D;
	return spte;
}

u64 spte_leaf(enum spte_kind kind, const struct spte_page *page)
{
	u64 spte = accessed_leaf(kind, page);

	/* What ageing takes from a leaf that was writable is no write. */
	return page->ahead ? spte_age(spte) & ~SPTE_WAS_DIRTY : spte;
}

u64 spte_restore(u64 spte, bool write)
{
	if (spte_is_access_tracked(spte)) {
		if (spte & SPTE_SAVED_R)
			spte |= EPT_R;
		if (spte & SPTE_SAVED_X)
			spte |= EPT_X;
		spte &= ~(SPTE_SAVED_R | SPTE_SAVED_X);
	}
	return write ? spte | EPT_W : spte;
}

u64 spte_first_child(u64 spte, int level)
{
	/* Children that are large have one D for many pages: a write has to split them, too. */
	if (level > 2)
		return spte;
	spte &= ~EPT_PS;
	return spte_kind(spte) == SPTE_AD && spte_may_restore_write(spte) ? spte | EPT_W : spte;
}

u64 spte_age(u64 spte)
{
	if (!spte_is_young(spte))
		return spte;
	if (spte_kind(spte) != SPTE_SOFT)
		return spte & ~EPT_A;

	if (spte & EPT_R)
		spte |= SPTE_SAVED_R;
	if (spte & EPT_X)
		spte |= SPTE_SAVED_X;
	if (spte & EPT_W)
		spte |= SPTE_WAS_DIRTY;
	return spte & ~EPT_RWX;
}
