// SPDX-License-Identifier: GPL-2.0
/*
 * VELLUM_SET_TRACKING and VELLUM_TAKE_RANGES: a slot that is tracked by 2M keeps its
 * large pages under logging, and every harvest tells of the written ranges, whole,
 * and of no others. And what is refused.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <sys/mman.h>

#include "../../tools/lib/stats.h"
#include "../../tools/lib/tracker.h"
#include "huge.h"

#define BLOCKS		5
#define TAIL		50	/* pages of the last range */
#define PAGES		((BLOCKS - 1) * HUGE_PAGES + TAIL)
#define WORDS		((PAGES + 63) / 64)
#define RING_ENTRIES	1024
#define SOME		60
#define ROUNDS		12
#define VCPUS		2

FIXTURE(ranges)
{
	struct bench bench;
	struct stats stats;
	struct rng rng;
	struct huge memory;
	unsigned int written;	/* ranges, by bits */
	uint64_t found[WORDS];
};

FIXTURE_VARIANT(ranges)
{
	bool ring;
	uint64_t manual;
};

FIXTURE_VARIANT_ADD(ranges, bitmap) { };

FIXTURE_VARIANT_ADD(ranges, manual)
{
	.manual = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE,
};

FIXTURE_VARIANT_ADD(ranges, initially_set)
{
	.manual = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET,
};

FIXTURE_VARIANT_ADD(ranges, ring)
{
	.ring = true,
};

static int track(struct bench *bench, uint32_t slot, uint32_t page_shift)
{
	struct vellum_tracking asked = { .slot = slot, .page_shift = page_shift };

	return kvm_ioctl(bench->vm.fd, VELLUM_SET_TRACKING, &asked);
}

FIXTURE_SETUP(ranges)
{
	struct bench_config config = {
		.vcpus = VCPUS, .data_pages = PAGES, .manual = variant->manual,
		.ring_entries = variant->ring ? RING_ENTRIES : 0,
	};
	int i;

	if (kvm_device_is_kvm())
		SKIP_IN_SETUP("KVM has no such calls");
	if (!huge_have_thp())
		SKIP_IN_SETUP("this kernel has no transparent huge pages");
	self->rng.state = bench_seed();
	ASSERT_EQ(0, huge_alloc(&self->memory, THP, BLOCKS * HUGE_BYTES));
	config.data_host = self->memory.data;
	ASSERT_EQ(0, bench_open(&self->bench, &config));
	ASSERT_EQ(1, vellum_extension(self->bench.vm.fd, VELLUM_EXT_TRACKING));
	ASSERT_EQ(0, track(&self->bench, self->bench.data.id, VELLUM_TRACK_2M));
	ASSERT_EQ(0, stats_open(&self->stats, self->bench.vm.fd));
	BENCH_LOAD(&self->bench, writer);
	for (i = 0; i < VCPUS; i++)
		ASSERT_EQ(0, bench_start(&self->bench, i));
}

FIXTURE_TEARDOWN(ranges)
{
	if (!self->memory.data)
		return;
	stats_close(&self->stats);
	bench_close(&self->bench);
	huge_free(&self->memory);
}

static uint64_t get(FIXTURE_DATA(ranges) *self, const char *name)
{
	uint64_t value;

	return stats_read(&self->stats, name, &value) ? UINT64_MAX : value;
}

/* The guest writes pages of some ranges, each several times; self->written is which. */
static bool write_some(FIXTURE_DATA(ranges) *self)
{
	uint32_t pages[SOME], i, some = 1 + rng_below(&self->rng, 31);

	self->written = 0;
	for (i = 0; i < SOME; i++) {
		do {
			pages[i] = rng_below(&self->rng, PAGES);
		} while (!(some & 1U << pages[i] / HUGE_PAGES));
		self->written |= 1U << pages[i] / HUGE_PAGES;
	}
	return bench_touch(&self->bench, pages, SOME, 0) == KVM_EXIT_IO &&
	       bench_done(&self->bench, 0);
}

/* The ranges of the bitmap; a range of which it has a part is not one. */
static unsigned int whole_ranges(const uint64_t *words)
{
	unsigned int block, ranges = 0;
	uint64_t page, end, n;

	for (block = 0; block < BLOCKS; block++) {
		end = (block + 1) * HUGE_PAGES > PAGES ? PAGES : (block + 1) * HUGE_PAGES;
		n = 0;
		for (page = block * HUGE_PAGES; page < end; page++)
			n += bitmap_test(words, page);
		if (n && n != end - block * HUGE_PAGES)
			return ~0U;
		ranges |= !!n << block;
	}
	return ranges;
}

/* By VELLUM_TAKE_RANGES, max at a time; ~0 if it says what it must not. */
static unsigned int take_ranges(FIXTURE_DATA(ranges) *self, uint32_t max)
{
	struct vellum_range ranges[BLOCKS];
	struct vellum_ranges asked = {
		.slot = self->bench.data.id, .ranges = (uintptr_t)ranges, .max = max,
	};
	uint32_t i;

	memset(self->found, 0, sizeof(self->found));
	do {
		uint64_t from = asked.first_page, page;

		if (kvm_ioctl(self->bench.vm.fd, VELLUM_TAKE_RANGES, &asked) || asked.count > max)
			return ~0U;
		for (i = 0; i < asked.count; i++) {
			if (ranges[i].first_page < from)
				return ~0U;
			from = ranges[i].first_page + ranges[i].num_pages;
			for (page = ranges[i].first_page; page < from; page++)
				self->found[page / 64] |= 1ULL << page % 64;
		}
		if (from > asked.first_page)
			return ~0U;
	} while (asked.first_page < PAGES);
	return whole_ranges(self->found);
}

static unsigned int collect_rings(FIXTURE_DATA(ranges) *self)
{
	struct kvm_dirty_gfn entry;
	unsigned int i, ranges = 0;

	for (i = 0; i < VCPUS; i++) {
		while (ring_next(&self->bench.vcpu[i], &entry)) {
			if (entry.slot != self->bench.data.id || entry.offset % HUGE_PAGES)
				return ~0U;
			ranges |= 1U << entry.offset / HUGE_PAGES;
		}
	}
	return vm_reset_rings(&self->bench.vm) < 0 ? ~0U : ranges;
}

/* What one harvest tells, by this round's way. */
static unsigned int harvest(FIXTURE_DATA(ranges) *self, const FIXTURE_VARIANT(ranges) *variant,
			    unsigned int round)
{
	struct kvm_clear_dirty_log clear = {
		.slot = self->bench.data.id, .num_pages = PAGES, .dirty_bitmap = self->found,
	};

	if (variant->ring)
		return collect_rings(self);
	if (round % 3)
		return take_ranges(self, round % 3);
	if (vm_get_log(&self->bench.vm, &self->bench.data, self->found) ||
	    (variant->manual && vm_clear_log(&self->bench.vm, &clear)))
		return ~0U;
	return whole_ranges(self->found);
}

TEST_F(ranges, exact_and_never_split)
{
	uint64_t large = huge_param("large_pages") ? BLOCKS - 1 : 0;
	bool all = variant->manual & KVM_DIRTY_LOG_INITIALLY_SET;
	unsigned int round;

	ASSERT_TRUE(write_some(self));
	ASSERT_EQ(0, bench_set_flags(&self->bench, KVM_MEM_LOG_DIRTY_PAGES));
	EXPECT_EQ(all ? (1U << BLOCKS) - 1 : 0, harvest(self, variant, 0));
	for (round = 0; round < ROUNDS; round++) {
		ASSERT_TRUE(write_some(self));
		ASSERT_EQ(self->written, harvest(self, variant, round)) TH_LOG("round %u", round);
		ASSERT_EQ(0, harvest(self, variant, round + 1)) TH_LOG("round %u", round);
	}
	if (large) {
		EXPECT_EQ(0, get(self, "large_splits"));
		EXPECT_GE(large, get(self, "pages_2m"));
		EXPECT_NE(0, get(self, "pages_2m"));
	}
	/* By 4K again, when logging has ended. */
	ASSERT_EQ(0, bench_set_flags(&self->bench, 0));
	ASSERT_EQ(0, track(&self->bench, self->bench.data.id, VELLUM_TRACK_4K));
	ASSERT_EQ(0, bench_set_flags(&self->bench, KVM_MEM_LOG_DIRTY_PAGES));
	ASSERT_TRUE(write_some(self));
	if (!variant->ring && !all) {
		ASSERT_EQ(0, vm_get_log(&self->bench.vm, &self->bench.data, self->found));
		EXPECT_EQ(~0U, whole_ranges(self->found));
	}
}

static bool start_writers(FIXTURE_DATA(ranges) *self, struct runner *runner)
{
	unsigned int i;

	BENCH_LOAD(&self->bench, random);
	for (i = 0; i < VCPUS; i++) {
		bench_random(&self->bench, i, rng_next(&self->rng));
		MBOX(&self->bench, i, MASK) = (BLOCKS - 1) * HUGE_PAGES - 1;
		if (bench_start(&self->bench, i) || runner_start(&runner[i], &self->bench, i))
			return false;
	}
	return true;
}

static void copy_ranges(FIXTURE_DATA(ranges) *self, char *copy, unsigned int told)
{
	unsigned int page;

	for (page = 0; page < PAGES; page++)
		if (told & 1U << page / HUGE_PAGES)
			memcpy(copy + page * PAGE_SIZE,
			       (void *)bench_page(&self->bench, page), PAGE_SIZE);
}

/* Written while it is harvested: what was copied of what was told is what the guest has. */
TEST_F(ranges, nothing_is_lost_while_the_guest_runs)
{
	struct runner runner[VCPUS];
	unsigned int i, round, told;
	char *copy;

	copy = mem_alloc(PAGES * PAGE_SIZE);
	ASSERT_NE(NULL, copy);
	ASSERT_EQ(0, bench_set_flags(&self->bench, KVM_MEM_LOG_DIRTY_PAGES));
	copy_ranges(self, copy, ~0U);
	ASSERT_TRUE(start_writers(self, runner));
	for (round = 0; round < ROUNDS; round++) {
		usleep(2000);
		told = harvest(self, variant, round);
		EXPECT_NE(~0U, told);
		copy_ranges(self, copy, told);
	}
	for (i = 0; i < VCPUS; i++)
		MBOX(&self->bench, i, STOP) = 1;
	for (i = 0; i < VCPUS; i++)
		EXPECT_EQ(0, runner_join(&runner[i]));
	told = harvest(self, variant, round);
	EXPECT_NE(~0U, told);
	copy_ranges(self, copy, told);
	EXPECT_EQ(0, memcmp(copy, self->bench.data.host, PAGES * PAGE_SIZE));
	mem_free(copy, PAGES * PAGE_SIZE);
}

/* Beside a tracker each is told of every range once. */
TEST_F(ranges, beside_a_tracker)
{
	uint32_t flags = 0;
	unsigned int round, tracked = 0, told = 0, written = 0;
	int tracker;

	ASSERT_EQ(0, bench_set_flags(&self->bench, KVM_MEM_LOG_DIRTY_PAGES));
	ASSERT_NE(~0U, harvest(self, variant, 0));
	tracker = tracker_open(&self->bench.vm, 0, &flags);
	ASSERT_LE(0, tracker);
	for (round = 0; round < ROUNDS; round++) {
		ASSERT_TRUE(write_some(self));
		written |= self->written;
		tracked |= self->written;
		if (round % 2) {
			memset(self->found, 0, sizeof(self->found));
			ASSERT_LE(0, tracker_take(tracker, &self->bench.data, self->found,
						  VELLUM_TAKE_COMMIT));
			EXPECT_EQ(tracked, whole_ranges(self->found));
			tracked = 0;
		}
		if (round % 3 == 2) {
			told = harvest(self, variant, round);
			EXPECT_EQ(written, told) TH_LOG("round %u", round);
			written = 0;
		}
	}
	close(tracker);
}

static int take(struct bench *bench, struct vellum_ranges asked)
{
	return kvm_ioctl(bench->vm.fd, VELLUM_TAKE_RANGES, &asked);
}

TEST_F(ranges, what_is_refused)
{
	struct bench *b = &self->bench;
	struct vellum_range out[BLOCKS];
	const struct vellum_ranges good = { .slot = 1, .ranges = (uintptr_t)out, .max = BLOCKS };
	struct vellum_tracking tracking = { .slot = 1, .page_shift = VELLUM_TRACK_2M };
	struct vellum_ranges bad;

	EXPECT_EQ(-ENOENT, take(b, good)); /* is not logged */
	EXPECT_EQ(-EINVAL, track(b, 1, 13));
	EXPECT_EQ(-EINVAL, track(b, 1024, VELLUM_TRACK_2M));
	EXPECT_EQ(-ENOENT, track(b, 2, VELLUM_TRACK_2M));
	tracking.reserved[2] = 1;
	EXPECT_EQ(-EINVAL, kvm_ioctl(b->vm.fd, VELLUM_SET_TRACKING, &tracking));
	EXPECT_EQ(-EFAULT, kvm_ioctl(b->vm.fd, VELLUM_SET_TRACKING, (void *)8));

	ASSERT_EQ(0, bench_set_flags(b, KVM_MEM_LOG_DIRTY_PAGES));
	EXPECT_EQ(0, track(b, 1, VELLUM_TRACK_2M)); /* as it is */
	EXPECT_EQ(-EBUSY, track(b, 1, VELLUM_TRACK_4K));
	EXPECT_EQ(0, take(b, good));
	EXPECT_EQ(-ENOENT, take(b, (struct vellum_ranges){ .ranges = good.ranges, .max = 1 }));
	bad = good;
	bad.max = 0;
	EXPECT_EQ(-EINVAL, take(b, bad));
	bad.max = VELLUM_RANGES_MAX + 1;
	EXPECT_EQ(-EINVAL, take(b, bad));
	bad = good;
	bad.flags = 1;
	EXPECT_EQ(-EINVAL, take(b, bad));
	bad = good;
	bad.first_page = PAGES + 1;
	EXPECT_EQ(-EINVAL, take(b, bad));

	/* What could not be handed over is told again. */
	ASSERT_TRUE(write_some(self));
	bad = good;
	bad.ranges = 8;
	EXPECT_EQ(-EFAULT, take(b, bad));
	EXPECT_EQ(self->written, take_ranges(self, BLOCKS));

	/* By 4K there are no ranges; a slot that begins elsewhere cannot be tracked so. */
	ASSERT_EQ(0, bench_set_flags(b, 0));
	ASSERT_EQ(0, track(b, 1, VELLUM_TRACK_4K));
	ASSERT_EQ(0, bench_set_flags(b, KVM_MEM_LOG_DIRTY_PAGES));
	EXPECT_EQ(-EINVAL, take(b, good));
	ASSERT_EQ(0, bench_set_flags(b, 0));
	b->data.gpa += PAGE_SIZE;
	ASSERT_EQ(0, vm_set_mem(&b->vm, &b->data));
	EXPECT_EQ(-EINVAL, track(b, 1, VELLUM_TRACK_2M));
}

TEST_HARNESS_MAIN
