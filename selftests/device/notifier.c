// SPDX-License-Identifier: GPL-2.0
/*
 * Invariant 10: when the host takes guest memory away (munmap, mprotect,
 * MADV_DONTNEED, a hole in a file, mremap, fork, MADV_PAGEOUT), D and W reach the
 * log first, and afterwards the guest sees what the host sees. With anonymous
 * memory, memfd, huge pages and a file.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <fcntl.h>

#include "../../tools/lib/page.h"
#include "life.h"
#include "vm.h"

#define PAGES		512		/* 2 MiB: a huge page */
#define BYTES		(PAGES * PAGE_SIZE)
#define HUGE_BYTES	(2UL << 20)
#define RING_ENTRIES	4096
#define HOST_LANE	0x800		/* offset in a page that the host writes */
#define GUEST_LANE	0		/* and the writer guest */
#define LAPS		5

enum kind {
	ANON,
	MEMFD,
	HUGE,
	TMPFS,
};

FIXTURE(notifier)
{
	struct bench bench;
	struct rng rng;
	struct runner runner;
	char *host;
	int fd;
	bool ready;
};

FIXTURE_VARIANT(notifier)
{
	enum kind kind;
};

FIXTURE_VARIANT_ADD(notifier, anonymous)
{
	.kind = ANON,
};

FIXTURE_VARIANT_ADD(notifier, memfd)
{
	.kind = MEMFD,
};

FIXTURE_VARIANT_ADD(notifier, hugetlb)
{
	.kind = HUGE,
};

FIXTURE_VARIANT_ADD(notifier, tmpfs_file)
{
	.kind = TMPFS,
};

/* Ask for n huge pages; true if there are so many. */
static bool huge_pages(int n)
{
	FILE *file = fopen("/proc/sys/vm/nr_hugepages", "w+");
	int got = 0;

	if (!file)
		return false;
	fprintf(file, "%d\n", n);
	rewind(file);
	if (fscanf(file, "%d", &got) != 1)
		got = 0;
	fclose(file);
	return got >= n;
}

static int open_memory(enum kind kind)
{
	char path[] = "/tmp/notifier.XXXXXX";
	int fd;

	switch (kind) {
	case MEMFD:
		return memfd_create("guest", 0);
	case HUGE:
		/* A page that is still held while it is replaced needs a spare one. */
		return huge_pages(BYTES / HUGE_BYTES + 2) ? memfd_create("guest", MFD_HUGETLB) : -1;
	case TMPFS:
		fd = mkstemp(path);
		unlink(path);
		return fd;
	default:
		return -1;
	}
}

/* Map the memory, at a place of its own (aligned for huge pages) or at host. */
static void *map_memory(FIXTURE_DATA(notifier) *self, void *host)
{
	int flags = (self->fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED) | MAP_FIXED;
	void *map = mmap(host, BYTES, PROT_READ | PROT_WRITE, flags, self->fd, 0);

	if (map != MAP_FAILED)
		madvise(map, BYTES, MADV_NOHUGEPAGE);
	return map;
}

static char *reserve(void)
{
	char *map = mmap(NULL, 2 * BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return map + (-(uintptr_t)map & (HUGE_BYTES - 1));
}

FIXTURE_SETUP(notifier)
{
	struct bench_config config = {
		.vcpus = 1, .data_pages = PAGES, .data_flags = KVM_MEM_LOG_DIRTY_PAGES,
		.ring_entries = RING_ENTRIES,
	};

	self->rng.state = bench_seed();
	self->fd = open_memory(variant->kind);
	self->ready = variant->kind == ANON || self->fd >= 0;
	if (!self->ready)
		return;
	if (self->fd >= 0)
		ASSERT_EQ(0, ftruncate(self->fd, BYTES));
	self->host = reserve();
	ASSERT_EQ(self->host, map_memory(self, self->host));
	config.data_host = self->host;
	ASSERT_EQ(0, bench_open(&self->bench, &config));
}

FIXTURE_TEARDOWN(notifier)
{
	if (!self->ready)
		return;
	bench_close(&self->bench);
	munmap(self->host, BYTES);
	if (self->fd >= 0)
		close(self->fd);
	if (variant->kind == HUGE)
		huge_pages(0);
}

#define NEED_MEMORY() do {							\
	if (!self->ready)							\
		SKIP(return, "no memory of this kind: it needs memfd, huge pages or a /tmp"); \
} while (0)

static bool start_writer(FIXTURE_DATA(notifier) *self)
{
	BENCH_LOAD(&self->bench, random);
	bench_random(&self->bench, 0, rng_next(&self->rng));
	MBOX(&self->bench, 0, LANE) = GUEST_LANE;
	return !bench_start(&self->bench, 0) && !runner_start(&self->runner, &self->bench, 0);
}

static uint64_t harvest(FIXTURE_DATA(notifier) *self, uint64_t *bitmap)
{
	struct kvm_dirty_gfn entry;
	uint64_t n;

	for (n = 0; ring_next(&self->bench.vcpu[0], &entry); n++)
		if (bitmap && entry.offset < PAGES)
			bitmap[entry.offset / 64] |= 1ULL << entry.offset % 64;
	return vm_reset_rings(&self->bench.vm) == (int)n ? n : UINT64_MAX;
}

/* Wait for the writer's end with room in its ring; -1 if it does not come. */
static int join_writer(FIXTURE_DATA(notifier) *self)
{
	int i;

	for (i = 0; !self->runner.finished && i < 5000; i++) {
		harvest(self, NULL);
		usleep(1000);
	}
	return self->runner.finished ? runner_join(&self->runner) : -1;
}

static int stop_writer(FIXTURE_DATA(notifier) *self)
{
	MBOX(&self->bench, 0, STOP) = 1;
	return join_writer(self);
}

/* Guest and host see the same memory: what each of them wrote. */
static bool same_view(FIXTURE_DATA(notifier) *self)
{
	uint32_t page, sum;

	for (page = 0; page < PAGES; page++)
		bench_page(&self->bench, page)[HOST_LANE / 4] = rng_next(&self->rng);
	return bench_guest_sum(&self->bench, 0, HOST_LANE, &sum) &&
	       sum == bench_host_sum(&self->bench, HOST_LANE) &&
	       bench_guest_sum(&self->bench, 0, GUEST_LANE, &sum) &&
	       sum == bench_host_sum(&self->bench, GUEST_LANE);
}

/* Guest writes go to the pages that the host sees now: write each, look at each. */
static bool writes_arrive(FIXTURE_DATA(notifier) *self)
{
	uint32_t list[PAGES], i;

	harvest(self, NULL);
	BENCH_LOAD(&self->bench, writer);
	for (i = 0; i < PAGES; i++)
		list[i] = i;
	MBOX(&self->bench, 0, VALUE) = 0x1000;
	if (bench_start(&self->bench, 0) ||
	    bench_touch(&self->bench, list, PAGES, 0) != KVM_EXIT_IO)
		return false;
	for (i = 0; i < PAGES; i++)
		if (bench_page(&self->bench, i)[0] != 0x1001 + i)
			return false;
	harvest(self, NULL);
	return true;
}

/* The memory's content goes away, and the mapping stays. */
static int discard(FIXTURE_DATA(notifier) *self)
{
	return madvise(self->host, BYTES, self->fd < 0 ? MADV_DONTNEED : MADV_REMOVE);
}

TEST_F(notifier, discarded_under_a_writer)
{
	uint32_t sum = 1;
	int lap;

	NEED_MEMORY();
	for (lap = 0; lap < LAPS; lap++) {
		ASSERT_TRUE(start_writer(self));
		usleep(rng_below(&self->rng, 2000));
		ASSERT_EQ(0, discard(self));
		usleep(rng_below(&self->rng, 2000));
		ASSERT_EQ(0, stop_writer(self));
		ASSERT_TRUE(same_view(self)) TH_LOG("lap %d", lap);
	}
	ASSERT_TRUE(writes_arrive(self));
	/* And while nobody runs: the guest sees zeros. */
	ASSERT_EQ(0, discard(self));
	ASSERT_TRUE(bench_guest_sum(&self->bench, 0, GUEST_LANE, &sum));
	EXPECT_EQ(0, sum);
}

TEST_F(notifier, unmapped_under_a_writer)
{
	int lap;

	NEED_MEMORY();
	for (lap = 0; lap < LAPS; lap++) {
		ASSERT_TRUE(start_writer(self));
		usleep(rng_below(&self->rng, 2000));
		ASSERT_EQ(0, munmap(self->host, BYTES));
		/* The writer's next access finds nothing. */
		ASSERT_EQ(-EFAULT, join_writer(self)) TH_LOG("lap %d", lap);
		ASSERT_EQ(self->host, map_memory(self, self->host));
		ASSERT_TRUE(same_view(self)) TH_LOG("lap %d", lap);
	}
	ASSERT_TRUE(writes_arrive(self));
}

TEST_F(notifier, write_protected_under_a_writer)
{
	uint32_t before, sum;
	int lap;

	NEED_MEMORY();
	for (lap = 0; lap < LAPS; lap++) {
		ASSERT_TRUE(start_writer(self));
		usleep(rng_below(&self->rng, 2000));
		ASSERT_EQ(0, mprotect(self->host, BYTES, PROT_READ));
		before = bench_host_sum(&self->bench, GUEST_LANE);
		ASSERT_EQ(-EFAULT, join_writer(self)) TH_LOG("lap %d", lap);
		/* No write came through after mprotect() had returned. */
		ASSERT_EQ(before, bench_host_sum(&self->bench, GUEST_LANE));
		ASSERT_TRUE(bench_guest_sum(&self->bench, 0, GUEST_LANE, &sum));
		ASSERT_EQ(before, sum);
		ASSERT_EQ(0, mprotect(self->host, BYTES, PROT_READ | PROT_WRITE));
		ASSERT_TRUE(same_view(self)) TH_LOG("lap %d", lap);
	}
	ASSERT_TRUE(writes_arrive(self));
}

TEST_F(notifier, moved_under_a_writer)
{
	char *away;
	int lap;

	NEED_MEMORY();
	away = reserve();
	for (lap = 0; lap < LAPS; lap++) {
		uint32_t sum, there;

		ASSERT_TRUE(start_writer(self));
		usleep(rng_below(&self->rng, 2000));
		if (mremap(self->host, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, away) != away) {
			stop_writer(self);
			SKIP(return, "this memory cannot be moved by mremap()");
		}
		ASSERT_EQ(-EFAULT, join_writer(self));
		memcpy(&there, away, sizeof(there));
		ASSERT_EQ(self->host, mremap(away, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED,
					     self->host));
		ASSERT_EQ(there, bench_page(&self->bench, 0)[0]);
		ASSERT_TRUE(bench_guest_sum(&self->bench, 0, GUEST_LANE, &sum));
		ASSERT_EQ(bench_host_sum(&self->bench, GUEST_LANE), sum);
		ASSERT_TRUE(same_view(self)) TH_LOG("lap %d", lap);
	}
	ASSERT_TRUE(writes_arrive(self));
}

/*
 * The child's copy of private memory does not change, whatever the guest writes.
 * (Shared memory is not copied; there the fork must do no harm.)
 */
static int child_sees_a_snapshot(FIXTURE_DATA(notifier) *self)
{
	uint32_t first = bench_host_sum(&self->bench, GUEST_LANE);
	int i;

	for (i = 0; i < 3; i++) {
		usleep(3000);
		if (bench_host_sum(&self->bench, GUEST_LANE) != first)
			return 1;
	}
	return 0;
}

TEST_F(notifier, forked_under_a_writer)
{
	int lap, status;
	pid_t child;

	NEED_MEMORY();
	for (lap = 0; lap < LAPS; lap++) {
		ASSERT_TRUE(start_writer(self));
		usleep(rng_below(&self->rng, 2000));
		child = fork();
		ASSERT_LE(0, child);
		if (!child)
			_exit(variant->kind == ANON ? child_sees_a_snapshot(self) : 0);
		usleep(rng_below(&self->rng, 3000));
		ASSERT_EQ(0, stop_writer(self));
		ASSERT_EQ(child, waitpid(child, &status, 0));
		ASSERT_EQ(0, status) TH_LOG("lap %d: a guest write reached the child", lap);
		ASSERT_TRUE(same_view(self)) TH_LOG("lap %d", lap);
	}
	ASSERT_TRUE(writes_arrive(self));
}

TEST_F(notifier, paged_out_under_a_writer)
{
	int lap;

	NEED_MEMORY();
	if (!life_have_swap())
		TH_LOG("there is no swap: MADV_PAGEOUT can only try");
	for (lap = 0; lap < LAPS; lap++) {
		ASSERT_TRUE(start_writer(self));
		usleep(rng_below(&self->rng, 2000));
		if (madvise(self->host, BYTES, MADV_PAGEOUT)) {
			EXPECT_EQ(EINVAL, errno);
			EXPECT_EQ(HUGE, variant->kind);
		}
		ASSERT_EQ(0, stop_writer(self));
		ASSERT_TRUE(same_view(self)) TH_LOG("lap %d", lap);
	}
}

/* Compaction moves pages to other frames, and leaves content and mapping alone. */
TEST_F(notifier, compacted_under_a_writer)
{
	FILE *file;
	int lap;

	NEED_MEMORY();
	for (lap = 0; lap < 2; lap++) {
		file = fopen("/proc/sys/vm/compact_memory", "w");
		if (!file)
			SKIP(return, "this kernel has no /proc/sys/vm/compact_memory");
		ASSERT_TRUE(start_writer(self));
		fputs("1\n", file);
		fclose(file);
		ASSERT_EQ(0, stop_writer(self));
		ASSERT_TRUE(same_view(self)) TH_LOG("lap %d", lap);
	}
	ASSERT_TRUE(writes_arrive(self));
}

/* What was written and not yet harvested is reported after the page has gone. */
TEST_F(notifier, dirty_pages_survive)
{
	uint64_t expected[PAGES / 64], found[PAGES / 64];
	uint32_t pages[100], i;
	int lap;

	NEED_MEMORY();
	BENCH_LOAD(&self->bench, writer);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	for (lap = 0; lap < LAPS; lap++) {
		memset(expected, 0, sizeof(expected));
		memset(found, 0, sizeof(found));
		for (i = 0; i < 100; i++) {
			pages[i] = rng_below(&self->rng, PAGES);
			expected[pages[i] / 64] |= 1ULL << pages[i] % 64;
		}
		ASSERT_EQ(KVM_EXIT_IO, bench_touch(&self->bench, pages, 100, 0));
		if (lap % 3 == 0) {
			ASSERT_EQ(0, discard(self));
		} else if (lap % 3 == 1) {
			ASSERT_EQ(0, mprotect(self->host, BYTES, PROT_NONE));
			ASSERT_EQ(0, mprotect(self->host, BYTES, PROT_READ | PROT_WRITE));
		} else {
			ASSERT_EQ(0, munmap(self->host, BYTES));
			ASSERT_EQ(self->host, map_memory(self, self->host));
		}
		ASSERT_NE(UINT64_MAX, harvest(self, found));
		ASSERT_EQ(0, memcmp(expected, found, sizeof(found))) TH_LOG("lap %d", lap);
	}
}

/* Mappings come and go all the time, harmlessly; no write may be lost by that. */
TEST_F(notifier, complete_while_the_host_remaps)
{
	char *copy = mem_alloc(BYTES);
	uint64_t bitmap[PAGES / 64];
	uint32_t page, lost = 0;
	int lap;

	NEED_MEMORY();
	ASSERT_TRUE(start_writer(self));
	for (lap = 0; lap < 25; lap++) {
		if (lap == 24) {
			MBOX(&self->bench, 0, STOP) = 1;
			while (!self->runner.finished)
				usleep(100);
		}
		ASSERT_EQ(0, mprotect(self->host, BYTES, PROT_READ | PROT_WRITE | PROT_EXEC));
		memset(bitmap, 0, sizeof(bitmap));
		ASSERT_NE(UINT64_MAX, harvest(self, bitmap));
		for (page = 0; page < PAGES; page++)
			if (bitmap_test(bitmap, page))
				page_copy(copy + page * PAGE_SIZE, self->host + page * PAGE_SIZE);
		ASSERT_EQ(0, mprotect(self->host, BYTES, PROT_READ | PROT_WRITE));
		usleep(rng_below(&self->rng, 2000));
	}
	ASSERT_EQ(0, runner_join(&self->runner));
	for (page = 0; page < PAGES; page++)
		lost += !page_same(copy + page * PAGE_SIZE, self->host + page * PAGE_SIZE);
	EXPECT_EQ(0, lost);
}

TEST_HARNESS_MAIN
