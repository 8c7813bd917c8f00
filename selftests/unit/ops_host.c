// SPDX-License-Identifier: GPL-2.0
/* Operations of the host's memory management, and of the worker that collapses. */
#include "ops.h"

void mend_page(struct world *w, gfn_t gfn)
{
	struct oslot *os = oracle_slot(w, gfn);
	unsigned int i, n, index = host_entry(host_index(slot_hva(os->slot, gfn)), &n);

	for (i = index; i < index + n; i++) {
		fake_host.pte[i].no_mapping = false;
		fake_host.pte[i].may_write = true;
	}
}

/* A range of the host's pages, mostly inside a slot. */
static void pick_range(struct world *w, unsigned int *index, unsigned int *n)
{
	struct oslot *os = w->rnd(2) ? oracle_slot(w, w->hot) : w->oslot[w->rnd(NR_SLOT_IDS)];
	unsigned int rel;

	if (!os) {
		*index = w->rnd(HOST_PAGES);
		*n = 1 + w->rnd(min(8, HOST_PAGES - (int)*index));
		return;
	}
	rel = w->rnd(min(os->slot->npages, 32ull));
	/* Of 1G, mostly what is in use. */
	if (os->slot->npages > MAX_SLOT_PAGES && slot_has_gfn(os->slot, w->hot))
		rel = w->hot - os->slot->base;
	*index = host_index(os->slot->hva) + rel;
	*n = w->rnd(8) ? 1 + w->rnd(8) : os->slot->npages;
	*n = min(*n, host_area_end(*index) - *index);
}

void op_age(struct world *w)
{
	unsigned int index, n;
	bool clear = w->rnd(4);

	pick_range(w, &index, &n);
	world_trace(w, clear ? "age" : "test young", index, n, 0);
	world_age(w, index, n, clear);
}

/* What the host does with a page between the two halves of a notification. */
static void change_page(struct world *w, unsigned int index, unsigned int how)
{
	struct host_pte *pte = &fake_host.pte[index];

	switch (how) {
	case 0: /* nothing after all, to no page of a huge mapping either */
		return;
	case 1: /* moved, or swapped out and in again */
		host_replace(index);
		break;
	case 2: /* gone, and mostly comes back when it is asked for */
		host_unmap(index);
		break;
	case 3: /* shared after a fork: a write copies */
		pte->writable = false;
		break;
	case 4: /* mprotect */
		pte->may_write = !pte->may_write;
		break;
	default: /* written back */
		if (pte->present)
			host_clean(pte->hfn);
		break;
	}
	pte->no_mapping = how == 2 && !w->rnd(8);
	/* A mapping that forbids writing is not left so for ever. */
	if (how != 4)
		pte->may_write = true;
}

/* A large mapping stays one only if all of it changes, and in place. */
static void split_ends(unsigned int index, unsigned int n, unsigned int how)
{
	bool away = how == 1 || how == 2;
	unsigned int end = index + n, at;

	if (how == 0)
		return;
	if (away || index > GIANT_INDEX || end < GIANT_INDEX + GIANT_PAGES)
		for (at = index; at < end; at += HOST_BLOCK)
			host_split_to(at, 2);
	for (at = round_down(index, HOST_BLOCK); at < end; at += HOST_BLOCK)
		if (away || at < index || at + HOST_BLOCK > end)
			host_split_huge(at);
}

void op_invalidate(struct world *w)
{
	unsigned int index, n, i, how = w->rnd(6);

	pick_range(w, &index, &n);
	/* The host has not enough small pages to move 1G, and seldom would. */
	if (n > MAX_SLOT_PAGES && (how == 1 || how == 2))
		how = 0;
	world_trace(w, "invalidate", index, n, how);
	world_invalidate_begin(w, index, n);
	world_interleave(w);
	split_ends(index, n, how);
	for (i = 0; i < n; i++)
		change_page(w, index + i, how);
	world_interleave(w);
	world_invalidate_end(w, index, n);
}

/* The host finds a compound page for a block of 2M, or moves it to another. */
static void make_huge(struct world *w, unsigned int index)
{
	index = round_down(index, HOST_BLOCK);
	host_split_to(index, 2);
	world_trace(w, "huge", index, 0, 0);
	world_invalidate_begin(w, index, HOST_BLOCK);
	world_interleave(w);
	host_make_huge(index);
	world_interleave(w);
	world_invalidate_end(w, index, HOST_BLOCK);
}

/* And one for the 1G. */
static void make_giant(struct world *w)
{
	world_trace(w, "giant", 0, 0, 0);
	world_invalidate_begin(w, GIANT_INDEX, GIANT_PAGES);
	world_interleave(w);
	host_make_giant();
	world_interleave(w);
	world_invalidate_end(w, GIANT_INDEX, GIANT_PAGES);
}

void op_huge(struct world *w)
{
	struct oslot *os = w->oslot[w->rnd(NR_SLOT_IDS)];
	unsigned int index = w->rnd(HOST_PAGES);

	if (w->giant && w->rnd(2)) {
		make_giant(w);
		return;
	}
	if (os && w->rnd(4))
		index = host_index(os->slot->hva) + w->rnd(os->slot->npages);
	make_huge(w, index);
}

/* The level at which walks in the 1G end, or 0: no slot has it. */
static int giant_level(struct world *w)
{
	unsigned int i;

	for (i = 0; i < NR_SLOT_IDS; i++)
		if (w->oslot[i] && w->oslot[i]->slot->npages > MAX_SLOT_PAGES)
			return ept_level(&w->mmu, w->oslot[i]->slot->base + GIANT_PAGES / 2);
	return 0;
}

/* A worker maps large again what was logged. */
void op_collapse(struct world *w)
{
	int level = giant_level(w);
	unsigned int i;

	for (i = 0; i < NR_SLOT_IDS; i++)
		if (w->oslot[i] && w->oslot[i]->slot->uncollapsed)
			world_aim(w, w->oslot[i]->slot->base, w->oslot[i]->slot->npages);
	world_trace(w, "collapse", 0, 0, 0);
	w->windows++;
	host_collapse_step(&w->host);
	w->windows--;
	world_forget_all_accesses(w);
	w->stats.collapses++;
	w->stats.giant_collapses += level && level < 3 && giant_level(w) == 3;
}
