// SPDX-License-Identifier: GPL-2.0
/* Large leaves: where they may stand, how they are split, and what survives that (invariant 11). */
#include "fixture.h"
#include "flat.h"

#define BLOCK HOST_BLOCK
#define BASE  (8 * BLOCK) /* a GFN that is 2M aligned, as index 0 of the host is */

#define FOR_EACH_MODE(mode) for (enum fixture_mode mode = 0; mode < NR_FIX_MODES; mode++)

/* A VM that may map by 2M, and host memory that is huge. */
static void begin(struct fixture *f, enum fixture_mode mode, bool eager)
{
	unsigned int i;

	fixture_init(f, mode);
	f->mmu.caps.level = 2;
	f->mmu.caps.eager_split = eager;
	cpu_init(&f->cpu, &f->mmu);
	for (i = 0; i < 4 * BLOCK; i += BLOCK)
		host_make_huge(i);
}

static long nr_leaves(struct fixture *f, int level)
{
	return atomic_long_read(&f->mmu.nr_pages[level - 1]);
}

static int ept_level_of(struct fixture *f, gfn_t gfn)
{
	int level;

	read_lock(&f->mmu.lock);
	level = ept_level(&f->mmu, gfn);
	read_unlock(&f->mmu.lock);
	return level;
}

/* As uapi/ does it; the leaves that stand were mapped before. */
static struct slot *start_logging(struct fixture *f, struct slot *old, bool set)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	struct slot *slot;

	slot = fixture_relog(f, old, set);
	f->cpu.pml_on = f->mmu.caps.pml;
	if (!set)
		dirty_start(&f->mmu, slot, &batch);
	batch.flush = true;
	fixture_discharge(f, &batch);
	return slot;
}

static void zap(struct fixture *f, struct slot *slot, gfn_t start, gfn_t end)
{
	struct tlb_batch batch = TLB_BATCH_INIT;

	write_lock(&f->mmu.lock);
	ept_zap(&f->mmu, slot, start, end, &batch);
	write_unlock(&f->mmu.lock);
	fixture_discharge(f, &batch);
}

/* The pages that GET tells of are these @n. */
static void check_get(struct fixture *f, struct slot *slot, const gfn_t *gfn, unsigned int n)
{
	unsigned long out[BITS_TO_LONGS(4 * BLOCK)];
	struct tlb_batch batch = TLB_BATCH_INIT;
	unsigned int i, found = 0;
	u64 rel;

	fixture_drain(f);
	flat_get(&f->mmu, slot, out, &batch);
	fixture_discharge(f, &batch);
	for (rel = 0; rel < slot->npages; rel++)
		found += test_bit(rel, out);
	CHECK_EQ(found, n);
	for (i = 0; i < n; i++)
		CHECK(test_bit(gfn[i] - slot->base, out));
}

TEST(large_only_where_slot_host_and_policy_allow)
{
	static const struct {
		gfn_t base;
		u64 npages;
		unsigned int index;
		u32 flags;
		gfn_t touch;
		bool large;
	} cases[] = {
		{ BASE, 2 * BLOCK, 0, 0, BASE, true },
		{ BASE, 2 * BLOCK, 0, 0, BASE + 2 * BLOCK - 1, true },
		{ BASE, 2 * BLOCK, 0, KVM_MEM_READONLY, BASE, true },
		{ BASE, 2 * BLOCK, 0, KVM_MEM_LOG_DIRTY_PAGES, BASE, false },
		{ BASE, 2 * BLOCK, 1, 0, BASE + 5, false },	    /* not alike */
		{ BASE, 2 * BLOCK - 1, 0, 0, BASE + BLOCK, false }, /* the slot ends in it */
		{ BASE, 2 * BLOCK - 1, 0, 0, BASE + BLOCK - 1, true },
		{ BASE + 1, 2 * BLOCK, 1, 0, BASE + 1, false }, /* begins in it */
		{ BASE + 1, 2 * BLOCK, 1, 0, BASE + BLOCK, true },
		{ BASE, 2 * BLOCK, 4 * BLOCK, 0, BASE, false }, /* the host's are small */
	};
	unsigned int i, level;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (level = 0; level <= 2; level++) {
			struct fixture f;

			begin(&f, FIX_SOFT, true);
			f.mmu.caps.level = level;
			fixture_slot(&f, 0, cases[i].base, cases[i].npages, cases[i].index,
				     cases[i].flags);
			CHECK(fixture_touch(&f, cases[i].touch, CPU_READ));
			CHECK_MSG(nr_leaves(&f, 2) == (cases[i].large && level == 2), "case %u, %u",
				  i, level);
			CHECK_EQ(!nr_leaves(&f, 1), cases[i].large && level == 2);
			fixture_exit(&f);
		}
	}
}

TEST(a_large_leaf_maps_every_page_of_it)
{
	FOR_EACH_MODE(mode)
	{
		struct fixture f;
		hfn_t hfn;
		gfn_t gfn;

		begin(&f, mode, true);
		fixture_slot(&f, 0, BASE, 2 * BLOCK, 0, 0);
		CHECK(fixture_touch(&f, BASE + 77, CPU_WRITE));
		for (gfn = BASE; gfn < BASE + BLOCK; gfn++) {
			CHECK_EQ(cpu_access(&f.cpu, gfn, CPU_READ, &hfn), CPU_DONE);
			CHECK_EQ(hfn, fake_host.pte[gfn - BASE].hfn);
		}
		CHECK_EQ(cpu_access(&f.cpu, gfn, CPU_READ, &hfn), CPU_VIOLATION);
		CHECK_EQ(mmu_mapped(&f.mmu), BLOCK);
		fixture_exit(&f);
	}
}

/* Invariant 11: no writable large leaf under logging, and each write is told, of its page alone. */
TEST(logging_splits_and_is_exact)
{
	const gfn_t told[] = { BASE + 3, BASE + BLOCK + 511 };

	FOR_EACH_MODE(mode)
	{
		for (unsigned int eager = 0; eager < 2; eager++) {
			struct fixture f;
			struct slot *slot;

			begin(&f, mode, eager);
			slot = fixture_slot(&f, 0, BASE, 2 * BLOCK, 0, 0);
			CHECK(fixture_touch(&f, BASE + 1, CPU_WRITE));
			CHECK(fixture_touch(&f, BASE + BLOCK, CPU_READ));
			CHECK_EQ(nr_leaves(&f, 2), 2);
			slot = start_logging(&f, slot, false);
			CHECK_EQ(nr_leaves(&f, 2), eager ? 0 : 2);
			CHECK_EQ(nr_leaves(&f, 1), eager ? 2 * BLOCK : 0);
			CHECK_EQ(mmu_mapped(&f.mmu), 2 * BLOCK);
			check_get(&f, slot, NULL, 0);

			CHECK(fixture_touch(&f, told[0], CPU_WRITE));
			CHECK(fixture_touch(&f, told[1], CPU_WRITE));
			CHECK(fixture_touch(&f, told[0] + 1, CPU_READ));
			CHECK_EQ(nr_leaves(&f, 2), 0);
			check_get(&f, slot, told, 2);
			CHECK(fixture_touch(&f, told[1], CPU_WRITE));
			check_get(&f, slot, told + 1, 1);
			check_get(&f, slot, NULL, 0);
			fixture_exit(&f);
		}
	}
}

/* Invariant 2: a CPU that cached the large leaf writes unseen until it is told to forget it. */
TEST(a_split_is_flushed_before_it_counts)
{
	FOR_EACH_MODE(mode)
	{
		struct tlb_batch batch = TLB_BATCH_INIT;
		struct fixture f;
		struct slot *slot;
		hfn_t hfn;

		begin(&f, mode, true);
		slot = fixture_slot(&f, 0, BASE, BLOCK, 0, 0);
		CHECK(fixture_touch(&f, BASE, CPU_WRITE));
		slot = fixture_relog(&f, slot, false);
		f.cpu.pml_on = f.mmu.caps.pml;
		dirty_start(&f.mmu, slot, &batch);
		CHECK(batch.flush);
		CHECK_EQ(cpu_access(&f.cpu, BASE + 9, CPU_WRITE, &hfn), CPU_DONE);
		read_lock(&f.mmu.lock);
		CHECK_EQ(ept_written_mask(&f.mmu, BASE, ~0ull), 0);
		read_unlock(&f.mmu.lock);
		fixture_discharge(&f, &batch);
		CHECK(fixture_touch(&f, BASE + 9, CPU_WRITE));
		check_get(&f, slot, (gfn_t[]){ BASE + 9 }, 1);
		fixture_exit(&f);
	}
}

/* Invariant 10: what a large leaf knew of writes reaches the host, split or not. */
TEST(what_a_large_leaf_knew_survives_it)
{
	FOR_EACH_MODE(mode)
	{
		for (unsigned int how = 0; how < 6; how++) {
			bool write = how % 2, split = how >= 2;
			struct fixture f;
			struct slot *slot;
			hfn_t hfn;

			begin(&f, mode, how < 4);
			slot = fixture_slot(&f, 0, BASE, BLOCK, 0, 0);
			hfn = fake_host.pte[0].hfn;
			/* SOFT and WRPROT know of no write but by W, which a read brings, too. */
			fake_host.pte[0].writable = write;
			CHECK(fixture_touch(&f, BASE, write ? CPU_WRITE : CPU_READ));
			if (split)
				slot = start_logging(&f, slot, false);
			CHECK(!host_is_dirty(hfn));
			zap(&f, slot, BASE + 100, BASE + 101);
			CHECK_EQ(nr_leaves(&f, 2), 0);
			CHECK_EQ(nr_leaves(&f, 1), how == 2 || how == 3 ? BLOCK - 1 : 0);
			CHECK_MSG(host_is_dirty(hfn) == write, "mode %u, how %u", mode, how);
			fixture_exit(&f);
		}
	}
}

/* KVM_DIRTY_LOG_INITIALLY_SET: all is dirty and stays large until CLEAR comes to it. */
TEST(clear_splits_what_began_dirty)
{
	FOR_EACH_MODE(mode)
	{
		for (unsigned int eager = 0; eager < 2; eager++) {
			struct tlb_batch batch = TLB_BATCH_INIT;
			unsigned long mask[2 * BLOCK / 64] = {};
			struct fixture f;
			struct slot *slot;

			begin(&f, mode, eager);
			slot = fixture_slot(&f, 0, BASE, 2 * BLOCK, 0, 0);
			CHECK(fixture_touch(&f, BASE, CPU_WRITE));
			CHECK(fixture_touch(&f, BASE + BLOCK, CPU_WRITE));
			slot = start_logging(&f, slot, true);
			CHECK_EQ(nr_leaves(&f, 2), 2);
			mask[1] = 1;
			dirty_clear(&f.mmu, slot, 0, 2 * BLOCK, mask, &batch);
			CHECK(batch.flush);
			fixture_discharge(&f, &batch);
			CHECK_EQ(nr_leaves(&f, 2), eager ? 1 : 2);
			dirty_peek(&f.mmu, slot);
			CHECK_EQ(slot->dirty.word[0], ~0ul);
			CHECK_EQ(slot->dirty.word[1], ~1ul);
			CHECK(fixture_touch(&f, BASE + 65, CPU_WRITE));
			fixture_drain(&f);
			dirty_peek(&f.mmu, slot);
			CHECK_EQ(slot->dirty.word[1], ~1ul);
			CHECK(fixture_touch(&f, BASE + 64, CPU_WRITE));
			fixture_drain(&f);
			dirty_peek(&f.mmu, slot);
			CHECK_EQ(slot->dirty.word[1], ~0ul);
			fixture_exit(&f);
		}
	}
}

/* The n-th table of an eager split is not to be had: the leaf stays, without W. */
TEST(without_memory_a_write_splits)
{
	unsigned int n;

	for (n = 1; n <= 4; n++) {
		struct tlb_batch batch = TLB_BATCH_INIT;
		struct fixture f;
		struct slot *slot;
		gfn_t gfn;

		begin(&f, FIX_PML, true);
		slot = fixture_slot(&f, 0, BASE, 4 * BLOCK, 0, 0);
		for (gfn = BASE; gfn < BASE + 4 * BLOCK; gfn += BLOCK)
			CHECK(fixture_touch(&f, gfn, CPU_WRITE));
		slot = fixture_relog(&f, slot, false);
		f.cpu.pml_on = true;
		env_fail_at(n);
		dirty_start(&f.mmu, slot, &batch);
		env_fail_at(0);
		fixture_discharge(&f, &batch);
		CHECK_EQ(nr_leaves(&f, 2), 4 - (n - 1));
		CHECK(fixture_touch(&f, BASE + 4 * BLOCK - 1, CPU_WRITE));
		CHECK_EQ(nr_leaves(&f, 2), 4 - (n - 1) - 1);
		check_get(&f, slot, (gfn_t[]){ BASE + 4 * BLOCK - 1 }, 1);
		fixture_exit(&f);
	}
}

/* Where large pages must not hold code, a fetch splits one, and its page alone gets X. */
TEST(a_large_leaf_without_x)
{
	FOR_EACH_MODE(mode)
	{
		struct fixture f;
		hfn_t hfn;

		begin(&f, mode, true);
		f.mmu.caps.large_nx = true;
		fixture_slot(&f, 0, BASE, 2 * BLOCK, 0, 0);
		CHECK(fixture_touch(&f, BASE, CPU_WRITE));
		CHECK_EQ(nr_leaves(&f, 2), 1);
		CHECK_EQ(cpu_access(&f.cpu, BASE, CPU_FETCH, &hfn), CPU_VIOLATION);
		CHECK(fixture_touch(&f, BASE + 1, CPU_FETCH));
		CHECK_EQ(nr_leaves(&f, 1), BLOCK);
		CHECK_EQ(cpu_access(&f.cpu, BASE, CPU_FETCH, &hfn), CPU_VIOLATION);
		CHECK_EQ(cpu_access(&f.cpu, BASE, CPU_READ, &hfn), CPU_DONE);
		CHECK(fixture_touch(&f, BASE + BLOCK, CPU_FETCH));
		CHECK_EQ(nr_leaves(&f, 2), 0);
		fixture_exit(&f);
	}
}

static struct fixture *racing;

/* Another vCPU writes through the large leaf while its children are made. */
static void write_now(void)
{
	hfn_t hfn;

	env_race_hook = NULL;
	CHECK_EQ(cpu_access(&racing->cpu, BASE + 5, CPU_WRITE, &hfn), CPU_DONE);
	host_guest_access(hfn, true);
}

TEST(a_split_does_not_lose_a_d_that_is_set_meanwhile)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	unsigned long none[BLOCK / 64] = { 1 };
	struct fixture f;
	struct slot *slot;

	begin(&f, FIX_SCAN, true);
	slot = fixture_slot(&f, 0, BASE, BLOCK, 0, 0);
	CHECK(fixture_touch(&f, BASE, CPU_READ));
	slot = start_logging(&f, slot, true);
	racing = &f;
	env_race_hook = write_now;
	dirty_clear(&f.mmu, slot, 0, BLOCK, none, &batch);
	CHECK(!env_race_hook);
	fixture_discharge(&f, &batch);
	read_lock(&f.mmu.lock);
	CHECK(ept_written_mask(&f.mmu, BASE, ~0ull) & BIT(5));
	read_unlock(&f.mmu.lock);
	fixture_exit(&f);
}

/* Another vCPU splits the leaf before this one does. */
static void split_now(void)
{
	struct table_cache cache = {};
	struct fixture *f = racing;

	env_race_hook = NULL;
	cache.n = 1;
	cache.table[0] = f->tables.table[--f->tables.n];
	CHECK(ept_leaf(&f->mmu, BASE + 7, &cache));
	CHECK_EQ(cache.n, 0);
}

TEST(two_vcpus_split_the_same_leaf)
{
	struct table_cache cache = {};
	struct fixture f;
	unsigned int i;
	u64 *leaf;

	begin(&f, FIX_SOFT, false);
	fixture_slot(&f, 0, BASE, BLOCK, 0, 0);
	CHECK(fixture_touch(&f, BASE, CPU_WRITE));
	REQUIRE(!table_cache_fill(&cache) && !table_cache_fill(&f.tables));
	racing = &f;
	read_lock(&f.mmu.lock);
	env_race_hook = split_now;
	leaf = ept_leaf(&f.mmu, BASE + 8, &cache);
	read_unlock(&f.mmu.lock);
	REQUIRE(leaf);
	CHECK_EQ(spte_hfn(*leaf), fake_host.pte[8].hfn);
	CHECK_EQ(nr_leaves(&f, 1), BLOCK);
	CHECK_EQ(nr_leaves(&f, 2), 0);
	/* What was filled for nothing is empty again, and still ours. */
	CHECK_EQ(cache.n, EPT_LEVELS - 1);
	for (i = 0; i < EPT_TABLE_ENTRIES; i++)
		CHECK_EQ(((u64 *)cache.table[cache.n - 1])[i], 0);
	table_cache_drain(&cache);
	fixture_exit(&f);
}

/* Between a fault's look and its write another vCPU may have linked a table there. */
TEST(a_table_is_no_leaf_to_be_replaced)
{
	const struct spte_page page = { .hfn = 8 * BLOCK, .large = true };
	struct fixture f;
	u64 *leaf;

	begin(&f, FIX_PML, true);
	REQUIRE(!table_cache_fill(&f.tables));
	read_lock(&f.mmu.lock);
	leaf = ept_large_leaf(&f.mmu, BASE, 2, &f.tables);
	REQUIRE(leaf && ept_leaf(&f.mmu, BASE, &f.tables));
	CHECK_EQ(ept_set(&f.mmu, leaf, 2, *leaf, spte_leaf(f.mmu.kind, &page)), -EAGAIN);
	CHECK(!ept_large_leaf(&f.mmu, BASE, 2, &f.tables));
	read_unlock(&f.mmu.lock);
	CHECK_EQ(mmu_mapped(&f.mmu), 0);
	fixture_exit(&f);
}

/* As uapi/ does it. */
static struct slot *end_logging(struct fixture *f, struct slot *old)
{
	const u64 npages = old->npages;
	const gfn_t base = old->base;
	const unsigned int index = host_index(old->hva);
	struct slots *slots = slots_change(fixture_slots(f), old, NULL);
	struct slot *slot;

	kvfree(host_publish(&f->host, slots));
	slot_free(old);
	slot = fixture_slot(f, 0, base, npages, index, 0);
	slot->uncollapsed = npages;
	return slot;
}

/* Logging ended: what the host maps large goes, and comes back so; all else stays. */
TEST(collapse)
{
	FOR_EACH_MODE(mode)
	{
		struct fixture f;
		struct slot *slot;
		hfn_t hfn;

		begin(&f, mode, true);
		slot = fixture_slot(&f, 0, BASE + 3, 5 * BLOCK, 3, KVM_MEM_LOG_DIRTY_PAGES);
		f.cpu.pml_on = f.mmu.caps.pml;
		/* The slot begins in it; goes; the host's are small. */
		CHECK(fixture_touch(&f, BASE + 5, CPU_WRITE));
		CHECK(fixture_touch(&f, BASE + BLOCK + 7, CPU_WRITE));
		CHECK(fixture_touch(&f, BASE + 4 * BLOCK + 1, CPU_WRITE));
		hfn = fake_host.pte[BLOCK + 7].hfn;
		CHECK_EQ(nr_leaves(&f, 2), 0);
		CHECK(!host_collapse_step(&f.host)); /* is logged, and was not asked for */
		CHECK_EQ(ept_level_of(&f, BASE + BLOCK), 1);

		slot = end_logging(&f, slot);
		CHECK(!host_collapse_step(&f.host));
		CHECK_EQ(slot->uncollapsed, 0);
		CHECK_EQ(ept_level_of(&f, BASE), 1);
		CHECK_EQ(ept_level_of(&f, BASE + BLOCK), 2);
		CHECK_EQ(ept_level_of(&f, BASE + 4 * BLOCK), 1);
		/* Flushed, and what was known of writes is told. */
		CHECK(!cpu_cached(&f.cpu, BASE + BLOCK + 7));
		CHECK(host_is_dirty(hfn));
		CHECK(fixture_touch(&f, BASE + BLOCK + 9, CPU_WRITE));
		CHECK_EQ(nr_leaves(&f, 2), 1);
		fixture_exit(&f);
	}
}

/* What is left of 1G that a write has split has one D for 2M: that is no record. */
TEST(a_write_to_logged_1g_splits_its_own_2m_alone)
{
	const gfn_t base = EPT_LEVEL_PAGES(3) * 5;

	FOR_EACH_MODE(mode)
	{
		struct spte_page page = { .large = true, .host_writable = true, .write = true };
		struct tlb_batch batch = TLB_BATCH_INIT;
		struct fixture f;
		u64 *leaf;
		hfn_t hfn;

		begin(&f, mode, false);
		f.cpu.level = 3;
		fake_host_add_giant();
		host_make_giant();
		page.hfn = fake_host.pte[GIANT_INDEX].hfn;
		REQUIRE(!table_cache_fill(&f.tables));
		read_lock(&f.mmu.lock);
		leaf = ept_large_leaf(&f.mmu, base, 3, &f.tables);
		REQUIRE(leaf);
		CHECK_EQ(ept_set(&f.mmu, leaf, 3, 0, spte_leaf(f.mmu.kind, &page)), 0);
		read_unlock(&f.mmu.lock);
		CHECK_EQ(cpu_access(&f.cpu, base, CPU_WRITE, &hfn), CPU_DONE);
		write_lock(&f.mmu.lock);
		ept_rearm_range(&f.mmu, base, base + EPT_LEVEL_PAGES(3), &(struct table_stock){},
				&batch);
		write_unlock(&f.mmu.lock);
		fixture_discharge(&f, &batch);
		CHECK_EQ(cpu_access(&f.cpu, base + 7, CPU_WRITE, &hfn), CPU_VIOLATION);

		read_lock(&f.mmu.lock);
		CHECK(ept_leaf(&f.mmu, base + 7, &f.tables));
		read_unlock(&f.mmu.lock);
		CHECK_EQ(nr_leaves(&f, 2), BLOCK - 1);
		CHECK_EQ(cpu_access(&f.cpu, base + BLOCK, CPU_WRITE, &hfn), CPU_VIOLATION);
		CHECK_EQ(cpu_access(&f.cpu, base + BLOCK, CPU_READ, &hfn), CPU_DONE);
		fixture_exit(&f);
	}
}

/* 1G, by entries that no host page stands behind. */
TEST(a_1g_leaf_is_split_twice)
{
	const gfn_t base = EPT_LEVEL_PAGES(3) * 5;
	const struct spte_page page = { .hfn = EPT_LEVEL_PAGES(3) * 3, .large = true };

	FOR_EACH_MODE(mode)
	{
		struct tlb_batch batch = TLB_BATCH_INIT;
		struct table_stock stock = {};
		struct fixture f;
		u64 *leaf;
		hfn_t hfn;

		begin(&f, mode, true);
		f.cpu.level = 3;
		REQUIRE(!table_cache_fill(&f.tables));
		read_lock(&f.mmu.lock);
		leaf = ept_large_leaf(&f.mmu, base + 1, 3, &f.tables);
		REQUIRE(leaf);
		CHECK_EQ(ept_set(&f.mmu, leaf, 3, 0, spte_leaf(f.mmu.kind, &page)), 0);
		read_unlock(&f.mmu.lock);
		CHECK_EQ(mmu_mapped(&f.mmu), EPT_LEVEL_PAGES(3));
		CHECK_EQ(cpu_access(&f.cpu, base + 0x12345, CPU_READ, &hfn), CPU_DONE);
		CHECK_EQ(hfn, page.hfn + 0x12345);

		table_stock_fill(&stock, &f.mmu);
		write_lock(&f.mmu.lock);
		CHECK(ept_split_at(&f.mmu, base + 0x12345, true, &stock));
		CHECK_EQ(nr_leaves(&f, 3), 0);
		CHECK_EQ(nr_leaves(&f, 2), BLOCK - 1);
		CHECK_EQ(nr_leaves(&f, 1), BLOCK);
		write_unlock(&f.mmu.lock);
		cpu_flush(&f.cpu);
		CHECK_EQ(cpu_access(&f.cpu, base + 0x12345, CPU_READ, &hfn), CPU_DONE);
		CHECK_EQ(hfn, page.hfn + 0x12345);
		CHECK_EQ(cpu_access(&f.cpu, base + 0x3ffff, CPU_READ, &hfn), CPU_DONE);
		CHECK_EQ(hfn, page.hfn + 0x3ffff);
		write_lock(&f.mmu.lock);
		ept_rearm_range(&f.mmu, base, base + EPT_LEVEL_PAGES(3), &(struct table_stock){},
				&batch);
		CHECK_EQ(ept_written_mask(&f.mmu, base + 0x3ff00, ~0ull), 0);
		CHECK(ept_age(&f.mmu, base + 0x3ff00, base + 0x3ff01, true));
		ept_zap(&f.mmu, NULL, base + 0x12345, base + 0x12346, &batch);
		CHECK_EQ(mmu_mapped(&f.mmu), EPT_LEVEL_PAGES(3) - 1);
		write_unlock(&f.mmu.lock);
		table_stock_drain(&stock);
		fixture_discharge(&f, &batch);
		fixture_exit(&f);
	}
}

TEST(ageing_a_large_leaf)
{
	FOR_EACH_MODE(mode)
	{
		struct fixture f;

		begin(&f, mode, true);
		fixture_slot(&f, 0, BASE, BLOCK, 0, 0);
		CHECK(fixture_touch(&f, BASE, CPU_WRITE));
		CHECK(host_notify_young(77, 1, false));
		CHECK(host_notify_young(77, 1, true));
		CHECK(!host_notify_young(0, BLOCK, true));
		CHECK_EQ(nr_leaves(&f, 2), 1);
		cpu_flush(&f.cpu);
		CHECK(fixture_touch(&f, BASE + 3, CPU_READ));
		CHECK(fixture_touch(&f, BASE + 4, CPU_WRITE));
		CHECK(host_notify_young(0, BLOCK, false));
		CHECK_EQ(nr_leaves(&f, 2), 1);
		fixture_exit(&f);
	}
}

static void invalidate_neighbour(void)
{
	fake_host.after_lookup = NULL;
	host_notify_begin(100, 1);
}

/* Invariant 10: an invalidation of any page under the leaf keeps it away. */
TEST(a_race_with_a_neighbour_is_seen)
{
	struct fixture f;

	begin(&f, FIX_PML, true);
	fixture_slot(&f, 0, BASE, BLOCK, 0, 0);
	fake_host.after_lookup = invalidate_neighbour;
	CHECK_EQ(fixture_fault(&f, BASE + 5, CPU_READ), FAULT_FIXED);
	CHECK_EQ(mmu_mapped(&f.mmu), 0);
	host_notify_end(100, 1);
	CHECK_EQ(fixture_fault(&f, BASE + 5, CPU_READ), FAULT_FIXED);
	CHECK_EQ(nr_leaves(&f, 2), 1);
	fixture_exit(&f);
}

static bool restore(struct fixture *f, gfn_t gfn, enum cpu_access access)
{
	struct fault fault = {
		.gpa = gfn << PAGE_SHIFT,
		.write = access == CPU_WRITE,
		.fetch = access == CPU_FETCH,
	};

	return mmu_restore(&f->mmu, fixture_slots(f), &fault, NULL);
}

/* What ageing took from a large leaf comes back without the lock, a permission at a time. */
TEST(an_aged_large_leaf_is_restored)
{
	struct fixture f;
	hfn_t hfn;

	begin(&f, FIX_SOFT, true);
	f.mmu.caps.large_nx = true;
	fixture_slot(&f, 0, BASE, BLOCK, 0, 0);
	CHECK(fixture_touch(&f, BASE + 3, CPU_WRITE));
	CHECK(!restore(&f, BASE + 3, CPU_FETCH));
	CHECK(host_notify_young(9, 1, true));
	cpu_flush(&f.cpu);
	CHECK_EQ(cpu_access(&f.cpu, BASE + 4, CPU_READ, &hfn), CPU_VIOLATION);
	CHECK(restore(&f, BASE + 4, CPU_READ));
	CHECK_EQ(cpu_access(&f.cpu, BASE + 5, CPU_READ, &hfn), CPU_DONE);
	CHECK_EQ(cpu_access(&f.cpu, BASE + 6, CPU_WRITE, &hfn), CPU_VIOLATION);
	CHECK(!restore(&f, BASE + 6, CPU_FETCH));
	CHECK(restore(&f, BASE + 6, CPU_WRITE));
	CHECK_EQ(cpu_access(&f.cpu, BASE + 6, CPU_WRITE, &hfn), CPU_DONE);
	CHECK_EQ(nr_leaves(&f, 2), 1);
	CHECK(host_notify_young(0, 1, false));
	fixture_exit(&f);
}

/* Invariant 11: a write to a large leaf that is logged splits it; when nobody logs it any more
 * the write is given back to the leaf as it stands.
 */
TEST(a_protected_large_leaf_is_restored_when_nobody_logs)
{
	FOR_EACH_MODE(mode)
	{
		struct fixture f;
		struct slot *slot;
		hfn_t hfn;

		begin(&f, mode, false);
		slot = fixture_slot(&f, 0, BASE, BLOCK, 0, 0);
		CHECK(fixture_touch(&f, BASE + 3, CPU_WRITE));
		slot = start_logging(&f, slot, false);
		CHECK_EQ(nr_leaves(&f, 2), 1);
		CHECK_EQ(cpu_access(&f.cpu, BASE + 7, CPU_WRITE, &hfn), CPU_VIOLATION);
		CHECK(!restore(&f, BASE + 7, CPU_WRITE));
		CHECK(restore(&f, BASE + 7, CPU_READ));
		CHECK_EQ(cpu_access(&f.cpu, BASE + 7, CPU_WRITE, &hfn), CPU_VIOLATION);
		fixture_unlog(&f, slot);
		CHECK(restore(&f, BASE + 7, CPU_WRITE));
		CHECK_EQ(cpu_access(&f.cpu, BASE + 7, CPU_WRITE, &hfn), CPU_DONE);
		CHECK_EQ(nr_leaves(&f, 2), 1);
		fixture_exit(&f);
	}
}
