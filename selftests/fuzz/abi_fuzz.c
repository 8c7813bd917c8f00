// SPDX-License-Identifier: GPL-2.0
/*
 * What a caller can hand in as it likes: memory regions of any value one after
 * the other, and a ring whose entries it writes at any moment.
 */
#include "mmu/dirty.h"

#define MAX_GFN	     0xffffffull
#define MAX_SLOTS    64
#define RING_ENTRIES 1024

static void demand(bool truth)
{
	if (!truth)
		__builtin_trap();
}

static void check_slots(const struct slots *slots)
{
	unsigned int i, n = 0;
	gfn_t end = 0;

	for (i = 0; i < slots->nr; i++) {
		const struct slot *slot = slots->slot[i];

		demand(slot->npages && slot->base >= end);
		end = slot->base + slot->npages;
		demand(end > slot->base && end <= MAX_GFN + 1);
		demand(slot->hva + (slot->npages << PAGE_SHIFT) > slot->hva);
		demand(slots_find(slots, slot->base) == slot);
		demand(slots_find(slots, end - 1) == slot);
		demand(slots_by_id(slots, slot->id) == slot);
	}
	for (i = 0; i < SLOTS_MAX; i++)
		n += !!slots_by_id(slots, i);
	demand(n == slots->nr);
	demand(!slots_find(slots, end) && !slots_find(slots, ~0ull));
}

static struct slots *change(struct slots *slots, const struct kvm_userspace_memory_region *region)
{
	int what = slots_classify(slots, region, MAX_GFN);
	struct slot *old = slots_by_id(slots, region->slot), *with = NULL;
	struct slots *next;

	demand(what >= SLOT_NOTHING || what == -EINVAL || what == -EEXIST);
	if (what <= SLOT_NOTHING || slots->nr >= MAX_SLOTS)
		return slots;
	demand(what == SLOT_CREATE ? !old : !!old);
	if (what != SLOT_DELETE)
		with = slot_alloc(region);
	next = slots_change(slots, old, with);
	demand(next && (with || what == SLOT_DELETE));
	demand(next->nr == slots->nr + !!with - !!old);
	slot_free(old);
	kvfree(slots);
	check_slots(next);
	return next;
}

static void fuzz_regions(const u8 *data, size_t size)
{
	struct slots *slots = kvzalloc(sizeof(*slots), GFP_KERNEL);
	struct kvm_userspace_memory_region region;
	unsigned int i;

	for (; size >= sizeof(region) + 1; data += sizeof(region) + 1, size -= sizeof(region) + 1) {
		memcpy(&region, data + 1, sizeof(region));
		/* Mostly something that can be granted. */
		if (data[0] & 1)
			region.slot %= 8;
		if (data[0] & 2)
			region.flags &= 3;
		if (data[0] & 4) {
			region.guest_phys_addr &= GENMASK_ULL(27, 12);
			region.memory_size &= GENMASK_ULL(24, 12);
			region.userspace_addr &= PAGE_MASK;
		}
		slots = change(slots, &region);
	}
	for (i = 0; i < slots->nr; i++)
		slot_free(slots->slot[i]);
	kvfree(slots);
}

/* One step of the kernel or of userspace on a ring and the slots it speaks of. */
static void ring_step(struct mmu *mmu, const struct slots *slots, struct ring *ring, const u8 *d)
{
	struct kvm_dirty_gfn *entry = &ring->entries[(d[1] | d[2] << 8) % RING_ENTRIES];
	struct tlb_batch batch = TLB_BATCH_INIT;
	u32 used = ring_used(ring), n, i;

	switch (d[0] % 6) {
	case 0:
		for (i = 0; i < d[1] && !ring_is_soft_full(ring); i++)
			ring_push(ring, d[2], i);
		break;
	case 1:
		n = dirty_reset(mmu, slots, ring, &batch);
		demand(n <= used && ring_used(ring) == used - n);
		demand(batch.flush == !!n && !batch.dead_tables);
		break;
	case 2:
		memcpy(entry, d + 3, sizeof(*entry));
		break;
	case 3:
		entry->flags = d[3] & 3;
		break;
	default: /* harvests as it should, a few or all */
		n = d[0] % 6 == 4 ? RING_ENTRIES : d[1];
		for (i = 0; i < n; i++)
			ring->entries[(ring->tail + i) % RING_ENTRIES].flags =
				KVM_DIRTY_GFN_F_RESET;
		break;
	}
	demand(ring_used(ring) <= ring->size && !ring->lost);
}

static void fuzz_ring(const u8 *data, size_t size)
{
	const struct kvm_userspace_memory_region region = {
		.slot = 3,
		.flags = KVM_MEM_LOG_DIRTY_PAGES,
		.guest_phys_addr = 0x7fe000,
		.memory_size = 300 << PAGE_SHIFT,
	};
	struct slots *none = kvzalloc(sizeof(*none), GFP_KERNEL), *slots;
	struct mmu mmu = { .caps = { .ad = true, .pml = true } };
	struct slot *slot = slot_alloc(&region);
	struct ring ring;

	demand(!pageset_init(&slot->dirty, slot->npages, false));
	slots = slots_change(none, NULL, slot);
	kvfree(none);
	rwlock_init(&mmu.lock);
	demand(!ept_init(&mmu) && !ring_init(&ring, RING_ENTRIES));
	for (; size >= 19; data += 19, size -= 19)
		ring_step(&mmu, slots, &ring, data);
	ring_destroy(&ring);
	ept_destroy(&mmu);
	slot_free(slot);
	kvfree(slots);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	if (!size)
		return 0;
	if (data[0] & 1)
		fuzz_regions(data + 1, size - 1);
	else
		fuzz_ring(data + 1, size - 1);
	demand(!env_alive());
	return 0;
}
