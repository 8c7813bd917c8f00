// SPDX-License-Identifier: GPL-2.0
/*
 * Arguments of what uapi/vellum.h has: trackers, marks, harvests in parts, events.
 */
#include <string.h>

#include "fuzz.h"

unsigned long arg_extension(struct thread *t, struct world *w, int v, const struct call *call)
{
	return one_in(&t->rng, 8) ? odd_number(&t->rng) : rng_below(&t->rng, 16);
}

unsigned long arg_tracker(struct thread *t, struct world *w, int v, const struct call *call)
{
	struct vellum_tracker *tracker = (void *)t->scratch;
	struct rng *rng = &t->rng;

	memset(tracker, 0, sizeof(*tracker));
	tracker->id = one_in(rng, 12) ? odd_number(rng) : rng_below(rng, 8);
	if (one_in(rng, 2))
		tracker->flags = rng_below(rng, 4);
	if (one_in(rng, 20))
		mutate(rng, tracker, sizeof(*tracker));
	return place(t, tracker, sizeof(*tracker));
}

/* Of a slot: whole words, or the last ones. */
static void some_words(struct rng *rng, uint64_t pages, __u64 *first, __u64 *num)
{
	*first = one_in(rng, 2) ? 0 : rng_below(rng, pages / 64 + 1) * 64;
	*num = pages - *first;
	if (one_in(rng, 3) && *num > 64)
		*num = 64 * (1 + rng_below(rng, *num / 64));
}

static void fill_bitmap(struct thread *t)
{
	uint64_t *word = (uint64_t *)(t->scratch + 4096);
	unsigned int i;

	for (i = 0; i < 32; i++)
		word[i] = one_in(&t->rng, 2) ? ~0ULL : rng_next(&t->rng);
}

unsigned long arg_pages(struct thread *t, struct world *w, int v, const struct call *call)
{
	struct vellum_pages *pages = (void *)t->scratch;
	struct rng *rng = &t->rng;
	uint64_t size;

	memset(pages, 0, sizeof(*pages));
	pages->slot = any_slot(rng, w);
	size = pages->slot < SLOTS ? w->slot[pages->slot].pages : 64;
	some_words(rng, size, &pages->first_page, &pages->num_pages);
	if (call->nr == VELLUM_MARK && one_in(rng, 2)) {
		pages->first_page += rng_below(rng, 64);
		pages->num_pages = 1 + rng_below(rng, 200);
	}
	if (call->nr == VELLUM_TAKE && one_in(rng, 3))
		pages->flags = VELLUM_TAKE_COMMIT;
	/* None: all of them; but for what is taken there must be one. */
	if (call->nr == VELLUM_TAKE || one_in(rng, 2))
		pages->bitmap = (unsigned long)any_bitmap(t);
	if (one_in(rng, 20))
		mutate(rng, pages, sizeof(*pages));
	fill_bitmap(t);
	return place(t, pages, sizeof(*pages));
}

unsigned long arg_clear_part(struct thread *t, struct world *w, int v, const struct call *call)
{
	struct vellum_clear *clear = (void *)t->scratch;
	struct rng *rng = &t->rng;
	uint64_t size;

	memset(clear, 0, sizeof(*clear));
	clear->slot = any_slot(rng, w);
	size = clear->slot < SLOTS ? w->slot[clear->slot].pages : 64;
	some_words(rng, size, &clear->first_page, &clear->num_pages);
	clear->bitmap = (unsigned long)any_bitmap(t);
	clear->max = one_in(rng, 8) ? odd_number(rng) : 64 + rng_below(rng, 1000);
	if (one_in(rng, 20))
		mutate(rng, clear, sizeof(*clear));
	fill_bitmap(t);
	return place(t, clear, sizeof(*clear));
}

unsigned long arg_reset_part(struct thread *t, struct world *w, int v, const struct call *call)
{
	struct vellum_reset *reset = (void *)t->scratch;
	struct rng *rng = &t->rng;

	memset(reset, 0, sizeof(*reset));
	reset->max = one_in(rng, 6) ? odd_number(rng) : 1 + rng_below(rng, 2000);
	if (one_in(rng, 20))
		mutate(rng, reset, sizeof(*reset));
	return place(t, reset, sizeof(*reset));
}

/* One that may be tracked by 2M, if it is found soon: aligned, and not logged. */
static unsigned int slot_for_ranges(struct rng *rng, struct world *w)
{
	const struct slot_seen *seen;
	unsigned int i, slot = 0;

	for (i = 0; i < 16; i++) {
		slot = 2 + rng_below(rng, SLOTS - 2);
		seen = &w->slot[slot];
		if (seen->pages && !(seen->gpa & 0x1fffff) &&
		    !(seen->flags & KVM_MEM_LOG_DIRTY_PAGES))
			break;
	}
	return slot;
}

unsigned long arg_tracking(struct thread *t, struct world *w, int v, const struct call *call)
{
	struct vellum_tracking *tracking = (void *)t->scratch;
	struct rng *rng = &t->rng;

	memset(tracking, 0, sizeof(*tracking));
	tracking->page_shift = one_in(rng, 4) ? VELLUM_TRACK_4K : VELLUM_TRACK_2M;
	tracking->slot = one_in(rng, 3) ? any_slot(rng, w) : slot_for_ranges(rng, w);
	if (tracking->page_shift == VELLUM_TRACK_2M)
		w->ranged = tracking->slot;
	if (one_in(rng, 20))
		mutate(rng, tracking, sizeof(*tracking));
	return place(t, tracking, sizeof(*tracking));
}

unsigned long arg_ranges(struct thread *t, struct world *w, int v, const struct call *call)
{
	struct vellum_ranges *ranges = (void *)t->scratch;
	struct rng *rng = &t->rng;

	memset(ranges, 0, sizeof(*ranges));
	ranges->slot = one_in(rng, 4) ? any_slot(rng, w) : w->ranged;
	if (ranges->slot < SLOTS && one_in(rng, 2))
		ranges->first_page = rng_below(rng, w->slot[ranges->slot].pages + 2);
	ranges->ranges = (unsigned long)any_bitmap(t);
	ranges->max = one_in(rng, 8) ? odd_number(rng) : 1 + rng_below(rng, 64);
	if (one_in(rng, 20))
		mutate(rng, ranges, sizeof(*ranges));
	return place(t, ranges, sizeof(*ranges));
}

unsigned long arg_ring_event(struct thread *t, struct world *w, int v, const struct call *call)
{
	struct vellum_ring_event *event = (void *)t->scratch;
	struct rng *rng = &t->rng;

	memset(event, 0, sizeof(*event));
	event->fd = one_in(rng, 4) ? -1 : t->eventfd;
	if (event->fd >= 0)
		event->watermark = one_in(rng, 8) ? odd_number(rng) : 1 + rng_below(rng, 500);
	if (one_in(rng, 16))
		event->fd = one_in(rng, 2) ? (int)odd_number(rng) : device;
	if (one_in(rng, 20))
		mutate(rng, event, sizeof(*event));
	return place(t, event, sizeof(*event));
}
