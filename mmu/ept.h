/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The EPT: the tables, and the only code that writes SPTEs.  Pure.
 *
 * Locking: struct mmu's rwlock.  What maps settles by cmpxchg and holds it for
 * read; what takes away (zap) holds it for write; clearing A, D or W (age,
 * re-arm) is atomic per entry and holds it for write too, so that a harvest
 * never sees half of a mapping.  Tables are linked under the read lock and
 * unlinked under the write lock.
 *
 * Restoring holds no lock: like the CPU, it may change a leaf at any time, and
 * it walks tables as the CPU does, in a burst that a flush waits for.  So
 * whoever takes a leaf away exchanges it, and no table is freed, and no leaf of
 * an unlinked one trusted, before the flush.
 */
#ifndef VELLUM_MMU_EPT_H
#define VELLUM_MMU_EPT_H

#include "mmu/mmu.h"
#include "mmu/spte.h"

/* Tables for one map: filled where sleeping is allowed, emptied under the lock. */
struct table_cache {
	unsigned int n;
	bool no_split;	     /* a large leaf is not split for it */
	unsigned int splits; /* large leaves that were split with them, ever */
	void *table[EPT_LEVELS - 1];
};

/* Tables for splits: as many as 4096 pages can need, wherever they begin. */
struct table_stock {
	unsigned int n;
	u64 *table[9 + 2]; /* of level 1, of level 2 */
};

/* Table pages that exist in all VMs, roots and caches included: 0 when no VM is left. */
extern atomic_long_t mmu_tables_alive;

/* Makes room for one ept_leaf(); may sleep.  0 or -ENOMEM. */
int table_cache_fill(struct table_cache *cache);
void table_cache_drain(struct table_cache *cache);

/*
 * Fills it as far as memory goes, where @mmu has large leaves and splits them
 * eagerly; else it may stay empty.  May sleep.
 */
void table_stock_fill(struct table_stock *stock, const struct mmu *mmu);
void table_stock_drain(struct table_stock *stock);

/* The root table.  0 or -ENOMEM. */
int ept_init(struct mmu *mmu);
/* Zaps and frees everything.  No vCPU exists any more. */
void ept_destroy(struct mmu *mmu);

/* The leaf of @gfn, large or not, 0 when there is none.  Lock held, any way. */
u64 ept_get(struct mmu *mmu, gfn_t gfn);

/* The level of the entry that maps, or would map, @gfn as the tables are now.  Lock held. */
int ept_level(struct mmu *mmu, gfn_t gfn);

/* @gfn, if there is a table for its leaf, or a large one; else where the hole around it ends. */
gfn_t ept_hole_end(struct mmu *mmu, gfn_t gfn);

/*
 * Where the leaf of @gfn stands at level 1, making tables from @cache, and
 * splitting a large leaf: good as long as the read lock is held.  NULL when a
 * table is missing that @cache has not, or no table can hold @gfn.
 */
u64 *ept_leaf(struct mmu *mmu, gfn_t gfn, struct table_cache *cache);

/* The same at @level above 1; NULL also where a table of smaller leaves stands. */
u64 *ept_large_leaf(struct mmu *mmu, gfn_t gfn, int level, struct table_cache *cache);

/*
 * Installs @spte in @leaf, at @level, in place of @old.  Read lock held.  0; -EAGAIN when
 * another CPU changed the entry meanwhile.  Never takes a permission away, so
 * nothing is to be flushed.
 */
int ept_set(struct mmu *mmu, u64 *leaf, int level, u64 old, u64 spte);

/* Which of the @n leaves (64 at most, in one table) from @gfn on are empty: bit i of @gfn + i. */
u64 ept_empty_mask(struct mmu *mmu, gfn_t gfn, unsigned int n);

/*
 * Installs @spte[i] in @leaf[i] where that is empty, for each of @n that is not
 * 0 and maps a page.  Read lock held.
 */
void ept_fill(struct mmu *mmu, u64 *leaf, const u64 *spte, unsigned int n);

/* What became of an attempt to restore a leaf. */
enum ept_restored {
	EPT_NOT_RESTORED,   /* not ours to give back: the fault takes the long way */
	EPT_RESTORED,	    /* or it changed meanwhile: the access may be tried again */
	EPT_RESTORED_WRITE, /* the same, and it was this call that gave W back */
};

/*
 * Gives back, by one cmpxchg, what logging or access tracking took from the
 * leaf of @gfn, a page of @slot's; what the host or the slot forbids, it does not, nor
 * a write to a large leaf of a slot that is logged by 4K: that splits it.  In a burst, in which
 * every flush waits for this CPU (vmx/tlb.c), or with the lock held.
 */
enum ept_restored ept_restore(struct mmu *mmu, const struct slot *slot, gfn_t gfn, bool write,
			      bool fetch);

/*
 * Takes every leaf in [start, end) away, large ones that reach beyond it whole.
 * Write lock held.  What a leaf knew of writes reaches the host's page and,
 * where D is scanned (@slot logged), the slot's bitmap.  @slot may be NULL.
 * Tables that become empty are added to the batch.
 */
void ept_zap(struct mmu *mmu, struct slot *slot, gfn_t start, gfn_t end, struct tlb_batch *batch);

/*
 * Re-arms the leaves @gfn + i for each bit i of @mask.  Write lock held.
 * Returns the mask of those that were written since they were last armed.  A
 * large leaf is armed as a whole and loses W.  Written it stands under logging
 * only where all its pages count as dirty (KVM_DIRTY_LOG_INITIALLY_SET).
 */
u64 ept_rearm_mask(struct mmu *mmu, gfn_t gfn, u64 mask, struct tlb_batch *batch);

/*
 * The same for every leaf in [start, end): logging begins.  Large leaves are split
 * as long as @stock lasts, else they lose W; where @stock is NULL they stay, and are
 * armed as small ones are, for all their pages.  True: a leaf that stays was written.
 */
bool ept_rearm_range(struct mmu *mmu, gfn_t start, gfn_t end, struct table_stock *stock,
		     struct tlb_batch *batch);

/*
 * Splits the large leaf that maps @gfn down to level 1, if there is one; @arm:
 * and arms the children.  Write lock held.  False: @stock is empty, and one
 * still stands.
 */
bool ept_split_at(struct mmu *mmu, gfn_t gfn, bool arm, struct table_stock *stock);

/* Which of the 64 leaves from @gfn on were written since they were armed.  Lock held. */
u64 ept_written_mask(struct mmu *mmu, gfn_t gfn, u64 mask);

/* Was any leaf in [start, end) accessed?  @clear: forget it.  Never flushes (invariant 5). */
bool ept_age(struct mmu *mmu, gfn_t start, gfn_t end, bool clear);

/* Frees the tables of a batch, after its flush. */
void ept_free_dead(struct tlb_batch *batch);

#endif
