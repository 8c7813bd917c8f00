// SPDX-License-Identifier: GPL-2.0
/* Operations that make, move, delete and log slots. */
#include "ops.h"

static const u32 slot_ids[] = { 0, 1, 2, 3, 31, SLOTS_MAX - 1, SLOTS_MAX };

/* Places where a table of each level ends, and the end of all. */
static const gfn_t places[] = {
	0, 0x1fd, 0x3ffc0, 0x7ffffc1, 0x100003, EPT_MAX_GFN - 300,
};

/* Pages of a new slot: mostly few, some that fill a log, some that take two holds of the lock. */
static u64 pick_size(struct world *w)
{
	unsigned int choice = w->rnd(24);

	if (choice == 0)
		return MAX_SLOT_PAGES - w->rnd(300);
	if (choice < 4)
		return PML_ENTRIES + w->rnd(300);
	return 1 + w->rnd(choice < 8 ? 600 : 80);
}

/* Both addresses get the same place in their 2M, so that large leaves are possible. */
static void make_alike(struct world *w, struct kvm_userspace_memory_region *region)
{
	const u64 size = (u64)HOST_BLOCK << PAGE_SHIFT;
	unsigned int index = w->rnd(HOST_PAGES - MAX_SLOT_PAGES - HOST_BLOCK);
	u64 offset = w->rnd(2) ? 0 : (u64)w->rnd(HOST_BLOCK) << PAGE_SHIFT;

	region->guest_phys_addr = round_down(region->guest_phys_addr, size) + offset;
	region->userspace_addr = round_down(host_hva(index), size) + offset;
	region->memory_size += size;
}

/* A slot over the 1G, with a piece of what is beside it, or without its end. */
static void make_giant(struct world *w, struct kvm_userspace_memory_region *region)
{
	u64 before = w->rnd(2) * w->rnd(HOST_BLOCK), after = w->rnd(HOST_BLOCK);
	gfn_t gfn = (gfn_t)(5 + w->rnd(3)) * GIANT_PAGES;

	region->guest_phys_addr = (gfn - before) << PAGE_SHIFT;
	region->userspace_addr = host_hva(GIANT_INDEX - before);
	region->memory_size = (before + GIANT_PAGES + after) << PAGE_SHIFT;
	if (!w->rnd(8))
		region->memory_size -= (after + 1) << PAGE_SHIFT;
}

static bool has_giant(const struct world *w)
{
	unsigned int i;

	for (i = 0; i < NR_SLOT_IDS; i++)
		if (w->oslot[i] && w->oslot[i]->slot->npages > MAX_SLOT_PAGES)
			return true;
	return false;
}

void world_add_giant(struct world *w)
{
	struct kvm_userspace_memory_region region = {};

	make_giant(w, &region);
	world_set_region(w, &region);
}

void op_slot(struct world *w)
{
	struct kvm_userspace_memory_region region = {};
	unsigned int i = w->rnd(NR_SLOT_IDS);
	struct oslot *os = w->oslot[i];

	region.slot = slot_ids[w->rnd(32) ? i : NR_SLOT_IDS];
	region.flags = w->rnd(4) && !w->large ? KVM_MEM_LOG_DIRTY_PAGES : 0;
	region.flags |= w->rnd(8) ? 0 : KVM_MEM_READONLY;
	region.guest_phys_addr = (places[w->rnd(ARRAY_SIZE(places))] + w->rnd(150)) << PAGE_SHIFT;
	if (os) {
		region.flags = os->slot->flags ^ (w->rnd(4) ? 0 : KVM_MEM_LOG_DIRTY_PAGES);
		region.memory_size = w->rnd(2) ? os->slot->npages << PAGE_SHIFT : 0;
		region.userspace_addr = os->slot->hva;
	} else {
		region.memory_size = pick_size(w) << PAGE_SHIFT;
		region.userspace_addr = host_hva(w->rnd(HOST_PAGES - MAX_SLOT_PAGES));
	}
	if (!os && (w->large || !w->rnd(3)))
		make_alike(w, &region);
	if (!os && w->giant && !has_giant(w))
		make_giant(w, &region);
	if (!w->rnd(32))
		region.guest_phys_addr += 1 + w->rnd(4095);
	if (!w->rnd(32))
		region.memory_size <<= 1 + w->rnd(20);
	world_trace(w, "slot", region.slot, region.guest_phys_addr,
		    region.memory_size | region.flags);
	world_set_region(w, &region);
}

/* Tracked by 2M, or no longer: of what begins at such an address, and is not logged. */
void op_coarse(struct world *w)
{
	struct oslot *os = w->oslot[w->rnd(NR_SLOT_IDS)];
	bool coarse;

	if (!os || slot_is_logged(os->slot) || !slot_may_be_coarse(os->slot->base))
		return;
	coarse = w->rnd(8);
	world_trace(w, "coarse", os->slot->id, os->slot->base, coarse);
	world_set_coarse(w, os, coarse);
}

/* Logging on or off. */
void op_flags(struct world *w)
{
	struct kvm_userspace_memory_region region = {};
	struct oslot *os = w->oslot[w->rnd(w->giant ? 2 : NR_SLOT_IDS)];

	if (!os)
		return;
	region.slot = os->slot->id;
	region.flags = os->slot->flags ^ KVM_MEM_LOG_DIRTY_PAGES;
	region.guest_phys_addr = os->slot->base << PAGE_SHIFT;
	region.memory_size = os->slot->npages << PAGE_SHIFT;
	region.userspace_addr = os->slot->hva;
	world_trace(w, "flags", region.slot, region.guest_phys_addr, region.flags);
	age_all(w, os);
	world_set_region(w, &region);
	/* The worker begins where logging ends: often before much has happened to the memory. */
	if (!(region.flags & KVM_MEM_LOG_DIRTY_PAGES) && w->rnd(2))
		op_collapse(w);
}
