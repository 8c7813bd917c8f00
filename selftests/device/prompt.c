// SPDX-License-Identifier: GPL-2.0
/*
 * Invariant 1, completeness, to the letter: a guest write that happened before
 * a harvest was called is in that harvest or in an earlier one, although the
 * vCPU is in the guest all the time and its log is not full. Two CPUs show most.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <signal.h>
#include <sys/time.h>

#include "vm.h"

DECLARE_GUEST(prompt);

#define PAGES		1024
#define RING_ENTRIES	4096

/* A vCPU that is about to write all pages, and what has been reported of them. */
struct follower {
	struct bench bench;
	uint64_t seen[PAGES / 64];
};

static int open_follower(struct follower *follower, uint32_t ring_entries, uint64_t manual)
{
	const struct bench_config config = {
		.vcpus = 1, .data_pages = PAGES, .data_flags = KVM_MEM_LOG_DIRTY_PAGES,
		.ring_entries = ring_entries, .manual = manual,
	};
	int ret = bench_open(&follower->bench, &config);

	if (ret)
		return ret;
	BENCH_LOAD(&follower->bench, prompt);
	MBOX(&follower->bench, 0, BASE) = DATA_GPA;
	MBOX(&follower->bench, 0, COUNT) = PAGES;
	return bench_start(&follower->bench, 0);
}

/* What the guest has said it wrote, less what has been reported. */
static int missing(const struct follower *follower, uint32_t written)
{
	uint32_t page;
	int count = 0;

	for (page = 0; page < written; page++)
		count += !bitmap_test(follower->seen, page);
	return count;
}

FIXTURE(prompt)
{
	struct follower follower;
	struct rng rng;
};

FIXTURE_VARIANT(prompt)
{
	uint64_t manual;
};

FIXTURE_VARIANT_ADD(prompt, bitmap)
{
	.manual = 0,
};

FIXTURE_VARIANT_ADD(prompt, manual_protect)
{
	.manual = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE,
};

FIXTURE_SETUP(prompt)
{
	self->rng.state = bench_seed();
	ASSERT_EQ(0, open_follower(&self->follower, 0, variant->manual));
}

FIXTURE_TEARDOWN(prompt)
{
	bench_close(&self->follower.bench);
}

TEST_F(prompt, a_write_is_in_the_next_bitmap)
{
	struct bench *bench = &self->follower.bench;
	uint64_t bitmap[PAGES / 64];
	uint32_t written, i, harvests = 0;
	struct runner runner;

	ASSERT_EQ(0, runner_start(&runner, bench, 0));
	do {
		written = MBOX(bench, 0, VALUE);
		ASSERT_EQ(0, vm_get_log(&bench->vm, &bench->data, bitmap));
		for (i = 0; i < PAGES / 64; i++)
			self->follower.seen[i] |= bitmap[i];
		ASSERT_EQ(0, missing(&self->follower, written)) TH_LOG("of %u pages", written);
		harvests++;
		usleep(rng_below(&self->rng, 300));
	} while (written < PAGES);
	ASSERT_EQ(0, runner_join(&runner));
	TH_LOG("%u harvests while %u pages were written", harvests, PAGES);
}

static void on_signal(int signal)
{
	(void)signal;
}

/* A ring is memory: the log reaches it when the vCPU leaves the guest. */
TEST(prompt_in_the_ring_after_a_kick)
{
	struct itimerval timer = { .it_value.tv_usec = 1000, .it_interval.tv_usec = 1000 };
	struct sigaction action = { .sa_handler = on_signal };
	struct follower follower = { };
	struct bench *bench = &follower.bench;
	struct kvm_dirty_gfn entry;
	int ret, kicks = 0;

	ASSERT_EQ(0, open_follower(&follower, RING_ENTRIES, 0));
	sigaction(SIGALRM, &action, NULL);
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
	do {
		ret = bench_run(bench, 0);
		while (ring_next(&bench->vcpu[0], &entry))
			if (entry.offset < PAGES)
				follower.seen[entry.offset / 64] |= 1ULL << entry.offset % 64;
		ASSERT_EQ(0, missing(&follower, MBOX(bench, 0, VALUE)));
		ASSERT_LE(0, vm_reset_rings(&bench->vm));
		kicks++;
	} while (ret == -EINTR);
	EXPECT_EQ(KVM_EXIT_IO, ret);
	EXPECT_LT(2, kicks);
	bench_close(bench);
}

TEST_HARNESS_MAIN
