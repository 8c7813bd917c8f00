// SPDX-License-Identifier: GPL-2.0
/*
 * Invariants 1 and 10 where the host is short of memory: guest pages go to swap
 * space and come back, are given up (MADV_FREE) and reclaimed from a cgroup,
 * while the guest writes and is harvested. That a page goes out at all shows that
 * nothing holds a reference to it; a VM whose process is killed for want of
 * memory goes away whole.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#include "life.h"

#define RECLAIM		"300000"	/* bytes: a good part of the guest's memory and its copy */

FIXTURE(swap)
{
	struct life life;
};

FIXTURE_VARIANT(swap)
{
	struct life_config config;
};

FIXTURE_VARIANT_ADD(swap, bitmap)
{
	.config = {},
};

FIXTURE_VARIANT_ADD(swap, ring)
{
	.config = { .ring = true },
};

FIXTURE_VARIANT_ADD(swap, shared_memory)
{
	.config = { .memfd = true },
};

FIXTURE_SETUP(swap)
{
	ASSERT_EQ(0, life_open(&self->life, &variant->config));
}

FIXTURE_TEARDOWN(swap)
{
	life_close(&self->life);
}

/* Out while the guest writes; it brings back what it writes to. */
TEST_F(swap, out_and_in_under_writers)
{
	struct life *life = &self->life;
	int lap, i;

	NEED_SWAP();
	for (lap = 0; lap < LIFE_LAPS; lap++) {
		LIFE_START(life);
		for (i = 0; i < 4; i++) {
			life_wait(life, rng_below(&life->rng, 1000));
			ASSERT_EQ(0, madvise(life->host, life->bytes, MADV_PAGEOUT));
		}
		LIFE_STOP(life, false, lap);
	}
}

/*
 * Out while nobody runs, dirty and not yet harvested: nothing but the log knows
 * then. Every page goes, so no reference was left behind; and every one comes
 * back by the guest's next accesses.
 */
TEST_F(swap, all_of_it_goes_and_comes_back)
{
	struct life *life = &self->life;
	int lap, tries;

	NEED_SWAP();
	for (lap = 0; lap < LIFE_LAPS; lap++) {
		LIFE_START(life);
		life_wait(life, 2000);
		LIFE_STOP(life, false, lap);
		/* A page that is on its way to the LRU lists or under write-back stays for once. */
		for (tries = 0; tries < 20 && life_present(life->host, life->bytes); tries++)
			ASSERT_EQ(0, madvise(life->host, life->bytes, MADV_PAGEOUT));
		ASSERT_EQ(0, life_present(life->host, life->bytes));
		if (life->fd < 0)
			ASSERT_EQ((long)life->pages, life_swapped(life->host, life->bytes));
	}
	LIFE_START(life);
	life_wait(life, 2000);
	LIFE_STOP(life, false, lap);
}

/*
 * A page that was given up goes or stays, and what the guest writes after that
 * stays. Zero is right in what went; a word from before the last write is not.
 */
TEST_F(swap, given_up_under_writers)
{
	struct life *life = &self->life;
	int lap;

	NEED_SWAP();
	if (life->fd >= 0)
		SKIP(return, "MADV_FREE is for anonymous memory");
	for (lap = 0; lap < LIFE_LAPS; lap++) {
		LIFE_START(life);
		life_wait(life, rng_below(&life->rng, 1000));
		ASSERT_EQ(0, madvise(life->host, life->bytes, MADV_FREE));
		life_wait(life, rng_below(&life->rng, 300));
		ASSERT_EQ(0, madvise(life->host, life->bytes, MADV_PAGEOUT));
		life_wait(life, rng_below(&life->rng, 1000));
		/* Pages that went unwritten are zeros, and no harvest tells of that. */
		life_copy_all(life);
		LIFE_STOP(life, true, lap);
	}
}

/*
 * Its cgroup is told to give memory back, what the VM is charged for counted in:
 * what a limit does, without the chance that it kills.
 */
TEST_F(swap, reclaimed_from_its_cgroup)
{
	struct life *life = &self->life;
	int lap, i;

	NEED_SWAP();
	if (!life_group_make())
		SKIP(return, "no cgroup v2 with a memory controller");
	/* Charged to the group are pages that come from now on. */
	ASSERT_EQ(0, life_tell(LIFE_GROUP "/cgroup.procs", "0"));
	life_close(life);
	ASSERT_EQ(0, life_open(life, &variant->config));
	for (lap = 0; lap < LIFE_LAPS; lap++) {
		LIFE_START(life);
		for (i = 0; i < 3; i++) {
			life_wait(life, rng_below(&life->rng, 1000));
			/* -EAGAIN: it did not get all that it was asked for. */
			life_tell(LIFE_GROUP "/memory.reclaim", RECLAIM);
		}
		LIFE_STOP(life, false, lap);
	}
	ASSERT_LT(0, life_ask(LIFE_GROUP "/memory.swap.current"));
	life_group_leave();
}

/* The limit is below what the VM uses: every page it touches costs another one. */
TEST_F(swap, at_its_cgroups_limit)
{
	struct life *life = &self->life;
	char limit[24];
	long max;
	int lap;

	NEED_SWAP();
	if (!life_group_make())
		SKIP(return, "no cgroup v2 with a memory controller");
	ASSERT_EQ(0, life_tell(LIFE_GROUP "/cgroup.procs", "0"));
	life_close(life);
	ASSERT_EQ(0, life_open(life, &variant->config));
	/* The guest's memory and the copy alone, without what the kernel has for the VM. */
	max = 2 * life->bytes;
	snprintf(limit, sizeof(limit), "%ld", max);
	for (lap = 0; lap < LIFE_LAPS; lap++) {
		LIFE_START(life);
		life_wait(life, rng_below(&life->rng, 1000));
		ASSERT_EQ(0, life_tell(LIFE_GROUP "/memory.max", limit));
		life_wait(life, 1000);
		if (life->fd < 0)
			ASSERT_LT(0, life_swapped(life->host, life->bytes) +
				     life_swapped(life->copy, life->bytes));
		LIFE_STOP(life, false, lap);
		ASSERT_GE(max, life_ask(LIFE_GROUP "/memory.current"));
		ASSERT_EQ(0, life_tell(LIFE_GROUP "/memory.max", "max"));
	}
	ASSERT_LT(0, life_ask(LIFE_GROUP "/memory.swap.current"));
	life_group_leave();
}

/* Takes memory without end, beside a guest that writes. */
static void die_for_memory(struct life *life)
{
	size_t step = 1 << 20;
	char *more;

	if (life_start(life) || life_tell(LIFE_GROUP "/cgroup.procs", "0"))
		_exit(1);
	for (;;) {
		more = mmap(NULL, step, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		if (more == MAP_FAILED)
			_exit(2);
		memset(more, 1, step);
		if (mlock(more, step))
			_exit(3);
		life_harvest(life);
	}
}

TEST_F(swap, killed_for_want_of_memory)
{
	struct life *life = &self->life;
	struct life child_life;
	pid_t child;
	int status;

	if (!life_group_make())
		SKIP(return, "no cgroup v2 with a memory controller");
	life_tell("/dev/kmsg", "swap: memory runs out on purpose\n");
	ASSERT_EQ(0, life_tell(LIFE_GROUP "/memory.max", "4000000"));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		/* A VM belongs to the process that made it. */
		if (life_open(&child_life, &variant->config))
			_exit(4);
		die_for_memory(&child_life);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status)) TH_LOG("status %x", status);
	ASSERT_EQ(SIGKILL, WTERMSIG(status));
	life_group_leave();
	LIFE_START(life);
	life_wait(life, 2000);
	LIFE_STOP(life, false, 0);
	ASSERT_EQ(KVM_EXIT_HLT, bench_run_new_vm());
}

TEST_HARNESS_MAIN
