// SPDX-License-Identifier: GPL-2.0
/*
 * Invariant 10 where guest memory is a file: it is cut short, and gets holes,
 * while the guest writes and is harvested. What is not there any more is an error
 * of KVM_RUN, for the guest's owner; when it is there again the guest goes on.
 */
#define _GNU_SOURCE
#include <kselftest_harness.h>
#include <errno.h>
#include <fcntl.h>

#include "life.h"

FIXTURE(file)
{
	struct life life;
};

FIXTURE_VARIANT(file)
{
	struct life_config config;
};

FIXTURE_VARIANT_ADD(file, bitmap)
{
	.config = { .memfd = true },
};

FIXTURE_VARIANT_ADD(file, ring)
{
	.config = { .memfd = true, .ring = true },
};

FIXTURE_SETUP(file)
{
	ASSERT_EQ(0, life_open(&self->life, &variant->config));
}

FIXTURE_TEARDOWN(file)
{
	life_close(&self->life);
}

/* Cut to half, and made whole again: then the second half is zeros. */
TEST_F(file, cut_short_under_writers)
{
	struct life *life = &self->life;
	const size_t half = life->bytes / 2;
	int lap;

	for (lap = 0; lap < LIFE_LAPS; lap++) {
		LIFE_START(life);
		life_wait(life, rng_below(&life->rng, 1000));
		ASSERT_EQ(0, ftruncate(life->fd, half));
		ASSERT_TRUE(life_failed(life, -EFAULT)) TH_LOG("lap %d", lap);
		/* And as long as it is not there. */
		ASSERT_EQ(-EFAULT, bench_run(&life->bench, 0));
		ASSERT_EQ(0, ftruncate(life->fd, life->bytes));
		memset(life->copy + half, 0, half);
		ASSERT_EQ(0, life_resume(life));
		life_wait(life, 1000);
		LIFE_STOP(life, true, lap);
	}
}

/*
 * Holes all over. Which pages the guest filled again is settled by a lap without
 * any: one that still went to the old page is not in the file.
 */
TEST_F(file, holes_under_writers)
{
	struct life *life = &self->life;
	const int how = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	uint32_t from, pages;
	int lap, i;

	for (lap = 0; lap < LIFE_LAPS; lap++) {
		LIFE_START(life);
		for (i = 0; i < 20; i++) {
			from = rng_below(&life->rng, life->pages);
			pages = 1 + rng_below(&life->rng, life->pages - from);
			ASSERT_EQ(0, fallocate(life->fd, how, from * PAGE_SIZE,
					       pages * PAGE_SIZE));
			life_wait(life, rng_below(&life->rng, 200));
		}
		life_copy_all(life); /* no harvest tells of a hole */
		LIFE_STOP(life, true, lap);
		LIFE_START(life);
		life_wait(life, 500);
		LIFE_STOP(life, false, lap);
	}
}

TEST_HARNESS_MAIN
