// SPDX-License-Identifier: GPL-2.0
/*
 * Resolving an EPT violation.  Pure: the host's page comes through host.h.
 */
#include "mmu/fault.h"
#include "mmu/host.h"

/*
 * Tables that a VM may ever make for addresses where no memory is.  A guest that
 * touches more than that pays longer exits, the host pays no more memory.
 */
#define MMIO_TABLES_MAX 256

/*
 * A write that @slot logs by permission is recorded after it was permitted and
 * under the same hold of the lock: a harvest sees both or neither.  Where no
 * lock is held, the drain that a harvest begins with waits for both.
 */
static void record_permitted(struct mmu *mmu, struct slot *slot, const struct fault *fault,
			     struct ring *ring)
{
	if (fault->write && !fault->lend && mmu->kind != SPTE_AD)
		dirty_record(slot, (fault->gpa >> PAGE_SHIFT) - slot->base, ring);
}

bool mmu_restore(struct mmu *mmu, const struct slots *slots, struct fault *fault, struct ring *ring)
{
	gfn_t gfn = fault->gpa >> PAGE_SHIFT;
	struct slot *slot = slots_find(slots, gfn);
	enum ept_restored restored;

	if (!slot || READ_ONCE(slot->dying))
		return false;
	/* Who begins to log waits for those who found the slot otherwise (SRCU), and arms then. */
	restored = ept_restore(mmu, slot, gfn, fault->write, fault->fetch);
	if (restored == EPT_RESTORED_WRITE)
		record_permitted(mmu, slot, fault, ring);
	fault->kind = FAULT_RESTORED;
	return restored != EPT_NOT_RESTORED;
}

/*
 * The level of the leaf that @page may have (invariant 11); a slot's flags do not
 * change while it is in use.
 */
static int map_level(const struct mmu *mmu, const struct slot *slot, const struct fault *fault,
		     const struct host_page *page)
{
	gfn_t gfn = fault->gpa >> PAGE_SHIFT;
	int level = mmu->caps.level;

	if (level <= 1 || slot_is_logged_by_page(slot) ||
	    (fault->fetch && !fault->lend && mmu->caps.large_nx))
		return 1;
	return host_page_level(slot_hva(slot, gfn), page, slot_level(slot, gfn, level));
}

/* Where a leaf for @gfn at @level goes, or a smaller one.  Sets @level; NULL: no memory. */
static u64 *place(struct mmu *mmu, gfn_t gfn, int *level, struct table_cache *tables)
{
	u64 *leaf;

	for (; *level > 1; --*level) {
		leaf = ept_large_leaf(mmu, gfn, *level, tables);
		if (leaf)
			return leaf;
	}
	return ept_leaf(mmu, gfn, tables);
}

static bool is_enough(u64 spte, const struct fault *fault)
{
	return fault->lend ? spte_lends(spte, fault->write) :
			     spte_allows(spte, fault->write, fault->fetch);
}

/*
 * Installs the leaf for @page, which the host has not taken away meanwhile, at
 * its level or below.  Read lock held.
 */
static int install(struct mmu *mmu, const struct slot *slot, const struct fault *fault,
		   const struct host_page *page, struct table_cache *tables)
{
	int level = page->level;
	u64 *leaf = place(mmu, fault->gpa >> PAGE_SHIFT, &level, tables);
	struct spte_page found = {
		.hfn = page->hfn & -EPT_LEVEL_PAGES(level),
		.host_writable = page->writable && !(slot->flags & KVM_MEM_READONLY),
		.write = fault->write && !fault->lend,
		.logged = slot_is_logged(slot),
		.large = level > 1,
		.no_exec = level > 1 && mmu->caps.large_nx,
	};
	u64 spte, old;

	if (!leaf)
		return -ENOMEM;
	old = READ_ONCE(*leaf);
	found.ahead = fault->lend && !spte_maps_page(old);
	spte = spte_leaf(mmu->kind, &found);
	if (spte_maps_page(old)) {
		if (is_enough(old, fault))
			return 0; /* another vCPU was here first */
		if (spte_hfn(old) != found.hfn)
			return -EAGAIN; /* about to be zapped: the host never maps two */
		spte = spte_replace(old, spte);
	}
	return ept_set(mmu, leaf, level, old, spte);
}

/*
 * Pages that stand beside each other, the one that is asked for among them, and
 * of which none is mapped yet: where the host has them they are mapped together.
 */
#define AROUND_PAGES HOST_PRESENT_MAX

struct around {
	gfn_t first;
	unsigned int n;
	unsigned int got; /* of them the host has, from the first on */
	hfn_t hfn[AROUND_PAGES];
	struct host_page page; /* the one that is asked for */
	bool apart;	       /* and it is not among the others */
	unsigned long seq;     /* of host_race_begin() */
};

/* As many as an aligned window holds, within the slot, if the leaf of @gfn is empty. */
static void choose_around(struct mmu *mmu, const struct slot *slot, gfn_t gfn,
			  struct around *around)
{
	gfn_t window = ALIGN_DOWN(gfn, AROUND_PAGES);
	gfn_t first = max(window, slot->base);
	gfn_t end = min(window + AROUND_PAGES, slot->base + slot->npages);
	unsigned int at = gfn - first;
	u64 mapped;

	read_lock(&mmu->lock);
	mapped = ~ept_empty_mask(mmu, first, end - first);
	read_unlock(&mmu->lock);
	if (mapped & BIT_ULL(at)) {
		around->first = gfn;
		around->n = 1;
		return;
	}
	/* Up to the next leaf that stands, and down to the last. */
	end = first + __ffs64(mapped & ~(BIT_ULL(at) - 1));
	around->first = first + fls64(mapped & (BIT_ULL(at) - 1));
	around->n = end - around->first;
}

static void put_around(const struct around *around)
{
	unsigned int i;

	for (i = 0; i < around->got; i++)
		host_put_page(&(struct host_page){ .hfn = around->hfn[i] });
	if (around->apart)
		host_put_page(&around->page);
}

/* 0 or as host_get_page(); put_around() is due in any case. */
static int get_around(struct mmu *mmu, const struct slot *slot, const struct fault *fault,
		      struct around *around)
{
	gfn_t gfn = fault->gpa >> PAGE_SHIFT;
	int ret;

	around->seq = host_race_begin(mmu);
	choose_around(mmu, slot, gfn, around);
	around->got = host_get_present(slot_hva(slot, around->first), around->n, around->hfn);
	around->apart = gfn - around->first >= around->got;
	if (!around->apart) {
		around->page.hfn = around->hfn[gfn - around->first];
		around->page.writable = true;
		return 0;
	}
	ret = host_get_page(slot_hva(slot, gfn), fault->write, &around->page);
	around->apart = !ret;
	return ret;
}

/* Maps what nobody has asked for yet, so that it costs no fault.  Read lock held. */
static void map_around(struct mmu *mmu, const struct slot *slot, gfn_t gfn,
		       const struct around *around, struct table_cache *tables)
{
	const struct spte_page found = {
		.host_writable = !(slot->flags & KVM_MEM_READONLY),
		.logged = slot_is_logged(slot),
		.ahead = true,
	};
	u64 *leaf = ept_leaf(mmu, around->first, tables);
	u64 base = spte_leaf(mmu->kind, &found);
	u64 spte[AROUND_PAGES];
	unsigned int i;

	for (i = 0; i < around->got; i++) {
		gfn_t at = around->first + i;

		spte[i] = base | around->hfn[i] << PAGE_SHIFT;
		if (at == gfn || host_race_lost(mmu, around->seq, slot_hva(slot, at), 1))
			spte[i] = 0;
	}
	ept_fill(mmu, leaf, spte, around->got);
}

static int fault_map(struct mmu *mmu, struct slot *slot, const struct fault *fault,
		     struct table_cache *tables, struct ring *ring)
{
	gfn_t gfn = fault->gpa >> PAGE_SHIFT;
	struct around around;
	int ret, level;

	ret = table_cache_fill(tables);
	if (ret)
		return ret;
	ret = get_around(mmu, slot, fault, &around);
	if (!ret) {
		level = map_level(mmu, slot, fault, &around.page);
		around.page.level = level;
		read_lock(&mmu->lock);
		if (host_race_lost(mmu, around.seq, slot_hva(slot, gfn), level))
			ret = -EAGAIN;
		else
			ret = install(mmu, slot, fault, &around.page, tables);
		if (!ret) {
			record_permitted(mmu, slot, fault, ring);
			/* A large leaf has its neighbours in it. */
			if (level == 1)
				map_around(mmu, slot, gfn, &around, tables);
		}
		read_unlock(&mmu->lock);
	}
	put_around(&around);
	return ret;
}

/* Makes the next access to @gpa a misconfiguration, which tells MMIO without a slot look-up. */
static int fault_mmio(struct mmu *mmu, const struct slots *slots, gpa_t gpa,
		      struct table_cache *tables)
{
	gfn_t gfn = gpa >> PAGE_SHIFT;
	u64 *leaf, old;
	long made;

	if (gfn > EPT_MAX_GFN || atomic_long_read(&mmu->nr_mmio_tables) >= MMIO_TABLES_MAX ||
	    table_cache_fill(tables))
		return FAULT_MMIO;

	made = tables->n;
	read_lock(&mmu->lock);
	leaf = ept_leaf(mmu, gfn, tables);
	old = leaf ? READ_ONCE(*leaf) : 0;
	if (leaf && !spte_maps_page(old))
		ept_set(mmu, leaf, 1, old, spte_mmio(slots->generation));
	read_unlock(&mmu->lock);
	made -= tables->n;
	atomic_long_add(made, &mmu->nr_mmio_tables);
	return FAULT_MMIO;
}

int mmu_fault(struct mmu *mmu, const struct slots *slots, struct fault *fault,
	      struct table_cache *tables, struct ring *ring)
{
	struct slot *slot = slots_find(slots, fault->gpa >> PAGE_SHIFT);
	unsigned int splits = tables->splits;
	int ret;

	fault->kind = FAULT_EMULATED;
	if (!slot)
		return fault_mmio(mmu, slots, fault->gpa, tables);
	if (READ_ONCE(slot->dying)) {
		fault->kind = FAULT_RETRIED; /* comes again, when it is gone or somewhere else */
		return FAULT_FIXED;
	}
	if (fault->write && (slot->flags & KVM_MEM_READONLY))
		return FAULT_MMIO;
	ret = fault_map(mmu, slot, fault, tables, ring);
	if (ret)
		fault->kind = FAULT_RETRIED;
	else
		fault->kind = tables->splits == splits ? FAULT_MAPPED : FAULT_SPLIT;
	return ret == -EAGAIN ? FAULT_FIXED : ret;
}

bool mmu_is_mmio(struct mmu *mmu, const struct slots *slots, gpa_t gpa)
{
	u64 spte;

	read_lock(&mmu->lock);
	spte = ept_get(mmu, gpa >> PAGE_SHIFT);
	read_unlock(&mmu->lock);
	return spte_mmio_is_current(spte, slots->generation);
}
