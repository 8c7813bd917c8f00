// SPDX-License-Identifier: GPL-2.0
/*
 * The harvesters. Each keeps a copy of the memory as it believes it to be: first
 * it asks what was written, which protects those pages again, and then it copies.
 */
#include <errno.h>
#include <string.h>

#include "../../tools/lib/page.h"
#include "../../tools/lib/tracker.h"
#include "soak.h"

static int look_at_ring(struct follower *follower)
{
	struct bench *bench = &follower->soak->bench;
	struct kvm_dirty_gfn entry;
	int taken = 0, reset;
	unsigned int i;

	for (i = 0; i < VCPUS; i++) {
		while (ring_next(&bench->vcpu[i], &entry)) {
			taken++;
			if (entry.slot != bench->data.id || entry.offset >= PAGES)
				return -ERANGE;
			follower->bitmap[entry.offset / 64] |= 1ULL << entry.offset % 64;
		}
	}
	reset = vm_reset_rings(&bench->vm);
	if (reset < 0)
		return reset;
	return reset == taken ? 0 : -EPROTO;
}

static int look_at_bitmap(struct follower *follower)
{
	struct soak *soak = follower->soak;
	struct kvm_clear_dirty_log clear = {
		.slot = soak->bench.data.id, .num_pages = PAGES, .dirty_bitmap = follower->bitmap,
	};
	int ret = vm_get_log(&soak->bench.vm, &soak->bench.data, follower->bitmap);

	if (!ret && soak->manual)
		ret = vm_clear_log(&soak->bench.vm, &clear);
	return ret;
}

/* Now and then the copy fails, and what was taken is taken again. */
static int look_at_tracker(struct follower *follower)
{
	struct soak *soak = follower->soak;
	const struct mem *mem = &soak->bench.data;
	int64_t taken = tracker_take(soak->tracker, mem, follower->bitmap, 0), back;

	if (taken >= 0 && !rng_below(&follower->rng, 4)) {
		back = tracker_give_back(soak->tracker, mem, NULL);
		if (back != taken)
			return -EPROTO;
		taken = tracker_take(soak->tracker, mem, follower->bitmap, 0);
		if (taken >= 0 && taken < back)
			return -EPROTO;
	}
	back = taken < 0 ? taken : tracker_commit(soak->tracker, mem, follower->bitmap);
	return back == taken && taken >= 0 ? 0 : taken < 0 ? taken : -EPROTO;
}

void follow_init(struct soak *soak)
{
	unsigned int i;

	soak->follower[BY_RING] = (struct follower){ .name = "ring", .look = look_at_ring };
	soak->follower[BY_BITMAP] = (struct follower){ .name = "bitmap", .look = look_at_bitmap };
	soak->follower[BY_TRACKER] = (struct follower){
		.name = "tracker", .look = look_at_tracker,
	};
	for (i = 0; i < FOLLOWERS; i++) {
		soak->follower[i].soak = soak;
		soak->follower[i].copy = mem_alloc(BYTES);
	}
}

void follow_copy_all(struct follower *follower)
{
	unsigned int page;

	for (page = 0; page < PAGES; page++)
		page_copy(follower->copy + page * PAGE_SIZE,
			  bench_page(&follower->soak->bench, page));
}

void follow_once(struct follower *follower)
{
	unsigned int page;
	int ret;

	memset(follower->bitmap, 0, sizeof(follower->bitmap));
	ret = follower->look(follower);
	if (ret && !follower->error)
		follower->error = ret;
	follower->harvests++;
	for (page = 0; page < PAGES; page++) {
		if (!bitmap_test(follower->bitmap, page))
			continue;
		page_copy(follower->copy + page * PAGE_SIZE,
			  bench_page(&follower->soak->bench, page));
		follower->reported++;
	}
}

unsigned int follow_compare(struct follower *follower)
{
	unsigned int page, wrong = 0;

	for (page = 0; page < PAGES; page++)
		wrong += !page_same(follower->copy + page * PAGE_SIZE,
				    bench_page(&follower->soak->bench, page));
	follower->lost += wrong;
	return wrong;
}
