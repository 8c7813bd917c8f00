// SPDX-License-Identifier: GPL-2.0
/* Faults: results, errors, the race with the notifier, and memory that runs out. */
#include "fixture.h"

static unsigned int race_how;

/* The host takes the page away between the look-up and its use. */
static void take_away(void)
{
	fake_host.after_lookup = NULL;
	host_notify_begin(3, 1);
	host_replace(3);
	if (race_how == 0)
		host_notify_end(3, 1);
}

static u64 get(struct fixture *f, gfn_t gfn)
{
	u64 spte;

	read_lock(&f->mmu.lock);
	spte = ept_get(&f->mmu, gfn);
	read_unlock(&f->mmu.lock);
	return spte;
}

#define FOR_EACH_MODE(mode) for (enum fixture_mode mode = 0; mode < NR_FIX_MODES; mode++)

/* Invariant 10: a fault that raced retries, whether the invalidation ended or not. */
TEST(a_page_that_was_taken_away_is_not_mapped)
{
	FOR_EACH_MODE(mode)
	{
		for (race_how = 0; race_how < 2; race_how++) {
			struct fixture f;

			fixture_init(&f, mode);
			fixture_slot(&f, 0, 0, 10, 0, KVM_MEM_LOG_DIRTY_PAGES);
			fake_host.after_lookup = take_away;
			CHECK_EQ(fixture_fault(&f, 3, CPU_WRITE), FAULT_FIXED);
			CHECK_EQ(get(&f, 3), 0);
			CHECK_EQ(ring_used(&f.ring), 0);
			if (race_how) {
				/* Still under way: this page waits, another does not. */
				CHECK_EQ(fixture_fault(&f, 3, CPU_WRITE), FAULT_FIXED);
				CHECK_EQ(get(&f, 3), 0);
				CHECK_EQ(fixture_fault(&f, 4, CPU_WRITE), FAULT_FIXED);
				CHECK(spte_maps_page(get(&f, 4)));
				host_notify_end(3, 1);
			}
			CHECK(fixture_touch(&f, 3, CPU_WRITE));
			CHECK_EQ(spte_hfn(get(&f, 3)), fake_host.pte[3].hfn);
			fixture_exit(&f);
		}
	}
}

TEST(errors_of_the_host_come_through)
{
	static const struct {
		int host, fault;
	} errors[] = {
		{ -EFAULT, -EFAULT },
		{ -EHWPOISON, FAULT_FIXED }, /* it comes again, unless the signal ends it */
		{ -EINTR, -EINTR },
	};
	struct fixture f;
	unsigned int i;

	fixture_init(&f, FIX_PML);
	fixture_slot(&f, 0, 0, 10, 0, 0);
	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		fake_host.fail_next = errors[i].host;
		current->killed = errors[i].host == -EINTR;
		CHECK_EQ(fixture_fault(&f, 3, CPU_WRITE), errors[i].fault);
		current->killed = false;
		CHECK_EQ(!!current->bus_error, errors[i].host == -EHWPOISON);
		current->bus_error = 0;
		CHECK_EQ(get(&f, 3), 0);
		CHECK(host_no_refs());
	}
	fake_host.pte[3].no_mapping = true;
	CHECK_EQ(fixture_fault(&f, 3, CPU_READ), -EFAULT);
	fake_host.pte[4].may_write = false;
	CHECK_EQ(fixture_fault(&f, 4, CPU_WRITE), -EFAULT);
	CHECK_EQ(fixture_fault(&f, 4, CPU_READ), FAULT_FIXED);
	CHECK(!(get(&f, 4) & (EPT_W | SPTE_HOST_WRITABLE)));
	fixture_exit(&f);
}

TEST(memory_that_runs_out_at_every_allocation)
{
	FOR_EACH_MODE(mode)
	{
		struct fixture f;
		unsigned int n;
		int ret;

		fixture_init(&f, mode);
		fixture_slot(&f, 0, 0, 10, 0, KVM_MEM_LOG_DIRTY_PAGES);
		for (n = 1;; n++) {
			table_cache_drain(&f.tables);
			env_fail_at(n);
			ret = fixture_fault(&f, 3, CPU_WRITE);
			env_fail_at(0);
			if (!ret)
				break;
			CHECK_EQ(ret, -ENOMEM);
			CHECK_EQ(get(&f, 3), 0);
			CHECK(host_no_refs());
			CHECK_EQ(ring_used(&f.ring), 0);
			REQUIRE(n < 10);
		}
		CHECK(n > 1);
		CHECK(spte_maps_page(get(&f, 3)));
		fixture_exit(&f);
	}
}

TEST(mmio_is_told_by_misconfiguration_until_slots_change)
{
	struct fixture f;
	hfn_t hfn;

	fixture_init(&f, FIX_PML);
	CHECK(!mmu_is_mmio(&f.mmu, fixture_slots(&f), 0x5000));
	CHECK_EQ(fixture_fault(&f, 5, CPU_WRITE), FAULT_MMIO);
	CHECK_EQ(cpu_access(&f.cpu, 5, CPU_READ, &hfn), CPU_MISCONFIG);
	CHECK(mmu_is_mmio(&f.mmu, fixture_slots(&f), 0x5fff));
	CHECK(!mmu_is_mmio(&f.mmu, fixture_slots(&f), 0x6000));
	/* Another slot: the entry is stale and is renewed. */
	fixture_slot(&f, 0, 100, 10, 0, 0);
	CHECK(!mmu_is_mmio(&f.mmu, fixture_slots(&f), 0x5000));
	CHECK_EQ(fixture_fault(&f, 5, CPU_READ), FAULT_MMIO);
	CHECK(mmu_is_mmio(&f.mmu, fixture_slots(&f), 0x5000));
	/* A slot right there: memory takes its place. */
	fixture_slot(&f, 1, 5, 1, 50, 0);
	CHECK(!mmu_is_mmio(&f.mmu, fixture_slots(&f), 0x5000));
	CHECK(fixture_touch(&f, 5, CPU_WRITE));
	CHECK_EQ(mmu_mapped(&f.mmu), 1);
	fixture_exit(&f);
}

TEST(mmio_beyond_the_ept_and_without_memory)
{
	struct fixture f;

	fixture_init(&f, FIX_PML);
	CHECK_EQ(fixture_fault(&f, EPT_MAX_GFN + 1, CPU_WRITE), FAULT_MMIO);
	CHECK_EQ(fixture_fault(&f, ~0ull >> PAGE_SHIFT, CPU_READ), FAULT_MMIO);
	CHECK(!mmu_is_mmio(&f.mmu, fixture_slots(&f), ~0ull));
	env_fail_at(1);
	CHECK_EQ(fixture_fault(&f, 5, CPU_READ), FAULT_MMIO);
	env_fail_at(0);
	CHECK_EQ(get(&f, 5), 0);
	fixture_exit(&f);
}

/* A guest that touches all of its address space does not take the host's memory. */
TEST(tables_for_mmio_are_bounded)
{
	struct fixture f;
	gfn_t gfn;

	fixture_init(&f, FIX_PML);
	for (gfn = 0; gfn < 4000; gfn++)
		CHECK_EQ(fixture_fault(&f, gfn * 0x40000 + gfn, CPU_READ), FAULT_MMIO);
	CHECK(atomic_long_read(&f.mmu.nr_tables) < 300);
	/* Memory is mapped all the same. */
	fixture_slot(&f, 0, 0x7000000, 5, 0, 0);
	CHECK(fixture_touch(&f, 0x7000004, CPU_WRITE));
	fixture_exit(&f);
}

TEST(a_read_only_slot_is_read_and_a_write_is_mmio)
{
	FOR_EACH_MODE(mode)
	{
		struct fixture f;

		fixture_init(&f, mode);
		fixture_slot(&f, 0, 0, 10, 0, KVM_MEM_READONLY | KVM_MEM_LOG_DIRTY_PAGES);
		CHECK_EQ(fixture_fault(&f, 3, CPU_WRITE), FAULT_MMIO);
		CHECK(fixture_touch(&f, 3, CPU_READ));
		CHECK(fixture_touch(&f, 3, CPU_FETCH));
		CHECK(!fixture_touch(&f, 3, CPU_WRITE));
		CHECK(!(get(&f, 3) & EPT_W));
		CHECK_EQ(ring_used(&f.ring), 0);
		fixture_exit(&f);
	}
}

TEST(a_slot_that_goes_maps_nothing_more)
{
	struct fixture f;
	struct slot *slot;

	fixture_init(&f, FIX_PML);
	slot = fixture_slot(&f, 0, 0, 10, 0, 0);
	slot->dying = true;
	CHECK_EQ(fixture_fault(&f, 3, CPU_WRITE), FAULT_FIXED);
	CHECK_EQ(get(&f, 3), 0);
	fixture_exit(&f);
}

/* A read-only leaf that has something to tell becomes writable: it still has. */
TEST(an_upgrade_keeps_what_the_leaf_knew)
{
	FOR_EACH_MODE(mode)
	{
		const u64 knows = SPTE_WAS_DIRTY | (mode == FIX_SOFT ? 0 : EPT_D);
		struct spte_page page = { .logged = true };
		struct fixture f;
		int ret;

		fixture_init(&f, mode);
		fixture_slot(&f, 0, 0, 10, 0, KVM_MEM_LOG_DIRTY_PAGES);
		page.hfn = fake_host.pte[3].hfn;
		REQUIRE(!table_cache_fill(&f.tables));
		read_lock(&f.mmu.lock);
		ret = fixture_map(&f.mmu, 3, 0, spte_leaf(f.mmu.kind, &page) | knows, &f.tables);
		read_unlock(&f.mmu.lock);
		CHECK_EQ(ret, 0);
		CHECK_EQ(fixture_fault(&f, 3, CPU_WRITE), FAULT_FIXED);
		CHECK(get(&f, 3) & EPT_W);
		CHECK_EQ(get(&f, 3) & knows, knows);
		fixture_exit(&f);
	}
}

/* The host has another page already: the old leaf is the notifier's to zap, not ours to replace. */
TEST(a_leaf_of_another_page_is_left_to_the_notifier)
{
	struct fixture f;
	u64 old;

	fixture_init(&f, FIX_WRPROT);
	fixture_slot(&f, 0, 0, 10, 0, 0);
	fake_host.pte[3].may_write = false;
	CHECK(fixture_touch(&f, 3, CPU_READ));
	old = get(&f, 3);
	fake_host.pte[3].may_write = true;
	host_replace(3);
	CHECK_EQ(fixture_fault(&f, 3, CPU_WRITE), FAULT_FIXED);
	CHECK_EQ(get(&f, 3), old);
	fixture_exit(&f);
}

/* By permission, the first write of each page is one record, a read none. */
TEST(a_write_that_needs_a_fault_is_recorded_once)
{
	FOR_EACH_MODE(mode)
	{
		struct slot *slot;
		struct fixture f;
		unsigned int i;

		if (mode == FIX_PML || mode == FIX_SCAN)
			continue;
		fixture_init(&f, mode);
		slot = fixture_slot(&f, 4, 100, 10, 0, KVM_MEM_LOG_DIRTY_PAGES);
		for (i = 0; i < 3; i++) {
			CHECK(fixture_touch(&f, 105, CPU_READ));
			CHECK_EQ(ring_used(&f.ring), 0);
		}
		for (i = 0; i < 3; i++) {
			CHECK(fixture_touch(&f, 105, CPU_WRITE));
			CHECK_EQ(ring_used(&f.ring), 1);
		}
		CHECK_EQ(f.ring.entries[0].slot, 4);
		CHECK_EQ(f.ring.entries[0].offset, 5);
		CHECK_EQ(slot->dirty.word[0], 1ul << 5);
		fixture_exit(&f);
	}
}

/* Which of pages [0, 64) are mapped. */
static u64 mapped(struct fixture *f)
{
	u64 mask = 0;
	unsigned int i;

	for (i = 0; i < 64; i++)
		mask |= (u64)spte_maps_page(get(f, i)) << i;
	return mask;
}

/* What is mapped ahead was not accessed, is not written, and its first write is seen. */
TEST(neighbours_are_mapped_old_and_clean)
{
	FOR_EACH_MODE(mode)
	{
		struct slot *slot;
		struct fixture f;
		gfn_t gfn;

		fixture_init(&f, mode);
		slot = fixture_slot(&f, 0, 5, 50, 100, KVM_MEM_LOG_DIRTY_PAGES);
		/* The window is [16, 32). */
		CHECK_EQ(fixture_fault(&f, 20, CPU_WRITE), FAULT_FIXED);
		CHECK_EQ(mapped(&f), GENMASK_ULL(31, 16));
		for (gfn = 16; gfn < 32; gfn++) {
			if (gfn == 20)
				continue;
			CHECK_EQ(spte_hfn(get(&f, gfn)), fake_host.pte[100 + gfn - 5].hfn);
			CHECK(!spte_is_young(get(&f, gfn)));
			CHECK(!spte_was_written(get(&f, gfn)));
			CHECK(!(get(&f, gfn) & SPTE_WAS_DIRTY));
			CHECK(spte_may_restore_write(get(&f, gfn)));
		}
		CHECK_EQ(mmu_mapped(&f.mmu), 16);
		if (mmu_scans_d(&f.mmu) || f.mmu.caps.pml)
			CHECK_EQ(slot->dirty.word[0], 0);
		else
			CHECK_EQ(slot->dirty.word[0], 1ul << 15);
		CHECK(host_no_refs());
		CHECK(fixture_touch(&f, 24, CPU_WRITE));
		fixture_drain(&f);
		CHECK(test_bit(19, slot->dirty.word) || spte_was_written(get(&f, 24)));
		CHECK(mode == FIX_SCAN || test_bit(19, slot->dirty.word));
		fixture_exit(&f);
	}
}

/* Within the slot, from the leaf that stands below to the one that stands above. */
TEST(neighbours_end_at_the_slot_and_at_what_is_mapped)
{
	struct fixture f;

	fixture_init(&f, FIX_PML);
	fixture_slot(&f, 0, 5, 30, 100, 0);
	CHECK_EQ(fixture_fault(&f, 7, CPU_READ), FAULT_FIXED);
	CHECK_EQ(mapped(&f), GENMASK_ULL(15, 5));
	CHECK_EQ(fixture_fault(&f, 34, CPU_READ), FAULT_FIXED);
	CHECK_EQ(mapped(&f), GENMASK_ULL(15, 5) | GENMASK_ULL(34, 32));
	/* Two pages of the window in between are there already: only what lies between them. */
	fake_host.pte[100 + 18 - 5].writable = false;
	fake_host.pte[100 + 26 - 5].writable = false;
	CHECK_EQ(fixture_fault(&f, 18, CPU_READ), FAULT_FIXED);
	CHECK_EQ(mapped(&f) & GENMASK_ULL(31, 16), GENMASK_ULL(18, 16));
	CHECK_EQ(fixture_fault(&f, 26, CPU_READ), FAULT_FIXED);
	CHECK_EQ(mapped(&f) & GENMASK_ULL(31, 16), GENMASK_ULL(26, 16));
	CHECK_EQ(fixture_fault(&f, 30, CPU_READ), FAULT_FIXED);
	CHECK_EQ(mapped(&f) & GENMASK_ULL(31, 16), GENMASK_ULL(31, 16));
	CHECK(!(get(&f, 18) & EPT_W) && !(get(&f, 26) & EPT_W));
	CHECK(host_no_refs());
	fixture_exit(&f);
}

/* What the host has not, or must copy before a write, is not brought in for a neighbour. */
TEST(neighbours_are_what_the_host_has)
{
	FOR_EACH_MODE(mode)
	{
		struct fixture f;

		fixture_init(&f, mode);
		fixture_slot(&f, 0, 0, 64, 0, 0);
		host_unmap(6);
		CHECK_EQ(fixture_fault(&f, 3, CPU_WRITE), FAULT_FIXED);
		CHECK_EQ(mapped(&f), GENMASK_ULL(5, 0));
		CHECK(!fake_host.pte[6].present);
		fake_host.pte[18].writable = false;
		CHECK_EQ(fixture_fault(&f, 17, CPU_WRITE), FAULT_FIXED);
		CHECK_EQ(mapped(&f), GENMASK_ULL(5, 0) | GENMASK_ULL(17, 16));
		CHECK(!fake_host.pte[18].writable);
		/* A page behind one that is missing is found all the same. */
		CHECK_EQ(fixture_fault(&f, 9, CPU_WRITE), FAULT_FIXED);
		CHECK(spte_maps_page(get(&f, 9)) && !spte_maps_page(get(&f, 6)));
		CHECK(!fake_host.pte[6].present);
		CHECK(host_no_refs());
		fixture_exit(&f);
	}
}

/* Invariant 10, for a page that nobody asked for. */
TEST(a_neighbour_that_was_taken_away_is_not_mapped)
{
	FOR_EACH_MODE(mode)
	{
		for (race_how = 0; race_how < 2; race_how++) {
			struct fixture f;

			fixture_init(&f, mode);
			fixture_slot(&f, 0, 0, 10, 0, KVM_MEM_LOG_DIRTY_PAGES);
			fake_host.after_lookup = take_away;
			CHECK_EQ(fixture_fault(&f, 5, CPU_WRITE), FAULT_FIXED);
			CHECK_EQ(get(&f, 3), 0);
			if (race_how) {
				CHECK_EQ(mapped(&f), GENMASK_ULL(9, 0) & ~BIT_ULL(3));
				host_notify_end(3, 1);
			} else {
				CHECK_EQ(mapped(&f), 0);
			}
			CHECK(host_no_refs());
			fixture_exit(&f);
		}
	}
}
