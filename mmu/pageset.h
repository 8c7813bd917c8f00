/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A set of a slot's pages: a bit a page, and a summary, so that a set that is
 * nearly empty is gone through in the time that its members take.  Pure.
 *
 * The summary has a bit for each block of pages.  A bit that is clear says that
 * the set has no page of the block; one that is set says only that it may.
 *
 * Who adds without a lock adds the page first and tells of its block then; who
 * takes opens the block first and takes its pages then (see pageset_tell()).
 * Adding may go on all the time; everything else is for one thread at a time,
 * for a slot's records and views who holds the slots_lock.
 */
#ifndef VELLUM_MMU_PAGESET_H
#define VELLUM_MMU_PAGESET_H

#include "types.h"

/* Pages of a block: few enough to look at each word, many enough for a log to stay in it. */
#ifndef PAGESET_BLOCK_SHIFT
#define PAGESET_BLOCK_SHIFT 12
#endif
#define PAGESET_BLOCK_PAGES BIT_ULL(PAGESET_BLOCK_SHIFT)
#define PAGESET_BLOCK_WORDS (PAGESET_BLOCK_PAGES / 64)

struct pageset {
	unsigned long *word;  /* a bit a page, in words of 64; NULL: there is no set */
	unsigned long *block; /* a bit a block; in the same allocation */
	u64 words;
};

/* Words [first, end) of a set, of 64 pages each. */
struct word_range {
	u64 first;
	u64 end;
};

/* For @npages pages, with none or all in it.  0 or -ENOMEM. */
int pageset_init(struct pageset *set, u64 npages, bool full);
void pageset_free(struct pageset *set);

static inline struct word_range pageset_all(const struct pageset *set)
{
	return (struct word_range){ 0, set->words };
}

/* One block: it is copied as it stands, the summary is not worth a look. */
static inline bool pageset_is_small(const struct pageset *set)
{
	return set->words <= PAGESET_BLOCK_WORDS;
}

/*
 * Pages of @page's block were added, the last of them by an atomic operation.
 * Any context.
 *
 * Page, then block: pairs with pageset_open(), which has block, then pages, with
 * a full barrier in between there and here.  So either the taker finds the page,
 * or we find the block's bit clear and set it.
 */
static inline void pageset_tell(const struct pageset *set, u64 page)
{
	u64 block = page >> PAGESET_BLOCK_SHIFT;

	/* As above. */
	smp_mb__after_atomic();
	if (!test_bit(block, set->block))
		set_bit(block, set->block);
}

/* Any context. */
static inline void pageset_add(const struct pageset *set, u64 page)
{
	set_bit(page, set->word);
	pageset_tell(set, page);
}

/* The pages of @bits in word @word.  Any context. */
static inline void pageset_add_word(const struct pageset *set, u64 word, unsigned long bits)
{
	unsigned long old = READ_ONCE(set->word[word]);

	if (!bits)
		return;
	while (!try_cmpxchg(&set->word[word], &old, old | bits))
		;
	pageset_tell(set, word * 64);
}

/* The same for a set that only its one thread adds to. */
static inline void pageset_add_word_alone(const struct pageset *set, u64 word, unsigned long bits)
{
	set->word[word] |= bits;
	__set_bit(word / PAGESET_BLOCK_WORDS, set->block);
}

/* Atomically takes those pages of @bits in word @word that are in the set. */
static inline u64 pageset_take_word(const struct pageset *set, u64 word, u64 bits)
{
	unsigned long old = READ_ONCE(set->word[word]);

	do {
		if (!(old & bits))
			return 0;
	} while (!try_cmpxchg(&set->word[word], &old, old & ~bits));
	return old & bits;
}

/* What of @range is in its first block that may have pages; empty at @range.end: none has. */
static inline struct word_range pageset_next(const struct pageset *set, struct word_range range)
{
	u64 end = (range.end + PAGESET_BLOCK_WORDS - 1) / PAGESET_BLOCK_WORDS;
	u64 block = range.first / PAGESET_BLOCK_WORDS;

	/* Mostly the first one has some: no search. */
	if (block < end && !test_bit(block, set->block))
		block = find_next_bit(set->block, end, block + 1);
	if (block >= end)
		return (struct word_range){ range.end, range.end };
	return (struct word_range){ max(range.first, block * PAGESET_BLOCK_WORDS),
				    min(range.end, (block + 1) * PAGESET_BLOCK_WORDS) };
}

/* Each part of word_range @all of @set that lies in one block, and may have pages, is @run once. */
#define pageset_for_each(set, run, all) \
	for (run = pageset_next(set, all); run.first < run.end; \
	     run = pageset_next(set, (struct word_range){ run.end, (all).end }))

/*
 * The words of @run, which pageset_next() gave, are taken now, all of them.  Their
 * block is told of again if a page comes meanwhile; one taken in part stays told of.
 * The exchange is a full barrier: see pageset_tell().
 */
static inline void pageset_open(const struct pageset *set, struct word_range run)
{
	u64 block = run.first / PAGESET_BLOCK_WORDS;

	if (run.first == block * PAGESET_BLOCK_WORDS &&
	    run.end == min(set->words, run.first + PAGESET_BLOCK_WORDS))
		test_and_clear_bit(block, set->block);
}

/* The block of @run is told of no longer if there is nothing in it. */
void pageset_tidy(const struct pageset *set, struct word_range run);

#endif
