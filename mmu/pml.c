// SPDX-License-Identifier: GPL-2.0
/*
 * Draining the page-modification log.  Pure.
 *
 * The hottest loop there is: once for every page a guest writes.  Entries come
 * in runs that lie in one slot, so the slot is looked up once a run, and what
 * a run needs is kept in registers.
 */
#include "mmu/pml.h"

/* Real CPUs give the low 12 bits as zero, not everything that emulates one does. */
static inline gfn_t entry_gfn(u64 entry)
{
	return (entry & EPT_ADDR_MASK) >> PAGE_SHIFT;
}

/*
 * Records the entries from @entry down to @last as long as they lie in @slot,
 * which is logged, and, @to_ring, up to where the ring wraps; there is room.
 * Returns the first that is left.
 */
static __always_inline const u64 *record_run(const u64 *entry, const u64 *last, struct slot *slot,
					     struct ring *ring, const bool to_ring)
{
	const u64 base = slot->base, npages = slot->npages;
	struct kvm_dirty_gfn *to = NULL;
	unsigned long *dirty = slot->dirty;
	const u32 id = slot->id;
	u32 at = 0;

	if (to_ring) {
		u32 left;

		at = ring->head;
		to = &ring->entries[at & (ring->size - 1)];
		left = ring->entries + ring->size - to;
		if (entry - last >= left)
			last = entry - left + 1;
	}
	for (; entry >= last; entry--) {
		u64 rel = entry_gfn(*entry) - base;

		if (rel >= npages)
			break;
		set_bit(rel, dirty);
		if (to_ring)
			ring_put(ring, to++, at++, id, rel);
	}
	return entry;
}

unsigned int pml_drain(const u64 *log, u16 index, const struct slots *slots, struct ring *ring)
{
	unsigned int count = pml_count(index);
	bool to_ring = ring && ring->entries && ring_has_room(ring, count);
	/* The CPU filled it from the last entry down: that is the order of the writes. */
	const u64 *entry = &log[PML_INDEX_EMPTY], *last = entry - count + 1;

	while (entry >= last) {
		struct slot *slot = slots_find(slots, entry_gfn(*entry));

		if (!slot || !slot_is_logged(slot))
			entry--;
		else if (to_ring)
			entry = record_run(entry, last, slot, ring, true);
		else
			entry = record_run(entry, last, slot, NULL, false);
	}
	return count;
}
