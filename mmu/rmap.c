// SPDX-License-Identifier: GPL-2.0
/*
 * Chains of shadow leaves, and what is done along them.  Pure; see rmap.h.
 */
#include "mmu/arm.h"
#include "mmu/shadow.h"
#include "mmu/walk.h"

/* The last link of a chain. */
#define LINK_END      BIT_ULL(0)
#define LINK_GFN(gfn) ((gfn) << 1 | LINK_END)

static u64 *link_of(const u64 *sptep)
{
	u64 *table = (u64 *)((unsigned long)sptep & PAGE_MASK);
	u64 *links = env_table_attached(table);

	return &links[sptep - table];
}

static u64 *leaf_of(u64 link)
{
	return (u64 *)(unsigned long)link;
}

gfn_t rmap_gfn(const u64 *sptep)
{
	/* Pairs with rmap_join(): the links behind it are there. */
	u64 link = smp_load_acquire(link_of(sptep));

	while (link && !(link & LINK_END))
		link = smp_load_acquire(link_of(leaf_of(link))); /* the same */
	return link ? link >> 1 : GFN_NONE;
}

bool rmap_is_full(const u64 *head)
{
	u64 link = smp_load_acquire(head); /* pairs with the cmpxchg in rmap_join() */
	unsigned int n;

	for (n = 0; link && !(link & LINK_END); n++)
		link = smp_load_acquire(link_of(leaf_of(link))); /* as in rmap_gfn() */
	return n >= RMAP_CHAIN_MAX;
}

u64 *rmap_links_alloc(const struct mmu *mmu)
{
	u64 *links = table_alloc(true), *gfns;

	if (!links || !mmu->logs_l2)
		return links;
	gfns = table_alloc(true);
	if (gfns && env_table_attach(links, gfns))
		return links;
	table_free(links);
	return NULL;
}

void rmap_links_free(u64 *links)
{
	u64 *gfns = env_table_attached(links);

	if (gfns)
		table_free(gfns);
	table_free(links);
}

void rmap_join(u64 *head, u64 *sptep, gfn_t gfn)
{
	u64 first = READ_ONCE(*head), *place = rmap_gfn_place(sptep);

	if (place)
		WRITE_ONCE(*place, gfn);
	do {
		/* Who finds the leaf by its tree reads this at any time. */
		smp_store_release(link_of(sptep), first ?: LINK_GFN(gfn));
	} while (!try_cmpxchg64(head, &first, (u64)(unsigned long)sptep));
}

/* The heads of leaves at @level; the one of @gfn, or NULL.  Lock held. */
static u64 *find_head(struct mmu *mmu, gfn_t gfn, int level)
{
	u64 *heads = leaf_table_of(mmu->shadows->heads[level - 1], rmap_index(gfn, level));

	return heads ? &heads[index_at(rmap_index(gfn, level), 1)] : NULL;
}

/* Takes @sptep, a leaf at @level, out of its chain.  Write lock held. */
static void leave(struct mmu *mmu, u64 *sptep, int level)
{
	u64 *head = find_head(mmu, rmap_gfn(sptep), level), *at = head;
	u64 *link = link_of(sptep), next = *link;

	while (leaf_of(*at) != sptep)
		at = link_of(leaf_of(*at));
	/* An empty chain has no GFN. */
	WRITE_ONCE(*at, at == head && (next & LINK_END) ? 0 : next);
	WRITE_ONCE(*link, 0);
}

/*
 * A leaf of L2's that was @old is gone, and its D bit with it: the log that tells of
 * the write may be still to be drained, and finds nothing then.  A large one is not
 * logged.
 */
static void record_gone(const struct zap *zap, const u64 *sptep, u64 old)
{
	gfn_t gfn;
	struct slot *slot;

	if (!spte_is_dirty_ad(old) || (old & EPT_PS))
		return;
	gfn = *rmap_gfn_place(sptep);
	slot = zap->slots ? slots_find(zap->slots, gfn) : zap->slot;
	if (slot && slot_has_gfn(slot, gfn) && slot_is_logged(slot))
		slot_set_dirty(slot, gfn - slot->base);
}

/* The leaf, which is in no chain any more, goes.  What it knew reaches the host's page. */
static void zap_shadow_leaf(struct zap *zap, u64 *sptep)
{
	/* An exchange: the CPU sets A and D until the very moment it goes. */
	u64 old = xchg(sptep, 0);

	if (spte_was_written(old) || (old & SPTE_WAS_DIRTY))
		env_page_dirty(spte_hfn(old));
	if (zap->mmu->logs_l2)
		record_gone(zap, sptep, old);
	atomic_long_dec(&zap->mmu->shadows->nr_leaves);
	zap->batch->flush = true;
}

void rmap_zap_leaves(struct zap *zap, u64 *sptep, unsigned int n, int level, gfn_t gfn)
{
	for (; n; n--, sptep++) {
		if (!READ_ONCE(*sptep))
			continue;
		leave(zap->mmu, sptep, level);
		zap_shadow_leaf(zap, sptep);
	}
}

/* Empties the chain at @head, and takes its leaves away. */
static void zap_chain(struct zap *zap, u64 *head)
{
	u64 next = *head;

	WRITE_ONCE(*head, 0);
	while (next && !(next & LINK_END)) {
		u64 *sptep = leaf_of(next), *link = link_of(sptep);

		next = *link;
		WRITE_ONCE(*link, 0);
		zap_shadow_leaf(zap, sptep);
	}
}

void rmap_make_room(struct zap *zap, gfn_t gfn, int level)
{
	u64 *head = find_head(zap->mmu, gfn, level);

	lockdep_assert_held_write(&zap->mmu->lock);
	if (head && rmap_is_full(head))
		zap_chain(zap, head);
}

void rmap_zap_heads(struct zap *zap, u64 *head, unsigned int n, int level, gfn_t gfn)
{
	for (; n; n--, head++)
		if (*head)
			zap_chain(zap, head);
}

/* Of leaves at @level, those that map something of [start, end). */
static void zap_level(struct mmu *mmu, struct slot *slot, gfn_t start, gfn_t end, int level,
		      struct tlb_batch *batch)
{
	struct zap zap = {
		.mmu = mmu,
		.slot = slot,
		.start = rmap_index(start, level),
		.end = rmap_index(end - 1, level) + 1,
		.batch = batch,
		.entries = rmap_zap_heads,
	};

	zap_tree(&zap, mmu->shadows->heads[level - 1]);
	atomic_long_sub(zap.buried, &mmu->shadows->nr_tables);
}

/* How many pages the leaf of the VM's EPT that maps @gfn has. */
static u64 mapped_pages(struct mmu *mmu, gfn_t gfn)
{
	int level;

	return READ_ONCE(*walk_end(mmu, gfn, &level)) ? EPT_LEVEL_PAGES(level) : 1;
}

/*
 * A large leaf of the VM's EPT goes as a whole, and what was made of it goes with
 * it.  So a shadow leaf stands only where the VM's EPT maps its page, and who
 * finds that there knows that there may be something to flush.
 */
void rmap_zap(struct mmu *mmu, struct slot *slot, gfn_t start, gfn_t end, struct tlb_batch *batch)
{
	lockdep_assert_held_write(&mmu->lock);
	if (start >= end)
		return;
	start &= -mapped_pages(mmu, start);
	end = ((end - 1) | (mapped_pages(mmu, end - 1) - 1)) + 1;
	zap_level(mmu, slot, start, end, 1, batch);
	zap_level(mmu, slot, start, end, 2, batch);
}

static bool rearm_chain(const u64 *head)
{
	bool written = false;
	u64 next = *head;

	for (; next && !(next & LINK_END); next = *link_of(leaf_of(next)))
		written |= rearm_leaf(leaf_of(next));
	return written;
}

/* rearm_chain() for each bit of @mask, all in one table of heads: which were written. */
static u64 rearm_in_table(struct mmu *mmu, gfn_t gfn, u64 mask)
{
	u64 *heads = mask ? find_head(mmu, gfn, 1) : NULL, written = 0;

	for (; heads && mask; mask &= mask - 1)
		if (rearm_chain(&heads[__ffs64(mask)]))
			written |= mask & -mask;
	return written;
}

/* The large leaves that map @gfn go. */
static void zap_large(struct mmu *mmu, gfn_t gfn, struct tlb_batch *batch)
{
	u64 *head = find_head(mmu, gfn, 2);
	struct zap zap = { .mmu = mmu, .batch = batch };

	if (unlikely(head))
		zap_chain(&zap, head);
}

u64 rmap_rearm_mask(struct mmu *mmu, gfn_t gfn, u64 mask, struct tlb_batch *batch)
{
	unsigned int left = EPT_TABLE_ENTRIES - index_at(gfn, 1);
	u64 here = left < 64 ? mask & (BIT_ULL(left) - 1) : mask;
	u64 written = rearm_in_table(mmu, gfn, here);

	if (here)
		zap_large(mmu, gfn, batch);
	if (mask != here) {
		written |= rearm_in_table(mmu, gfn + left, mask >> left) << left;
		zap_large(mmu, gfn + left, batch);
	}
	if (written)
		batch->flush = true;
	return mmu->logs_l2 ? written : 0;
}

bool rmap_rearm_range(struct mmu *mmu, gfn_t start, gfn_t end, struct tlb_batch *batch)
{
	struct leaf_cursor cursor = leaf_cursor(mmu->shadows->heads[0]);
	bool written = false;
	gfn_t gfn = start;

	while (gfn < end) {
		u64 *head = leaf_at(&cursor, gfn);

		if (head)
			written |= rearm_chain(head);
		gfn = head ? gfn + 1 : leaf_skip(&cursor);
	}
	zap_level(mmu, NULL, start, end, 2, batch);
	batch->flush |= written;
	return mmu->logs_l2 && written;
}

static bool age_chain(const u64 *head, bool clear)
{
	bool young = false;
	u64 next = *head;

	for (; next && !(next & LINK_END); next = *link_of(leaf_of(next)))
		young |= age_leaf(leaf_of(next), clear);
	return young;
}

static bool age_level(struct mmu *mmu, gfn_t gfn, gfn_t end, int level, bool clear)
{
	struct leaf_cursor cursor = leaf_cursor(mmu->shadows->heads[level - 1]);
	bool young = false;

	while (gfn < end) {
		u64 *head = leaf_at(&cursor, gfn);

		if (head)
			young |= age_chain(head, clear);
		gfn = head ? gfn + 1 : leaf_skip(&cursor);
	}
	return young;
}

bool rmap_age(struct mmu *mmu, gfn_t start, gfn_t end, bool clear)
{
	bool young = age_level(mmu, start, end, 1, clear);

	return young | age_level(mmu, rmap_index(start, 2), rmap_index(end - 1, 2) + 1, 2, clear);
}
