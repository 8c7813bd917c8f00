// SPDX-License-Identifier: GPL-2.0
/*
 * Changes of slots as uapi/ makes them, and the host's notifications as
 * mmu/host.c takes them.  In between, the guest runs on.
 */
#include "world.h"

static bool is_logged(const struct oslot *os)
{
	return os && slot_is_logged(os->slot);
}

/* A logged slot that moves keeps its bitmap, and what it knows. */
static struct slot *make_slot(struct world *w, const struct oslot *old,
			      const struct kvm_userspace_memory_region *region)
{
	struct slot *slot = slot_alloc(region);

	if (slot && old)
		slot->coarse = old->slot->coarse;
	if (!slot || !(region->flags & KVM_MEM_LOG_DIRTY_PAGES))
		return slot;
	if (is_logged(old)) {
		slot_share_log(slot, old->slot);
		return slot;
	}
	if (pageset_init(&slot->dirty, slot->npages, w->initially_set) ||
	    world_views_add(w, slot)) {
		slot_free(slot);
		return NULL;
	}
	return slot;
}

static struct oslot *make_oslot(struct world *w, struct slot *slot)
{
	struct oslot *os = calloc(1, sizeof(*os) + slot->npages * sizeof(os->page[0]));
	unsigned int id;
	u64 rel;

	if (os)
		os->shown = calloc(slot_bitmap_words(slot), sizeof(os->shown[0]));
	if (!os || !os->shown)
		env_die("the machine itself is out of memory");
	os->slot = slot;
	os->serial = ++w->serial;
	for (rel = 0; slot_is_logged(slot) && rel < slot->npages; rel++) {
		struct tracked *page = &os->page[rel];

		if (w->initially_set)
			page->touched = w->clock;
		for (id = 0; id < NR_VIEWS; id++) {
			page->owed[VIEWS + id] = !!(w->trackers & BIT(id));
			page->cleared[VIEWS + id] = NEVER;
		}
	}
	return os;
}

/* PML goes on with the first logged slot and off after the last, by an exit of every vCPU. */
static void update_pml(struct world *w, int change)
{
	unsigned int i;

	w->nr_logging += change;
	if (!w->mmu.caps.pml)
		return;
	for (i = 0; i < NR_VCPUS; i++) {
		struct vcpu *v = &w->vcpu[i];

		if (v->cpu.pml_on == !!w->nr_logging)
			continue;
		vcpu_exit(w, v);
		v->cpu.pml_on = w->nr_logging;
		l2_update_pml(w, v);
		world_interleave(w);
	}
}

static unsigned int oslot_place(struct world *w, const struct oslot *os)
{
	unsigned int i;

	for (i = 0; i < NR_SLOT_IDS; i++)
		if (w->oslot[i] == os)
			return i;
	env_die("no place for one more slot");
}

static void zap_leaves(struct world *w, struct slot *slot)
{
	struct tlb_batch batch = TLB_BATCH_INIT;

	/* A notifier may have zapped the same and not have flushed yet. */
	batch.flush = true;
	write_lock(&w->mmu.lock);
	ept_zap(&w->mmu, slot, slot->base, slot->base + slot->npages, &batch);
	write_unlock(&w->mmu.lock);
	world_forget_accesses(w, host_index(slot->hva), slot->npages);
	world_discharge(w, &batch);
}

static void zap_slot(struct world *w, struct oslot *os)
{
	struct slot *slot = os->slot;

	slot->dying = true;
	world_aim(w, slot->base, slot->npages);
	world_interleave(w);
	zap_leaves(w, slot);
}

static bool is_mapped_at(struct world *w, gfn_t gfn, int level)
{
	return ept_level(&w->mmu, gfn) == level && spte_maps_page(ept_get(&w->mmu, gfn));
}

/* Logging is on: flush, whatever dirty_start() changed; from here on nothing is lost. */
static void start_logging(struct world *w, struct oslot *os)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	u64 rel;

	gfn_t middle = os->slot->base + os->slot->npages / 2;
	bool was_giant;

	world_interleave(w);
	was_giant = is_mapped_at(w, middle, 3);
	/* With all bits set it is CLEAR that arms, but a ring must hear of every write. */
	if (w->ring || !w->initially_set)
		dirty_start(&w->mmu, os->slot, &batch);
	else
		batch.flush = true;
	w->stats.giant_splits += was_giant && is_mapped_at(w, middle, 1);
	world_discharge(w, &batch);
	for (rel = 0; rel < os->slot->npages; rel++) {
		struct tracked *page = &os->page[rel];

		page->owed[BITMAP] = 0;
		page->owed[RING] = 0;
		/* A zap meanwhile may have told of a write from before: not wrong, not owed. */
		if (test_bit(rel, os->slot->dirty.word))
			page->touched = w->clock;
	}
	w->stats.log_on++;
}

static void publish(struct world *w, struct slots *slots, struct oslot *old, struct oslot *os)
{
	/* Where the old one stood, or in a free place. */
	unsigned int place = oslot_place(w, old);

	w->oslot[place] = os;
	kvfree(host_publish(&w->host, slots));
}

/* The oracle's half of a new slot; the same as before where the records move with it. */
static struct oslot *next_oslot(struct world *w, struct oslot *old, struct slot *slot)
{
	if (!slot || !is_logged(old) || !slot_is_logged(slot))
		return slot ? make_oslot(w, slot) : NULL;
	old->slot = slot;
	return old;
}

static void commit(struct world *w, struct oslot *old, enum slot_change what, struct slot *slot,
		   struct slots *slots)
{
	bool was_logged = is_logged(old), logged = slot && slot_is_logged(slot);
	struct slot *gone = old ? old->slot : NULL;
	struct oslot *os;

	if (logged && !was_logged)
		update_pml(w, 1);
	if (what == SLOT_DELETE || what == SLOT_MOVE)
		zap_slot(w, old);
	os = next_oslot(w, old, slot);
	if (was_logged && slot && !logged)
		slot->uncollapsed = slot->npages;
	publish(w, slots, old, os);
	if (what == SLOT_FLAGS && logged && !was_logged)
		start_logging(w, os);
	if (was_logged && !logged)
		update_pml(w, -1);
	if (was_logged && logged)
		slot_leave_log(gone);
	slot_free(gone);
	if (os == old)
		return;
	if (old)
		free(old->shown);
	free(old);
}

void world_set_coarse(struct world *w, struct oslot *os, bool coarse)
{
	const struct kvm_userspace_memory_region region = {
		.slot = os->slot->id,
		.flags = os->slot->flags,
		.guest_phys_addr = os->slot->base << PAGE_SHIFT,
		.memory_size = os->slot->npages << PAGE_SHIFT,
		.userspace_addr = os->slot->hva,
	};
	struct slot *slot = make_slot(w, os, &region);
	struct slots *slots = slot ? slots_change(world_slots(w), os->slot, slot) : NULL;

	if (!slots)
		env_die("a slot cannot be changed");
	slot->coarse = coarse;
	/* As uapi/: leaves of more than one range do not stay. */
	slot->dying = coarse && w->mmu.caps.level > 2;
	commit(w, os, SLOT_FLAGS, slot, slots);
	if (slot->dying)
		zap_leaves(w, slot);
	slot->dying = false;
}

static int change(struct world *w, struct oslot *old, enum slot_change what,
		  const struct kvm_userspace_memory_region *region)
{
	struct slot *slot = NULL;
	struct slots *slots;

	if (what != SLOT_DELETE) {
		slot = make_slot(w, old, region);
		if (!slot)
			return -ENOMEM;
	}
	slots = slots_change(world_slots(w), old ? old->slot : NULL, slot);
	if (!slots) {
		if (slot && is_logged(old))
			slot_leave_log(slot);
		slot_free(slot);
		return -ENOMEM;
	}
	commit(w, old, what, slot, slots);
	return 0;
}

/* In one area of the host's, and not larger than what the oracle has room for. */
static bool fits(const struct world *w, const struct kvm_userspace_memory_region *region)
{
	u64 pages = region->memory_size / PAGE_SIZE;

	if (pages <= MAX_SLOT_PAGES)
		return true;
	return w->giant && region->userspace_addr >= host_hva(HOST_PAGES) &&
	       pages <= HOST_ALL_PAGES - host_index(region->userspace_addr);
}

void world_set_region(struct world *w, const struct kvm_userspace_memory_region *region)
{
	int expected = oracle_classify(w, region);
	int what = slots_classify(world_slots(w), region, EPT_MAX_GFN);
	struct oslot *old = NULL;
	unsigned int i, fail_at;

	if (what != expected)
		world_fail(w, 9, "slot %u at %#llx+%#llx is judged %d, not %d", region->slot,
			   region->guest_phys_addr, region->memory_size, what, expected);
	if (what <= 0 || !fits(w, region))
		return;
	for (i = 0; i < NR_SLOT_IDS; i++)
		if (w->oslot[i] && w->oslot[i]->slot->id == region->slot)
			old = w->oslot[i];

	/* One page of the host may get another GFN: see l2.c. */
	if (what == SLOT_CREATE || what == SLOT_MOVE)
		l1_invept_alone(w, NR_EPTS);
	/* Every allocation in turn fails; nothing may have changed then. */
	for (fail_at = w->rnd(8) ? 0 : 1;; fail_at++) {
		u64 generation = world_slots(w)->generation;
		unsigned int allocs;
		int ret;

		if (!fail_at) {
			if (change(w, old, what, region))
				env_die("a slot cannot be changed");
			break;
		}
		env_fail_at(fail_at);
		w->injected = true;
		ret = change(w, old, what, region);
		w->injected = false;
		allocs = env_allocs();
		env_fail_at(0);
		if (!ret)
			break;
		if (ret != -ENOMEM || allocs < fail_at || world_slots(w)->generation != generation)
			world_fail(w, 9, "a change without memory gives %d", ret);
		w->stats.enomem++;
	}
	w->stats.slots_made += what == SLOT_CREATE;
	w->stats.slots_gone += what == SLOT_DELETE;
	w->stats.slots_moved += what == SLOT_MOVE;
	w->stats.log_off += what == SLOT_FLAGS && !(region->flags & KVM_MEM_LOG_DIRTY_PAGES);
}

/* The GFNs of @slot that pages [index, index + n) of the host stand behind. */
static bool to_gfns(const struct slot *slot, unsigned int index, unsigned int n, gfn_t *first,
		    gfn_t *end)
{
	unsigned int slot_first = host_index(slot->hva), slot_end = slot_first + slot->npages;
	unsigned int from = max(index, slot_first), to = min(index + n, slot_end);

	if (from >= to)
		return false;
	*first = slot->base + (from - slot_first);
	*end = slot->base + (to - slot_first);
	return true;
}

/* After the flush: the pages are in no SPTE and no TLB, and their writes are told. */
static void check_gone(struct world *w, const struct slot *slot, gfn_t first, gfn_t end)
{
	unsigned int i;
	gfn_t gfn;

	for (i = 0; i < NR_VCPUS; i++) {
		gfn = cpu_cached_in(&w->vcpu[i].cpu, first, end);
		if (gfn != GFN_NONE)
			world_fail(w, 10, "gfn %#llx is cached after the invalidation", gfn);
	}
	for (gfn = ept_hole_end(&w->mmu, first); gfn < end; gfn = ept_hole_end(&w->mmu, gfn + 1))
		if (spte_maps_page(ept_get(&w->mmu, gfn)))
			world_fail(w, 10, "gfn %#llx is mapped after the invalidation", gfn);
	for (gfn = first; gfn < end; gfn++) {
		const struct host_pte *pte = &fake_host.pte[host_index(slot_hva(slot, gfn))];

		if (pte->present && host_frame(pte->hfn)->written && !host_is_dirty(pte->hfn))
			world_fail(w, 10, "the host was not told that gfn %#llx was written", gfn);
	}
}

void world_invalidate_begin(struct world *w, unsigned int index, unsigned int n)
{
	gfn_t first, end;
	unsigned int i;

	for (i = 0; i < world_slots(w)->nr; i++)
		if (to_gfns(world_slots(w)->slot[i], index, n, &first, &end))
			world_aim(w, first, end - first);
	w->windows++;
	w->zap_index = index;
	w->zap_n = n;
	host_notify_begin(index, n);
	w->zap_n = 0;
	for (i = 0; i < world_slots(w)->nr; i++)
		if (to_gfns(world_slots(w)->slot[i], index, n, &first, &end))
			check_gone(w, world_slots(w)->slot[i], first, end);
	w->stats.invalidations++;
}

void world_invalidate_end(struct world *w, unsigned int index, unsigned int n)
{
	host_notify_end(index, n);
	w->windows--;
}

/* A CPU walked to one of the pages behind these GFNs since they were last aged. */
static bool any_accessed(const struct world *w, const struct slot *slot, gfn_t first, gfn_t end)
{
	for (; first < end; first++)
		if (w->accessed[host_index(slot_hva(slot, first))])
			return true;
	return false;
}

bool world_age(struct world *w, unsigned int index, unsigned int n, bool clear)
{
	bool young, expected = false;
	gfn_t first, end;
	unsigned int i;

	for (i = 0; i < world_slots(w)->nr; i++) {
		const struct slot *slot = world_slots(w)->slot[i];

		if (!to_gfns(slot, index, n, &first, &end))
			continue;
		expected |= any_accessed(w, slot, first, end);
		world_aim(w, first, end - first);
	}
	/* What races with this may come before or after it. */
	if (clear)
		world_forget_accesses(w, index, n);
	young = host_notify_young(index, n, clear);
	if (clear && w->racy)
		world_forget_accesses(w, index, n);
	if (expected && !young)
		world_fail(w, 5, "host pages %#x+%#x were accessed and look old", index, n);
	w->stats.aged++;
	return young;
}
