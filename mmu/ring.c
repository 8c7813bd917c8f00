// SPDX-License-Identifier: GPL-2.0
/*
 * The dirty ring: its size and its memory.  Pure.
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
