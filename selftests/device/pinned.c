// SPDX-License-Identifier: GPL-2.0
/*
 * Guest memory of which somebody else holds pages for as long as he likes, as a
 * device does that writes to them (buffers registered with io_uring): the host
 * cannot move those, copies them for a child at once, and swaps out the others.
 * The guest must stay with the very frames that are held.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "life.h"

#define FRAME	((1ULL << 55) - 1)	/* in an entry of pagemap */
#define ABSENT	UINT64_MAX

FIXTURE(pinned)
{
	struct life life;
	int ring;
	uint64_t frame[LIFE_PAGES];
};

FIXTURE_VARIANT(pinned)
{
	struct life_config config;
};

FIXTURE_VARIANT_ADD(pinned, bitmap)
{
	.config = {},
};

FIXTURE_VARIANT_ADD(pinned, ring)
{
	.config = { .ring = true },
};

FIXTURE_SETUP(pinned)
{
	ASSERT_EQ(0, life_open(&self->life, &variant->config));
	self->ring = -1;
}

FIXTURE_TEARDOWN(pinned)
{
	if (self->ring >= 0)
		close(self->ring);
	life_close(&self->life);
}

/* The first half of the memory is held from now on. 0 or -errno. */
static int hold_half(FIXTURE_DATA(pinned) *self)
{
	struct iovec half = { self->life.host, self->life.bytes / 2 };
	struct io_uring_params params = {};

	self->ring = syscall(SYS_io_uring_setup, 1, &params);
	if (self->ring < 0)
		return -errno;
	return syscall(SYS_io_uring_register, self->ring, IORING_REGISTER_BUFFERS, &half, 1) ?
	       -errno : 0;
}

static uint64_t frame_of(const char *page)
{
	uint64_t entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);
	ssize_t n = pread(fd, &entry, sizeof(entry), (uintptr_t)page / PAGE_SIZE * 8);

	close(fd);
	return n == sizeof(entry) && entry >> 63 ? entry & FRAME : ABSENT;
}

/* How many of the held pages are elsewhere than they were. */
static unsigned int moved(FIXTURE_DATA(pinned) *self)
{
	unsigned int page, n = 0;

	for (page = 0; page < self->life.pages / 2; page++)
		n += frame_of(self->life.host + page * PAGE_SIZE) != self->frame[page];
	return n;
}

/* 1: a guest's write reached the child. */
static int child_sees_a_snapshot(struct life *life)
{
	uint32_t at = MBOX(&life->bench, 0, LANE), first = bench_host_sum(&life->bench, at);

	usleep(3000);
	return bench_host_sum(&life->bench, at) != first;
}

static int disturb(struct life *life, int how)
{
	int status;
	pid_t child;

	switch (how) {
	case 0:
		child = fork();
		if (!child)
			_exit(child_sees_a_snapshot(life));
		life_wait(life, 1000);
		return child < 0 || waitpid(child, &status, 0) != child ? -errno : status;
	case 1:
		return life_tell("/proc/sys/vm/compact_memory", "1");
	default:
		return madvise(life->host, life->bytes, MADV_PAGEOUT) ? -errno : 0;
	}
}

TEST_F(pinned, held_pages_stay_the_guests)
{
	struct life *life = &self->life;
	uint32_t page;
	int lap, ret;

	ret = hold_half(self);
	if (self->ring < 0)
		SKIP(return, "this kernel has no io_uring, or does not allow it");
	ASSERT_EQ(0, ret);
	for (page = 0; page < life->pages / 2; page++) {
		self->frame[page] = frame_of(life->host + page * PAGE_SIZE);
		ASSERT_NE(ABSENT, self->frame[page]);
		ASSERT_NE(0, self->frame[page]);
	}
	for (lap = 0; lap < 6; lap++) {
		LIFE_START(life);
		life_wait(life, rng_below(&life->rng, 1000));
		ASSERT_EQ(0, disturb(life, lap % 3)) TH_LOG("lap %d", lap);
		life_wait(life, rng_below(&life->rng, 1000));
		LIFE_STOP(life, false, lap);
		ASSERT_EQ(0, moved(self)) TH_LOG("lap %d", lap);
	}
}

TEST_HARNESS_MAIN
