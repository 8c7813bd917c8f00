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
		if (views->of[id].owed)
			return true;
	return false;
}

static struct views *views_alloc(u64 npages)
{
	struct views *views = kzalloc(sizeof(*views), GFP_KERNEL_ACCOUNT);

	if (!views)
		return NULL;
	views->abi = slot_bitmap_alloc(npages, false);
	if (views->abi)
		return views;
	kfree(views);
	return NULL;
}

static void view_free(struct view *view)
{
	kvfree(view->owed);
	kvfree(view->held);
	*view = (struct view){};
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
	kvfree(views->abi);
	kfree(views);
}

/* Nobody but the ABI is left: what it is owed are records again. */
static void views_give_up(struct slot *slot)
{
	struct views *views = slot->views;

	slot->views = NULL;
	dirty_put_back(slot, views->abi);
	kvfree(views->abi);
	kfree(views);
}

int view_add(struct slot *slot, unsigned int id, bool all)
{
	struct view view = {
		.owed = slot_bitmap_alloc(slot->npages, all),
		.held = slot_bitmap_alloc(slot->npages, false),
	};

	if (view.owed && view.held && !slot->views)
		slot->views = views_alloc(slot->npages);
	if (!view.owed || !view.held || !slot->views) {
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
	unsigned int id;

	if (!taken)
		return;
	views->abi[word] |= taken;
	for (id = 0; id < TRACKERS_MAX; id++)
		if (views->of[id].owed)
			views->of[id].owed[word] |= taken;
}

void views_take_abi(struct slot *slot, unsigned long *words)
{
	u64 bytes = slot_bitmap_words(slot) * sizeof(*words);

	memcpy(words, slot->views->abi, bytes);
	memset(slot->views->abi, 0, bytes);
}

void views_show_abi(const struct slot *slot, unsigned long *words)
{
	u64 word;

	for (word = 0; word < slot_bitmap_words(slot); word++)
		words[word] |= slot->views->abi[word];
}

void views_return_abi(struct slot *slot, const unsigned long *words)
{
	u64 word;

	for (word = 0; word < slot_bitmap_words(slot); word++)
		slot->views->abi[word] |= words[word];
}

u64 view_take(struct slot *slot, unsigned int id, struct word_range range, unsigned long *out)
{
	struct view *view = view_of(slot, id);
	u64 word, count = 0;

	for (word = range.first; word < range.end; word++) {
		unsigned long owed = view->owed[word];

		if (out)
			*out++ = owed;
		view->held[word] |= owed;
		view->owed[word] = 0;
		count += hweight64(owed);
	}
	return count;
}

bool view_holds(const struct slot *slot, unsigned int id, struct word_range range)
{
	const struct view *view = view_of(slot, id);
	u64 word;

	for (word = range.first; word < range.end; word++)
		if (view->held[word])
			return true;
	return false;
}

u64 view_settle(struct slot *slot, unsigned int id, struct word_range range,
		const unsigned long *mask, bool owed)
{
	struct view *view = view_of(slot, id);
	u64 word, count = 0;

	for (word = range.first; word < range.end; word++) {
		unsigned long settled = view->held[word];

		if (mask)
			settled &= *mask++;
		view->held[word] &= ~settled;
		if (owed)
			view->owed[word] |= settled;
		count += hweight64(settled);
	}
	return count;
}
