// SPDX-License-Identifier: GPL-2.0
/*
 * Slots that are tracked by ranges: see coarse.h.  Pure.
 */
#include "mmu/coarse.h"
#include "mmu/dirty.h"

static_assert(PAGESET_BLOCK_PAGES % SLOT_RANGE_PAGES == 0, "a run may end within a range");

void coarse_record(struct slot *slot, u64 rel, struct ring *ring)
{
	slot_set_range_dirty(slot, rel);
	if (ring && ring->entries)
		ring_push(ring, slot->id, rel & -SLOT_RANGE_PAGES);
}

struct word_range coarse_whole(const struct slot *slot, struct word_range range)
{
	if (range.first == range.end)
		return range;
	return (struct word_range){ slot_range_words(slot, range.first).first,
				    slot_range_words(slot, range.end - 1).end };
}

/* The range's leaves, large or small.  True: one was written since it was armed. */
static bool arm(struct mmu *mmu, const struct slot *slot, struct word_range range,
		struct tlb_batch *batch)
{
	gfn_t end = slot->base + min(range.end * 64, slot->npages);

	batch->flush = true;
	return ept_rearm_range(mmu, slot->base + range.first * 64, end, NULL, batch);
}

static void tell_views(const struct slot *slot, struct word_range range)
{
	u64 word;

	for (word = range.first; word < range.end; word++)
		views_tell(slot->views, word, slot_word_mask(slot, word));
}

/*
 * Takes first and arms then: what is written from then on is seen again.  What a
 * drain adds meanwhile, in part, is told again.
 */
static bool take_range(struct mmu *mmu, struct slot *slot, struct word_range range,
		       struct tlb_batch *batch)
{
	u64 word, any = 0;

	for (word = range.first; word < range.end; word++)
		any |= pageset_take_word(&slot->dirty, word, ~0ull);
	if (!any)
		return false;
	arm(mmu, slot, range, batch);
	if (unlikely(slot->views))
		tell_views(slot, range);
	return true;
}

bool coarse_take_run(struct mmu *mmu, struct slot *slot, struct word_range run, unsigned long *out,
		     struct tlb_batch *batch)
{
	bool taken, any = false;
	u64 word;

	for (word = run.first; word < run.end;) {
		struct word_range range = slot_range_words(slot, word);

		taken = take_range(mmu, slot, range, batch);
		any |= taken;
		for (; word < range.end; word++)
			if (out)
				*out++ = taken ? slot_word_mask(slot, word) : 0;
	}
	return any;
}

/* One word of what CLEAR asks for: what of it there is, here or owed beside the records. */
static u64 take_asked(struct slot *slot, u64 word, u64 asked)
{
	u64 taken = pageset_take_word(&slot->dirty, word, asked);

	if (unlikely(slot->views)) {
		views_tell(slot->views, word, taken);
		taken |= slot->views->abi.word[word] & asked;
		slot->views->abi.word[word] &= ~asked;
	}
	return taken;
}

/*
 * The range was armed for the sake of some pages, and D, which was the only record
 * of the others' writes, or without which a log is not believed, is gone: a record
 * takes its place.  Trackers hear of all.
 */
static void keep_written(struct slot *slot, u64 word, u64 taken)
{
	pageset_add_word(&slot->dirty, word, slot_word_mask(slot, word) & ~taken);
	if (unlikely(slot->views))
		views_tell_trackers(slot->views, word, taken);
}

void coarse_clear_range(struct mmu *mmu, struct slot *slot, struct word_range asked_for,
			const unsigned long *mask, struct tlb_batch *batch)
{
	struct word_range range = slot_range_words(slot, asked_for.first);
	u64 taken[SLOT_RANGE_WORDS] = {}, any = 0, word;

	for (word = asked_for.first; word < asked_for.end; word++) {
		u64 bits = mask[word - asked_for.first] & slot_word_mask(slot, word);

		taken[word - range.first] = take_asked(slot, word, bits);
		any |= taken[word - range.first];
	}
	if (!any || !arm(mmu, slot, range, batch) || !mmu_reads_d(mmu))
		return;
	for (word = range.first; word < range.end; word++)
		keep_written(slot, word, taken[word - range.first]);
}

/* The range from @word on, or the first one behind it, of which something may be told. */
static u64 next_told(const struct slot *slot, u64 word)
{
	const struct word_range left = { word, slot->dirty.words };
	u64 next = pageset_next(&slot->dirty, left).first;

	if (unlikely(slot->views))
		next = min(next, pageset_next(&slot->views->abi, left).first);
	return next;
}

/* What KVM_GET_DIRTY_LOG would tell of the range: it is told now. */
static bool take_owed(struct mmu *mmu, struct slot *slot, struct word_range range,
		      struct tlb_batch *batch)
{
	bool owed = take_range(mmu, slot, range, batch);
	u64 word;

	if (likely(!slot->views))
		return owed;
	for (word = range.first; word < range.end; word++) {
		owed |= !!slot->views->abi.word[word];
		slot->views->abi.word[word] = 0;
	}
	return owed;
}

/* Where pages from @first on go: the last range, if they follow on it; NULL: no room. */
static struct coarse_range *room_for(struct coarse_taken *taken, u64 first)
{
	struct coarse_range *to = &taken->to[taken->n];

	if (taken->n && to[-1].first + to[-1].npages == first)
		return to - 1;
	if (taken->n == taken->max)
		return NULL;
	*to = (struct coarse_range){ .first = first };
	return to;
}

/* Up to word @end, of one block, as far as there is room.  Where to go on.  Write lock held. */
static u64 take_block(struct mmu *mmu, struct slot *slot, u64 word, u64 end,
		      struct coarse_taken *taken, struct tlb_batch *batch)
{
	while (word < end) {
		struct word_range range = slot_range_words(slot, word);
		struct coarse_range *to = room_for(taken, word * 64);

		if (!to)
			return word;
		if (take_owed(mmu, slot, range, batch)) {
			to->npages += min(range.end * 64, slot->npages) - word * 64;
			taken->n = to + 1 - taken->to;
		}
		word = range.end;
	}
	return word;
}

/* What was taken of word @word's block is not to be looked at again. */
static void tidy(const struct slot *slot, u64 word)
{
	const struct word_range run = { word, word + 1 };

	pageset_tidy(&slot->dirty, run);
	if (unlikely(slot->views))
		pageset_tidy(&slot->views->abi, run);
}

void coarse_take_ranges(struct mmu *mmu, struct slot *slot, struct coarse_taken *taken,
			struct tlb_batch *batch)
{
	u64 word = slot_range_words(slot, taken->next / 64).first, end;

	dirty_see_writes(mmu, slot, (struct word_range){ word, slot->dirty.words });
	while ((word = next_told(slot, word)) < slot->dirty.words) {
		end = min((word | (PAGESET_BLOCK_WORDS - 1)) + 1, slot->dirty.words);
		write_lock(&mmu->lock);
		word = take_block(mmu, slot, word, end, taken, batch);
		write_unlock(&mmu->lock);
		tidy(slot, end - 1);
		cond_resched();
		if (word < end)
			break;
	}
	taken->next = min(word * 64, slot->npages);
}

void coarse_put_back(struct slot *slot, const struct coarse_range *range)
{
	u64 word, end = DIV_ROUND_UP_ULL(range->first + range->npages, 64);

	for (word = range->first / 64; word < end; word++) {
		if (unlikely(slot->views))
			pageset_add_word_alone(&slot->views->abi, word, slot_word_mask(slot, word));
		else
			pageset_add_word(&slot->dirty, word, slot_word_mask(slot, word));
	}
}
