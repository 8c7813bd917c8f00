/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Trackers: consumers that each want to know what was written since they last
 * looked, at the price of one.  Pure.
 *
 * A write sets one bit, in the slot's records (slot->dirty), however many
 * trackers there are.  Who takes records and arms their pages, whoever it is,
 * tells all the others: each has a bitmap of what it is still owed.  So a
 * tracker is owed what its bitmap says and what the records say, and the ABI
 * (KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG) is one more of them.
 *
 * All of this belongs to who holds the VM's slots_lock: nothing is atomic.
 */
#ifndef VELLUM_MMU_TRACKER_H
#define VELLUM_MMU_TRACKER_H

#include "mmu/slot.h"

/* Trackers of a VM, beside the ABI.  Ids run from 0 to this less one. */
#define TRACKERS_MAX 8

/* One tracker's part of a slot: a bit a page. */
struct view {
	struct pageset owed; /* written since it looked; no set: there is no such tracker */
	struct pageset held; /* taken by it, and neither committed nor given back */
};

struct views {
	struct pageset abi; /* what others took from the records and the ABI has not */
	struct view of[TRACKERS_MAX];
};

/*
 * Tracker @id begins to look at @slot, which is logged.  @all: it is owed every
 * page, for it did not see what was before; else what is written from now on,
 * and the caller has emptied the records (dirty_share()).  0 or -ENOMEM.
 */
int view_add(struct slot *slot, unsigned int id, bool all);
/* It does so no longer; with the last one goes what views cost. */
void view_remove(struct slot *slot, unsigned int id);
/* All of a slot's that is about to be freed. */
void views_free(struct slot *slot);

/* @taken of word @word left the records: every view is owed it, the ABI's too. */
void views_tell(struct views *views, u64 word, u64 taken);

/* The same but for the ABI's, which is told of them now. */
void views_tell_trackers(struct views *views, u64 word, u64 taken);

/* The ABI was told what it is owed beside the records. */
void views_told_abi(struct views *views);

/*
 * What tracker @id is owed of @range is held, from now on; nothing of it was.
 * Returns the number of pages.
 */
u64 view_take(struct slot *slot, unsigned int id, struct word_range range);

/* Is anything of @range held? */
bool view_holds(const struct slot *slot, unsigned int id, struct word_range range);

/*
 * Of what is held of @range, those pages that are in @mask (NULL: all) are held
 * no longer.  @owed: the tracker is owed them again.  Returns their number.
 */
u64 view_settle(struct slot *slot, unsigned int id, struct word_range range,
		const unsigned long *mask, bool owed);

#endif
