// SPDX-License-Identifier: GPL-2.0
/*
 * What each tracker is owed of a slot: see tracker.h.  Pure.
 */
#include "mmu/dirty.h"
#include "mmu/tracker.h"

static struct view *view_of(const struct slot *slot, unsigned int id)
{
	return &slot->views->of[id];
}

static bool views_are_used(const struct views *views)
{
	unsigned int id;

	for (id = 0; id < TRACKERS_MAX; id++)
		if (views->of[id].owed.word)
			return true;
	return false;
}

static struct views *views_alloc(u64 npages)
{
	struct views *views = kzalloc(sizeof(*views), GFP_KERNEL_ACCOUNT);

	if (!views)
		return NULL;
	if (!pageset_init(&views->abi, npages, false))
		return views;
	kfree(views);
	return NULL;
}

static void view_free(struct view *view)
{
	pageset_free(&view->owed);
	pageset_free(&view->held);
}

void views_free(struct slot *slot)
{
	struct views *views = slot->views;
	unsigned int id;

	slot->views = NULL;
	if (!views)
		return;
	for (id = 0; id < TRACKERS_MAX; id++)
		view_free(&views->of[id]);
	pageset_free(&views->abi);
	kfree(views);
}

/* Nobody but the ABI is left: what it is owed are records again. */
static void views_give_up(struct slot *slot)
{
	const struct word_range all = pageset_all(&slot->dirty);
	struct views *views = slot->views;
	struct word_range run;
	u64 word;

	slot->views = NULL;
	pageset_for_each(&views->abi, run, all) {
		for (word = run.first; word < run.end; word++)
			pageset_add_word(&slot->dirty, word, views->abi.word[word]);
	}
	pageset_free(&views->abi);
	kfree(views);
}

int view_add(struct slot *slot, unsigned int id, bool all)
{
	struct view view = {};
	int err = pageset_init(&view.owed, slot->npages, all) ?:
			  pageset_init(&view.held, slot->npages, false);

	if (!err && !slot->views)
		slot->views = views_alloc(slot->npages);
	if (err || !slot->views) {
		view_free(&view);
		return -ENOMEM;
	}
	*view_of(slot, id) = view;
	return 0;
}

void view_remove(struct slot *slot, unsigned int id)
{
	if (!slot->views)
		return;
	view_free(view_of(slot, id));
	if (!views_are_used(slot->views))
		views_give_up(slot);
}

void views_tell(struct views *views, u64 word, u64 taken)
{
	if (!taken)
		return;
	pageset_add_word_alone(&views->abi, word, taken);
	views_tell_trackers(views, word, taken);
}

void views_tell_trackers(struct views *views, u64 word, u64 taken)
{
	unsigned int id;

	if (!taken)
		return;
	for (id = 0; id < TRACKERS_MAX; id++)
		if (views->of[id].owed.word)
			pageset_add_word_alone(&views->of[id].owed, word, taken);
}

void views_told_abi(struct views *views)
{
	const struct word_range all = pageset_all(&views->abi);
	struct word_range run;

	pageset_for_each(&views->abi, run, all) {
		memset(&views->abi.word[run.first], 0, (run.end - run.first) * sizeof(u64));
		pageset_open(&views->abi, run);
	}
}

u64 view_take(struct slot *slot, unsigned int id, struct word_range range)
{
	struct view *view = view_of(slot, id);
	struct word_range run;
	u64 word, count = 0;

	pageset_for_each(&view->owed, run, range) {
		for (word = run.first; word < run.end; word++) {
			unsigned long owed = view->owed.word[word];

			if (!owed)
				continue;
			pageset_add_word_alone(&view->held, word, owed);
			view->owed.word[word] = 0;
			count += hweight64(owed);
		}
		pageset_tidy(&view->owed, run);
	}
	return count;
}

bool view_holds(const struct slot *slot, unsigned int id, struct word_range range)
{
	const struct view *view = view_of(slot, id);
	struct word_range run;
	u64 word;

	pageset_for_each(&view->held, run, range) {
		for (word = run.first; word < run.end; word++)
			if (view->held.word[word])
				return true;
	}
	return false;
}

u64 view_settle(struct slot *slot, unsigned int id, struct word_range range,
		const unsigned long *mask, bool owed)
{
	struct view *view = view_of(slot, id);
	struct word_range run;
	u64 word, count = 0;

	pageset_for_each(&view->held, run, range) {
		for (word = run.first; word < run.end; word++) {
			unsigned long settled = view->held.word[word];

			if (mask)
				settled &= mask[word - range.first];
			if (!settled)
				continue;
			view->held.word[word] &= ~settled;
			if (owed)
				pageset_add_word_alone(&view->owed, word, settled);
			count += hweight64(settled);
		}
		pageset_tidy(&view->held, run);
	}
	return count;
}
