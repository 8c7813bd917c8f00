// SPDX-License-Identifier: GPL-2.0
/*
 * Memory slots: looking them up, judging a change, and making the next array.
 * Pure.
 */
#include "mmu/slot.h"

struct slot *slots_find(const struct slots *slots, gfn_t gfn)
{
	unsigned int low = 0, high = slots->nr;

	/* The last slot whose base is not above @gfn stands at low - 1. */
	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (slots->slot[mid]->base <= gfn)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low || !slot_has_gfn(slots->slot[low - 1], gfn))
		return NULL;
	return slots->slot[low - 1];
}

/* Does [base, base + npages) touch a slot other than that of @id? */
static bool slots_overlap(const struct slots *slots, gfn_t base, u64 npages, u32 id)
{
	unsigned int i;

	for (i = 0; i < slots->nr; i++) {
		const struct slot *slot = slots->slot[i];

		if (slot->id != id && base < slot->base + slot->npages &&
		    slot->base < base + npages)
			return true;
	}
	return false;
}

/* Alignment, wrapping and limits: what is wrong whatever slots there are. */
static bool region_is_sane(const struct kvm_userspace_memory_region *region, gfn_t max_gfn)
{
	u64 npages = region->memory_size >> PAGE_SHIFT;
	gfn_t base = region->guest_phys_addr >> PAGE_SHIFT;

	if (region->slot >= SLOTS_MAX || (region->flags & ~SLOT_KNOWN_FLAGS))
		return false;
	if ((region->memory_size | region->guest_phys_addr | region->userspace_addr) & ~PAGE_MASK)
		return false;
	if (region->guest_phys_addr + region->memory_size < region->guest_phys_addr ||
	    region->userspace_addr + region->memory_size < region->userspace_addr)
		return false;
	if (npages > SLOT_MAX_PAGES)
		return false;
	return !npages || (base <= max_gfn && npages - 1 <= max_gfn - base);
}

int slots_classify(const struct slots *slots, const struct kvm_userspace_memory_region *region,
		   gfn_t max_gfn)
{
	u64 npages = region->memory_size >> PAGE_SHIFT;
	gfn_t base = region->guest_phys_addr >> PAGE_SHIFT;
	const struct slot *old;
	enum slot_change change;

	if (!region_is_sane(region, max_gfn))
		return -EINVAL;
	old = slots_by_id(slots, region->slot);
	if (!npages)
		return old ? SLOT_DELETE : -EINVAL;
	if (!old) {
		change = SLOT_CREATE;
	} else {
		/* Only place and logging can change (api.rst, KVM_SET_USER_MEMORY_REGION). */
		if (old->npages != npages || old->hva != region->userspace_addr ||
		    (old->flags ^ region->flags) & KVM_MEM_READONLY)
			return -EINVAL;
		if (old->base == base)
			return old->flags == region->flags ? SLOT_NOTHING : SLOT_FLAGS;
		change = SLOT_MOVE;
	}
	return slots_overlap(slots, base, npages, region->slot) ? -EEXIST : change;
}

struct slots *slots_change(const struct slots *old, const struct slot *without, struct slot *with)
{
	unsigned int i, nr = old->nr + !!with;
	struct slots *slots;

	slots = kvzalloc(sizeof(*slots) + nr * sizeof(slots->slot[0]), GFP_KERNEL_ACCOUNT);
	if (!slots)
		return NULL;

	slots->generation = old->generation + 1;
	memcpy(slots->by_id, old->by_id, sizeof(slots->by_id));
	if (without)
		slots->by_id[without->id] = NULL;
	for (i = 0; i <= old->nr; i++) {
		struct slot *next = i < old->nr ? old->slot[i] : NULL;

		if (with && (!next || next->base >= with->base)) {
			slots->slot[slots->nr++] = with;
			slots->by_id[with->id] = with;
			with = NULL;
		}
		if (next && next != without)
			slots->slot[slots->nr++] = next;
	}
	return slots;
}

struct slot *slot_alloc(const struct kvm_userspace_memory_region *region)
{
	struct slot *slot = kvzalloc(sizeof(*slot), GFP_KERNEL_ACCOUNT);

	if (!slot)
		return NULL;
	slot->base = region->guest_phys_addr >> PAGE_SHIFT;
	slot->npages = region->memory_size >> PAGE_SHIFT;
	slot->hva = region->userspace_addr;
	slot->flags = region->flags;
	slot->id = region->slot;
	return slot;
}

unsigned long *slot_bitmap_alloc(u64 npages, bool set)
{
	u64 words = (npages + 63) / 64;
	unsigned long *bitmap = kvzalloc(words * sizeof(*bitmap), GFP_KERNEL_ACCOUNT);

	if (bitmap && set) {
		memset(bitmap, 0xff, words * sizeof(*bitmap));
		/* Bits beyond the slot are never set: a harvest would report them. */
		if (npages % 64)
			bitmap[words - 1] = BIT_ULL(npages % 64) - 1;
	}
	return bitmap;
}

void slot_free(struct slot *slot)
{
	if (!slot)
		return;
	kvfree(slot->dirty);
	kvfree(slot);
}
