// SPDX-License-Identifier: GPL-2.0
/* What must hold, by flat arrays: see world.h. */
#include "world.h"

struct oslot *oracle_slot(struct world *w, gfn_t gfn)
{
	unsigned int i;

	for (i = 0; i < NR_SLOT_IDS; i++) {
		struct oslot *os = w->oslot[i];

		if (os && gfn >= os->slot->base && gfn < os->slot->base + os->slot->npages)
			return os;
	}
	return NULL;
}

/* Pages [*first, returned end) of @os are tracked as one with page @rel. */
static u64 tracked_with(const struct oslot *os, u64 rel, u64 *first)
{
	*first = os->slot->coarse ? rel - rel % 512 : rel;
	return os->slot->coarse ? min(*first + 512, os->slot->npages) : rel + 1;
}

void oracle_touch(struct world *w, struct oslot *os, u64 rel)
{
	u64 first, end = tracked_with(os, rel, &first);

	for (; first < end; first++)
		os->page[first].touched = w->clock;
}

void oracle_written(struct world *w, struct oslot *os, u64 rel, bool to_ring)
{
	u64 at, first, end = tracked_with(os, rel, &first);
	unsigned int i;

	w->clock++;
	oracle_touch(w, os, rel);
	for (at = first; at < end; at++)
		for (i = 0; i < NR_TRACKERS; i++)
			if (i != RING && !os->page[at].owed[i])
				os->page[at].owed[i] = w->clock;
	if (w->ring && to_ring && !os->page[first].owed[RING])
		os->page[first].owed[RING] = w->clock;
}

void oracle_access(struct world *w, gfn_t gfn, hfn_t hfn, bool write)
{
	struct oslot *os = oracle_slot(w, gfn);
	const struct host_pte *pte;

	if (!os)
		world_fail(w, 9, "the guest reaches gfn %#llx, which is in no slot", gfn);
	pte = &fake_host.pte[host_index(slot_hva(os->slot, gfn))];
	if (!pte->present || pte->hfn != hfn)
		world_fail(w, 10, "gfn %#llx goes to page %#llx, the host has %#llx", gfn, hfn,
			   pte->present ? pte->hfn : 0);
	if (write && ((os->slot->flags & KVM_MEM_READONLY) || !pte->may_write || !pte->writable))
		world_fail(w, 10, "the guest writes gfn %#llx, which is read-only", gfn);
	host_guest_access(hfn, write);
	if (write && slot_is_logged(os->slot))
		oracle_written(w, os, gfn - os->slot->base, true);
	w->stats.writes += write;
	w->stats.reads += !write;
}

void oracle_pushed(struct world *w, struct vcpu *v, u32 index, struct oslot *os, u64 rel)
{
	const struct kvm_dirty_gfn *entry = &v->ring.entries[index % RING_SIZE];

	tracked_with(os, rel, &rel);
	if (entry->slot != os->slot->id || entry->offset != rel ||
	    entry->flags != KVM_DIRTY_GFN_F_DIRTY)
		world_fail(w, 1, "order: ring entry %u is page %u:%#llx (flags %u), not %u:%#llx",
			   index, entry->slot, entry->offset, entry->flags, os->slot->id, rel);
	v->pushed[index % RING_SIZE] = (struct pushed){ os->serial, os->slot->id, rel };
	os->page[rel].in_rings++;
	w->stats.pushes++;
}

bool oracle_may_tell(const struct oslot *os, u64 rel, enum tracker who)
{
	u64 first, end = tracked_with(os, rel, &first);

	for (; first < end; first++) {
		const struct tracked *page = &os->page[first];

		if (page->cleared[who] == NEVER || page->touched > page->cleared[who])
			return true;
	}
	return false;
}

void oracle_before_taking(struct oslot *os, u64 rel, enum tracker who)
{
	u64 first, end = tracked_with(os, rel, &first);

	if (!os->slot->coarse || !oracle_may_tell(os, rel, who))
		return;
	for (; first < end; first++)
		os->page[first].cleared[who] = NEVER;
}

void oracle_check_page(struct world *w, const struct oslot *os, u64 rel, bool told,
		       const struct asked *by)
{
	const struct tracked *page = &os->page[rel];
	u32 owed = page->owed[by->who];

	if (told && !oracle_may_tell(os, rel, by->who))
		world_fail(w, 3, "page %u:%#llx is reported to %u, nobody wrote it since",
			   os->slot->id, rel, by->who);
	if (!told && owed && owed <= by->moment.since)
		world_fail(w, 1, "lost: page %u:%#llx was written at %u, %u was not told at %u",
			   os->slot->id, rel, owed, by->who, by->moment.since);
}

void oracle_check_get(struct world *w, struct oslot *os, const unsigned long *words,
		      const struct moment *moment, bool taken)
{
	const struct asked by = { BITMAP, *moment };
	const struct slot *slot = os->slot;
	u64 rel;

	for (rel = 0; rel < slot->npages; rel++)
		oracle_check_page(w, os, rel, test_bit(rel, words), &by);
	for (rel = 0; taken && rel < slot->npages; rel++) {
		struct tracked *page = &os->page[rel];

		if (!test_bit(rel, words))
			continue;
		page->cleared[BITMAP] = moment->taken;
		page->owed[BITMAP] = 0;
		w->stats.reported++;
	}
	rel = slot->npages;
	if (rel % 64 && words[rel / 64] >> (rel % 64))
		world_fail(w, 8, "bits beyond the end of slot %u are set", slot->id);
}

/* All logs are drained: what is owed since @since stands in some ring. */
void oracle_check_ring_complete(struct world *w, u32 since)
{
	unsigned int i;
	u64 rel;

	if (!w->ring || w->hostile)
		return;
	for (i = 0; i < NR_SLOT_IDS; i++) {
		struct oslot *os = w->oslot[i];

		if (!os || !slot_is_logged(os->slot))
			continue;
		for (rel = 0; rel < os->slot->npages; rel++) {
			const struct tracked *page = &os->page[rel];

			if (page->owed[RING] && page->owed[RING] <= since && !page->in_rings)
				world_fail(w, 1,
					   "lost: page %u:%#llx was written at %u, in no ring",
					   os->slot->id, rel, page->owed[RING]);
		}
	}
}

/* The rules of api.rst again, in the plainest words. */
int oracle_classify(struct world *w, const struct kvm_userspace_memory_region *region)
{
	unsigned __int128 first = region->guest_phys_addr;
	unsigned __int128 last = first + region->memory_size;
	unsigned __int128 limit = ((unsigned __int128)EPT_MAX_GFN + 1) << PAGE_SHIFT;
	const struct slot *old = NULL;
	bool overlap = false;
	unsigned int i;

	if (region->slot >= SLOTS_MAX || region->flags & ~3u || region->memory_size % 4096 ||
	    region->guest_phys_addr % 4096 || region->userspace_addr % 4096 ||
	    (unsigned __int128)region->userspace_addr + region->memory_size > ~0ull ||
	    (region->memory_size && last > limit) || region->memory_size / 4096 > 0x7fffffff)
		return -EINVAL;
	for (i = 0; i < NR_SLOT_IDS; i++) {
		const struct slot *slot = w->oslot[i] ? w->oslot[i]->slot : NULL;

		if (!slot)
			continue;
		if (slot->id == region->slot)
			old = slot;
		else if (first < (slot->base + slot->npages) * 4096 && slot->base * 4096 < last)
			overlap = true;
	}
	if (!region->memory_size)
		return old ? SLOT_DELETE : -EINVAL;
	if (!old)
		return overlap ? -EEXIST : SLOT_CREATE;
	if (old->npages * 4096 != region->memory_size || old->hva != region->userspace_addr ||
	    (old->flags & KVM_MEM_READONLY) != (region->flags & KVM_MEM_READONLY))
		return -EINVAL;
	if (old->base * 4096 != region->guest_phys_addr && old->coarse && first % (2u << 20))
		return -EINVAL;
	if (old->base * 4096 != region->guest_phys_addr)
		return overlap ? -EEXIST : SLOT_MOVE;
	return old->flags == region->flags ? SLOT_NOTHING : SLOT_FLAGS;
}

/* Some vCPU has yet to drain what it logged in L2. */
static bool has_l2_log(const struct world *w)
{
	unsigned int i, e;

	for (i = 0; i < NR_VCPUS; i++)
		for (e = 0; e < NR_EPTS; e++)
			if (w->vcpu[i].l2[e] && w->vcpu[i].l2[e]->nr_logged)
				return true;
	return false;
}

/* Leaf @sptep of a shadow: what must hold between holds of the lock. */
static void audit_leaf(struct world *w, u64 *sptep)
{
	u64 spte = *sptep, main;
	gfn_t gfn = rmap_gfn(sptep);
	struct oslot *os = oracle_slot(w, gfn);
	int level;

	main = gfn == GFN_NONE ? 0 : ept_get(&w->mmu, gfn);
	if (!os || !spte_maps_page(main))
		world_fail(w, 13, "a shadow maps gfn %#llx, the VM's EPT does not", gfn);
	level = ept_level(&w->mmu, gfn);
	if (spte_hfn(main) + (gfn & (EPT_LEVEL_PAGES(level) - 1)) != spte_hfn(spte))
		world_fail(w, 13, "a shadow maps gfn %#llx to another page", gfn);
	if (!slot_is_logged(os->slot) || (spte & EPT_PS) ||
	    test_bit(gfn - os->slot->base, os->slot->dirty.word))
		return;
	if (w->mmu.logs_l2 ? (spte & EPT_D) && !has_l2_log(w) : spte & EPT_W)
		world_fail(w, 13, "gfn %#llx can be written and is not recorded", gfn);
}

static long audit_table(struct world *w, u64 *table, int level)
{
	unsigned int i;
	long n = 0;

	for (i = 0; i < EPT_TABLE_ENTRIES; i++) {
		u64 entry = table[i];

		if (!entry)
			continue;
		if (level > 1 && !(entry & EPT_PS)) {
			n += audit_table(w, env_table_va(entry & EPT_ADDR_MASK), level - 1);
			continue;
		}
		audit_leaf(w, &table[i]);
		n++;
	}
	return n;
}

static void audit_shadows(struct world *w)
{
	struct shadow *shadow;
	long n = 0;

	if (!w->mmu.shadows)
		return;
	read_lock(&w->mmu.lock);
	for (shadow = w->mmu.shadows->first; shadow; shadow = shadow->next)
		n += audit_table(w, shadow->root, EPT_LEVELS);
	read_unlock(&w->mmu.lock);
	if (n != atomic_long_read(&w->mmu.shadows->nr_leaves))
		world_fail(w, 13, "shadows have %ld leaves, %ld are counted", n,
			   atomic_long_read(&w->mmu.shadows->nr_leaves));
}

void oracle_audit(struct world *w)
{
	long mapped = 0;
	unsigned int i;
	u64 rel;

	read_lock(&w->mmu.lock);
	for (i = 0; i < NR_SLOT_IDS; i++) {
		struct oslot *os = w->oslot[i];

		for (rel = 0; os && rel < os->slot->npages; rel++)
			mapped += spte_maps_page(ept_get(&w->mmu, os->slot->base + rel));
	}
	read_unlock(&w->mmu.lock);
	if (mapped != mmu_mapped(&w->mmu))
		world_fail(w, 9, "%ld pages are mapped, %ld are counted", mapped,
			   mmu_mapped(&w->mmu));
	audit_shadows(w);
	if (!host_no_refs())
		env_die("a reference to a host page is left");
}
