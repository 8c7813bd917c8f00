// SPDX-License-Identifier: GPL-2.0
/*
 * What the host does to memory while the vCPUs of threads.h run, the worker that
 * collapses, the shrinker, and INVEPT.
 */
#include "threads.h"

/* The page that the host has at @index now holds @content. */
static void write_page(unsigned int index, u32 content)
{
	__atomic_store_n(&threads.memory[fake_host.pte[index].hfn - HOST_FIRST_HFN], content,
			 __ATOMIC_RELAXED);
}

/* Pages move: their content is copied once nobody can write it any more. */
static void move_pages(unsigned int index, unsigned int n)
{
	unsigned int end = index + n;
	u32 content;

	host_notify_begin(index, n);
	for (; index < end; index++) {
		content = threads_read(index);
		host_lock();
		host_replace(index);
		write_page(index, content);
		host_unlock();
	}
	host_notify_end(end - n, n);
}

/* The host finds a compound page for a block, and moves what is there into it. */
static void make_huge(unsigned int index)
{
	static u32 content[HOST_BLOCK];
	unsigned int i;

	host_notify_begin(index, HOST_BLOCK);
	for (i = 0; i < HOST_BLOCK; i++)
		content[i] = threads_read(index + i);
	host_lock();
	host_make_huge(index);
	for (i = 0; i < HOST_BLOCK; i++)
		write_page(index + i, content[i]);
	host_unlock();
	host_notify_end(index, HOST_BLOCK);
}

static void change_big(u64 random)
{
	unsigned int index = BIG_INDEX + (random >> 8) % NBIG;

	switch (random % 8) {
	case 0:
		host_split_huge(index);
		move_pages(index, 1);
		break;
	case 1:
	case 2:
		make_huge(round_down(index, HOST_BLOCK));
		break;
	case 3:
		host_notify_young(index, 1, true);
		break;
	case 4:
		threads.shrunk += host_shrink(&threads.host, 2);
		break;
	default:
		host_collapse_step(&threads.host);
		threads.collapses++;
		break;
	}
}

/* L1 invalidates its EPT. */
static void invept(void)
{
	struct srcu_struct *srcu = &threads.host.srcu;
	struct tlb_batch batch = TLB_BATCH_INIT;
	int idx = srcu_read_lock(srcu);

	shadow_invept(&threads.mmu, EPTP, srcu_dereference(threads.host.slots, srcu), &batch);
	srcu_read_unlock(srcu, idx);
	threads_discharge(&batch);
}

void *invalidator_thread(void *arg)
{
	u64 random = threads.seed;

	while (!stopped()) {
		unsigned int index = rnd(&random) % NPAGES;

		change_big(rnd(&random));
		/* Now and then all of them, so that their tables go too. */
		if (rnd(&random) % 16)
			move_pages(index, 1);
		else
			move_pages(0, NPAGES);
		host_notify_young(index, 10, true);
		if (rnd(&random) % 16 == 0)
			invept();
		sched_yield();
	}
	return NULL;
}
