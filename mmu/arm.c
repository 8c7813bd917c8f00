// SPDX-License-Identifier: GPL-2.0
/*
 * Arming leaves, so that the next write or access through them is seen again,
 * and asking what was seen.  Pure; see ept.h for which lock each function wants.
 */
#include "mmu/arm.h"
#include "mmu/rmap.h"
#include "mmu/walk.h"

/* rearm_leaf() for a large leaf that is not split now.  Only a write through it splits it. */
static bool protect_large(u64 *sptep)
{
	u64 old = READ_ONCE(*sptep);

	while (!try_cmpxchg64(sptep, &old, spte_protect_large(old)))
		;
	return spte_was_written(old);
}

static inline bool leaf_was_written(u64 *sptep)
{
	return spte_was_written(READ_ONCE(*sptep));
}

/* Where the leaves @gfn + i have no table, they may be one large leaf. */
static noinline u64 test_large(struct mmu *mmu, gfn_t gfn, u64 mask, bool (*test)(u64 *sptep))
{
	u64 *sptep = large_leaf(mmu, gfn);

	return mask && sptep && test(sptep) ? mask : 0;
}

/* Asks @test of the leaves @gfn + i, all in one table, for each bit i of @mask. */
static __always_inline u64 test_in_table(struct mmu *mmu, gfn_t gfn, u64 mask,
					 bool (*test)(u64 *sptep))
{
	u64 *leaves = leaf_table(mmu, gfn);
	u64 left, result = mask;

	if (!leaves)
		return test_large(mmu, gfn, mask, test == rearm_leaf ? protect_large : test);
	leaves += index_at(gfn, 1);
	/* Mostly all of them: so what is not is taken out. */
	for (left = mask; left; left &= left - 1) {
		unsigned long i = __ffs(left);

		if (unlikely(!test(&leaves[i])))
			result &= ~BIT_ULL(i);
	}
	return result;
}

/* The same for 64 leaves wherever they stand: in one table, or in two. */
static __always_inline u64 test_leaves(struct mmu *mmu, gfn_t gfn, u64 mask,
				       bool (*test)(u64 *sptep))
{
	unsigned int left = EPT_TABLE_ENTRIES - index_at(gfn, 1);
	u64 here = left < 64 ? mask & (BIT_ULL(left) - 1) : mask;
	u64 result = test_in_table(mmu, gfn, here, test);

	if (mask != here)
		result |= test_in_table(mmu, gfn + left, mask >> left, test) << left;
	return result;
}

u64 ept_rearm_mask(struct mmu *mmu, gfn_t gfn, u64 mask, struct tlb_batch *batch)
{
	u64 written = test_leaves(mmu, gfn, mask, rearm_leaf);

	if (written)
		batch->flush = true;
	if (unlikely(mmu->shadows))
		written |= rmap_rearm_mask(mmu, gfn, mask, batch);
	return written;
}

u64 ept_written_mask(struct mmu *mmu, gfn_t gfn, u64 mask)
{
	return test_leaves(mmu, gfn, mask, leaf_was_written);
}

/* By itself, so that its loop has the registers. */
static noinline bool rearm_range(struct mmu *mmu, gfn_t start, gfn_t end, struct table_stock *stock,
				 struct tlb_batch *batch)
{
	struct leaf_cursor cursor = leaf_cursor(mmu->root);
	bool written = false;
	gfn_t gfn = start;

	while (gfn < end) {
		u64 *sptep = leaf_at(&cursor, gfn);

		if (sptep) {
			written |= rearm_leaf(sptep);
			gfn++;
			continue;
		}
		sptep = large_leaf(mmu, gfn);
		if (sptep && !stock) {
			written |= rearm_leaf(sptep);
		} else if (sptep) {
			batch->flush = true;
			if (!ept_split_at(mmu, gfn, true, stock))
				protect_large(large_leaf(mmu, gfn));
		}
		gfn = leaf_skip(&cursor);
	}
	batch->flush |= written;
	return written;
}

bool ept_rearm_range(struct mmu *mmu, gfn_t start, gfn_t end, struct table_stock *stock,
		     struct tlb_batch *batch)
{
	bool written = false;

	if (unlikely(mmu->shadows))
		written = rmap_rearm_range(mmu, start, end, batch);
	return rearm_range(mmu, start, end, stock, batch) | written;
}

bool ept_age(struct mmu *mmu, gfn_t start, gfn_t end, bool clear)
{
	struct leaf_cursor cursor = leaf_cursor(mmu->root);
	bool young = false;
	gfn_t gfn = start;

	while (gfn < end) {
		u64 *sptep = leaf_at(&cursor, gfn);

		if (sptep) {
			gfn++;
		} else {
			sptep = large_leaf(mmu, gfn);
			gfn = leaf_skip(&cursor);
		}
		if (sptep)
			young |= age_leaf(sptep, clear);
	}
	if (unlikely(mmu->shadows))
		young |= rmap_age(mmu, start, end, clear);
	return young;
}
