// SPDX-License-Identifier: GPL-2.0
/*
 * The EPT's tables, and every write to an SPTE.  Pure; see ept.h for which
 * lock each function wants.
 */
#include "mmu/walk.h"

atomic_long_t mmu_tables_alive = ATOMIC_LONG_INIT(0);

static u64 *table_alloc(void)
{
	u64 *table = env_table_alloc();

	if (table)
		atomic_long_inc(&mmu_tables_alive);
	return table;
}

static void table_free(u64 *table)
{
	env_table_free(table);
	atomic_long_dec(&mmu_tables_alive);
}

int table_cache_fill(struct table_cache *cache)
{
	while (cache->n < ARRAY_SIZE(cache->table)) {
		u64 *table = table_alloc();

		if (!table)
			return -ENOMEM;
		cache->table[cache->n++] = table;
	}
	return 0;
}

void table_cache_drain(struct table_cache *cache)
{
	while (cache->n)
		table_free(cache->table[--cache->n]);
}

int ept_init(struct mmu *mmu)
{
	mmu->root = table_alloc();
	return mmu->root ? 0 : -ENOMEM;
}

u64 ept_get(struct mmu *mmu, gfn_t gfn)
{
	struct leaf_cursor cursor = leaf_cursor(mmu);
	u64 *sptep = leaf_at(&cursor, gfn);

	return sptep ? READ_ONCE(*sptep) : 0;
}

/* The table below @entryp, made from @cache if there is none. */
static u64 *child_or_new(struct mmu *mmu, u64 *entryp, struct table_cache *cache)
{
	u64 old = READ_ONCE(*entryp);
	u64 *table;

	if (child_table(old) || !cache->n)
		return child_table(old);

	table = cache->table[cache->n - 1];
	/* Publishes the zeroes in it, too: cmpxchg orders them before. */
	if (!try_cmpxchg64(entryp, &old, spte_table(env_table_pa(table), mmu->caps.ad)))
		return child_table(old);
	cache->n--;
	atomic_long_inc(&mmu->nr_tables);
	return table;
}

u64 *ept_leaf(struct mmu *mmu, gfn_t gfn, struct table_cache *cache)
{
	u64 *table = leaf_table(mmu, gfn);
	int level;

	if (unlikely(!table)) {
		if (gfn > EPT_MAX_GFN)
			return NULL;
		table = mmu->root;
		for (level = EPT_LEVELS; level > 1 && table; level--)
			table = child_or_new(mmu, &table[index_at(gfn, level)], cache);
		if (!table)
			return NULL;
	}
	return &table[index_at(gfn, 1)];
}

int ept_set(struct mmu *mmu, u64 *leaf, u64 old, u64 spte)
{
	if (!try_cmpxchg64(leaf, &old, spte))
		return -EAGAIN;
	if (spte_maps_page(spte) && !spte_maps_page(old))
		atomic_long_inc(&mmu->nr_pages);
	return 0;
}

u64 ept_empty_mask(struct mmu *mmu, gfn_t gfn, unsigned int n)
{
	u64 *table, empty = 0;
	unsigned int i;

	lockdep_assert_held(&mmu->lock);
	table = leaf_table(mmu, gfn);
	if (!table)
		return GENMASK_ULL(n - 1, 0);
	table += index_at(gfn, 1);
	for (i = 0; i < n; i++)
		if (!READ_ONCE(table[i]))
			empty |= BIT_ULL(i);
	return empty;
}

void ept_fill(struct mmu *mmu, u64 *leaf, const u64 *spte, unsigned int n)
{
	long pages = 0;
	unsigned int i;

	for (i = 0; i < n; i++) {
		u64 old = 0;

		if (spte[i] && try_cmpxchg64(&leaf[i], &old, spte[i]))
			pages++;
	}
	atomic_long_add(pages, &mmu->nr_pages);
}

enum ept_restored ept_restore(struct mmu *mmu, gfn_t gfn, bool write, bool fetch)
{
	u64 *table = leaf_table(mmu, gfn);
	u64 *sptep, old, new;

	if (!table)
		return EPT_NOT_RESTORED;
	sptep = &table[index_at(gfn, 1)];
	old = READ_ONCE(*sptep);
	if (!spte_maps_page(old) || (write && !spte_may_restore_write(old)))
		return EPT_NOT_RESTORED;
	new = spte_restore(old, write);
	if (!spte_allows(new, write, fetch))
		return EPT_NOT_RESTORED;
	/* Another CPU was here meanwhile, or before: what it gave it has recorded itself. */
	if (new == old || !try_cmpxchg64(sptep, &old, new))
		return EPT_RESTORED;
	return (new & ~old) & EPT_W ? EPT_RESTORED_WRITE : EPT_RESTORED;
}

struct zap {
	struct mmu *mmu;
	struct slot *slot;
	gfn_t start;
	gfn_t end;
	struct tlb_batch *batch;
};

static void zap_leaf(struct zap *zap, u64 *sptep, gfn_t gfn)
{
	u64 old;

	if (!READ_ONCE(*sptep))
		return;
	/* An exchange: the CPU may set D until the very moment it goes. */
	old = xchg(sptep, 0);
	if (!spte_maps_page(old))
		return; /* misconfigured entries are not cached (SDM 3C 29.4.2) */

	if (spte_was_written(old) || (old & SPTE_WAS_DIRTY))
		env_page_dirty(spte_hfn(old));
	if (zap->slot && slot_is_logged(zap->slot) && mmu_scans_d(zap->mmu) &&
	    spte_was_written(old))
		slot_set_dirty(zap->slot, gfn - zap->slot->base);
	atomic_long_dec(&zap->mmu->nr_pages);
	zap->batch->flush = true;
}

static bool table_is_empty(const u64 *table)
{
	unsigned int i;

	for (i = 0; i < EPT_TABLE_ENTRIES; i++)
		if (READ_ONCE(table[i]))
			return false;
	return true;
}

static void unlink_table(struct zap *zap, u64 *entryp, u64 *table)
{
	WRITE_ONCE(*entryp, 0);
	atomic_long_dec(&zap->mmu->nr_tables);
	/*
	 * A CPU may walk the table by its paging-structure caches until the
	 * flush, and a fault that restores without the lock, too.  All its
	 * entries are 0 but the first, the chain, which is a page's physical
	 * address: no bit but of the address is set, so it maps nothing either.
	 */
	WRITE_ONCE(table[0], zap->batch->dead_tables ? env_table_pa(zap->batch->dead_tables) : 0);
	zap->batch->dead_tables = table;
	zap->batch->flush = true;
}

/* Zaps what of @table (at @level, from @base on) is in range.  Recursion ends at EPT_LEVELS. */
static void zap_table(struct zap *zap, u64 *table, int level, gfn_t base)
{
	gfn_t span = EPT_LEVEL_PAGES(level);
	unsigned int i = zap->start > base ? (zap->start - base) / span : 0;

	for (; i < EPT_TABLE_ENTRIES; i++) {
		gfn_t gfn = base + i * span;
		u64 *child;

		if (gfn >= zap->end)
			break;
		if (level == 1) {
			zap_leaf(zap, &table[i], gfn);
			continue;
		}
		child = child_table(READ_ONCE(table[i]));
		if (!child)
			continue;
		zap_table(zap, child, level - 1, gfn);
		if (table_is_empty(child))
			unlink_table(zap, &table[i], child);
	}
}

void ept_zap(struct mmu *mmu, struct slot *slot, gfn_t start, gfn_t end, struct tlb_batch *batch)
{
	struct zap zap = { mmu, slot, start, end, batch };

	lockdep_assert_held_write(&mmu->lock);
	zap_table(&zap, mmu->root, EPT_LEVELS, 0);
}

void ept_free_dead(struct tlb_batch *batch)
{
	while (batch->dead_tables) {
		u64 *table = batch->dead_tables;

		batch->dead_tables = table[0] ? env_table_va(table[0]) : NULL;
		table_free(table);
	}
}

void ept_destroy(struct mmu *mmu)
{
	struct tlb_batch batch = TLB_BATCH_INIT;

	if (!mmu->root)
		return;
	write_lock(&mmu->lock);
	ept_zap(mmu, NULL, 0, EPT_MAX_GFN + 1, &batch);
	write_unlock(&mmu->lock);
	ept_free_dead(&batch);
	table_free(mmu->root);
	mmu->root = NULL;
}
