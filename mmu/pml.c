// SPDX-License-Identifier: GPL-2.0
/*
 * Draining the page-modification log.  Pure.
 *
 * The hottest loop there is: once for every page a guest writes.  Entries come
 * in runs that lie in one block of one slot (mmu/pageset.h), so the slot is looked
 * up, and the block told of, once a run, and what a run needs is kept in registers.
 */
#include "mmu/pml.h"

/* Real CPUs give the low 12 bits as zero, not everything that emulates one does. */
static inline gfn_t entry_gfn(u64 entry)
{
	return entry >> PAGE_SHIFT;
}

/*
 * The log is read from its end down: @end is one above the next entry, which is
 * of @slot; that is logged.  Records the entries down to @last as long as they
 * lie in the first one's block and, @to_ring, up to where the ring wraps; there
 * is room.  Returns the new end.
 */
static __always_inline const u64 *record_run(const u64 *end, const u64 *last, struct slot *slot,
					     struct ring *ring, const bool to_ring)
{
	const u64 first = (entry_gfn(end[-1]) - slot->base) & -PAGESET_BLOCK_PAGES;
	const u64 base = slot->base + first, width = min(slot->npages - first, PAGESET_BLOCK_PAGES);
	unsigned long *dirty = slot->dirty.word + first / 64;
	struct kvm_dirty_gfn *to = NULL;
	const u32 id = slot->id;
	u32 at = 0;

	if (to_ring) {
		u32 left;

		at = ring->head;
		to = &ring->entries[at & (ring->size - 1)];
		left = ring->entries + ring->size - to;
		if (end - last > left)
			last = end - left;
	}
	for (; end > last; end--) {
		u64 page = entry_gfn(end[-1]) - base;

		if (page >= width)
			break;
		set_bit(page, dirty);
		if (to_ring)
			ring_put(ring, to++, at++, id, first + page);
	}
	pageset_tell(&slot->dirty, first);
	return end;
}

unsigned int pml_drain(const u64 *log, u16 index, const struct slots *slots, struct ring *ring)
{
	unsigned int count = pml_count(index);
	bool to_ring = ring && ring->entries && ring_has_room(ring, count);
	/* The CPU filled it from the last entry down: that is the order of the writes. */
	const u64 *end = &log[PML_INDEX_EMPTY + 1], *last = end - count;
	struct slot *slot = NULL;

	while (end > last) {
		gfn_t gfn = entry_gfn(end[-1]);

		if (!slot || !slot_has_gfn(slot, gfn))
			slot = slots_find(slots, gfn);
		if (!slot || !slot_is_logged(slot))
			end--;
		else if (unlikely(slot->coarse))
			dirty_record(slot, entry_gfn(*--end) - slot->base, to_ring ? ring : NULL);
		else if (to_ring)
			end = record_run(end, last, slot, ring, true);
		else
			end = record_run(end, last, slot, NULL, false);
	}
	return count;
}
