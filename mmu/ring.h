/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The dirty ring of one vCPU (KVM_CAP_DIRTY_LOG_RING): produced by the vCPU's
 * thread, harvested by userspace through mmap, given back by
 * KVM_RESET_DIRTY_RINGS.  Pure.
 *
 * Userspace can write every entry at any time: what stands there is read once
 * and believed only after it was checked.
 */
#ifndef VELLUM_MMU_RING_H
#define VELLUM_MMU_RING_H

#include "types.h"

#define PML_ENTRIES 512
/*
 * Room kept beyond "full": one PML log, and the software writes that one run
 * of the exit handlers can add to it.
 */
#define RING_RESERVE	 (PML_ENTRIES + 64)
#define RING_MAX_ENTRIES 65536

struct ring {
	struct kvm_dirty_gfn *entries; /* shared with userspace; NULL: no ring */
	u32 size;		       /* of entries; a power of two */
	u32 head;		       /* next to be filled; the vCPU's thread */
	u32 tail;		       /* next to be given back; under the slots_lock */
	bool lost;		       /* an entry found no room: see ring_push() */
};

/* @bytes as KVM_ENABLE_CAP gives it: the number of entries, or -EINVAL, or -E2BIG. */
int ring_entries(u64 bytes);
int ring_init(struct ring *ring, u32 entries);
void ring_destroy(struct ring *ring);

/* Entries in use: produced and not yet given back.  Any thread. */
static inline u32 ring_used(const struct ring *ring)
{
	/* Pairs with the release in ring_take_harvested(): the slot is free for good. */
	return READ_ONCE(ring->head) - smp_load_acquire(&ring->tail);
}

/* The guest may not be entered before userspace made room.  The vCPU's thread. */
static inline bool ring_is_soft_full(const struct ring *ring)
{
	return ring->entries && ring_used(ring) >= ring->size - RING_RESERVE;
}

/*
 * Appends page @rel of slot @slot_id.  The vCPU's thread only.  When there is
 * no room nothing is overwritten and @lost tells: the reserve was exceeded,
 * which is a bug of ours, and the VM cannot go on.
 */
static inline void ring_push(struct ring *ring, u32 slot_id, u64 rel)
{
	struct kvm_dirty_gfn *entry = &ring->entries[ring->head & (ring->size - 1)];

	if (unlikely(ring_used(ring) >= ring->size)) {
		ring->lost = true;
		return;
	}
	WRITE_ONCE(entry->slot, slot_id);
	WRITE_ONCE(entry->offset, rel);
	/* Pairs with userspace's load-acquire of flags: slot and offset are there. */
	smp_store_release(&entry->flags, KVM_DIRTY_GFN_F_DIRTY);
	WRITE_ONCE(ring->head, ring->head + 1);
}

/* Takes the oldest entry if userspace has harvested it.  Under the VM's slots_lock. */
bool ring_take_harvested(struct ring *ring, u32 *slot_id, u64 *rel);

#endif
