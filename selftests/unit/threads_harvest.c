// SPDX-License-Identifier: GPL-2.0
/*
 * Who harvests while the vCPUs of threads.h write: by bitmap, by ring, and a
 * tracker; and who turns the large slot's logging on and off.
 */
#include "threads.h"

/* A slot, and the host's index of its first page. */
struct area {
	struct slot *slot;
	unsigned int first;
};

static struct area small_area(void)
{
	return (struct area){ threads.slot, 0 };
}

static struct area big_area(void)
{
	return (struct area){ threads.big, BIG_INDEX };
}

static void copy_pages(enum tracker tracker, struct area area, const unsigned long *words)
{
	u64 rel;

	for (rel = 0; rel < area.slot->npages; rel++)
		if (test_bit(rel, words))
			threads.copy[tracker][area.first + rel] = threads_read(area.first + rel);
}

/* What a vCPU does in a burst is over or has not begun, where that matters to a harvest. */
static void drain_writes(void)
{
	if (!mmu_scans_d(&threads.mmu))
		threads_kick();
}

/* What was written when it begins is in the copy when it is over. */
static void harvest_bitmap(struct area area, bool manual)
{
	const u32 *copy = &threads.copy[BITMAP][area.first];
	struct tlb_batch batch = TLB_BATCH_INIT;
	unsigned long words[BITS_TO_LONGS(NBIG)];
	u64 i, n = area.slot->npages;
	static u32 before[NBIG];

	for (i = 0; i < n; i++)
		before[i] = threads_read(area.first + i);
	drain_writes();
	if (manual) {
		dirty_peek(&threads.mmu, area.slot);
		flat_shown(area.slot, words);
		dirty_clear(&threads.mmu, area.slot, 0, n, words, &batch);
	} else {
		flat_get(&threads.mmu, area.slot, words, &batch);
	}
	threads_discharge(&batch);
	copy_pages(BITMAP, area, words);
	for (i = 0; i < n; i++)
		if (copy[i] < before[i])
			env_die("invariant 1: page %u:%llu had %u writes, the harvest has %u",
				area.slot->id, i, before[i], copy[i]);
}

/* The pages of both slots that @v's ring tells of.  How many entries. */
static u32 collect_ring(struct vcpu *v, unsigned long *small, unsigned long *big)
{
	u32 first = v->fetch;

	for (;; v->fetch++) {
		struct kvm_dirty_gfn *entry = &v->ring.entries[v->fetch % RING_ENTRIES];
		bool is_big;

		if (smp_load_acquire(&entry->flags) != KVM_DIRTY_GFN_F_DIRTY)
			return v->fetch - first;
		is_big = entry->slot == threads.big->id;
		if ((!is_big && entry->slot != threads.slot->id) ||
		    entry->offset >= (is_big ? NBIG : NPAGES))
			env_die("ring entry %u:%llu", entry->slot, entry->offset);
		__set_bit(entry->offset, is_big ? big : small);
		smp_store_release(&entry->flags, KVM_DIRTY_GFN_F_RESET);
	}
}

static void harvest_rings(void)
{
	unsigned long small[BITS_TO_LONGS(NPAGES)] = {}, big[BITS_TO_LONGS(NBIG)] = {};
	struct tlb_batch batch = TLB_BATCH_INIT;
	unsigned int i;
	u32 n = 0;

	for (i = 0; i < NR_VCPUS; i++)
		n += collect_ring(&threads.vcpu[i], small, big);
	for (i = 0; i < NR_VCPUS; i++)
		n -= dirty_reset(&threads.mmu, threads.host.slots, &threads.vcpu[i].ring, &batch);
	if (n)
		env_die("%d harvested entries were not given back", n);
	threads_discharge(&batch);
	copy_pages(RING, small_area(), small);
	copy_pages(RING, big_area(), big);
}

/* Logging of the large slot is on: harvesters begin with a copy of it all. */
static void start_big(void)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	unsigned int i;

	/* Split now before they are written, now by who writes. */
	threads.mmu.caps.eager_split = ++threads.logged_times % 2;
	dirty_start(&threads.mmu, threads.big, &batch);
	threads_discharge(&batch);
	for (i = BIG_INDEX; i < BIG_INDEX + NBIG; i++) {
		threads.copy[BITMAP][i] = threads_read(i);
		threads.copy[RING][i] = threads_read(i);
	}
}

void toggle_big(void)
{
	struct slot *old = threads.big;
	const struct kvm_userspace_memory_region region = {
		.slot = 1,
		.flags = old && !slot_is_logged(old) ? KVM_MEM_LOG_DIRTY_PAGES : 0,
		.guest_phys_addr = BIG_BASE << PAGE_SHIFT,
		.memory_size = NBIG << PAGE_SHIFT,
		.userspace_addr = host_hva(BIG_INDEX),
	};
	struct slot *new = slot_alloc(&region);

	if (!region.flags)
		new->uncollapsed = NBIG;
	else if (pageset_init(&new->dirty, NBIG, false))
		env_die("no memory");
	kvfree(host_publish(&threads.host, slots_change(threads.host.slots, old, new)));
	threads.big = new;
	slot_free(old);
	if (region.flags)
		start_big();
}

void *harvester_thread(void *arg)
{
	unsigned int turn;

	for (turn = 0; !stopped(); turn++) {
		pthread_mutex_lock(&threads.slots_lock);
		harvest_bitmap(small_area(), turn % 2);
		if (turn % 3 == 0)
			toggle_big();
		else if (slot_is_logged(threads.big))
			harvest_bitmap(big_area(), turn % 2);
		if (threads.has_ring)
			harvest_rings();
		pthread_mutex_unlock(&threads.slots_lock);
	}
	return NULL;
}

/* A consumer of its own: takes, and copies or fails to copy, without the lock. */
static void take_view(bool copy)
{
	struct slot *slot = threads.slot;
	const struct word_range all = { 0, slot_bitmap_words(slot) };
	unsigned long words[BITS_TO_LONGS(NPAGES)];
	struct tlb_batch batch = TLB_BATCH_INIT;

	pthread_mutex_lock(&threads.slots_lock);
	drain_writes();
	dirty_share(&threads.mmu, slot, all, &batch);
	threads_discharge(&batch);
	view_take(slot, VIEW_ID, all);
	flat_words(&slot->views->of[VIEW_ID].held, all, words);
	pthread_mutex_unlock(&threads.slots_lock);
	if (copy)
		copy_pages(VIEW, small_area(), words);
	pthread_mutex_lock(&threads.slots_lock);
	view_settle(slot, VIEW_ID, all, NULL, !copy);
	pthread_mutex_unlock(&threads.slots_lock);
}

void *tracker_thread(void *arg)
{
	unsigned int turn;

	for (turn = 0; !stopped(); turn++) {
		take_view(turn % 3);
		sched_yield();
	}
	return NULL;
}

void harvest_all(void)
{
	harvest_bitmap(small_area(), false);
	if (slot_is_logged(threads.big))
		harvest_bitmap(big_area(), false);
	if (threads.has_ring)
		harvest_rings();
	take_view(true);
}
