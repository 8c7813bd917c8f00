// SPDX-License-Identifier: GPL-2.0
/*
 * Invariant 10 where the host makes other pages of the guest's: equal pages are
 * merged and parted again (KSM), small ones become a huge one and that falls apart
 * (THP), while the guest writes and is harvested.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <sys/mman.h>

#include "life.h"

#define KSM		"/sys/kernel/mm/ksm/"
#define THP_ENABLED	"/sys/kernel/mm/transparent_hugepage/enabled"
#define HUGE_PAGES	LIFE_PAGES_MAX

#ifndef MADV_COLLAPSE /* Linux 6.1 */
#define MADV_COLLAPSE	25
#endif

FIXTURE(merge)
{
	struct life life;
};

FIXTURE_VARIANT(merge)
{
	struct life_config config;
};

FIXTURE_VARIANT_ADD(merge, bitmap)
{
	.config = { .pages = HUGE_PAGES },
};

FIXTURE_VARIANT_ADD(merge, ring)
{
	.config = { .pages = HUGE_PAGES, .ring = true },
};

FIXTURE_SETUP(merge)
{
	ASSERT_EQ(0, life_open(&self->life, &variant->config));
}

FIXTURE_TEARDOWN(merge)
{
	life_tell(KSM "run", "2"); /* what is merged is parted */
	life_tell(KSM "run", "0");
	life_close(&self->life);
}

/* All pages equal, and nothing of it a guest's write. */
static void clear(struct life *life)
{
	unsigned int i;

	memset(life->host, 0, life->bytes);
	life_copy_all(life);
	for (i = 0; i < life->vcpus; i++)
		memset(life->writer[i].last, 0, sizeof(life->writer[i].last));
}

/* The guest has every page mapped, and writable where the host's is. */
static bool map_all(struct life *life)
{
	uint32_t sum;

	return bench_guest_sum(&life->bench, 0, MBOX(&life->bench, 0, LANE), &sum) && !sum;
}

static bool ksm_begin(void)
{
	return !life_tell(KSM "pages_to_scan", "2000") && !life_tell(KSM "sleep_millisecs", "1") &&
	       !life_tell(KSM "run", "1");
}

/* So many pages share another's frame, within some time. */
static bool merged(long pages)
{
	int i;

	for (i = 0; i < 200 && life_ask(KSM "pages_sharing") < pages; i++)
		usleep(2000);
	return i < 200;
}

/* A merged page is one frame for many: a write must part it first, and may touch no other. */
TEST_F(merge, equal_pages_under_writers)
{
	struct life *life = &self->life;
	int lap;

	if (access(KSM "run", W_OK))
		SKIP(return, "this kernel has no KSM");
	ASSERT_EQ(0, madvise(life->host, life->bytes, MADV_MERGEABLE));
	for (lap = 0; lap < 4; lap++) {
		clear(life);
		ASSERT_TRUE(map_all(life));
		ASSERT_TRUE(ksm_begin());
		/* Once all are merged, and else somewhere on the way. */
		if (lap & 1)
			usleep(rng_below(&life->rng, 20000));
		else
			ASSERT_TRUE(merged(HUGE_PAGES / 2));
		LIFE_START(life);
		life_wait(life, rng_below(&life->rng, 1000));
		if (lap > 1)
			ASSERT_EQ(0, life_tell(KSM "run", "2"));
		life_wait(life, 1000);
		LIFE_STOP(life, false, lap);
	}
}

static bool collapse(struct life *life)
{
	int i;

	/* EAGAIN: a fault of the guest's holds a page for a moment. */
	for (i = 0; i < 200; i++) {
		if (!madvise(life->host, life->bytes, MADV_COLLAPSE))
			return true;
		if (errno != EAGAIN && errno != EBUSY)
			return false;
		life_wait(life, 50);
	}
	return false;
}

/* In one of the ways there are. The content stays, but for a page that is discarded. */
static int split(struct life *life, int way)
{
	char *middle = life->host + life->bytes / 2;

	switch (way) {
	case 0:
		return mprotect(middle, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC) ||
		       mprotect(middle, PAGE_SIZE, PROT_READ | PROT_WRITE);
	case 1:
		return madvise(middle, life->bytes / 4, MADV_PAGEOUT);
	default:
		return madvise(middle, PAGE_SIZE, MADV_DONTNEED);
	}
}

TEST_F(merge, made_huge_and_small_under_writers)
{
	struct life *life = &self->life;
	int lap;

	if (access(THP_ENABLED, W_OK))
		SKIP(return, "this kernel has no transparent huge pages");
	/* A machine of less than 512 MB has them off until somebody asks. */
	life_tell(THP_ENABLED, "madvise");
	ASSERT_EQ(0, madvise(life->host, life->bytes, MADV_HUGEPAGE));
	for (lap = 0; lap < 6; lap++) {
		LIFE_START(life);
		life_wait(life, rng_below(&life->rng, 1000));
		ASSERT_TRUE(collapse(life)) TH_LOG("lap %d: %s", lap, strerror(errno));
		life_wait(life, rng_below(&life->rng, 1000));
		ASSERT_EQ(0, split(life, lap % 3));
		life_wait(life, rng_below(&life->rng, 500));
		if (lap % 3 == 2) /* no harvest tells of the page that was discarded */
			life_copy_all(life);
		LIFE_STOP(life, lap % 3 == 2, lap);
	}
}

TEST_HARNESS_MAIN
