/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Harvests as uapi/harvest.c hands them over, to a flat bitmap: what no summary
 * tells of is not in it.
 */
#ifndef SELFTESTS_UNIT_FLAT_H
#define SELFTESTS_UNIT_FLAT_H

#include "mmu/dirty.h"

/* Words @range of @set go to @out, the first to its beginning. */
static inline void flat_words(const struct pageset *set, struct word_range range,
			      unsigned long *out)
{
	struct word_range run;
	u64 word;

	memset(out, 0, (range.end - range.first) * sizeof(*out));
	pageset_for_each(set, run, range)
		for (word = run.first; word < run.end; word++)
			out[word - range.first] = READ_ONCE(set->word[word]);
}

/* What GET shows under manual protect, as it stands now. */
static inline void flat_shown(const struct slot *slot, unsigned long *out)
{
	struct word_range run, all = pageset_all(&slot->dirty);
	u64 word;

	flat_words(&slot->dirty, all, out);
	if (slot->views)
		pageset_for_each(&slot->views->abi, run, all)
			for (word = run.first; word < run.end; word++)
				out[word] |= slot->views->abi.word[word];
}

/* GET, but for its flush; flat_got() is due. */
static inline void flat_take(struct mmu *mmu, struct slot *slot, struct dirty_taken *taken,
			     unsigned long *out, struct tlb_batch *batch)
{
	struct word_range run, all = pageset_all(&slot->dirty);
	struct pageset which = {};
	const unsigned long *from;

	*taken = (struct dirty_taken){};
	if (slot->views) {
		dirty_share(mmu, slot, all, batch);
		flat_words(&slot->views->abi, all, out);
		return;
	}
	if (dirty_get(mmu, slot, taken, batch))
		env_die("GET: no memory");
	which.block = taken->block;
	from = taken->word;
	memset(out, 0, all.end * sizeof(*out));
	pageset_for_each(&which, run, all) {
		memcpy(&out[run.first], from, (run.end - run.first) * sizeof(*out));
		from += run.end - run.first;
	}
}

/* The words were handed over, or could not be. */
static inline void flat_got(struct slot *slot, struct dirty_taken *taken, bool failed)
{
	if (slot->views && !failed)
		views_told_abi(slot->views);
	else if (!slot->views && failed)
		dirty_put_back(slot, taken);
	dirty_taken_free(taken);
}

static inline void flat_get(struct mmu *mmu, struct slot *slot, unsigned long *out,
			    struct tlb_batch *batch)
{
	struct dirty_taken taken;

	flat_take(mmu, slot, &taken, out, batch);
	flat_got(slot, &taken, false);
}

#endif
