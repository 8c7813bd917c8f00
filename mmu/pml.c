// SPDX-License-Identifier: GPL-2.0
/*
 * Draining the page-modification log.  Pure.
 */
#include "mmu/pml.h"

unsigned int pml_drain(const u64 *log, u16 index, const struct slots *slots, struct ring *ring)
{
	unsigned int i, count = pml_count(index);
	struct slot *slot = NULL;

	/* The CPU filled it from the last entry down: that is the order of the writes. */
	for (i = 0; i < count; i++) {
		/* Real CPUs give the low 12 bits as zero; not everything that emulates one does. */
		gfn_t gfn = (log[PML_INDEX_EMPTY - i] & EPT_ADDR_MASK) >> PAGE_SHIFT;

		if (!slot || !slot_has_gfn(slot, gfn)) {
			slot = slots_find(slots, gfn);
			if (!slot)
				continue;
		}
		dirty_record(slot, gfn - slot->base, ring);
	}
	return count;
}
