// SPDX-License-Identifier: GPL-2.0
/*
 * What was logged, by 4K, is mapped large again when logging has ended: tables
 * of small leaves go where the host maps the memory large, and the next fault
 * does the rest.  In the background and a little at a time: vCPUs run on, and
 * wait for no more than a flush.
 */
#include <linux/sched/mm.h>

#include "mmu/host.h"

/* In one step: places looked at, and tables that go. */
#define STEP_LOOKS 1024
#define STEP_ZAPS  8

struct place {
	struct slot *slot;
	gfn_t first;
	int level;
};

/* The next place of @slot to look at is left behind.  True: it can be mapped larger than it is. */
static bool look(struct host *host, struct slot *slot, struct place *place)
{
	gfn_t end = slot->base + slot->npages, gfn = end - slot->uncollapsed;
	int level = slot_level(slot, gfn, host->mmu->caps.level);

	if (level > 1)
		level = min(level, host_mapping_level(host->mm, slot_hva(slot, gfn)));
	/* By 2M, also where nothing large can be. */
	place->slot = slot;
	place->level = level;
	place->first = gfn & -EPT_LEVEL_PAGES(level);
	slot->uncollapsed = end - min(end, (gfn & -EPT_LEVEL_PAGES(max(level, 2))) +
						   EPT_LEVEL_PAGES(max(level, 2)));
	if (level <= 1)
		return false;
	read_lock(&host->mmu->lock);
	level = ept_level(host->mmu, gfn);
	read_unlock(&host->mmu->lock);
	return level < place->level;
}

/* SRCU lock held.  Looks at @looks places at most; true: at @place there is something to do. */
static bool find(struct host *host, struct place *place, unsigned int *looks)
{
	struct slots *slots = srcu_dereference(host->slots, &host->srcu);
	unsigned int i;

	for (i = 0; i < slots->nr; i++) {
		struct slot *slot = slots->slot[i];

		/* A slot that is logged again is another one, and has nothing to be looked at. */
		for (; slot->uncollapsed && *looks; --*looks)
			if (look(host, slot, place))
				return true;
	}
	return false;
}

/* True: a place was collapsed, and there may be more. */
static bool collapse_one(struct host *host, unsigned int *looks)
{
	struct tlb_batch batch = TLB_BATCH_INIT;
	struct place place;
	bool found;
	int idx;

	idx = srcu_read_lock(&host->srcu);
	found = find(host, &place, looks);
	if (found)
		host_zap_begin(host, place.slot, place.first, place.level, &batch);
	srcu_read_unlock(&host->srcu, idx);
	if (found)
		host_zap_end(host, &batch);
	return found;
}

bool host_collapse_step(struct host *host)
{
	unsigned int looks = STEP_LOOKS, zaps = 0;

	/* Without users the address space goes, and its page tables with it. */
	if (!mmget_not_zero(host->mm))
		return false;
	while (zaps < STEP_ZAPS && collapse_one(host, &looks)) {
		zaps++;
		cond_resched();
	}
	mmput(host->mm);
	return zaps == STEP_ZAPS || !looks;
}

static void collapse_work(struct work_struct *work)
{
	struct host *host = container_of(work, struct host, collapse);

	/* Refused while it is being cancelled. */
	if (host_collapse_step(host))
		host_collapse_start(host);
}

void host_collapse_init(struct host *host)
{
	INIT_WORK(&host->collapse, collapse_work);
}

void host_collapse_start(struct host *host)
{
	queue_work(system_unbound_wq, &host->collapse);
}
