// SPDX-License-Identifier: GPL-2.0
/*
 * Arguments of what deals with memory: slots, the bitmap's ioctls.
 */
#include <string.h>

#include "fuzz.h"

/* Some of these overlap, some stand at the end of what a CPU can address. */
static uint64_t any_gpa(struct rng *rng)
{
	uint64_t gpa;

	switch (rng_below(rng, 12)) {
	case 0:
		gpa = 0x100000000UL + ((uint64_t)rng_below(rng, 64) << 20);
		break;
	case 1:
		gpa = 1UL << (36 + rng_below(rng, 12));
		gpa -= (uint64_t)rng_below(rng, 600) << 12;
		break;
	case 2:
		gpa = one_in(rng, 8) ? odd_number(rng) : 0x200000UL * (1 + rng_below(rng, 64));
		break;
	default:
		gpa = FUZZ_DATA_GPA + rng_below(rng, 24) * 0x200000UL;
		gpa += rng_below(rng, 3) * 0x1000UL;
	}
	/* Below 1 MiB and at the reset vector a vCPU could begin with IF clear. */
	if (gpa < 0x200000 || (gpa >= 0xf0000000 && gpa < 0x100000000UL))
		gpa = FUZZ_DATA_GPA;
	return gpa;
}

static uint64_t any_pages(struct rng *rng)
{
	static const uint32_t pages[] = {
		1, 2, 63, 64, 65, 100, 128, 200, 511, 512, 513, 1000, 1024,
	};

	if (one_in(rng, 60)) /* far more than there is memory behind it */
		return one_in(rng, 12) ? odd_number(rng) >> 12 : 1UL << (12 + rng_below(rng, 10));
	return pages[rng_below(rng, ARRAY_SIZE(pages))];
}

static uint64_t any_host(struct rng *rng, struct world *w)
{
	static const uint64_t bad[] = {
		0, 0x1000, 0xffff888000001000UL, 0x800000000000UL, -4096UL, 0x7ffffffff000UL,
	};
	uint64_t base = (uint64_t)w->base;

	switch (rng_below(rng, 40)) {
	case 0:
		return bad[rng_below(rng, ARRAY_SIZE(bad))];
	case 1: /* the run pages and the ring, as guest memory */
		return base + rng_below(rng, WORLD_VCPUS) * 0x100000UL +
		       (one_in(rng, 2) ? RUN_AT : RING_AT);
	case 2: /* another world's memory */
		return (uint64_t)worlds[rng_below(rng, nr_threads)].base + DATA_AT;
	default:
		return base + DATA_AT + rng_below(rng, DATA_SIZE / 4096) * 4096UL;
	}
}

static void region_new(struct rng *rng, struct world *w, struct kvm_userspace_memory_region *r)
{
	uint64_t space;

	r->guest_phys_addr = any_gpa(rng);
	r->memory_size = any_pages(rng) << 12;
	r->userspace_addr = any_host(rng, w);
	if (r->userspace_addr - (uint64_t)w->base - DATA_AT < DATA_SIZE && !one_in(rng, 16)) {
		space = (uint64_t)w->base + DATA_AT + DATA_SIZE - r->userspace_addr;
		if (r->memory_size > space)
			r->memory_size = space;
	}
	r->flags = one_in(rng, 8) ? KVM_MEM_READONLY : 0;
	if (one_in(rng, 2))
		r->flags |= KVM_MEM_LOG_DIRTY_PAGES;
}

/* A change of a slot that was asked for before. */
static void region_change(struct rng *rng, struct world *w, struct kvm_userspace_memory_region *r)
{
	const struct slot_seen *seen = &w->slot[r->slot];

	r->guest_phys_addr = seen->gpa;
	r->memory_size = seen->pages << 12;
	r->userspace_addr = seen->host;
	r->flags = seen->flags;
	switch (rng_below(rng, r->slot < 2 ? 20 : 6)) {
	case 0:
		r->memory_size = 0;
		break;
	case 1:
		if (r->slot > 1)
			r->guest_phys_addr = any_gpa(rng);
		break;
	default:
		r->flags ^= KVM_MEM_LOG_DIRTY_PAGES;
	}
}

unsigned long arg_region(struct thread *t, struct world *w, int v, const struct call *call)
{
	struct kvm_userspace_memory_region *r = (void *)t->scratch;
	struct rng *rng = &t->rng;
	bool fresh;

	memset(r, 0, sizeof(*r));
	r->slot = one_in(rng, 40) ? rng_below(rng, 2) : 2 + rng_below(rng, SLOTS - 2);
	fresh = !w->slot[r->slot].pages;
	if (fresh && r->slot > 1)
		region_new(rng, w, r);
	else
		region_change(rng, w, r);
	w->slot[r->slot].gpa = r->guest_phys_addr;
	w->slot[r->slot].host = r->userspace_addr;
	w->slot[r->slot].flags = r->flags;
	/* Slots 0 and 1 are made again as they were. */
	if (r->slot > 1)
		w->slot[r->slot].pages = r->memory_size >> 12;
	if (one_in(rng, 50))
		r->slot = odd_number(rng);
	if (one_in(rng, 50))
		r->flags = odd_number(rng);
	if (one_in(rng, 80))
		r->memory_size += 1 + rng_below(rng, 4095);
	/* A bitmap of a slot of that size would be most of the machine's memory. */
	if (r->memory_size > 1UL << 35)
		r->flags &= ~KVM_MEM_LOG_DIRTY_PAGES;
	/* Moved, it would give the guest memory that is none of its. */
	return one_in(rng, 50) ? 0xffff888000001000UL : (unsigned long)r;
}

unsigned int any_slot(struct rng *rng, struct world *w)
{
	unsigned int i, slot = 0;

	/* One that is logged, if it is found soon. */
	for (i = 0; i < 8; i++) {
		slot = 1 + rng_below(rng, SLOTS - 1);
		if (w->slot[slot].pages && w->slot[slot].flags & KVM_MEM_LOG_DIRTY_PAGES)
			break;
	}
	return one_in(rng, 60) ? odd_number(rng) : slot;
}

void *any_bitmap(struct thread *t)
{
	return one_in(&t->rng, 40) ? (void *)place(t, t->scratch + 4096, 4096) : t->scratch + 4096;
}

unsigned long arg_get_log(struct thread *t, struct world *w, int v, const struct call *call)
{
	struct kvm_dirty_log *log = (void *)t->scratch;

	memset(log, 0, sizeof(*log));
	log->slot = any_slot(&t->rng, w);
	log->dirty_bitmap = any_bitmap(t);
	return one_in(&t->rng, 80) ? 8 : (unsigned long)log;
}

unsigned long arg_clear_log(struct thread *t, struct world *w, int v, const struct call *call)
{
	struct kvm_clear_dirty_log *log = (void *)t->scratch;
	struct rng *rng = &t->rng;
	uint64_t pages, i;

	memset(log, 0, sizeof(*log));
	log->slot = any_slot(rng, w);
	pages = log->slot < SLOTS ? w->slot[log->slot].pages : 64;
	log->first_page = rng_below(rng, pages / 64 + 1) * 64;
	log->num_pages = pages - log->first_page;
	if (one_in(rng, 3) && log->num_pages > 64)
		log->num_pages = 64;
	if (one_in(rng, 20))
		mutate(rng, log, sizeof(*log));
	if (log->slot >= SLOTS)
		log->slot = odd_number(rng);
	log->dirty_bitmap = any_bitmap(t);
	for (i = 0; i < 32; i++)
		((uint64_t *)(t->scratch + 4096))[i] = one_in(rng, 2) ? ~0ULL : rng_next(rng);
	return one_in(rng, 80) ? 8 : (unsigned long)log;
}
