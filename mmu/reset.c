// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_RESET_DIRTY_RINGS: entries are given back and their pages armed, one
 * after the other as they stand in the ring.  Pure.
 */
#include "mmu/arm.h"
#include "mmu/dirty.h"
#include "mmu/rmap.h"
#include "mmu/walk.h"

/* A slot that entries name, and its number; looked up when the number changes. */
struct named_slot {
	struct slot *slot; /* logged, or NULL */
	u32 id;
};

static void name_slot(struct named_slot *named, const struct slots *slots, u32 id)
{
	if (named->slot && id == named->id)
		return;
	named->id = id;
	named->slot = slots_by_id(slots, id);
	if (named->slot && !slot_is_logged(named->slot))
		named->slot = NULL;
}

/* Of @leaves, that of @page.  Whoever resets flushes, whether or not it changed. */
static void arm_page(void *leaves, u64 page)
{
	rearm_leaf((u64 *)leaves + page);
}

/* Leaves that shadows made of the same pages, and what each of them needs. */
struct shadowed {
	u64 *leaves;
	struct mmu *mmu;
	gfn_t first;
	struct tlb_batch *batch;
};

static void arm_shadowed_page(void *to, u64 page)
{
	struct shadowed *run = to;

	rearm_leaf(&run->leaves[page]);
	rmap_rearm_mask(run->mmu, run->first + page, 1, run->batch);
}

/*
 * The entries that follow one of page @rel, as long as they name pages of its
 * slot whose leaves stand in one table with its own: the table is looked up
 * once for all.  At most @max; their number.
 */
static u32 reset_run(struct mmu *mmu, const struct named_slot *named, u64 rel, struct ring *ring,
		     u32 max)
{
	struct tlb_batch batch = TLB_BATCH_INIT; /* whoever resets flushes */
	const struct slot *slot = named->slot;
	gfn_t first = ALIGN_DOWN(slot->base + rel, EPT_TABLE_ENTRIES);
	gfn_t end = min(first + EPT_TABLE_ENTRIES, slot->base + slot->npages);
	u64 *table = leaf_table(mmu, first);
	struct ring_run run = { .slot_id = named->id };

	if (!table)
		return 0;
	first = max(first, slot->base);
	run.first = first - slot->base;
	run.width = end - first;
	table += index_at(first, 1);
	if (unlikely(mmu->shadows)) {
		struct shadowed shadowed = { table, mmu, first, &batch };

		return ring_take_run(ring, max, &run, arm_shadowed_page, &shadowed);
	}
	return ring_take_run(ring, max, &run, arm_page, table);
}

/* The range that page @rel stands for. */
static void arm_coarse(struct mmu *mmu, const struct slot *slot, u64 rel, struct tlb_batch *batch)
{
	u64 first = rel & -SLOT_RANGE_PAGES, end = min(first + SLOT_RANGE_PAGES, slot->npages);

	ept_rearm_range(mmu, slot->base + first, slot->base + end, NULL, batch);
}

/*
 * Gives back at most @max entries, and arms their pages.  What userspace left
 * in an entry is believed no further than that it names a page of a logged
 * slot.  Write lock held.
 */
static u32 reset_batch(struct mmu *mmu, const struct slots *slots, struct ring *ring, u32 max,
		       struct tlb_batch *batch)
{
	struct named_slot named = {};
	u32 id, count = 0;
	u64 rel;

	while (count < max && ring_take_harvested(ring, &id, &rel)) {
		count++;
		name_slot(&named, slots, id);
		if (!named.slot || rel >= named.slot->npages)
			continue;
		if (unlikely(named.slot->coarse)) {
			arm_coarse(mmu, named.slot, rel, batch);
			continue;
		}
		ept_rearm_mask(mmu, named.slot->base + rel, 1, batch);
		count += reset_run(mmu, &named, rel, ring, max - count);
	}
	return count;
}

u32 dirty_reset_some(struct mmu *mmu, const struct slots *slots, struct ring *ring, u32 most,
		     struct tlb_batch *batch)
{
	u32 max, taken, count = 0;

	/* A ring that userspace refills while it is drained could last for ever. */
	most = min(most, ring->size);
	do {
		max = min_t(u32, PML_ENTRIES, most - count);
		write_lock(&mmu->lock);
		taken = reset_batch(mmu, slots, ring, max, batch);
		write_unlock(&mmu->lock);
		cond_resched();
		count += taken;
	} while (taken == max && count < most);
	if (count)
		batch->flush = true;
	return count;
}
