// SPDX-License-Identifier: GPL-2.0
/*
 * The dirty ring: its size, its memory, and what is given back.  Pure.
 */
#include "mmu/ring.h"

int ring_entries(u64 bytes)
{
	u64 entries = bytes / sizeof(struct kvm_dirty_gfn);

	/* Whole pages of them, as they are mapped; and room beside the reserve. */
	if (!bytes || (bytes & (bytes - 1)) || bytes < PAGE_SIZE || entries < RING_RESERVE)
		return -EINVAL;
	if (entries > RING_MAX_ENTRIES)
		return -E2BIG;
	return entries;
}

int ring_init(struct ring *ring, u32 entries)
{
	*ring = (struct ring){ .size = entries };
	ring->entries = env_shared_alloc(entries * sizeof(*ring->entries));
	return ring->entries ? 0 : -ENOMEM;
}

void ring_destroy(struct ring *ring)
{
	env_shared_free(ring->entries);
	*ring = (struct ring){};
}

bool ring_take_harvested(struct ring *ring, u32 *slot_id, u64 *rel)
{
	struct kvm_dirty_gfn *entry = &ring->entries[ring->tail & (ring->size - 1)];

	/* Userspace may set flags in an entry that was never produced. */
	if (READ_ONCE(ring->head) == ring->tail)
		return false;
	/* Pairs with userspace's store-release of RESET: it has read the entry. */
	if (!(smp_load_acquire(&entry->flags) & KVM_DIRTY_GFN_F_RESET))
		return false;

	*slot_id = READ_ONCE(entry->slot);
	*rel = READ_ONCE(entry->offset);
	WRITE_ONCE(entry->flags, 0);
	/* Pairs with the acquire in ring_used(): the producer fills the entry only after this. */
	smp_store_release(&ring->tail, ring->tail + 1);
	return true;
}
