// SPDX-License-Identifier: GPL-2.0
/* The small VM of fixture.h. */
#include "fixture.h"

#define RING_ENTRIES 1024

u64 fixture_rnd(void)
{
	static u64 state = 88172645463325252ull;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void discharge(struct host *host, struct tlb_batch *batch)
{
	fixture_discharge(container_of(host, struct fixture, host), batch);
}

void fixture_init(struct fixture *f, enum fixture_mode mode)
{
	memset(f, 0, sizeof(*f));
	fake_host_reset();
	rwlock_init(&f->mmu.lock);
	f->mmu.caps = (struct mmu_caps){ .ad = mode != FIX_SOFT, .pml = mode == FIX_PML };
	f->mmu.kind = mmu_choose_kind(f->mmu.caps, mode != FIX_SCAN);
	if (ept_init(&f->mmu) || host_init(&f->host, &f->mmu, discharge) ||
	    (mode != FIX_SCAN && ring_init(&f->ring, RING_ENTRIES)))
		env_die("fixture_init: no memory");
	cpu_init(&f->cpu, &f->mmu);
	f->cpu.pml_on = mode == FIX_PML;
}

void fixture_exit(struct fixture *f)
{
	host_exit(&f->host);
	ept_destroy(&f->mmu);
	table_cache_drain(&f->tables);
	ring_destroy(&f->ring);
	CHECK_EQ(atomic_long_read(&f->mmu.nr_tables), 0);
	CHECK_EQ(mmu_mapped(&f->mmu), 0);
	CHECK_EQ(atomic_long_read(&mmu_tables_alive), 0);
	CHECK(host_no_refs());
	CHECK(host_lost_dirt() < 0);
}

struct slot *fixture_slot(struct fixture *f, u32 id, gfn_t base, u64 npages, unsigned int index,
			  u32 flags)
{
	const struct kvm_userspace_memory_region region = {
		.slot = id,
		.flags = flags,
		.guest_phys_addr = base << PAGE_SHIFT,
		.memory_size = npages << PAGE_SHIFT,
		.userspace_addr = host_hva(index),
	};
	struct slot *slot = slot_alloc(&region);
	struct slots *slots;

	if (slot && (flags & KVM_MEM_LOG_DIRTY_PAGES) &&
	    pageset_init(&slot->dirty, npages, false))
		env_die("fixture_slot: no memory");
	slots = slots_change(fixture_slots(f), NULL, slot);
	if (!slot || !slots)
		env_die("fixture_slot: no memory");
	kvfree(host_publish(&f->host, slots));
	return slot;
}

/* What stands in the place of @old, with other flags. */
static struct slot *change_flags(struct fixture *f, struct slot *old, u32 flags, bool set)
{
	const struct kvm_userspace_memory_region region = {
		.slot = old->id,
		.flags = flags,
		.guest_phys_addr = old->base << PAGE_SHIFT,
		.memory_size = old->npages << PAGE_SHIFT,
		.userspace_addr = old->hva,
	};
	struct slot *slot = slot_alloc(&region);
	struct slots *slots = slots_change(fixture_slots(f), old, slot);

	if (slot)
		slot->coarse = old->coarse;
	if (!slot || !slots ||
	    ((flags & KVM_MEM_LOG_DIRTY_PAGES) && pageset_init(&slot->dirty, slot->npages, set)))
		env_die("change_flags: no memory");
	kvfree(host_publish(&f->host, slots));
	slot_free(old);
	return slot;
}

struct slot *fixture_relog(struct fixture *f, struct slot *old, bool set)
{
	return change_flags(f, old, old->flags | KVM_MEM_LOG_DIRTY_PAGES, set);
}

struct slot *fixture_unlog(struct fixture *f, struct slot *old)
{
	return change_flags(f, old, old->flags & ~KVM_MEM_LOG_DIRTY_PAGES, false);
}

int fixture_fault(struct fixture *f, gfn_t gfn, enum cpu_access access)
{
	struct fault fault = {
		.gpa = gfn << PAGE_SHIFT | 0x123,
		.write = access == CPU_WRITE,
		.fetch = access == CPU_FETCH,
	};

	struct ring *ring = f->ring.entries ? &f->ring : NULL;

	if (mmu_restore(&f->mmu, fixture_slots(f), &fault, ring))
		return FAULT_FIXED;
	return mmu_fault(&f->mmu, fixture_slots(f), &fault, &f->tables, ring);
}

unsigned int fixture_drain(struct fixture *f)
{
	unsigned int n = pml_drain(f->cpu.log, f->cpu.index, fixture_slots(f),
				   f->ring.entries ? &f->ring : NULL);

	cpu_log_reset(&f->cpu);
	return n;
}

bool fixture_touch(struct fixture *f, gfn_t gfn, enum cpu_access access)
{
	enum cpu_result result;
	unsigned int try;
	hfn_t hfn;

	for (try = 0; try < 8; try++) {
		result = cpu_access(&f->cpu, gfn, access, &hfn);
		if (result == CPU_DONE) {
			host_guest_access(hfn, access == CPU_WRITE);
			return true;
		}
		fixture_drain(f);
		if (result != CPU_PML_FULL && fixture_fault(f, gfn, access) != FAULT_FIXED)
			return false;
	}
	return false;
}

void fixture_discharge(struct fixture *f, struct tlb_batch *batch)
{
	fixture_drain(f);
	if (batch->flush)
		cpu_flush(&f->cpu);
	ept_free_dead(batch);
}

int fixture_map(struct mmu *mmu, gfn_t gfn, u64 old, u64 spte, struct table_cache *cache)
{
	u64 *leaf = ept_leaf(mmu, gfn, cache);

	return leaf ? ept_set(mmu, leaf, 1, old, spte) : -ENOMEM;
}
