/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Descents through the tables: for the files of mmu/ that change SPTEs, and for
 * nobody else.  By their root: a VM's own, a shadow's, or one of another map
 * from GFNs that is kept in the same kind of tables (rmap.h).  Pure.  The lock
 * held, any way, as long as a pointer is in use.
 *
 * An entry above level 1 is 0, a table, or a large leaf (EPT_PS).
 */
#ifndef VELLUM_MMU_WALK_H
#define VELLUM_MMU_WALK_H

#include "mmu/ept.h"

/* Counted in mmu_tables_alive.  May sleep; NULL: no memory. */
u64 *table_alloc(bool zeroed);
void table_free(u64 *table);
/* Frees @table, which is linked nowhere, after the batch's flush. */
void table_bury(struct tlb_batch *batch, u64 *table);

/*
 * The table at @level on the way from @root to @gfn, made from @cache with those
 * above it.  NULL: one is missing and @cache has no more, a large leaf is in
 * the way and @cache is to split none, or no table can hold @gfn.  Lock held.
 */
u64 *table_make(struct mmu *mmu, u64 *root, gfn_t gfn, int level, struct table_cache *cache);

/* Takes away what is in [start, end) of a tree of tables.  Write lock held. */
struct zap {
	struct mmu *mmu;
	struct slot *slot;	   /* by GFN: whose pages they are, or NULL */
	const struct slots *slots; /* of a shadow's tree: the VM's, or NULL */
	gfn_t start;
	gfn_t end;
	struct tlb_batch *batch;
	/* Of @n entries that stand together, at @level and from @gfn on, none is a table. */
	void (*entries)(struct zap *zap, u64 *entryp, unsigned int n, int level, gfn_t gfn);
	long buried; /* tables that were unlinked, and what stood beside them: it grows */
};

/* Tables below @root that become empty are added to the batch. */
void zap_tree(struct zap *zap, u64 *root);

static inline unsigned int index_at(gfn_t gfn, int level)
{
	return gfn >> ((level - 1) * EPT_LEVEL_BITS) & (EPT_TABLE_ENTRIES - 1);
}

static inline u64 *child_table(u64 entry)
{
	/* Every table entry of ours allows everything, so R tells it is there. */
	return (entry & (EPT_R | EPT_PS)) == EPT_R ? env_table_va(entry & EPT_ADDR_MASK) : NULL;
}

/* The table at level 1 below @root that holds the leaf of @gfn, or NULL. */
static inline u64 *leaf_table_of(u64 *root, gfn_t gfn)
{
	u64 *table = root;
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

static inline u64 *leaf_table(struct mmu *mmu, gfn_t gfn)
{
	return leaf_table_of(mmu->root, gfn);
}

/*
 * The entry at which the walk of @gfn (at most EPT_MAX_GFN) ends: one of a leaf
 * table, a large leaf, or one that is 0.  @level gets its level.
 */
static inline u64 *walk_end_of(u64 *root, gfn_t gfn, int *level)
{
	u64 *table = root, *entryp, *child;

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

static inline u64 *walk_end(struct mmu *mmu, gfn_t gfn, int *level)
{
	return walk_end_of(mmu->root, gfn, level);
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
	u64 *root;
	u64 *table;
	gfn_t first; /* the GFN of the table's first entry; GFN_NONE: no descent yet */
};

static inline struct leaf_cursor leaf_cursor(u64 *root)
{
	return (struct leaf_cursor){ .root = root, .first = GFN_NONE };
}

/* The SPTE of @gfn, or NULL where no leaf table is. */
static inline u64 *leaf_at(struct leaf_cursor *cursor, gfn_t gfn)
{
	gfn_t first = gfn & ~(gfn_t)(EPT_TABLE_ENTRIES - 1);

	if (first != cursor->first) {
		cursor->table = leaf_table_of(cursor->root, gfn);
		cursor->first = first;
	}
	return cursor->table ? &cursor->table[gfn - first] : NULL;
}

/* Where to go on after leaf_at() found no table. */
static inline gfn_t leaf_skip(const struct leaf_cursor *cursor)
{
	return cursor->first + EPT_TABLE_ENTRIES;
}

/* ept_restore() of the leaf *@sptep. */
enum ept_restored restore_leaf(u64 *sptep, bool write, bool fetch);

/*
 * Puts @table in the place of the large leaf *@entryp, with children that allow
 * and know what it does; @arm: armed.  False, @table is anything then: it is no
 * large leaf any more.  Lock held for read; for write to arm.
 */
bool split_leaf(struct mmu *mmu, u64 *entryp, int level, u64 *table, bool arm);

#endif
