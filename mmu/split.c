// SPDX-License-Identifier: GPL-2.0
/*
 * Large leaves become tables of smaller ones.  Pure.
 *
 * A split alone changes nothing for the guest: the children allow and know what
 * the leaf did, whatever a CPU still caches of it.  It is what is done with the
 * children, armed as they are made or later, that needs a flush.
 */
#include "mmu/walk.h"

static void fill_children(u64 *table, u64 child, int level)
{
	const u64 step = EPT_LEVEL_PAGES(level - 1) << PAGE_SHIFT;
	u64 *const end = table + EPT_TABLE_ENTRIES;

	for (; table < end; table++, child += step)
		WRITE_ONCE(*table, child); /* whoever finds the table reads them without a lock */
}

bool split_leaf(struct mmu *mmu, u64 *entryp, int level, u64 *table, bool arm)
{
	u64 old = READ_ONCE(*entryp);

	/* The CPU may set A and D until the very moment the leaf goes. */
	do {
		if (!(old & EPT_PS))
			return false;
		fill_children(table, spte_first_child(arm ? spte_rearm(old) : old, level), level);
	} while (!try_cmpxchg64(entryp, &old, spte_table(env_table_pa(table), mmu->caps.ad)));
	atomic_long_dec(&mmu->nr_pages[level - 1]);
	atomic_long_add(EPT_TABLE_ENTRIES, &mmu->nr_pages[level - 2]);
	atomic_long_inc(&mmu->nr_tables);
	atomic_long_inc(&mmu->nr_splits);
	return true;
}

void table_stock_fill(struct table_stock *stock, const struct mmu *mmu)
{
	if (!mmu->caps.eager_split || !mmu_has_large(mmu))
		return;
	while (stock->n < ARRAY_SIZE(stock->table)) {
		u64 *table = table_alloc(false);

		if (!table)
			return;
		stock->table[stock->n++] = table;
	}
}

void table_stock_drain(struct table_stock *stock)
{
	while (stock->n)
		table_free(stock->table[--stock->n]);
}

bool ept_split_at(struct mmu *mmu, gfn_t gfn, bool arm, struct table_stock *stock)
{
	u64 *entryp;
	int level;

	lockdep_assert_held_write(&mmu->lock);
	if (gfn > EPT_MAX_GFN)
		return false;
	for (;;) {
		entryp = walk_end(mmu, gfn, &level);
		if (level == 1 || !READ_ONCE(*entryp))
			return true;
		if (!stock->n)
			return false;
		if (split_leaf(mmu, entryp, level, stock->table[stock->n - 1], arm))
			stock->n--;
	}
}
