// SPDX-License-Identifier: GPL-2.0
/* The tables: what is mapped, counted, zapped and freed, and when. */
#include "fixture.h"

/* Where a table of each level begins or ends. */
static const gfn_t places[] = {
	0, 1, 511, 512, 0x3ffff, 0x40000, 0x7ffffff, 0x8000000, EPT_MAX_GFN - 1, EPT_MAX_GFN,
};

static const struct slot plain; /* is not logged */

static u64 page_spte(struct fixture *f, unsigned int index, bool write, bool logged)
{
	const struct spte_page page = {
		.hfn = fake_host.pte[index].hfn,
		.host_writable = true,
		.write = write,
		.logged = logged,
	};

	return spte_leaf(f->mmu.kind, &page);
}

static int map(struct fixture *f, gfn_t gfn, u64 spte)
{
	int ret;

	if (table_cache_fill(&f->tables))
		return -ENOMEM;
	read_lock(&f->mmu.lock);
	ret = fixture_map(&f->mmu, gfn, ept_get(&f->mmu, gfn), spte, &f->tables);
	read_unlock(&f->mmu.lock);
	return ret;
}

static void zap(struct fixture *f, struct slot *slot, gfn_t start, gfn_t end,
		struct tlb_batch *batch)
{
	write_lock(&f->mmu.lock);
	ept_zap(&f->mmu, slot, start, end, batch);
	write_unlock(&f->mmu.lock);
}

static u64 get(struct fixture *f, gfn_t gfn)
{
	u64 spte;

	read_lock(&f->mmu.lock);
	spte = ept_get(&f->mmu, gfn);
	read_unlock(&f->mmu.lock);
	return spte;
}

TEST(map_and_get_where_tables_end)
{
	struct fixture f;
	unsigned int i;

	fixture_init(&f, FIX_PML);
	for (i = 0; i < ARRAY_SIZE(places); i++)
		CHECK_EQ(get(&f, places[i]), 0);
	for (i = 0; i < ARRAY_SIZE(places); i++)
		CHECK_EQ(map(&f, places[i], page_spte(&f, i, false, false)), 0);
	for (i = 0; i < ARRAY_SIZE(places); i++) {
		CHECK_EQ(spte_hfn(get(&f, places[i])), fake_host.pte[i].hfn);
		CHECK(fixture_touch(&f, places[i], CPU_READ));
	}
	CHECK_EQ(get(&f, 2), 0);
	CHECK_EQ(mmu_mapped(&f.mmu), ARRAY_SIZE(places));
	/* Leaf tables 0, 1, 1ff, 200, 3ffff, 40000 and the last, four above, three above them. */
	CHECK_EQ(atomic_long_read(&f.mmu.nr_tables), 7 + 5 + 3);
	fixture_exit(&f);
}

TEST(beyond_the_last_gfn_nothing_is_mapped)
{
	struct fixture f;

	fixture_init(&f, FIX_PML);
	CHECK(map(&f, EPT_MAX_GFN + 1, page_spte(&f, 0, false, false)) < 0);
	CHECK(map(&f, ~0ull, page_spte(&f, 0, false, false)) < 0);
	CHECK_EQ(get(&f, EPT_MAX_GFN + 1), 0);
	CHECK_EQ(get(&f, ~0ull), 0);
	CHECK_EQ(ept_restore(&f.mmu, &plain, ~0ull, true, false), EPT_NOT_RESTORED);
	fixture_exit(&f);
}

TEST(map_without_tables_fails_and_leaves_what_is_sound)
{
	unsigned int have, i;

	for (have = 0; have < EPT_LEVELS - 1; have++) {
		struct table_cache few = {};
		struct fixture f;
		int ret;

		fixture_init(&f, FIX_PML);
		REQUIRE(!table_cache_fill(&few));
		for (i = 0; i < EPT_LEVELS - 1 - have; i++)
			env_table_free(few.table[--few.n]);
		atomic_long_sub(i, &mmu_tables_alive);
		read_lock(&f.mmu.lock);
		ret = fixture_map(&f.mmu, 5, 0, page_spte(&f, 0, false, false), &few);
		read_unlock(&f.mmu.lock);
		CHECK_EQ(ret, -ENOMEM);
		CHECK_EQ(get(&f, 5), 0);
		CHECK_EQ(mmu_mapped(&f.mmu), 0);
		CHECK_EQ(map(&f, 5, page_spte(&f, 0, false, false)), 0);
		table_cache_drain(&few);
		fixture_exit(&f);
	}
}

TEST(table_cache_fails_at_every_allocation)
{
	struct table_cache cache = {};
	unsigned int n;

	for (n = 1; n <= EPT_LEVELS - 1; n++) {
		env_fail_at(n);
		CHECK_EQ(table_cache_fill(&cache), -ENOMEM);
		CHECK_EQ(cache.n, n - 1);
		env_fail_at(0);
		table_cache_drain(&cache);
	}
	CHECK_EQ(table_cache_fill(&cache), 0);
	CHECK_EQ(table_cache_fill(&cache), 0);
	CHECK_EQ(cache.n, EPT_LEVELS - 1);
	table_cache_drain(&cache);
}

TEST(root_fails_without_memory)
{
	struct mmu mmu = {};

	env_fail_at(1);
	CHECK_EQ(ept_init(&mmu), -ENOMEM);
	env_fail_at(0);
	ept_destroy(&mmu);
}

TEST(map_over_an_entry_that_changed_is_refused)
{
	u64 old, spte;
	struct fixture f;
	int ret;

	fixture_init(&f, FIX_PML);
	spte = page_spte(&f, 0, false, true);
	CHECK_EQ(map(&f, 7, spte), 0);
	old = get(&f, 7);
	CHECK(fixture_touch(&f, 7, CPU_WRITE)); /* sets D */
	read_lock(&f.mmu.lock);
	ret = fixture_map(&f.mmu, 7, old, spte, &f.tables);
	read_unlock(&f.mmu.lock);
	CHECK_EQ(ret, -EAGAIN);
	CHECK(get(&f, 7) & EPT_D);
	CHECK_EQ(mmu_mapped(&f.mmu), 1);
	fixture_exit(&f);
}

static struct fixture *racing;
static u64 racing_spte;

/* Another vCPU maps the neighbour just before this one links its table. */
static void map_neighbour(void)
{
	struct table_cache *cache = &racing->tables;

	env_race_hook = NULL;
	CHECK_EQ(fixture_map(&racing->mmu, 9, 0, racing_spte, cache), 0);
	CHECK_EQ(cache->n, 0);
}

TEST(two_vcpus_link_the_same_tables)
{
	struct table_cache cache = {};
	struct fixture f;
	int ret;

	fixture_init(&f, FIX_PML);
	racing = &f;
	racing_spte = page_spte(&f, 9, false, false);
	REQUIRE(!table_cache_fill(&cache) && !table_cache_fill(&f.tables));
	read_lock(&f.mmu.lock);
	env_race_hook = map_neighbour;
	ret = fixture_map(&f.mmu, 8, 0, page_spte(&f, 8, false, false), &cache);
	read_unlock(&f.mmu.lock);
	CHECK_EQ(ret, 0);
	/* Theirs are linked, ours stay in the cache, and nothing is counted twice. */
	CHECK_EQ(cache.n, EPT_LEVELS - 1);
	CHECK_EQ(atomic_long_read(&f.mmu.nr_tables), EPT_LEVELS - 1);
	CHECK_EQ(mmu_mapped(&f.mmu), 2);
	CHECK_EQ(spte_hfn(get(&f, 8)), fake_host.pte[8].hfn);
	CHECK_EQ(spte_hfn(get(&f, 9)), fake_host.pte[9].hfn);
	table_cache_drain(&cache);
	fixture_exit(&f);
}

TEST(restore_gives_no_permission_that_was_never_there)
{
	struct fixture f;
	u64 spte;

	fixture_init(&f, FIX_PML);
	spte = page_spte(&f, 3, false, false);
	CHECK_EQ(map(&f, 3, spte & ~(EPT_X | EPT_W | SPTE_HOST_WRITABLE)), 0);
	CHECK_EQ(ept_restore(&f.mmu, &plain, 3, false, false), EPT_RESTORED);
	CHECK_EQ(ept_restore(&f.mmu, &plain, 3, false, true), EPT_NOT_RESTORED);
	CHECK_EQ(ept_restore(&f.mmu, &plain, 3, true, false), EPT_NOT_RESTORED);
	CHECK_EQ(ept_restore(&f.mmu, &plain, 4, false, false), EPT_NOT_RESTORED);
	fixture_exit(&f);
}

TEST(tables_die_when_empty_and_are_freed_after_the_flush)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	struct fixture f;
	long standing;
	gfn_t gfn;

	fixture_init(&f, FIX_PML);
	for (gfn = 500; gfn < 530; gfn++)
		CHECK_EQ(map(&f, gfn, page_spte(&f, gfn, false, false)), 0);
	table_cache_drain(&f.tables);
	standing = env_alive();
	CHECK_EQ(atomic_long_read(&f.mmu.nr_tables), 4);

	/* A part: nothing dies. */
	zap(&f, NULL, 501, 529, &batch);
	CHECK(batch.flush && !batch.dead_tables);
	CHECK_EQ(mmu_mapped(&f.mmu), 2);

	/* The rest of one table, then all. */
	CHECK(fixture_touch(&f, 529, CPU_READ));
	zap(&f, NULL, 512, 1024, &batch);
	CHECK(batch.dead_tables);
	CHECK_EQ(atomic_long_read(&f.mmu.nr_tables), 3);
	zap(&f, NULL, 0, 512, &batch);
	CHECK_EQ(atomic_long_read(&f.mmu.nr_tables), 0);
	CHECK_EQ(env_alive(), standing);
	CHECK(env_table_is_live(batch.dead_tables));

	fixture_discharge(&f, &batch);
	CHECK(!batch.dead_tables);
	CHECK_EQ(env_alive(), standing - 4);
	/* All can come back. */
	CHECK_EQ(map(&f, 512, page_spte(&f, 0, false, false)), 0);
	fixture_exit(&f);
}

/* A CPU that still caches a dead table finds nothing in it, the chain of the dead included. */
TEST(a_dead_table_translates_nothing)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	struct fixture f;
	hfn_t hfn;
	gfn_t gfn;

	fixture_init(&f, FIX_PML);
	for (gfn = 0; gfn < 2048; gfn += 512) {
		CHECK_EQ(map(&f, gfn, page_spte(&f, 0, false, false)), 0);
		CHECK(fixture_touch(&f, gfn, CPU_READ));
	}
	zap(&f, NULL, 0, 2048, &batch);
	for (gfn = 0; gfn < 2048; gfn += 512) {
		cpu_evict(&f.cpu, gfn);
		CHECK_EQ(cpu_access(&f.cpu, gfn, CPU_READ, &hfn), CPU_VIOLATION);
	}
	fixture_discharge(&f, &batch);
	fixture_exit(&f);
}

/* Invariant 10: what a leaf knew reaches the host's page. */
TEST(zap_tells_the_host_of_a_write)
{
	enum fixture_mode mode;

	for (mode = 0; mode < NR_FIX_MODES; mode++) {
		struct fixture f;
		unsigned int how;

		for (how = 0; how < 4; how++) {
			struct tlb_batch batch = TLB_BATCH_INIT;
			struct host_frame *frame;

			fixture_init(&f, mode);
			fixture_slot(&f, 0, 0, 10, 0, KVM_MEM_LOG_DIRTY_PAGES);
			CHECK(fixture_touch(&f, 3, how ? CPU_WRITE : CPU_READ));
			frame = host_frame(fake_host.pte[3].hfn);
			CHECK(!frame->dirty);
			write_lock(&f.mmu.lock);
			if (how == 2)
				CHECK_EQ(ept_rearm_mask(&f.mmu, 0, 0xff, &batch), 8);
			if (how == 3)
				ept_age(&f.mmu, 0, 10, true);
			write_unlock(&f.mmu.lock);
			zap(&f, NULL, 0, 10, &batch);
			CHECK_MSG(frame->dirty == !!how, "mode %u, how %u", mode, how);
			fixture_discharge(&f, &batch);
			fixture_exit(&f);
		}
	}
}

/* Where D is the only record, zap puts it into the slot's bitmap; elsewhere it is there. */
TEST(zap_records_d_where_d_is_scanned)
{
	enum fixture_mode mode;

	for (mode = 0; mode < NR_FIX_MODES; mode++) {
		struct tlb_batch batch = TLB_BATCH_INIT;
		struct slot *slot;
		struct fixture f;

		fixture_init(&f, mode);
		slot = fixture_slot(&f, 0, 100, 10, 0, KVM_MEM_LOG_DIRTY_PAGES);
		CHECK(fixture_touch(&f, 103, CPU_WRITE));
		CHECK(fixture_touch(&f, 104, CPU_READ));
		zap(&f, slot, 100, 110, &batch);
		fixture_discharge(&f, &batch);
		CHECK_EQ(slot->dirty.word[0], 1ul << 3);
		fixture_exit(&f);
	}
}

TEST(zap_takes_the_range_and_no_more)
{
	struct fixture f;
	unsigned int round;

	for (round = 0; round < 300; round++) {
		gfn_t base = places[round % ARRAY_SIZE(places)] & ~0x3full, gfn;
		gfn_t start = base + fixture_rnd() % 64, end = start + fixture_rnd() % 64;
		struct tlb_batch batch = TLB_BATCH_INIT;

		if (base + 128 > EPT_MAX_GFN)
			base = EPT_MAX_GFN - 128;
		fixture_init(&f, FIX_WRPROT);
		for (gfn = base; gfn < base + 128; gfn++)
			CHECK_EQ(map(&f, gfn, page_spte(&f, 0, false, false)), 0);
		zap(&f, NULL, start, end, &batch);
		for (gfn = base; gfn < base + 128; gfn++)
			CHECK_EQ(!get(&f, gfn), gfn >= start && gfn < end);
		fixture_discharge(&f, &batch);
		fixture_exit(&f);
	}
}

TEST(zap_of_nothing_asks_for_nothing)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	struct fixture f;

	fixture_init(&f, FIX_PML);
	CHECK_EQ(map(&f, 0, page_spte(&f, 0, false, false)), 0);
	zap(&f, NULL, 1, EPT_MAX_GFN + 1, &batch);
	zap(&f, NULL, 5, 5, &batch);
	CHECK(!batch.flush && !batch.dead_tables);
	/* A misconfigured entry is in no TLB (SDM 3C 29.4.2). */
	CHECK_EQ(map(&f, 1, spte_mmio(1)), 0);
	zap(&f, NULL, 1, 2, &batch);
	CHECK(!batch.flush);
	CHECK_EQ(get(&f, 1), 0);
	fixture_exit(&f);
}

/* Rearm and the mask of the written against a plain model; holes and table ends in between. */
TEST(rearm_mask_is_what_was_written)
{
	enum fixture_mode mode;
	unsigned int round, i;

	for (mode = 0; mode < NR_FIX_MODES; mode++) {
		for (round = 0; round < 100; round++) {
			struct tlb_batch batch = TLB_BATCH_INIT;
			gfn_t base = 512 - fixture_rnd() % 64;
			u64 written = 0, mask = fixture_rnd(), armed, before[64];
			struct fixture f;

			fixture_init(&f, mode);
			fixture_slot(&f, 0, base, 64, 0, KVM_MEM_LOG_DIRTY_PAGES);
			for (i = 0; i < 64; i++) {
				unsigned int how = fixture_rnd() % 3;

				if (how)
					CHECK(fixture_touch(&f, base + i,
							    how == 2 ? CPU_WRITE : CPU_READ));
				written |= (u64)(how == 2) << i;
			}
			/* Each may have mapped others, too. */
			for (i = 0; i < 64; i++)
				before[i] = get(&f, base + i);
			write_lock(&f.mmu.lock);
			CHECK_EQ(ept_written_mask(&f.mmu, base, mask), written & mask);
			armed = ept_rearm_mask(&f.mmu, base, mask, &batch);
			CHECK_EQ(armed, written & mask);
			CHECK_EQ(batch.flush, !!armed);
			CHECK_EQ(ept_written_mask(&f.mmu, base, ~0ull), written & ~mask);
			write_unlock(&f.mmu.lock);
			for (i = 0; i < 64; i++)
				if (!(armed >> i & 1))
					CHECK_EQ(get(&f, base + i), before[i]);
			fixture_discharge(&f, &batch);
			fixture_exit(&f);
		}
	}
}

/* Invariant 5: the access bit goes without a flush, and only it. */
TEST(age_clears_and_tells)
{
	enum fixture_mode mode;
	gfn_t gfn;

	for (mode = 0; mode < NR_FIX_MODES; mode++) {
		struct fixture f;

		fixture_init(&f, mode);
		fixture_slot(&f, 0, 500, 30, 0, 0);
		write_lock(&f.mmu.lock);
		CHECK(!ept_age(&f.mmu, 500, 530, true));
		write_unlock(&f.mmu.lock);
		CHECK(fixture_touch(&f, 505, CPU_READ));
		CHECK(fixture_touch(&f, 520, CPU_WRITE));
		write_lock(&f.mmu.lock);
		CHECK(ept_age(&f.mmu, 500, 510, false));
		CHECK(ept_age(&f.mmu, 500, 510, true));
		CHECK(!ept_age(&f.mmu, 500, 510, false));
		CHECK(ept_age(&f.mmu, 500, 530, true));
		CHECK(!ept_age(&f.mmu, 500, 530, true));
		CHECK(!ept_age(&f.mmu, 0, EPT_MAX_GFN + 1, true));
		write_unlock(&f.mmu.lock);
		for (gfn = 505; gfn <= 520; gfn += 15)
			CHECK(spte_maps_page(get(&f, gfn)));
		/* What walks again is young again. */
		cpu_flush(&f.cpu);
		CHECK(fixture_touch(&f, 505, CPU_FETCH));
		CHECK(fixture_touch(&f, 520, CPU_WRITE));
		write_lock(&f.mmu.lock);
		CHECK(ept_age(&f.mmu, 500, 510, false));
		CHECK(ept_age(&f.mmu, 510, 530, false));
		write_unlock(&f.mmu.lock);
		fixture_exit(&f);
	}
}
