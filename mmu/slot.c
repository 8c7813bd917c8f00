// SPDX-License-Identifier: GPL-2.0
/*
 * Memory slots: looking them up, judging a change, and making the next array.
 * Pure.
 */
#include "ept_bits.h"
#include "mmu/tracker.h"

/* A change of the slots, and the order that is being made of them. */
struct slots_edit {
	const struct slot *without;
	struct slot *with;
	bool hva;
};

int slot_level(const struct slot *slot, gfn_t gfn, int max)
{
	u64 unlike = slot->base ^ slot->hva >> PAGE_SHIFT;
	int level;

	/* No leaf is of more than one range. */
	if (slot->coarse)
		max = min(max, 2);
	for (level = max; level > 1; level--) {
		u64 pages = EPT_LEVEL_PAGES(level);
		gfn_t first = gfn & -pages;

		if (!(unlike & (pages - 1)) && first >= slot->base &&
		    first - slot->base + pages <= slot->npages)
			break;
	}
	return max(level, 1);
}

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
		if (old->coarse && !slot_may_be_coarse(base))
			return -EINVAL;
		change = SLOT_MOVE;
	}
	return slots_overlap(slots, base, npages, region->slot) ? -EEXIST : change;
}

unsigned int slots_by_hva(const struct slots *slots, unsigned long end)
{
	unsigned int low = 0, high = slots->nr;

	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (slots->by_hva[mid]->hva < end)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct slot *slots_next_hva(const struct slots *slots, unsigned long start, unsigned int *at)
{
	while (*at && slots->reach[*at - 1] >= start) {
		struct slot *slot = slots->by_hva[--*at];

		if (slot_hva_last(slot) >= start)
			return slot;
	}
	return NULL;
}

/* Two orders of the same slots in one allocation, and behind them how far they reach. */
static struct slots *slots_alloc(unsigned int nr)
{
	size_t each = 2 * sizeof(struct slot *) + sizeof(unsigned long);
	struct slots *slots = kvzalloc(sizeof(*slots) + nr * each, GFP_KERNEL_ACCOUNT);

	if (slots) {
		slots->by_hva = slots->slot + nr;
		slots->reach = (unsigned long *)(slots->by_hva + nr);
	}
	return slots;
}

static u64 slot_key(const struct slot *slot, bool hva)
{
	return hva ? slot->hva : slot->base;
}

/* @from, which is in order, without @without and with @with, to @to.  Returns how many. */
static unsigned int merge(struct slot **to, struct slot *const *from, unsigned int nr,
			  const struct slots_edit *change)
{
	struct slot *with = change->with;
	unsigned int i, n = 0;

	for (i = 0; i <= nr; i++) {
		struct slot *next = i < nr ? from[i] : NULL;

		if (with && (!next || slot_key(next, change->hva) >= slot_key(with, change->hva))) {
			to[n++] = with;
			with = NULL;
		}
		if (next && next != change->without)
			to[n++] = next;
	}
	return n;
}

struct slots *slots_change(const struct slots *old, const struct slot *without, struct slot *with)
{
	struct slots_edit change = { .without = without, .with = with };
	struct slots *slots = slots_alloc(old->nr + !!with);
	unsigned long reach = 0;
	unsigned int i;

	if (!slots)
		return NULL;

	slots->generation = old->generation + 1;
	memcpy(slots->by_id, old->by_id, sizeof(slots->by_id));
	if (without)
		slots->by_id[without->id] = NULL;
	if (with)
		slots->by_id[with->id] = with;
	slots->nr = merge(slots->slot, old->slot, old->nr, &change);
	change.hva = true;
	merge(slots->by_hva, old->by_hva, old->nr, &change);
	for (i = 0; i < slots->nr; i++) {
		reach = max(reach, slot_hva_last(slots->by_hva[i]));
		slots->reach[i] = reach;
		slots->npages += slots->by_hva[i]->npages;
	}
	return slots;
}

void slot_set_range_dirty(struct slot *slot, u64 rel)
{
	struct word_range range = slot_range_words(slot, rel / 64);

	for (; range.first < range.end; range.first++)
		pageset_add_word(&slot->dirty, range.first, slot_word_mask(slot, range.first));
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

void slot_free(struct slot *slot)
{
	if (!slot)
		return;
	views_free(slot);
	pageset_free(&slot->dirty);
	kvfree(slot);
}
