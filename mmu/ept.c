// SPDX-License-Identifier: GPL-2.0
/*
 * The EPT's tables, and every write to an SPTE.  Pure; see ept.h for which
 * lock each function wants.
 */
#include "mmu/rmap.h"
#include "mmu/shadow.h"
#include "mmu/walk.h"

atomic_long_t mmu_tables_alive = ATOMIC_LONG_INIT(0);

u64 *table_alloc(bool zeroed)
{
	u64 *table = zeroed ? env_table_alloc() : env_table_alloc_raw();

	if (table)
		atomic_long_inc(&mmu_tables_alive);
	return table;
}

void table_free(u64 *table)
{
	env_table_free(table);
	atomic_long_dec(&mmu_tables_alive);
}

int table_cache_fill(struct table_cache *cache)
{
	while (cache->n < ARRAY_SIZE(cache->table)) {
		u64 *table = table_alloc(true);

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
	mmu->root = table_alloc(true);
	return mmu->root ? 0 : -ENOMEM;
}

u64 ept_get(struct mmu *mmu, gfn_t gfn)
{
	int level;

	return gfn > EPT_MAX_GFN ? 0 : READ_ONCE(*walk_end(mmu, gfn, &level));
}

int ept_level(struct mmu *mmu, gfn_t gfn)
{
	int level;

	walk_end(mmu, gfn, &level);
	return level;
}

gfn_t ept_hole_end(struct mmu *mmu, gfn_t gfn)
{
	u64 *entryp;
	int level;

	if (gfn > EPT_MAX_GFN)
		return GFN_NONE;
	entryp = walk_end(mmu, gfn, &level);
	return level == 1 || READ_ONCE(*entryp) ? gfn : (gfn | (EPT_LEVEL_PAGES(level) - 1)) + 1;
}

/* By single writes: whoever finds the table later reads it without a lock. */
static void clear_table(u64 *table)
{
	unsigned int i;

	for (i = 0; i < EPT_TABLE_ENTRIES; i++)
		WRITE_ONCE(table[i], 0);
}

/* The last table of @cache takes the place of large leaf *@entryp. */
static u64 *child_by_split(struct mmu *mmu, u64 *entryp, int level, struct table_cache *cache)
{
	u64 *table = cache->table[cache->n - 1];

	if (split_leaf(mmu, entryp, level, table, false)) {
		cache->n--;
		cache->splits++;
		return table;
	}
	clear_table(table);
	return child_table(READ_ONCE(*entryp));
}

/* The table below @entryp, made from @cache if there is none. */
static u64 *child_or_new(struct mmu *mmu, u64 *entryp, int level, struct table_cache *cache)
{
	u64 old = READ_ONCE(*entryp);
	u64 *table;

	if (child_table(old) || !cache->n)
		return child_table(old);

	if (unlikely(old & EPT_PS))
		return cache->no_split ? NULL : child_by_split(mmu, entryp, level, cache);
	table = cache->table[cache->n - 1];
	/* Publishes the zeroes in it, too: cmpxchg orders them before. */
	if (!try_cmpxchg64(entryp, &old, spte_table(env_table_pa(table), mmu->caps.ad)))
		return child_table(old);
	cache->n--;
	atomic_long_inc(&mmu->nr_tables);
	return table;
}

u64 *table_make(struct mmu *mmu, u64 *root, gfn_t gfn, int level, struct table_cache *cache)
{
	u64 *table = root;
	int at;

	if (gfn > EPT_MAX_GFN)
		return NULL;
	for (at = EPT_LEVELS; at > level && table; at--)
		table = child_or_new(mmu, &table[index_at(gfn, at)], at, cache);
	return table;
}

u64 *ept_leaf(struct mmu *mmu, gfn_t gfn, struct table_cache *cache)
{
	u64 *table = leaf_table(mmu, gfn);

	if (unlikely(!table)) {
		table = table_make(mmu, mmu->root, gfn, 1, cache);
		if (!table)
			return NULL;
	}
	return &table[index_at(gfn, 1)];
}

u64 *ept_large_leaf(struct mmu *mmu, gfn_t gfn, int level, struct table_cache *cache)
{
	u64 *table = table_make(mmu, mmu->root, gfn, level, cache);
	u64 *entryp;

	if (!table)
		return NULL;
	entryp = &table[index_at(gfn, level)];
	return child_table(READ_ONCE(*entryp)) ? NULL : entryp;
}

int ept_set(struct mmu *mmu, u64 *leaf, int level, u64 old, u64 spte)
{
	/* A table that another vCPU has linked meanwhile is no leaf to be replaced. */
	if ((level > 1 && child_table(old)) || !try_cmpxchg64(leaf, &old, spte))
		return -EAGAIN;
	if (spte_maps_page(spte) && !spte_maps_page(old))
		atomic_long_inc(&mmu->nr_pages[level - 1]);
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
	atomic_long_add(pages, &mmu->nr_pages[0]);
}

enum ept_restored restore_leaf(u64 *sptep, bool write, bool fetch)
{
	u64 old = READ_ONCE(*sptep), new;

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

/* Where @gfn has no leaf table. */
static noinline enum ept_restored restore_large(struct mmu *mmu, gfn_t gfn, bool write, bool fetch)
{
	u64 *sptep = large_leaf(mmu, gfn);

	return sptep ? restore_leaf(sptep, write, fetch) : EPT_NOT_RESTORED;
}

enum ept_restored ept_restore(struct mmu *mmu, const struct slot *slot, gfn_t gfn, bool write,
			      bool fetch)
{
	u64 *table = leaf_table(mmu, gfn);

	if (likely(table))
		return restore_leaf(&table[index_at(gfn, 1)], write, fetch);
	if (write && slot_is_logged_by_page(slot))
		return EPT_NOT_RESTORED;
	return restore_large(mmu, gfn, write, fetch);
}

/* What @old, the leaf of @n pages from @gfn on, knew of writes and the bitmap does not. */
static void zap_record(struct zap *zap, u64 old, gfn_t gfn, u64 n)
{
	struct slot *slot = zap->slot;

	if (!slot || !slot_is_logged(slot) || !mmu_scans_d(zap->mmu) || !spte_was_written(old))
		return;
	/* No leaf of a coarse slot is of more than one range. */
	if (slot->coarse)
		n = 1;
	for (; n; n--, gfn++)
		slot_set_dirty(slot, gfn - slot->base);
}

/* @gfn is the leaf's first. */
static void zap_leaf(struct zap *zap, u64 *sptep, int level, gfn_t gfn)
{
	u64 old;

	if (!READ_ONCE(*sptep))
		return;
	/* An exchange: the CPU may set D until the very moment it goes. */
	old = xchg(sptep, 0);
	if (!spte_maps_page(old))
		return; /* misconfigured entries are not cached (SDM 3C 29.4.2) */

	/* One page or a compound one: the host counts it as a whole. */
	if (spte_was_written(old) || (old & SPTE_WAS_DIRTY))
		env_page_dirty(spte_hfn(old));
	zap_record(zap, old, gfn, EPT_LEVEL_PAGES(level));
	atomic_long_dec(&zap->mmu->nr_pages[level - 1]);
	zap->batch->flush = true;
}

static void zap_leaves(struct zap *zap, u64 *sptep, unsigned int n, int level, gfn_t gfn)
{
	for (; n; n--, gfn++)
		zap_leaf(zap, sptep++, level, gfn);
}

static bool table_is_empty(const u64 *table)
{
	unsigned int i;

	for (i = 0; i < EPT_TABLE_ENTRIES; i++)
		if (READ_ONCE(table[i]))
			return false;
	return true;
}

void table_bury(struct tlb_batch *batch, u64 *table)
{
	/*
	 * A CPU may walk the table by its paging-structure caches until the
	 * flush, and a fault that restores without the lock, too.  All its
	 * entries are 0 but the first, the chain, which is a page's physical
	 * address: no bit but of the address is set, so it maps nothing either.
	 */
	WRITE_ONCE(table[0], batch->dead_tables ? env_table_pa(batch->dead_tables) : 0);
	batch->dead_tables = table;
	batch->flush = true;
}

static void unlink_table(struct zap *zap, u64 *entryp, u64 *table)
{
	WRITE_ONCE(*entryp, 0);
	/* And the links that stand beside it, and what stands beside those. */
	while (table) {
		u64 *beside = env_table_attached(table);

		zap->buried++;
		table_bury(zap->batch, table);
		table = beside;
	}
}

/*
 * Zaps what of @table (at @level, from @base on) is in range; of a large leaf that
 * is so in part, all: the rest is faulted in again.  Recursion ends at EPT_LEVELS.
 */
static void zap_table(struct zap *zap, u64 *table, int level, gfn_t base)
{
	gfn_t span = EPT_LEVEL_PAGES(level);
	unsigned int i = zap->start > base ? (zap->start - base) / span : 0;
	unsigned int end = min_t(u64, (zap->end - base + span - 1) / span, EPT_TABLE_ENTRIES);

	if (level == 1) {
		zap->entries(zap, &table[i], end - i, level, base + i);
		return;
	}
	for (; i < end; i++) {
		gfn_t gfn = base + i * span;
		u64 *child = child_table(READ_ONCE(table[i]));

		if (!child) {
			zap->entries(zap, &table[i], 1, level, gfn);
			continue;
		}
		zap_table(zap, child, level - 1, gfn);
		if (table_is_empty(child))
			unlink_table(zap, &table[i], child);
	}
}

void zap_tree(struct zap *zap, u64 *root)
{
	long before = zap->buried;

	lockdep_assert_held_write(&zap->mmu->lock);
	if (zap->start < zap->end)
		zap_table(zap, root, EPT_LEVELS, 0);
	atomic_long_sub(zap->buried - before, &zap->mmu->nr_tables);
}

void ept_zap(struct mmu *mmu, struct slot *slot, gfn_t start, gfn_t end, struct tlb_batch *batch)
{
	struct zap zap = {
		.mmu = mmu,
		.slot = slot,
		.start = start,
		.end = end,
		.batch = batch,
		.entries = zap_leaves,
	};

	/* First: it looks at what is mapped here. */
	if (unlikely(mmu->shadows))
		rmap_zap(mmu, slot, start, end, batch);
	zap_tree(&zap, mmu->root);
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
	shadows_destroy(mmu);
	write_lock(&mmu->lock);
	ept_zap(mmu, NULL, 0, EPT_MAX_GFN + 1, &batch);
	write_unlock(&mmu->lock);
	ept_free_dead(&batch);
	table_free(mmu->root);
	mmu->root = NULL;
}
