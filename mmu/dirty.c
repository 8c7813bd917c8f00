// SPDX-License-Identifier: GPL-2.0
/*
 * Harvests: records are taken, their pages armed, and the flush is left to the
 * caller.  Pure.
 *
 * Whoever takes a record asks for a flush, even when no SPTE changed: an
 * access-tracked SPTE has lost its W already, without a flush, and a CPU may
 * still write through what it cached before (invariants 4 and 5).
 */
#include "mmu/dirty.h"

/* Words of a bitmap per hold of the lock: 4096 pages. */
#define BATCH_WORDS 64
#define BATCH_PAGES (BATCH_WORDS * 64)

/* The pages of word @word that exist. */
static u64 word_mask(const struct slot *slot, u64 word)
{
	u64 left = slot->npages - word * 64;

	return left >= 64 ? ~0ull : BIT_ULL(left) - 1;
}

/* Atomically takes those bits of @mask that are set. */
static u64 take_bits(unsigned long *word, u64 mask)
{
	unsigned long old = READ_ONCE(*word);

	do {
		if (!(old & mask))
			return 0;
	} while (!try_cmpxchg(word, &old, old & ~mask));
	return old & mask;
}

static void put_bits(unsigned long *word, u64 mask)
{
	unsigned long old = READ_ONCE(*word);

	if (!mask)
		return;
	while (!try_cmpxchg(word, &old, old | mask))
		;
}

void dirty_start(struct mmu *mmu, struct slot *slot, struct tlb_batch *batch)
{
	gfn_t end = slot->base + slot->npages;
	struct table_stock stock = {};
	gfn_t gfn, next;

	for (gfn = slot->base; gfn < end; gfn = next) {
		next = min(gfn + BATCH_PAGES, end);
		table_stock_fill(&stock, mmu);
		write_lock(&mmu->lock);
		ept_rearm_range(mmu, gfn, next, &stock, batch);
		write_unlock(&mmu->lock);
		cond_resched();
	}
	table_stock_drain(&stock);
	batch->flush = true;
}

/* One word of KVM_GET_DIRTY_LOG.  Write lock held. */
static u64 take_word(struct mmu *mmu, struct slot *slot, u64 word, struct tlb_batch *batch)
{
	gfn_t gfn = slot->base + word * 64;
	u64 taken = take_bits(&slot->dirty[word], ~0ull);

	if (mmu_scans_d(mmu))
		taken |= ept_rearm_mask(mmu, gfn, word_mask(slot, word), batch);
	else if (taken)
		ept_rearm_mask(mmu, gfn, taken, batch);
	if (unlikely(slot->views))
		views_tell(slot->views, word, taken);
	return taken;
}

/* All of @range, to @out, where the slot's first word is its first, or to the views alone. */
static void take_words(struct mmu *mmu, struct slot *slot, struct word_range range,
		       unsigned long *out, struct tlb_batch *batch)
{
	u64 word = range.first, any = 0;

	while (word < range.end) {
		u64 end = min(word + BATCH_WORDS, range.end);

		write_lock(&mmu->lock);
		for (; word < end; word++) {
			u64 taken = take_word(mmu, slot, word, batch);

			any |= taken;
			if (out)
				out[word] = taken;
		}
		write_unlock(&mmu->lock);
		cond_resched();
	}
	if (any)
		batch->flush = true;
}

void dirty_share(struct mmu *mmu, struct slot *slot, struct word_range range,
		 struct tlb_batch *batch)
{
	take_words(mmu, slot, range, NULL, batch);
}

void dirty_get(struct mmu *mmu, struct slot *slot, unsigned long *out, struct tlb_batch *batch)
{
	struct word_range all = { 0, slot_bitmap_words(slot) };

	take_words(mmu, slot, all, out, batch);
	/* What was just taken, and what other harvests took before. */
	if (unlikely(slot->views))
		views_take_abi(slot, out);
}

void dirty_peek(struct mmu *mmu, struct slot *slot)
{
	u64 word = 0, words = mmu_scans_d(mmu) ? slot_bitmap_words(slot) : 0;

	/* Where nothing is scanned one hold is enough: faults have recorded what they permitted. */
	do {
		u64 end = min(word + BATCH_WORDS, words);

		write_lock(&mmu->lock);
		for (; word < end; word++)
			put_bits(&slot->dirty[word], ept_written_mask(mmu, slot->base + word * 64,
								      word_mask(slot, word)));
		write_unlock(&mmu->lock);
		cond_resched();
	} while (word < words);
}

u64 dirty_mark(struct slot *slot, u64 first, u64 npages, const unsigned long *mask,
	       struct ring *ring)
{
	u64 i;

	for (i = 0; i < npages; i++) {
		if (i % BATCH_PAGES == 0)
			cond_resched();
		if (mask && !test_bit(i, mask))
			continue;
		if (ring && ring_is_soft_full(ring))
			break;
		dirty_record(slot, first + i, ring);
	}
	return i;
}

void dirty_put_back(struct slot *slot, const unsigned long *words)
{
	u64 word;

	/* They are owed to the ABI alone: the trackers were told. */
	if (unlikely(slot->views)) {
		views_return_abi(slot, words);
		return;
	}
	for (word = 0; word < slot_bitmap_words(slot); word++)
		put_bits(&slot->dirty[word], words[word]);
}

/*
 * One word of KVM_CLEAR_DIRTY_LOG.  What the ABI is owed beside the records was
 * armed when it was taken from them, and may be written again since: D tells,
 * where it is the only record.  Write lock held.
 */
static u64 clear_word(struct mmu *mmu, struct slot *slot, u64 word, u64 asked,
		      struct tlb_batch *batch)
{
	u64 taken = take_bits(&slot->dirty[word], asked);
	u64 owed = unlikely(slot->views) ? slot->views->abi[word] & asked : 0;
	u64 written;

	if (!(taken | owed))
		return 0;
	written = ept_rearm_mask(mmu, slot->base + word * 64, taken | owed, batch);
	if (unlikely(slot->views)) {
		views_tell(slot->views, word, taken | written);
		slot->views->abi[word] &= ~asked;
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

void dirty_clear(struct mmu *mmu, struct slot *slot, u64 first, u64 npages,
		 const unsigned long *mask, struct tlb_batch *batch)
{
	u64 word = first / 64, words = word + (npages + 63) / 64;
	struct table_stock stock = {};

	while (word < words) {
		u64 end = min(word + BATCH_WORDS, words);

		table_stock_fill(&stock, mmu);
		write_lock(&mmu->lock);
		for (; word < end; word++) {
			u64 asked = mask[word - first / 64] & word_mask(slot, word);

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
