// SPDX-License-Identifier: GPL-2.0
/*
 * An access of L2's that its shadow does not let through.  Pure; see shadow.h.
 *
 * The page comes from the VM's own EPT, where mmu_fault() maps it if need be:
 * under the lock, what stands there is what the host has, whatever the MMU
 * notifier is about.
 */
#include "mmu/pml.h"
#include "mmu/shadow.h"
#include "mmu/walk.h"

/* Rounds of one fault: the page, room for the leaf, the leaf, and one for a lost race. */
#define ROUNDS 4

/*
 * L1 can map one table of its own in a thousand places, so what L2 touches does
 * not bound the tables of shadows.  This does: four for each 2M of memory, and as
 * many more as small guests may need.  At the bound all go.
 */
#define TABLES_MIN	   4096
#define TABLES_MAX(npages) (TABLES_MIN + (npages) / 128)

/* Why a leaf cannot be installed yet. */
enum { NEEDS_PAGE = 1, NEEDS_ROOM, LOST_RACE };

static int fill_caches(struct shadow_vcpu *v)
{
	if (!v->links)
		v->links = rmap_links_alloc(v->mmu);
	if (!v->links)
		return -ENOMEM;
	return table_cache_fill(&v->tables) ?: table_cache_fill(&v->heads);
}

/* What is about to be installed, and where it was found. */
struct plan {
	gfn_t l2;  /* the first GFN of the leaf in L2's space */
	gfn_t gfn; /* and in L1's */
	int level;
	u64 spte;
	bool logged;
};

static enum spte_kind shadow_kind(const struct mmu *mmu)
{
	if (mmu->logs_l2)
		return SPTE_AD;
	return mmu->caps.ad ? SPTE_WRPROT : SPTE_SOFT;
}

/* The leaf that both levels allow, made of @main, at @plan->level, of the VM's own EPT. */
static void make_plan(const struct mmu *mmu, const struct slot *slot,
		      const struct shadow_fault *fault, u64 main, struct plan *plan)
{
	gfn_t gfn = fault->l1.gpa >> PAGE_SHIFT;
	u64 offset = gfn & (EPT_LEVEL_PAGES(plan->level) - 1);
	struct spte_page page = {
		.host_writable = main & SPTE_HOST_WRITABLE,
		.write = fault->l1.write,
		.logged = slot_is_logged(slot),
	};

	plan->level = min3(plan->level, (int)fault->level, SHADOW_LEVELS);
	if (page.logged || (fault->l1.fetch && mmu->caps.large_nx))
		plan->level = 1;
	plan->logged = page.logged;
	plan->gfn = gfn & -EPT_LEVEL_PAGES(plan->level);
	plan->l2 = fault->l2 >> PAGE_SHIFT & -EPT_LEVEL_PAGES(plan->level);
	page.hfn = (spte_hfn(main) + offset) & -EPT_LEVEL_PAGES(plan->level);
	page.large = plan->level > 1;
	page.no_exec = page.large && mmu->caps.large_nx;
	plan->spte = spte_leaf(shadow_kind(mmu), &page);
	plan->spte &= ~EPT_RWX | fault->rights;
	if (!(fault->rights & EPT_W))
		plan->spte &= ~SPTE_MMU_WRITABLE;
}

/*
 * Where the leaf goes, with links beside its table.  NULL: a large leaf is in the
 * way, or a table of small ones where a large one was to be.
 */
static u64 *place(struct shadow_vcpu *v, const struct plan *plan)
{
	u64 *table = table_make(v->mmu, v->shadow->root, plan->l2, plan->level, &v->tables);
	u64 *sptep;

	if (!table)
		return NULL;
	sptep = &table[index_at(plan->l2, plan->level)];
	if (plan->level > 1 && child_table(READ_ONCE(*sptep)))
		return NULL;
	if (!env_table_attached(table) && env_table_attach(table, v->links)) {
		v->links = NULL;
		atomic_long_add(rmap_links_tables(v->mmu), &v->mmu->nr_tables);
	}
	return sptep;
}

/* A leaf that is there gets what @plan allows beyond it. */
static int upgrade(u64 *sptep, const struct plan *plan, u64 *old)
{
	const u64 keep = EPT_RWX | EPT_A | EPT_D | SPTE_MMU_WRITABLE | SPTE_WAS_DIRTY;
	u64 spte = plan->spte | (*old & keep);

	/* L1 maps something else there now, or the host does: this one goes. */
	if (spte_hfn(*old) != spte_hfn(spte))
		return NEEDS_ROOM;
	if (rmap_gfn(sptep) != plan->gfn)
		return rmap_gfn(sptep) == GFN_NONE ? LOST_RACE : NEEDS_ROOM;
	return try_cmpxchg64(sptep, old, spte) ? 0 : LOST_RACE;
}

/* Where D tells of writes there are none before a drained log finds the leaf's GFN. */
static int join(struct shadow_vcpu *v, u64 *sptep, const struct plan *plan)
{
	u64 *root = v->mmu->shadows->heads[plan->level - 1], old = 0;
	u64 first = v->mmu->logs_l2 ? plan->spte & ~(EPT_W | EPT_D) : plan->spte;
	gfn_t index = rmap_index(plan->gfn, plan->level);
	u64 *heads = table_make(v->mmu, root, index, 1, &v->heads);

	if (!heads)
		return LOST_RACE;
	heads += index_at(index, 1);
	if (rmap_is_full(heads))
		return NEEDS_ROOM;
	if (!try_cmpxchg64(sptep, &old, first))
		return LOST_RACE;
	rmap_join(heads, sptep, plan->gfn);
	atomic_long_inc(&v->mmu->shadows->nr_leaves);
	if (first == plan->spte || try_cmpxchg64(sptep, &first, plan->spte))
		return 0;
	return LOST_RACE;
}

/*
 * Installs the leaf, and records the write that it permits under the same hold of
 * the lock.  Read lock held.  0, or what is needed first.
 */
static int install(struct shadow_vcpu *v, struct slot *slot, struct shadow_fault *fault)
{
	gfn_t gfn = fault->l1.gpa >> PAGE_SHIFT;
	u64 *sptep, main, old;
	struct plan plan;
	int ret;

	main = READ_ONCE(*walk_end(v->mmu, gfn, &plan.level));
	if (plan.level > 1 && child_table(main))
		return LOST_RACE; /* it was split between the two looks */
	if (!spte_lends(main, fault->l1.write))
		return NEEDS_PAGE;
	make_plan(v->mmu, slot, fault, main, &plan);
	sptep = place(v, &plan);
	if (!sptep && plan.level > 1) {
		fault->level = 1;
		return LOST_RACE;
	}
	if (!sptep)
		return NEEDS_ROOM;
	old = READ_ONCE(*sptep);
	ret = old ? upgrade(sptep, &plan, &old) : join(v, sptep, &plan);
	if (ret)
		return ret;
	fault->l1.kind = old ? FAULT_RESTORED : FAULT_MAPPED;
	if (plan.logged && fault->l1.write && !(old & EPT_W) && !v->mmu->logs_l2)
		dirty_record(slot, gfn - slot->base, v->ring);
	return 0;
}

static int try_install(struct shadow_vcpu *v, const struct slots *slots, struct shadow_fault *fault)
{
	struct slot *slot = slots_find(slots, fault->l1.gpa >> PAGE_SHIFT);
	struct mmu *mmu = v->mmu;
	unsigned int had;
	int ret;

	/* Whatever is wrong with it, mmu_fault() knows the answer. */
	if (!slot || READ_ONCE(slot->dying) ||
	    (fault->l1.write && (slot->flags & KVM_MEM_READONLY)))
		return NEEDS_PAGE;
	ret = fill_caches(v);
	if (ret)
		return ret;
	had = v->tables.n + v->heads.n + rmap_links_tables(mmu);
	read_lock(&mmu->lock);
	ret = install(v, slot, fault);
	read_unlock(&mmu->lock);
	had -= v->tables.n + v->heads.n + (v->links ? rmap_links_tables(mmu) : 0);
	atomic_long_add(had, &mmu->shadows->nr_tables);
	return ret;
}

/* What stands where the leaf is to go goes, and so does a chain that has no room for it. */
static void make_room(struct shadow_vcpu *v, const struct slots *slots,
		      const struct shadow_fault *fault, struct tlb_batch *batch)
{
	gfn_t l2 = fault->l2 >> PAGE_SHIFT, gfn = fault->l1.gpa >> PAGE_SHIFT;
	struct mmu *mmu = v->mmu;
	struct zap zap = {
		.mmu = mmu,
		.slots = slots,
		.start = l2,
		.end = l2 + 1,
		.batch = batch,
		.entries = rmap_zap_leaves,
	};
	int level;

	write_lock(&mmu->lock);
	zap_tree(&zap, v->shadow->root);
	atomic_long_sub(zap.buried, &mmu->shadows->nr_tables);
	for (level = 1; level <= SHADOW_LEVELS; level++)
		rmap_make_room(&zap, gfn, level);
	write_unlock(&mmu->lock);
}

static void bound_tables(struct mmu *mmu, const struct slots *slots, struct tlb_batch *batch)
{
	long n = atomic_long_read(&mmu->shadows->nr_tables);

	if (unlikely(n > TABLES_MIN) && n > (long)TABLES_MAX(slots->npages))
		shadows_shrink(mmu, slots, batch);
}

int shadow_fault(struct shadow_vcpu *v, const struct slots *slots, struct shadow_fault *fault,
		 struct tlb_batch *batch)
{
	unsigned int i;
	int ret;

	fault->l1.lend = true;
	fault->l1.kind = FAULT_RETRIED;
	if (!spte_allows(fault->rights, fault->l1.write, fault->l1.fetch) ||
	    fault->l2 >> PAGE_SHIFT > EPT_MAX_GFN)
		return -EINVAL;
	bound_tables(v->mmu, slots, batch);
	for (i = 0; i < ROUNDS; i++) {
		ret = try_install(v, slots, fault);
		if (ret <= 0)
			return ret;
		if (ret == NEEDS_ROOM)
			make_room(v, slots, fault, batch);
		if (ret != NEEDS_PAGE)
			continue;
		ret = mmu_fault(v->mmu, slots, &fault->l1, v->l1_tables, v->ring);
		if (ret != FAULT_FIXED || fault->l1.kind == FAULT_RETRIED)
			return ret;
	}
	/* Others are at it, too: L2 tries again. */
	fault->l1.kind = FAULT_RETRIED;
	return FAULT_FIXED;
}

/* Lock held. */
static bool restore(struct shadow_vcpu *v, const struct slots *slots, struct shadow_fault *fault)
{
	gfn_t l2 = fault->l2 >> PAGE_SHIFT, gfn;
	u64 *table = leaf_table_of(v->shadow->root, l2), *sptep;
	enum ept_restored restored;
	struct slot *slot;

	lockdep_assert_held(&v->mmu->lock);
	if (!table || !READ_ONCE(table[index_at(l2, 1)]))
		return false;
	sptep = &table[index_at(l2, 1)];
	gfn = rmap_gfn(sptep);
	slot = gfn == GFN_NONE ? NULL : slots_find(slots, gfn);
	if (!slot || READ_ONCE(slot->dying))
		return false;
	restored = restore_leaf(sptep, fault->l1.write, fault->l1.fetch);
	if (restored == EPT_RESTORED_WRITE)
		dirty_record(slot, gfn - slot->base, v->ring);
	fault->l1.gpa = gfn << PAGE_SHIFT | (fault->l2 & ~PAGE_MASK);
	return restored != EPT_NOT_RESTORED;
}

bool shadow_restore(struct shadow_vcpu *v, const struct slots *slots, struct shadow_fault *fault)
{
	bool restored;

	/* Who has it for write may wait for this CPU. */
	if (!read_trylock(&v->mmu->lock))
		return false;
	restored = restore(v, slots, fault);
	read_unlock(&v->mmu->lock);
	fault->l1.kind = restored ? FAULT_RESTORED : FAULT_RETRIED;
	return restored;
}

/*
 * L1's GFN that @l2 was written as, or GFN_NONE: whoever took the leaf, or its D bit, has
 * recorded that.  The GFN is there before D can be set; read while another leaf takes the
 * place it might be either's, so D is looked at again.
 */
static gfn_t written_gfn(const struct shadow *shadow, gfn_t l2)
{
	u64 *table = leaf_table_of(shadow->root, l2), *sptep, spte, again;
	gfn_t gfn;

	if (!table)
		return GFN_NONE;
	sptep = &table[index_at(l2, 1)];
	spte = READ_ONCE(*sptep);
	if (!spte_is_dirty_ad(spte))
		return GFN_NONE;
	smp_rmb(); /* with the cmpxchg that gives W, after rmap_join() */
	gfn = READ_ONCE(*rmap_gfn_place(sptep));
	smp_rmb(); /* with the exchange that takes the leaf away */
	again = READ_ONCE(*sptep);
	return spte_is_dirty_ad(again) && spte_hfn(again) == spte_hfn(spte) ? gfn : GFN_NONE;
}

unsigned int shadow_drain(const struct shadow_vcpu *v, const u64 *log, u16 index,
			  const struct slots *slots)
{
	unsigned int count = pml_count(index), i;

	/* From the last entry down: the order of the writes, as in pml_drain(). */
	for (i = 0; i < count; i++) {
		gfn_t gfn = written_gfn(v->shadow, log[PML_INDEX_EMPTY - i] >> PAGE_SHIFT);
		struct slot *slot = gfn == GFN_NONE ? NULL : slots_find(slots, gfn);

		if (slot)
			dirty_record(slot, gfn - slot->base, NULL);
	}
	return count;
}
