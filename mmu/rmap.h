/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From a GFN of the VM to the leaves of shadow EPTs (shadow.h) that map it, so
 * that whatever is done to the page in the VM's own EPT is done to them.  Pure.
 *
 * What there is: for each level of shadow leaves a tree of tables, shaped like
 * an EPT and indexed by the GFN, which holds heads of chains; and beside each
 * table with shadow leaves a page of links, one a leaf.  A head, and a link, is
 * the address of the next leaf (an SPTE's); the last link of a chain holds the
 * GFN instead, shifted left, with bit 0 set.  So a chain of one, which is what
 * most are, costs eight bytes and tells its GFN at the first look.
 *
 * Locking: leaves join under the MMU's lock for read, the fault's that makes
 * them; they leave under it for write.  So a leaf's W and its record, which a
 * fault makes in one hold, are seen together or not at all.
 */
#ifndef VELLUM_MMU_RMAP_H
#define VELLUM_MMU_RMAP_H

#include "mmu/ept.h"

/* Shadow leaves are 4K or 2M. */
#define SHADOW_LEVELS 2

/*
 * Leaves that may share a chain, as a rule: vCPUs that fault at once may each add
 * one.  More leaves of one page push each other out, at the price of faults.
 */
#define RMAP_CHAIN_MAX 64

/* The GFN that is the index of the heads of leaves at @level. */
static inline gfn_t rmap_index(gfn_t gfn, int level)
{
	return gfn >> ((level - 1) * EPT_LEVEL_BITS);
}

/*
 * The first GFN that shadow leaf @sptep maps; GFN_NONE: it is not there, or just
 * being made.  Lock held.
 */
gfn_t rmap_gfn(const u64 *sptep);

/*
 * Where L2's writes are logged, a log is drained without the lock, and each leaf's GFN
 * stands by itself, too, in a page beside that of the links.  It is there before the
 * leaf can be written through, and stays until another leaf takes the place.
 */
static inline u64 *rmap_gfn_place(const u64 *sptep)
{
	const u64 *table = (const u64 *)((unsigned long)sptep & PAGE_MASK);
	const void *links = env_table_attached(table);
	u64 *gfns = links ? env_table_attached(links) : NULL;

	return gfns ? &gfns[sptep - table] : NULL;
}

/* Links for a table of leaves; NULL: no memory.  Tables that they are: rmap_links_tables(). */
u64 *rmap_links_alloc(const struct mmu *mmu);
void rmap_links_free(u64 *links);
static inline unsigned int rmap_links_tables(const struct mmu *mmu)
{
	return 1 + mmu->logs_l2;
}

/* Has the chain as many leaves as it may have?  Lock held. */
bool rmap_is_full(const u64 *head);

/* Leaf @sptep, which the caller has just made and has links, maps @gfn.  Read lock held. */
void rmap_join(u64 *head, u64 *sptep, gfn_t gfn);

/*
 * What the functions of ept.h by these names do to the VM's EPT, for shadow leaves;
 * called from there, @mmu has shadows.  Large leaves that are armed go away: what
 * is logged is mapped by 4K.  A leaf that can be written through while its page
 * is logged is recorded, so arming has nothing to tell; but for D bits, whose log may
 * be still to be drained: what was written so is returned.
 */
void rmap_zap(struct mmu *mmu, struct slot *slot, gfn_t start, gfn_t end, struct tlb_batch *batch);
u64 rmap_rearm_mask(struct mmu *mmu, gfn_t gfn, u64 mask, struct tlb_batch *batch);
bool rmap_rearm_range(struct mmu *mmu, gfn_t start, gfn_t end, struct tlb_batch *batch);
bool rmap_age(struct mmu *mmu, gfn_t start, gfn_t end, bool clear);

/* Takes away the leaves of the chain of @gfn at @level if it is full.  Write lock held. */
struct zap;
void rmap_make_room(struct zap *zap, gfn_t gfn, int level);

/* The entries of struct zap (walk.h): for a shadow's tree, and for one of heads. */
void rmap_zap_leaves(struct zap *zap, u64 *sptep, unsigned int n, int level, gfn_t gfn);
void rmap_zap_heads(struct zap *zap, u64 *head, unsigned int n, int level, gfn_t gfn);

#endif
