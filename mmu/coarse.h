/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Harvests of a slot that is tracked by ranges (slot->coarse): dirty.c's steps for
 * a range instead of a word.  Pure.
 *
 * A range may be mapped by one large leaf, of which there is one D, or one W, for
 * all its pages.  So whoever arms it for the sake of one page either tells of all,
 * or leaves the others a record.
 */
#ifndef VELLUM_MMU_COARSE_H
#define VELLUM_MMU_COARSE_H

#include "mmu/ept.h"

/* @range, and what else there is of the ranges at its ends. */
struct word_range coarse_whole(const struct slot *slot, struct word_range range);

/*
 * Takes the records of words @run, which are whole ranges, arms those that had any,
 * and tells every view of all their pages; so it does @out, if not NULL, which has a
 * word for each.  True: there were any, and a flush is due.  Write lock held.
 */
bool coarse_take_run(struct mmu *mmu, struct slot *slot, struct word_range run, unsigned long *out,
		     struct tlb_batch *batch);

/*
 * KVM_CLEAR_DIRTY_LOG for words @asked_for, which lie in one range: as dirty_clear(),
 * with bit 0 of @mask for the first page of @asked_for.  Write lock held.
 */
void coarse_clear_range(struct mmu *mmu, struct slot *slot, struct word_range asked_for,
			const unsigned long *mask, struct tlb_batch *batch);

/* Pages [first, first + npages) of a slot, written since they were last told of. */
struct coarse_range {
	u64 first;
	u64 npages;
};

/* Room for @max of them, and @n that are there. */
struct coarse_taken {
	struct coarse_range *to;
	unsigned int max, n;
	u64 next; /* the page to begin with, and then to go on with: npages at the end */
};

/*
 * Takes written ranges from @taken->next on, as far as there is room, those that
 * touch being one; arms them, and tells every other view.  Slots_lock held.
 */
void coarse_take_ranges(struct mmu *mmu, struct slot *slot, struct coarse_taken *taken,
			struct tlb_batch *batch);

/* Puts a range back that could not be handed over. */
void coarse_put_back(struct slot *slot, const struct coarse_range *range);

#endif
