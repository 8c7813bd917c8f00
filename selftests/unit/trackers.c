// SPDX-License-Identifier: GPL-2.0
/* Trackers as uapi/tracker.c keeps them, and marks: what others take is theirs to hear of. */
#include "flat.h"
#include "world.h"

#define MAX_WORDS BITS_TO_LONGS(GIANT_SLOT)

int world_views_add(struct world *w, struct slot *slot)
{
	unsigned int id;
	int err = 0;

	for (id = 0; id < NR_VIEWS && !err; id++)
		if (w->trackers & BIT(id))
			err = view_add(slot, id, true);
	return err;
}

static struct word_range all_words(const struct slot *slot)
{
	return (struct word_range){ 0, slot_bitmap_words(slot) };
}

/* Records go to the views. */
static struct asked share(struct world *w, struct oslot *os, enum tracker who,
			  struct word_range range)
{
	struct asked by = { who, world_begin_harvest(w) };
	struct tlb_batch batch = TLB_BATCH_INIT;

	world_aim(w, os->slot->base + range.first * 64, os->slot->npages - range.first * 64);
	world_interleave(w);
	dirty_share(&w->mmu, os->slot, range, &batch);
	world_discharge(w, &batch);
	world_interleave(w);
	return by;
}

static void forget(struct world *w, unsigned int id)
{
	unsigned int i;

	w->trackers &= ~BIT(id);
	for (i = 0; i < NR_SLOT_IDS; i++)
		if (w->oslot[i])
			view_remove(w->oslot[i]->slot, id);
}

/* What was written before a tracker was there is not its to hear. */
static void begin(struct world *w, struct oslot *os, unsigned int id)
{
	struct asked by = share(w, os, VIEWS + id, all_words(os->slot));
	unsigned long out[MAX_WORDS];
	u64 rel;

	view_take(os->slot, id, all_words(os->slot));
	flat_words(&os->slot->views->of[id].held, all_words(os->slot), out);
	view_settle(os->slot, id, all_words(os->slot), NULL, false);
	for (rel = 0; rel < os->slot->npages; rel++) {
		struct tracked *page = &os->page[rel];
		bool told = test_bit(rel, out);

		page->held[id] = false;
		page->cleared[by.who] = told ? by.moment.taken : by.moment.since;
		if (told || page->owed[by.who] <= by.moment.since)
			page->owed[by.who] = 0;
	}
}

static bool make(struct world *w, unsigned int id)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < NR_SLOT_IDS && !err; i++)
		if (w->oslot[i] && slot_is_logged(w->oslot[i]->slot))
			err = view_add(w->oslot[i]->slot, id, false);
	if (err) {
		forget(w, id);
		return false;
	}
	w->trackers |= BIT(id);
	return true;
}

void world_tracker_toggle(struct world *w, unsigned int id)
{
	unsigned int i;

	if (w->trackers & BIT(id)) {
		forget(w, id);
		return;
	}
	if (!w->rnd(4))
		env_fail_at(1 + w->rnd(8));
	if (!make(w, id))
		w->stats.enomem++;
	env_fail_at(0);
	if (!(w->trackers & BIT(id)) && !make(w, id))
		env_die("a tracker cannot be made");
	for (i = 0; i < NR_SLOT_IDS; i++)
		if (w->oslot[i] && slot_is_logged(w->oslot[i]->slot))
			begin(w, w->oslot[i], id);
	w->stats.trackers++;
}

/* Whole words of @os, any or all of them. */
static struct word_range pick_words(struct world *w, const struct oslot *os)
{
	struct word_range range = all_words(os->slot);

	if (!w->rnd(2))
		return range;
	range.first = w->rnd(range.end);
	range.end = range.first + 1 + w->rnd(range.end - range.first);
	return range;
}

static u64 range_end(const struct oslot *os, struct word_range range)
{
	return min(range.end * 64, os->slot->npages);
}

static bool holds(const struct oslot *os, unsigned int id, struct word_range range)
{
	u64 rel;

	for (rel = range.first * 64; rel < range_end(os, range); rel++)
		if (os->page[rel].held[id])
			return true;
	return false;
}

void world_tracker_take(struct world *w, struct oslot *os, unsigned int id)
{
	struct word_range range = pick_words(w, os);
	bool failed = !w->rnd(8), commit = w->rnd(2);
	unsigned long out[MAX_WORDS];
	u64 rel, n, told_pages = 0;
	struct asked by;

	if (view_holds(os->slot, id, range) != holds(os, id, range))
		world_fail(w, 1, "tracker %u holds something or not, and does not know", id);
	if (holds(os, id, range))
		return;
	by = share(w, os, VIEWS + id, range);
	n = view_take(os->slot, id, range);
	flat_words(&os->slot->views->of[id].held, range, out);
	for (rel = range.first * 64; rel < range_end(os, range); rel++)
		oracle_check_page(w, os, rel, test_bit(rel - range.first * 64, out), &by);
	for (rel = range.first * 64; rel < range_end(os, range) && !failed; rel++)
		if (test_bit(rel - range.first * 64, out))
			oracle_before_taking(os, rel, VIEWS + id);
	for (rel = range.first * 64; rel < range_end(os, range); rel++) {
		bool told = test_bit(rel - range.first * 64, out);
		struct tracked *page = &os->page[rel];

		told_pages += told;
		if (!told || failed)
			continue;
		page->held[id] = !commit;
		page->before[id] = page->cleared[by.who];
		page->cleared[by.who] = by.moment.taken;
		page->owed[by.who] = 0;
	}
	if (n != told_pages)
		world_fail(w, 8, "%llu pages are counted, %llu told", n, told_pages);
	if (failed || commit)
		view_settle(os->slot, id, range, NULL, failed);
	w->stats.takes++;
}

static unsigned long random_word(struct world *w)
{
	return (u64)w->rnd(1u << 31) << 33 ^ w->rnd(1u << 31);
}

void world_tracker_settle(struct world *w, struct oslot *os, unsigned int id, bool owed)
{
	struct word_range range = pick_words(w, os);
	unsigned long mask[MAX_WORDS];
	bool whole = w->rnd(2);
	u64 rel, n, expected = 0;

	for (rel = 0; rel < range.end - range.first; rel++)
		mask[rel] = random_word(w);
	n = view_settle(os->slot, id, range, whole ? NULL : mask, owed);
	for (rel = range.first * 64; rel < range_end(os, range); rel++) {
		struct tracked *page = &os->page[rel];

		if (!page->held[id] || (!whole && !test_bit(rel - range.first * 64, mask)))
			continue;
		expected++;
		page->held[id] = false;
		if (!owed)
			continue;
		page->owed[VIEWS + id] = 1;
		page->cleared[VIEWS + id] = page->before[id];
	}
	if (n != expected)
		world_fail(w, 1, "tracker %u settles %llu pages of %llu", id, n, expected);
	w->stats.settled += n;
}

void world_mark(struct world *w, struct oslot *os, struct vcpu *v)
{
	u64 first = w->rnd(os->slot->npages);
	u64 npages = 1 + w->rnd(min(os->slot->npages - first, 80ull));
	struct ring *ring = v && w->ring ? &v->ring : NULL;
	unsigned long mask[2] = { random_word(w), random_word(w) };
	bool whole = w->rnd(2);
	u32 head = 0, used = 0;
	u64 i, done;

	if (v) {
		vcpu_exit(w, v);
		head = v->ring.head;
		used = max(ring_used(&v->ring), (u32)RING_SIZE - RING_RESERVE);
	}
	if (v)
		v->busy = true; /* its thread is here */
	done = dirty_mark(os->slot, first, npages, whole ? NULL : mask, ring);
	if (v)
		v->busy = false;
	if (done != npages && !(ring && ring_is_soft_full(ring)))
		world_fail(w, 12, "a mark of %llu pages ends after %llu", npages, done);
	if (ring && ring_used(ring) > used)
		world_fail(w, 7, "a mark takes %u entries of the ring's reserve",
			   ring_used(ring) - used);
	for (i = 0; i < done; i++) {
		if (!whole && !test_bit(i, mask))
			continue;
		oracle_written(w, os, first + i, ring);
		if (ring)
			oracle_pushed(w, v, head++, os, first + i);
		w->stats.marked++;
		if (os->slot->coarse)
			i = (first + i) / 512 * 512 + 511 - first;
	}
	if (ring && ring->head != head)
		world_fail(w, 12, "a mark made %u ring entries too many", ring->head - head);
}
