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

#include "ept_bits.h"
#include "types.h"

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
	bool armed;		       /* the event is still to come; atomic */
	u32 watermark;		       /* entries in use that are an event; 0: no event */
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
 * So many entries are in use that whoever asked for it is to be told, and was
 * not yet.  The vCPU's thread, or who holds the slots_lock.
 */
static inline bool ring_event_waits(const struct ring *ring)
{
	if (likely(!ring->watermark) || ring_used(ring) < ring->watermark)
		return false;
	/* Head, then @armed: pairs with ring_arm_event(), of which one sees the other's. */
	smp_mb();
	/* Then the tail that it was armed with: pairs with the exchange there. */
	return smp_load_acquire(&ring->armed) && ring_used(ring) >= ring->watermark;
}

/* The event is the caller's to signal: nobody else gets it. */
static inline bool ring_take_event(struct ring *ring)
{
	return unlikely(ring_event_waits(ring)) && xchg(&ring->armed, false);
}

/* Entries were given back, or the watermark is new: it may come again.  Slots_lock held. */
static inline void ring_arm_event(struct ring *ring)
{
	/* A full barrier: the tail is there, and the caller looks at the head after this. */
	xchg(&ring->armed, true);
}

/*
 * Writes entry number @at and publishes it.  The head moves first: who sees
 * the entry's flags, and gives it back at once, finds it produced.
 */
static inline void ring_put(struct ring *ring, struct kvm_dirty_gfn *entry, u32 at, u32 slot_id,
			    u64 rel)
{
	WRITE_ONCE(entry->slot, slot_id);
	WRITE_ONCE(entry->offset, rel);
	WRITE_ONCE(ring->head, at + 1);
	/* Pairs with userspace's load-acquire of flags: slot, offset and head are there. */
	smp_store_release(&entry->flags, KVM_DIRTY_GFN_F_DIRTY);
}

/*
 * Is there room for @n more?  If not, that is a bug of ours: the reserve was
 * exceeded.  Nothing is overwritten, @lost tells, and the VM cannot go on.
 */
static inline bool ring_has_room(struct ring *ring, u32 n)
{
	if (likely(ring->size - ring_used(ring) >= n))
		return true;
	ring->lost = true;
	return false;
}

/* Appends page @rel of slot @slot_id.  The vCPU's thread only. */
static inline void ring_push(struct ring *ring, u32 slot_id, u64 rel)
{
	u32 at = ring->head;

	if (ring_has_room(ring, 1))
		ring_put(ring, &ring->entries[at & (ring->size - 1)], at, slot_id, rel);
}

/* Userspace has taken over what @entry says. */
static inline bool ring_is_harvested(const struct kvm_dirty_gfn *entry)
{
	/* Pairs with its store-release of RESET: it has read the entry. */
	return smp_load_acquire(&entry->flags) & KVM_DIRTY_GFN_F_RESET;
}

/* Takes the oldest entry if userspace has harvested it.  Under the VM's slots_lock. */
static inline bool ring_take_harvested(struct ring *ring, u32 *slot_id, u64 *rel)
{
	struct kvm_dirty_gfn *entry = &ring->entries[ring->tail & (ring->size - 1)];

	if (!ring_is_harvested(entry))
		return false;
	/* Userspace may set flags in an entry that was never produced. */
	if (READ_ONCE(ring->head) == ring->tail)
		return false;

	*slot_id = READ_ONCE(entry->slot);
	*rel = READ_ONCE(entry->offset);
	WRITE_ONCE(entry->flags, 0);
	/* Pairs with the acquire in ring_used(): the producer fills the entry only after this. */
	smp_store_release(&ring->tail, ring->tail + 1);
	return true;
}

/* Pages @first to @first + @width of a slot. */
struct ring_run {
	u32 slot_id;
	u64 first, width;
};

static_assert(offsetof(struct kvm_dirty_gfn, flags) == 0 &&
	      offsetof(struct kvm_dirty_gfn, slot) == sizeof(u32));

/* Flags, the lower half, and slot of an entry as userspace left them, in one look. */
static inline u64 ring_flags_and_slot(const struct kvm_dirty_gfn *entry)
{
	/* Pairs as in ring_is_harvested(). */
	return smp_load_acquire((const u64 *)entry);
}

/*
 * Takes the entries that follow, at most @max, as long as they are harvested
 * and name pages of @run, and the ring does not wrap; @take gets of each its
 * place in the run.  Their number.  Under the VM's slots_lock.
 */
static __always_inline u32 ring_take_run(struct ring *ring, u32 max, const struct ring_run *run,
					 void (*take)(void *to, u64 page), void *to)
{
	const u64 harvested = (u64)run->slot_id << 32 | KVM_DIRTY_GFN_F_RESET;

	u32 at = ring->tail & (ring->size - 1);
	u32 produced = READ_ONCE(ring->head) - ring->tail;
	struct kvm_dirty_gfn *const from = &ring->entries[at];
	struct kvm_dirty_gfn *entry = from, *end = from + min3(max, produced, ring->size - at);

	for (; entry < end && ring_flags_and_slot(entry) == harvested; entry++) {
		u64 page = READ_ONCE(entry->offset) - run->first;

		if (page >= run->width)
			break;
		WRITE_ONCE(entry->flags, 0);
		take(to, page);
	}
	/* Pairs as in ring_take_harvested(). */
	smp_store_release(&ring->tail, ring->tail + (entry - from));
	return entry - from;
}

#endif
