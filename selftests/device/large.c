// SPDX-License-Identifier: GPL-2.0
/*
 * Invariant 11, large pages: what the host maps by 2M is mapped so for the
 * guest; under logging it is not, and what is reported is exact, page by page.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <sys/mman.h>

#include "../../tools/lib/stats.h"
#include "huge.h"

#define BLOCKS		4
#define PAGES		(BLOCKS * HUGE_PAGES)
#define RING_ENTRIES	4096
#define SOME		200

FIXTURE(large)
{
	struct bench bench;
	struct stats stats;
	struct rng rng;
	struct huge memory;
	uint64_t expected[PAGES / 64];
	uint64_t found[PAGES / 64];
};

FIXTURE_VARIANT(large)
{
	enum huge_kind memory;
	bool ring;
	uint64_t manual;
};

FIXTURE_VARIANT_ADD(large, thp)
{
	.memory = THP,
};

FIXTURE_VARIANT_ADD(large, thp_ring)
{
	.memory = THP, .ring = true,
};

FIXTURE_VARIANT_ADD(large, thp_initially_set)
{
	.memory = THP,
	.manual = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET,
};

FIXTURE_VARIANT_ADD(large, hugetlb)
{
	.memory = HUGETLB,
};

static uint64_t get(FIXTURE_DATA(large) *self, const char *name)
{
	uint64_t value;

	return stats_read(&self->stats, name, &value) ? UINT64_MAX : value;
}

/* The guest goes through these pages; true: all the way. */
static bool touch(FIXTURE_DATA(large) *self, const uint32_t *pages, uint32_t count, uint32_t how)
{
	return bench_touch(&self->bench, pages, count, how) == KVM_EXIT_IO &&
	       bench_done(&self->bench, 0);
}

static bool touch_blocks(FIXTURE_DATA(large) *self, uint32_t how)
{
	uint32_t pages[BLOCKS], i;

	for (i = 0; i < BLOCKS; i++)
		pages[i] = i * HUGE_PAGES + rng_below(&self->rng, HUGE_PAGES);
	return touch(self, pages, BLOCKS, how);
}

FIXTURE_SETUP(large)
{
	struct bench_config config = {
		.vcpus = 1, .data_pages = PAGES, .manual = variant->manual,
		.ring_entries = variant->ring ? RING_ENTRIES : 0,
	};

	if (variant->memory == THP && !huge_have_thp())
		SKIP_IN_SETUP("this kernel has no transparent huge pages");
	self->rng.state = bench_seed();
	ASSERT_EQ(0, huge_alloc(&self->memory, variant->memory, PAGES * PAGE_SIZE));
	config.data_host = self->memory.data;
	ASSERT_EQ(0, bench_open(&self->bench, &config));
	ASSERT_EQ(0, stats_open(&self->stats, self->bench.vm.fd));
	BENCH_LOAD(&self->bench, writer);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
}

FIXTURE_TEARDOWN(large)
{
	if (!self->memory.data)
		return;
	stats_close(&self->stats);
	bench_close(&self->bench);
	huge_free(&self->memory);
}

static int harvest(FIXTURE_DATA(large) *self, const FIXTURE_VARIANT(large) *variant)
{
	struct kvm_clear_dirty_log clear = {
		.slot = self->bench.data.id, .num_pages = PAGES, .dirty_bitmap = self->found,
	};
	struct kvm_dirty_gfn entry;
	int ret;

	memset(self->found, 0, sizeof(self->found));
	if (variant->ring) {
		while (ring_next(&self->bench.vcpu[0], &entry))
			if (entry.slot == self->bench.data.id && entry.offset < PAGES)
				self->found[entry.offset / 64] |= 1ULL << entry.offset % 64;
		ret = vm_reset_rings(&self->bench.vm);
		return ret < 0 ? ret : 0;
	}
	ret = vm_get_log(&self->bench.vm, &self->bench.data, self->found);
	if (!ret && variant->manual)
		ret = vm_clear_log(&self->bench.vm, &clear);
	return ret;
}

/* The guest writes some pages, each with another value than before; expected is which. */
static bool write_some(FIXTURE_DATA(large) *self, uint32_t count)
{
	uint32_t pages[SOME], i;

	memset(self->expected, 0, sizeof(self->expected));
	for (i = 0; i < count; i++) {
		pages[i] = rng_below(&self->rng, PAGES);
		self->expected[pages[i] / 64] |= 1ULL << pages[i] % 64;
	}
	return touch(self, pages, count, 0);
}

TEST_F(large, mapped_as_the_host_maps_it)
{
	uint64_t large = huge_param("large_pages") ? BLOCKS : 0;

	ASSERT_TRUE(touch_blocks(self, SCRIPT_READ));
	EXPECT_EQ(large, get(self, "pages_2m"));
	ASSERT_TRUE(touch_blocks(self, 0));
	EXPECT_EQ(large, get(self, "pages_2m"));
	/* A slot that goes takes them with it. */
	self->bench.data.size = 0;
	ASSERT_EQ(0, vm_set_mem(&self->bench.vm, &self->bench.data));
	EXPECT_EQ(0, get(self, "pages_2m"));
	self->bench.data.size = PAGES * PAGE_SIZE;
	ASSERT_EQ(0, vm_set_mem(&self->bench.vm, &self->bench.data));
	ASSERT_TRUE(touch_blocks(self, 0));
	EXPECT_EQ(large, get(self, "pages_2m"));
}

/* What is written after logging began is told, to the page; what was written before is not. */
TEST_F(large, exact_under_logging)
{
	unsigned int round;

	ASSERT_TRUE(write_some(self, SOME));
	ASSERT_EQ(0, bench_set_flags(&self->bench, KVM_MEM_LOG_DIRTY_PAGES));
	if (variant->manual) {
		ASSERT_EQ(0, harvest(self, variant));
		for (round = 0; round < PAGES / 64; round++)
			ASSERT_EQ(UINT64_MAX, self->found[round]);
	}
	if (huge_param("eager_split"))
		EXPECT_EQ(0, get(self, "pages_2m"));
	for (round = 0; round < 10; round++) {
		ASSERT_TRUE(write_some(self, 1 + rng_below(&self->rng, SOME)));
		ASSERT_EQ(0, harvest(self, variant));
		ASSERT_EQ(0, memcmp(self->expected, self->found, sizeof(self->found)))
			TH_LOG("round %u", round);
		ASSERT_TRUE(touch_blocks(self, SCRIPT_READ));
		memset(self->expected, 0, sizeof(self->expected));
		ASSERT_EQ(0, harvest(self, variant));
		ASSERT_EQ(0, memcmp(self->expected, self->found, sizeof(self->found)))
			TH_LOG("round %u: again", round);
	}
}

/* Logging ends: large again, after a while, and nothing of what stands there is lost. */
TEST_F(large, large_again_after_logging)
{
	uint64_t large = huge_param("large_pages") ? BLOCKS : 0;
	uint32_t before, after;
	int i;

	ASSERT_TRUE(touch_blocks(self, 0));
	ASSERT_EQ(0, bench_set_flags(&self->bench, KVM_MEM_LOG_DIRTY_PAGES));
	ASSERT_TRUE(write_some(self, SOME));
	ASSERT_EQ(0, harvest(self, variant));
	before = bench_host_sum(&self->bench, 0);
	ASSERT_EQ(0, bench_set_flags(&self->bench, 0));
	for (i = 0; i < 100 && get(self, "pages_2m") != large; i++) {
		usleep(10000);
		ASSERT_TRUE(touch_blocks(self, SCRIPT_READ));
	}
	EXPECT_EQ(large, get(self, "pages_2m"));
	after = bench_host_sum(&self->bench, 0);
	EXPECT_EQ(before, after);
	/* And once more, from the start. */
	ASSERT_EQ(0, bench_set_flags(&self->bench, KVM_MEM_LOG_DIRTY_PAGES));
	if (variant->manual)
		ASSERT_EQ(0, harvest(self, variant));
	ASSERT_TRUE(write_some(self, SOME));
	ASSERT_EQ(0, harvest(self, variant));
	EXPECT_EQ(0, memcmp(self->expected, self->found, sizeof(self->found)));
}

/*
 * The host takes one page out of the middle, or what it can of hugetlbfs: the guest
 * finds it empty, and its neighbours whole.
 */
TEST_F(large, a_page_taken_out_of_the_middle)
{
	const bool whole = variant->memory == HUGETLB;
	const uint32_t pages[] = { 99, 100, 101 };

	ASSERT_TRUE(touch_blocks(self, 0));
	ASSERT_TRUE(touch(self, pages, 3, 0));
	ASSERT_NE(0, *bench_page(&self->bench, 100));
	ASSERT_EQ(0, madvise(self->memory.data + (whole ? 0 : 100 * PAGE_SIZE),
			     whole ? HUGE_BYTES : PAGE_SIZE, MADV_DONTNEED));
	if (huge_param("large_pages"))
		EXPECT_EQ(BLOCKS - 1, get(self, "pages_2m"));
	EXPECT_EQ(0, *bench_page(&self->bench, 100));
	EXPECT_EQ(whole, !*bench_page(&self->bench, 99));
	ASSERT_TRUE(touch(self, pages, 3, 0));
	EXPECT_NE(0, *bench_page(&self->bench, 100));
	EXPECT_EQ(*bench_page(&self->bench, 100) + 1, *bench_page(&self->bench, 101));
}

TEST_HARNESS_MAIN
