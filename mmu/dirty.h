/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From a write to a record, and from a record to a harvest.  Pure.
 *
 * A harvest (get, clear, reset) takes records and re-arms their pages under
 * the MMU's write lock, in batches; the caller discharges the batch before it
 * lets userspace see the result (invariant 2).  Harvests and slot changes of a
 * VM are serialised by its slots_lock.
 */
#ifndef VELLUM_MMU_DIRTY_H
#define VELLUM_MMU_DIRTY_H

#include "mmu/ept.h"
#include "mmu/ring.h"
#include "mmu/tracker.h"

/* dirty_record() of a coarse slot: see coarse.h. */
void coarse_record(struct slot *slot, u64 rel, struct ring *ring);

/*
 * Page @rel of @slot was written.  @ring is the writing vCPU's, or NULL where
 * there is none or no vCPU wrote.  The vCPU's thread for a ring, else any.
 */
static inline void dirty_record(struct slot *slot, u64 rel, struct ring *ring)
{
	if (!slot_is_logged(slot))
		return;
	if (unlikely(slot->coarse)) {
		coarse_record(slot, rel, ring);
		return;
	}
	pageset_add(&slot->dirty, rel);
	if (ring && ring->entries)
		ring_push(ring, slot->id, rel);
}

/* Logging begins: arms every leaf.  The batch always asks for a flush (invariant 4). */
void dirty_start(struct mmu *mmu, struct slot *slot, struct tlb_batch *batch);

/*
 * When it returns there is a record of every write to @range that was permitted,
 * or made, before.
 */
void dirty_see_writes(struct mmu *mmu, struct slot *slot, struct word_range range);

/* What KVM_GET_DIRTY_LOG took: the words of each block of @block, one block behind the other. */
struct dirty_taken {
	unsigned long *block; /* as in struct pageset */
	unsigned long *word;
};

/*
 * KVM_GET_DIRTY_LOG, where the slot has no views: takes the records and arms their
 * pages.  0; or -ENOMEM, and nothing is taken.  dirty_taken_free() is due.
 */
int dirty_get(struct mmu *mmu, struct slot *slot, struct dirty_taken *taken,
	      struct tlb_batch *batch);
/* Puts records back that could not be handed over. */
void dirty_put_back(struct slot *slot, const struct dirty_taken *taken);
void dirty_taken_free(struct dirty_taken *taken);

/*
 * KVM_GET_DIRTY_LOG under manual protect: nothing is taken.  When it returns
 * @slot->dirty tells of every write that was permitted, or made, before the
 * call, and can be copied as it stands; with it goes views->abi.
 */
void dirty_peek(struct mmu *mmu, struct slot *slot);

/*
 * Before a tracker, or the ABI beside trackers, is asked what it is owed of
 * @range: takes what is recorded there, arms the pages, and tells every view.
 */
void dirty_share(struct mmu *mmu, struct slot *slot, struct word_range range,
		 struct tlb_batch *batch);

/*
 * Userspace wrote pages [first, first + npages) of @slot itself, those in @mask
 * (bit 0 = page @first; NULL: all), and has done so.  The slot is logged.  With
 * a @ring they go there, too, as long as it is not full, by the vCPU's thread.
 * Returns how many pages of the range were looked at: all but where a ring is
 * full.  Slots_lock or SRCU held.
 */
u64 dirty_mark(struct slot *slot, u64 first, u64 npages, const unsigned long *mask,
	       struct ring *ring);

/*
 * KVM_CLEAR_DIRTY_LOG for pages [first, first + npages): takes and arms those
 * whose bit is set in @mask (bit 0 = page @first; the kernel's own memory) and
 * in the log.  @first is a multiple of 64; so is @npages, or it ends the slot.
 */
void dirty_clear(struct mmu *mmu, struct slot *slot, u64 first, u64 npages,
		 const unsigned long *mask, struct tlb_batch *batch);

/*
 * KVM_RESET_DIRTY_RINGS for one ring: gives back every harvested entry and
 * arms its page.  An entry that names no page of a logged slot of now (slot
 * gone, or written by userspace) is given back and arms nothing.  Returns the
 * number given back, @most at most; there are no more if it is less.
 */
u32 dirty_reset_some(struct mmu *mmu, const struct slots *slots, struct ring *ring, u32 most,
		     struct tlb_batch *batch);

static inline u32 dirty_reset(struct mmu *mmu, const struct slots *slots, struct ring *ring,
			      struct tlb_batch *batch)
{
	return dirty_reset_some(mmu, slots, ring, ring->size, batch);
}

#endif
