// SPDX-License-Identifier: GPL-2.0
/*
 * Harvests: records are taken, their pages armed, and the flush is left to the
 * caller.  Pure.
 *
 * Whoever takes a record asks for a flush, even when no SPTE changed: an
 * access-tracked SPTE has lost its W already, without a flush, and a CPU may
 * still write through what it cached before (invariants 4 and 5).
 */
#include "mmu/coarse.h"
#include "mmu/dirty.h"

/* Words of a bitmap per hold of the lock: 4096 pages. */
#define BATCH_WORDS 64
#define BATCH_PAGES (BATCH_WORDS * 64)

void dirty_start(struct mmu *mmu, struct slot *slot, struct tlb_batch *batch)
{
	gfn_t end = slot->base + slot->npages;
	struct table_stock stock = {};
	gfn_t gfn, next;

	for (gfn = slot->base; gfn < end; gfn = next) {
		next = min(gfn + BATCH_PAGES, end);
		if (!slot->coarse)
			table_stock_fill(&stock, mmu);
		write_lock(&mmu->lock);
		ept_rearm_range(mmu, gfn, next, slot->coarse ? NULL : &stock, batch);
		write_unlock(&mmu->lock);
		cond_resched();
	}
	table_stock_drain(&stock);
	batch->flush = true;
}

/* D becomes a record.  Where no leaf is there goes on behind the hole.  Write lock held. */
static u64 see_word(struct mmu *mmu, struct slot *slot, u64 word)
{
	gfn_t gfn = slot->base + word * 64;
	u64 written = ept_written_mask(mmu, gfn, slot_word_mask(slot, word));

	if (!written)
		return max(word + 1, (ept_hole_end(mmu, gfn) - slot->base) / 64);
	if (unlikely(slot->coarse)) {
		slot_set_range_dirty(slot, word * 64);
		return slot_range_words(slot, word).end;
	}
	pageset_add_word(&slot->dirty, word, written);
	return word + 1;
}

static noinline void scan(struct mmu *mmu, struct slot *slot, struct word_range range)
{
	u64 word = range.first;

	do {
		unsigned int looks = BATCH_WORDS;

		write_lock(&mmu->lock);
		for (; word < range.end && looks; looks--)
			word = see_word(mmu, slot, word);
		write_unlock(&mmu->lock);
		cond_resched();
	} while (word < range.end);
}

/*
 * One hold of the lock is enough for faults, which record what they permit; D,
 * where it alone tells, is looked at.
 */
void dirty_see_writes(struct mmu *mmu, struct slot *slot, struct word_range range)
{
	if (unlikely(mmu_scans_d(mmu))) {
		scan(mmu, slot, range);
		return;
	}
	write_lock(&mmu->lock);
	write_unlock(&mmu->lock);
}

/* One word of the records.  Write lock held. */
static u64 take_word(struct mmu *mmu, struct slot *slot, u64 word, struct tlb_batch *batch)
{
	u64 taken = pageset_take_word(&slot->dirty, word, ~0ull);

	if (!taken)
		return 0;
	ept_rearm_mask(mmu, slot->base + word * 64, taken, batch);
	if (unlikely(slot->views))
		views_tell(slot->views, word, taken);
	return taken;
}

static u64 take_words(struct mmu *mmu, struct slot *slot, struct word_range run, unsigned long *out,
		      struct tlb_batch *batch)
{
	u64 word, any = 0;

	for (word = run.first; word < run.end; word++) {
		u64 taken = take_word(mmu, slot, word, batch);

		any |= taken;
		if (out)
			*out++ = taken;
	}
	return any;
}

/* The words of @run, which lie in one block, to @out, or to the views alone. */
static void take_run(struct mmu *mmu, struct slot *slot, struct word_range run, unsigned long *out,
		     struct tlb_batch *batch)
{
	bool any;

	write_lock(&mmu->lock);
	pageset_open(&slot->dirty, run);
	if (unlikely(slot->coarse))
		any = coarse_take_run(mmu, slot, run, out, batch);
	else
		any = take_words(mmu, slot, run, out, batch);
	write_unlock(&mmu->lock);
	cond_resched();
	if (any)
		batch->flush = true;
}

void dirty_share(struct mmu *mmu, struct slot *slot, struct word_range range,
		 struct tlb_batch *batch)
{
	struct word_range run;

	if (unlikely(slot->coarse))
		range = coarse_whole(slot, range);
	dirty_see_writes(mmu, slot, range);
	pageset_for_each(&slot->dirty, run, range)
		take_run(mmu, slot, run, NULL, batch);
}

/*
 * Which blocks there are to take, and room for them.  Blocks that are told of
 * later have nothing that is due now.
 */
static int taken_alloc(struct dirty_taken *taken, const struct pageset *set)
{
	u64 blocks = DIV_ROUND_UP_ULL(set->words, PAGESET_BLOCK_WORDS);
	u64 i, n = 0, block_words = DIV_ROUND_UP_ULL(blocks, 64);

	*taken = (struct dirty_taken){};
	taken->block = kvmalloc_array(block_words, sizeof(u64), GFP_KERNEL_ACCOUNT);
	if (!taken->block)
		return -ENOMEM;
	for (i = 0; i < block_words; i++) {
		taken->block[i] = READ_ONCE(set->block[i]);
		n += hweight64(taken->block[i]);
	}
	if (!n)
		return 0;
	taken->word = kvmalloc_array(n, PAGESET_BLOCK_WORDS * sizeof(u64), GFP_KERNEL_ACCOUNT);
	if (taken->word)
		return 0;
	kvfree(taken->block);
	return -ENOMEM;
}

void dirty_taken_free(struct dirty_taken *taken)
{
	kvfree(taken->block);
	kvfree(taken->word);
}

int dirty_get(struct mmu *mmu, struct slot *slot, struct dirty_taken *taken,
	      struct tlb_batch *batch)
{
	const struct word_range all = pageset_all(&slot->dirty);
	struct pageset which;
	struct word_range run;
	unsigned long *out;
	int err;

	dirty_see_writes(mmu, slot, all);
	err = taken_alloc(taken, &slot->dirty);
	if (err)
		return err;
	which.block = taken->block;
	out = taken->word;
	pageset_for_each(&which, run, all) {
		take_run(mmu, slot, run, out, batch);
		out += run.end - run.first;
	}
	return 0;
}

void dirty_put_back(struct slot *slot, const struct dirty_taken *taken)
{
	const struct pageset which = { .block = taken->block };
	const struct word_range all = pageset_all(&slot->dirty);
	const unsigned long *from = taken->word;
	struct word_range run;
	u64 word;

	pageset_for_each(&which, run, all) {
		for (word = run.first; word < run.end; word++)
			pageset_add_word(&slot->dirty, word, *from++);
	}
}

/* What CLEAR took is not to be looked at, and copied, by each GET to come. */
static noinline void tidy(const struct pageset *set)
{
	const struct word_range all = pageset_all(set);
	struct word_range run;

	pageset_for_each(set, run, all)
		pageset_tidy(set, run);
}

void dirty_peek(struct mmu *mmu, struct slot *slot)
{
	dirty_see_writes(mmu, slot, pageset_all(&slot->dirty));
	if (pageset_is_small(&slot->dirty))
		return;
	tidy(&slot->dirty);
	if (unlikely(slot->views))
		tidy(&slot->views->abi);
}

u64 dirty_mark(struct slot *slot, u64 first, u64 npages, const unsigned long *mask,
	       struct ring *ring)
{
	u64 i, looks = 0;

	for (i = 0; i < npages; i++) {
		if (looks++ % BATCH_PAGES == 0)
			cond_resched();
		if (mask && !test_bit(i, mask))
			continue;
		if (ring && ring_is_soft_full(ring))
			break;
		dirty_record(slot, first + i, ring);
		/* The rest of the range has gone with it. */
		if (unlikely(slot->coarse))
			i = min(((first + i) | (SLOT_RANGE_PAGES - 1)) - first, npages - 1);
	}
	return i;
}

/*
 * One word of KVM_CLEAR_DIRTY_LOG.  What the ABI is owed beside the records was
 * armed when it was taken from them, and may be written again since: D tells,
 * where it is the only record.  Write lock held.
 */
static u64 clear_word(struct mmu *mmu, struct slot *slot, u64 word, u64 asked,
		      struct tlb_batch *batch)
{
	u64 taken = pageset_take_word(&slot->dirty, word, asked);
	u64 owed = unlikely(slot->views) ? slot->views->abi.word[word] & asked : 0;
	u64 written;

	if (!(taken | owed))
		return 0;
	written = ept_rearm_mask(mmu, slot->base + word * 64, taken | owed, batch);
	if (unlikely(slot->views)) {
		views_tell(slot->views, word, taken | written);
		slot->views->abi.word[word] &= ~asked;
	}
	return taken | owed;
}

/* Splits the large leaves, one or two, that map pages of word @word. */
static void split_word(struct mmu *mmu, const struct slot *slot, u64 word,
		       struct table_stock *stock)
{
	gfn_t gfn = slot->base + word * 64;

	ept_split_at(mmu, gfn, false, stock);
	ept_split_at(mmu, gfn + 63, false, stock);
}

static noinline void clear_coarse(struct mmu *mmu, struct slot *slot, struct word_range asked_for,
				  const unsigned long *mask, struct tlb_batch *batch)
{
	unsigned int looks;

	while (asked_for.first < asked_for.end) {
		write_lock(&mmu->lock);
		for (looks = BATCH_WORDS / SLOT_RANGE_WORDS;
		     looks && asked_for.first < asked_for.end; looks--) {
			u64 end = min(slot_range_words(slot, asked_for.first).end, asked_for.end);
			struct word_range part = { asked_for.first, end };

			coarse_clear_range(mmu, slot, part, mask, batch);
			mask += end - part.first;
			asked_for.first = end;
		}
		write_unlock(&mmu->lock);
		cond_resched();
	}
}

void dirty_clear(struct mmu *mmu, struct slot *slot, u64 first, u64 npages,
		 const unsigned long *mask, struct tlb_batch *batch)
{
	u64 word = first / 64, words = word + (npages + 63) / 64;
	struct table_stock stock = {};

	if (unlikely(slot->coarse)) {
		clear_coarse(mmu, slot, (struct word_range){ word, words }, mask, batch);
		return;
	}
	while (word < words) {
		u64 end = min(word + BATCH_WORDS, words);

		table_stock_fill(&stock, mmu);
		write_lock(&mmu->lock);
		for (; word < end; word++) {
			u64 asked = mask[word - first / 64] & slot_word_mask(slot, word);

			/* What began dirty is split here, the other pages keep what they know. */
			if (unlikely(stock.n) && asked)
				split_word(mmu, slot, word, &stock);
			if (clear_word(mmu, slot, word, asked, batch))
				batch->flush = true;
		}
		write_unlock(&mmu->lock);
		cond_resched();
	}
	table_stock_drain(&stock);
}
