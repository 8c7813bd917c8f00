// SPDX-License-Identifier: GPL-2.0
/* What userspace takes: bitmaps and rings, as uapi/ lets it. */
#include "flat.h"
#include "mmu/coarse.h"
#include "world.h"

#define MAX_WORDS BITS_TO_LONGS(GIANT_SLOT)
#define GUARD	  0x5a5a5a5a5a5a5a5aul

/*
 * A harvest begins with an exit of every vCPU.  What was written before the
 * first of them must be told; what happens after the last may be told again.
 */
struct moment world_begin_harvest(struct world *w)
{
	struct moment moment = { .since = w->clock++ };

	world_exit_all(w);
	moment.taken = w->clock++;
	return moment;
}

void world_get(struct world *w, struct oslot *os)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	u64 words = slot_bitmap_words(os->slot);
	unsigned long out[MAX_WORDS + 1];
	bool failed = !w->manual && !w->rnd(16);
	struct moment moment = world_begin_harvest(w);
	struct dirty_taken taken;

	world_aim(w, os->slot->base, os->slot->npages);
	memset(out, 0xa5, words * sizeof(out[0]));
	out[words] = GUARD;
	world_interleave(w);
	if (w->manual) {
		dirty_peek(&w->mmu, os->slot);
		flat_shown(os->slot, out);
	} else {
		flat_take(&w->mmu, os->slot, &taken, out, &batch);
		world_discharge(w, &batch);
	}
	world_interleave(w);
	if (out[words] != GUARD)
		world_fail(w, 8, "GET writes beyond %llu words", words);
	/* The words cannot be handed over: to userspace nothing has happened. */
	if (!w->manual)
		flat_got(os->slot, &taken, failed);
	oracle_check_get(w, os, out, &moment, !w->manual && !failed);
	memcpy(os->shown, out, words * sizeof(out[0]));
	w->stats.gets++;
}

/* What userspace asks to be cleared: what it saw, some of it, or anything. */
static void make_mask(struct world *w, const struct oslot *os, u64 first, u64 npages,
		      unsigned long *mask)
{
	u64 i, words = (npages + 63) / 64;
	unsigned int how = w->rnd(4);

	for (i = 0; i < words; i++) {
		u64 random = (u64)w->rnd(1u << 31) << 33 ^ (u64)w->rnd(1u << 31) << 2 ^ w->rnd(4);

		mask[i] = os->shown[first / 64 + i];
		if (how == 1)
			mask[i] &= random;
		else if (how == 2)
			mask[i] = random;
		else if (how == 3)
			mask[i] = ~0ul;
	}
}

/* Pages of @word that something touched at @since or later. */
static u64 touched_since(const struct oslot *os, u64 word, u32 since)
{
	u64 rel, touched = 0;

	for (rel = word * 64; rel < min(word * 64 + 64, os->slot->npages); rel++)
		if (os->page[rel].touched >= since)
			touched |= BIT_ULL(rel % 64);
	return touched;
}

/* In a coarse slot CLEAR may bring a record of a written range's pages that it did not take. */
static u64 may_appear(const struct oslot *os, u64 word)
{
	return os->slot->coarse && oracle_may_tell(os, word * 64, BITMAP) ? ~0ull : 0;
}

/*
 * The bitmap after CLEAR is what it was, without what was asked for; what was
 * touched while it ran may stand there or have been taken.  @before becomes
 * what may have been taken.
 */
static void check_cleared(struct world *w, struct oslot *os, unsigned long *before, u64 first,
			  u64 npages, const unsigned long *mask, u32 since)
{
	unsigned long after[MAX_WORDS];
	u64 word;

	flat_shown(os->slot, after);
	for (word = 0; word < slot_bitmap_words(os->slot); word++) {
		u64 asked = word >= first / 64 && word < (first + npages + 63) / 64 ?
				    mask[word - first / 64] :
				    0;
		u64 touched = touched_since(os, word, since), now = after[word];

		if ((now ^ (before[word] & ~asked)) & ~touched &
		    ~(may_appear(os, word) & now & ~(asked & before[word])))
			world_fail(w, 8, "CLEAR of %#llx in %#lx leaves %#llx, word %llu", asked,
				   before[word], now, word);
		if (touched & ~asked & (before[word] & ~now))
			world_fail(w, 8, "CLEAR of %#llx takes others of %#lx, word %llu", asked,
				   before[word], word);
		before[word] |= touched & ~now;
	}
}

void world_clear(struct world *w, struct oslot *os)
{
	u64 words = slot_bitmap_words(os->slot), first = w->rnd(words), count, npages, rel;
	unsigned long mask[MAX_WORDS], before[MAX_WORDS];
	struct tlb_batch batch = TLB_BATCH_INIT;
	struct moment moment = world_begin_harvest(w);
	u32 since;

	count = 1 + w->rnd(words - first);
	if (!w->rnd(3)) {
		first = 0;
		count = words;
	}
	first *= 64;
	npages = min(count * 64, os->slot->npages - first);
	world_aim(w, os->slot->base + first, npages);
	make_mask(w, os, first, npages, mask);
	world_interleave(w);
	flat_shown(os->slot, before);
	since = ++w->clock;
	dirty_clear(&w->mmu, os->slot, first, npages, mask, &batch);
	check_cleared(w, os, before, first, npages, mask, since);
	world_discharge(w, &batch);
	/* Userspace copies what was set and is cleared now. */
	for (rel = first; rel < first + npages; rel++) {
		if (!test_bit(rel - first, mask) || !test_bit(rel, before))
			__clear_bit(rel, before);
		else
			oracle_before_taking(os, rel, BITMAP);
	}
	for (rel = first; rel < first + npages; rel++) {
		if (!test_bit(rel, before))
			continue;
		os->page[rel].owed[BITMAP] = 0;
		os->page[rel].cleared[BITMAP] = moment.taken;
	}
	w->stats.clears++;
}

/* As world_get() does, for pages [first, end), which were told or not. */
static void account_ranges(struct world *w, struct oslot *os, const unsigned long *told, u64 first,
			   u64 end, const struct moment *moment)
{
	const struct asked by = { BITMAP, *moment };

	u64 rel;

	for (rel = first; rel < end; rel++)
		oracle_check_page(w, os, rel, test_bit(rel, told), &by);
	for (rel = first; rel < end; rel++) {
		if (!test_bit(rel, told))
			continue;
		os->page[rel].cleared[BITMAP] = moment->taken;
		os->page[rel].owed[BITMAP] = 0;
	}
}

void world_take_ranges(struct world *w, struct oslot *os)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	struct moment moment = world_begin_harvest(w);
	u64 from = w->rnd(os->slot->npages), next, i, at;
	unsigned int n, max = 1 + w->rnd(4);
	unsigned long told[MAX_WORDS] = {};
	struct coarse_range range[4];
	struct coarse_taken taken = { .to = range, .max = max, .next = from };

	coarse_take_ranges(&w->mmu, os->slot, &taken, &batch);
	next = taken.next;
	n = taken.n;
	world_interleave(w);
	world_discharge(w, &batch);
	if (n > max || (n < max && next != os->slot->npages))
		world_fail(w, 8, "%u ranges of %u end at %#llx", n, max, next);
	if (!w->rnd(8)) {
		for (i = 0; i < n; i++)
			coarse_put_back(os->slot, &range[i]);
		return;
	}
	for (i = 0; i < n; i++) {
		if (range[i].first % 512 || range[i].first + range[i].npages > next ||
		    (i && range[i].first <= range[i - 1].first + range[i - 1].npages))
			world_fail(w, 8, "range %llu is %#llx+%#llx", i, range[i].first,
				   range[i].npages);
		for (at = 0; at < range[i].npages; at++)
			__set_bit(range[i].first + at, told);
	}
	account_ranges(w, os, told, from - from % 512, next, &moment);
	w->stats.ranges += n;
}

static struct oslot *by_serial(struct world *w, u32 serial)
{
	unsigned int i;

	for (i = 0; i < NR_SLOT_IDS; i++)
		if (w->oslot[i] && w->oslot[i]->serial == serial)
			return w->oslot[i];
	return NULL;
}

/* A caller that means no good writes to the ring what it likes. */
static void scribble(struct world *w, struct vcpu *v)
{
	struct kvm_dirty_gfn *entry = &v->ring.entries[w->rnd(RING_SIZE)];
	static const u32 flags[] = { 0, KVM_DIRTY_GFN_F_DIRTY, KVM_DIRTY_GFN_F_RESET, ~0u };

	switch (w->rnd(3)) {
	case 0:
		entry->flags = flags[w->rnd(ARRAY_SIZE(flags))];
		break;
	case 1:
		entry->slot = w->rnd(4) ? w->rnd(8) : ~w->rnd(2);
		break;
	default:
		entry->offset = w->rnd(4) ? w->rnd(100) : ~0ull - w->rnd(2);
		break;
	}
}

void world_collect(struct world *w, struct vcpu *v, u32 max)
{
	for (; max && v->fetch != v->ring.head; max--, v->fetch++) {
		struct kvm_dirty_gfn *entry = &v->ring.entries[v->fetch % RING_SIZE];
		const struct pushed *was = &v->pushed[v->fetch % RING_SIZE];

		if (w->hostile && !w->rnd(8))
			scribble(w, v);
		if (!w->hostile && (smp_load_acquire(&entry->flags) != KVM_DIRTY_GFN_F_DIRTY ||
				    entry->slot != was->id || entry->offset != was->rel))
			world_fail(w, 7, "ring entry %u is %u:%#llx, %u:%#llx was pushed", v->fetch,
				   entry->slot, entry->offset, was->id, was->rel);
		smp_store_release(&entry->flags, KVM_DIRTY_GFN_F_RESET);
	}
}

/* How many entries of @v wait to be given back, by their flags. */
static u32 harvested(const struct vcpu *v)
{
	u32 i = v->ring.tail;

	while (i != v->ring.head && (v->ring.entries[i % RING_SIZE].flags & KVM_DIRTY_GFN_F_RESET))
		i++;
	return i - v->ring.tail;
}

/* Entries [from, to) of @v are given back, and flushed: userspace copies their pages now. */
static void account_reset(struct world *w, struct vcpu *v, u32 from, u32 to)
{
	for (; from != to; from++) {
		const struct pushed *was = &v->pushed[from % RING_SIZE];
		struct oslot *os = by_serial(w, was->serial);

		w->stats.given_back++;
		if (!os)
			continue;
		os->page[was->rel].in_rings--;
		os->page[was->rel].owed[RING] = 0;
	}
}

void world_reset(struct world *w)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	struct moment moment = world_begin_harvest(w);
	u32 tail[NR_VCPUS];
	unsigned int i;

	for (i = 0; i < NR_VCPUS; i++) {
		struct vcpu *v = &w->vcpu[i];
		u32 most = w->rnd(4) ? RING_SIZE : 1 + w->rnd(100);
		u32 expected = min(harvested(v), most), got;

		tail[i] = v->ring.tail;
		got = dirty_reset_some(&w->mmu, world_slots(w), &v->ring, most, &batch);
		if (got != expected || v->ring.tail - tail[i] != got)
			world_fail(w, 7, "RESET gives back %u of %u entries", got, expected);
		if (w->hostile && (int)(v->fetch - v->ring.tail) < 0)
			v->fetch = v->ring.tail;
		world_interleave(w);
	}
	world_discharge(w, &batch);
	for (i = 0; i < NR_VCPUS; i++)
		account_reset(w, &w->vcpu[i], tail[i], w->vcpu[i].ring.tail);
	oracle_check_ring_complete(w, moment.since);
	w->stats.resets++;
}
