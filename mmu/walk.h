/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Descents through the tables: for the files of mmu/ that change SPTEs, and for
 * nobody else.  Pure.  The lock held, any way, as long as a pointer is in use.
 *
 * An entry above level 1 is 0, a table, or a large leaf (EPT_PS).
 */
#ifndef VELLUM_MMU_WALK_H
#define VELLUM_MMU_WALK_H

#include "mmu/ept.h"

/* Counted in mmu_tables_alive.  May sleep; NULL: no memory. */
u64 *table_alloc(bool zeroed);
void table_free(u64 *table);

static inline unsigned int index_at(gfn_t gfn, int level)
{
	return gfn >> ((level - 1) * EPT_LEVEL_BITS) & (EPT_TABLE_ENTRIES - 1);
}

static inline u64 *child_table(u64 entry)
{
	/* Every table entry of ours allows everything, so R tells it is there. */
	return (entry & (EPT_R | EPT_PS)) == EPT_R ? env_table_va(entry & EPT_ADDR_MASK) : NULL;
}

/* The table at level 1 that holds the leaf of @gfn, or NULL. */
static inline u64 *leaf_table(struct mmu *mmu, gfn_t gfn)
{
	u64 *table = mmu->root;
	unsigned int shift;

	if (gfn > EPT_MAX_GFN)
		return NULL;
	/* index_at() of each level down to 2 */
	for (shift = (EPT_LEVELS - 1) * EPT_LEVEL_BITS; shift; shift -= EPT_LEVEL_BITS) {
		table = child_table(READ_ONCE(table[gfn >> shift & (EPT_TABLE_ENTRIES - 1)]));
		if (!table)
			break;
	}
	return table;
}

/*
 * The entry at which the walk of @gfn (at most EPT_MAX_GFN) ends: one of a leaf
 * table, a large leaf, or one that is 0.  @level gets its level.
 */
static inline u64 *walk_end(struct mmu *mmu, gfn_t gfn, int *level)
{
	u64 *table = mmu->root, *entryp, *child;

	for (*level = EPT_LEVELS;; --*level) {
		entryp = &table[index_at(gfn, *level)];
		if (*level == 1)
			return entryp;
		child = child_table(READ_ONCE(*entryp));
		if (!child)
			return entryp;
		table = child;
	}
}

/* The large leaf that maps @gfn, or NULL: asked where there is no leaf table. */
static inline u64 *large_leaf(struct mmu *mmu, gfn_t gfn)
{
	u64 *entryp;
	int level;

	if (gfn > EPT_MAX_GFN)
		return NULL;
	entryp = walk_end(mmu, gfn, &level);
	return level > 1 && READ_ONCE(*entryp) ? entryp : NULL;
}

/* Walks along GFNs that are near each other: one descent for each leaf table. */
struct leaf_cursor {
	struct mmu *mmu;
	u64 *table;
	gfn_t first; /* the GFN of the table's first entry; GFN_NONE: no descent yet */
};

static inline struct leaf_cursor leaf_cursor(struct mmu *mmu)
{
	return (struct leaf_cursor){ .mmu = mmu, .first = GFN_NONE };
}

/* The SPTE of @gfn, or NULL where no leaf table is. */
static inline u64 *leaf_at(struct leaf_cursor *cursor, gfn_t gfn)
{
	gfn_t first = gfn & ~(gfn_t)(EPT_TABLE_ENTRIES - 1);

	if (first != cursor->first) {
		cursor->table = leaf_table(cursor->mmu, gfn);
		cursor->first = first;
	}
	return cursor->table ? &cursor->table[gfn - first] : NULL;
}

/* Where to go on after leaf_at() found no table. */
static inline gfn_t leaf_skip(const struct leaf_cursor *cursor)
{
	return cursor->first + EPT_TABLE_ENTRIES;
}

/*
 * Puts @table in the place of the large leaf *@entryp, with children that allow
 * and know what it does; @arm: armed.  False, @table is anything then: it is no
 * large leaf any more.  Lock held for read; for write to arm.
 */
bool split_leaf(struct mmu *mmu, u64 *entryp, int level, u64 *table, bool arm);

#endif
