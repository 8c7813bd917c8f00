// SPDX-License-Identifier: GPL-2.0
/*
 * Sets of pages: see pageset.h.  Pure.
 */
#include "mmu/pageset.h"

int pageset_init(struct pageset *set, u64 npages, bool full)
{
	u64 words = (npages + 63) / 64;
	u64 blocks = (npages + PAGESET_BLOCK_PAGES - 1) >> PAGESET_BLOCK_SHIFT;
	u64 block_words = (blocks + 63) / 64;

	set->word = kvzalloc((words + block_words) * sizeof(*set->word), GFP_KERNEL_ACCOUNT);
	if (!set->word)
		return -ENOMEM;
	set->block = set->word + words;
	set->words = words;
	if (!full)
		return 0;
	memset(set->word, 0xff, (words + block_words) * sizeof(*set->word));
	/* Bits beyond the slot are never set: a harvest would report them. */
	if (npages % 64)
		set->word[words - 1] = BIT_ULL(npages % 64) - 1;
	if (blocks % 64)
		set->block[block_words - 1] = BIT_ULL(blocks % 64) - 1;
	return 0;
}

void pageset_free(struct pageset *set)
{
	kvfree(set->word);
	*set = (struct pageset){};
}

static bool is_empty(const struct pageset *set, struct word_range run)
{
	u64 word;

	for (word = run.first; word < run.end; word++)
		if (READ_ONCE(set->word[word]))
			return false;
	return true;
}

void pageset_tidy(const struct pageset *set, struct word_range run)
{
	run.first &= -PAGESET_BLOCK_WORDS;
	run.end = min(set->words, run.first + PAGESET_BLOCK_WORDS);
	if (!is_empty(set, run))
		return;
	/* What is added from here on is told of; what was before, and not seen, is found now. */
	pageset_open(set, run);
	if (!is_empty(set, run))
		pageset_tell(set, run.first * 64);
}
