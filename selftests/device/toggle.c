// SPDX-License-Identifier: GPL-2.0
/*
 * Invariant 4: turning logging on always flushes. While a vCPU keeps writing,
 * logging goes on and off; whatever is written after the call that turns it on
 * has returned, is reported. Memory is copied right after that call; when the
 * guest has stopped, copy and what was reported since must make up the memory.
 */
#include <kselftest_harness.h>

#include "../../tools/lib/page.h"
#include "vm.h"

#define PAGES		64
#define RING_ENTRIES	4096
#define TOGGLES		30

FIXTURE(toggle)
{
	struct bench bench;
	struct rng rng;
	char *copy;
	uint64_t bitmap[PAGES / 64];
	uint64_t reported;
};

FIXTURE_VARIANT(toggle)
{
	bool ring;
	uint64_t manual;
};

FIXTURE_VARIANT_ADD(toggle, ring)
{
	.ring = true,
};

FIXTURE_VARIANT_ADD(toggle, bitmap)
{
	.ring = false,
};

FIXTURE_VARIANT_ADD(toggle, manual_protect)
{
	.manual = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE,
};

FIXTURE_SETUP(toggle)
{
	const struct bench_config config = {
		.vcpus = 1, .data_pages = PAGES, .manual = variant->manual,
		.ring_entries = variant->ring ? RING_ENTRIES : 0,
	};

	self->rng.state = bench_seed();
	ASSERT_EQ(0, bench_open(&self->bench, &config));
	self->copy = mem_alloc(PAGES * PAGE_SIZE);
	BENCH_LOAD(&self->bench, random);
	bench_random(&self->bench, 0, rng_next(&self->rng));
	ASSERT_EQ(0, bench_start(&self->bench, 0));
}

FIXTURE_TEARDOWN(toggle)
{
	bench_close(&self->bench);
}

/* The guest stands still: what has been reported since logging was turned on? */
static int harvest(FIXTURE_DATA(toggle) *self, bool ring)
{
	struct kvm_dirty_gfn entry;

	memset(self->bitmap, 0, sizeof(self->bitmap));
	if (!ring)
		return vm_get_log(&self->bench.vm, &self->bench.data, self->bitmap);
	while (ring_next(&self->bench.vcpu[0], &entry))
		if (entry.offset < PAGES)
			self->bitmap[entry.offset / 64] |= 1ULL << entry.offset % 64;
	return vm_reset_rings(&self->bench.vm) < 0;
}

/* Pages that differ from the copy and were not reported. */
static int lost(FIXTURE_DATA(toggle) *self)
{
	int page, count = 0;

	for (page = 0; page < PAGES; page++) {
		if (bitmap_test(self->bitmap, page))
			self->reported++;
		else
			count += !page_same(self->copy + page * PAGE_SIZE,
					    bench_page(&self->bench, page));
	}
	return count;
}

static void copy_all(FIXTURE_DATA(toggle) *self)
{
	int page;

	for (page = 0; page < PAGES; page++)
		page_copy(self->copy + page * PAGE_SIZE, bench_page(&self->bench, page));
}

TEST_F(toggle, every_write_after_enabling_is_reported)
{
	struct runner runner;
	int i;

	for (i = 0; i < TOGGLES; i++) {
		MBOX(&self->bench, 0, STOP) = 0;
		ASSERT_EQ(0, runner_start(&runner, &self->bench, 0));
		usleep(rng_below(&self->rng, 4000));
		ASSERT_EQ(0, bench_set_flags(&self->bench, KVM_MEM_LOG_DIRTY_PAGES));
		copy_all(self);
		usleep(rng_below(&self->rng, 1000));
		MBOX(&self->bench, 0, STOP) = 1;
		ASSERT_EQ(0, runner_join(&runner));
		ASSERT_EQ(0, harvest(self, variant->ring));
		ASSERT_EQ(0, lost(self)) TH_LOG("pages lost at toggle %d", i);
		/* Off again while it runs: that must not stop or break the writer. */
		MBOX(&self->bench, 0, STOP) = 0;
		ASSERT_EQ(0, runner_start(&runner, &self->bench, 0));
		usleep(rng_below(&self->rng, 2000));
		ASSERT_EQ(0, bench_set_flags(&self->bench, 0));
		MBOX(&self->bench, 0, STOP) = 1;
		while (!runner.finished) {
			if (variant->ring)
				harvest(self, true);
			usleep(100);
		}
		ASSERT_EQ(0, runner_join(&runner));
		if (variant->ring)
			ASSERT_EQ(0, harvest(self, true));
	}
	EXPECT_LT(TOGGLES, self->reported) TH_LOG("the guest hardly wrote");
}

/* Off means off: nothing is reported, and the bitmap is gone. */
TEST_F(toggle, off_reports_nothing)
{
	struct kvm_dirty_gfn entry;
	uint32_t pages[3] = { 1, 2, 3 };

	BENCH_LOAD(&self->bench, writer);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	ASSERT_EQ(0, bench_set_flags(&self->bench, KVM_MEM_LOG_DIRTY_PAGES));
	ASSERT_EQ(0, bench_set_flags(&self->bench, 0));
	ASSERT_EQ(KVM_EXIT_IO, bench_touch(&self->bench, pages, 3, 0));
	if (variant->ring) {
		EXPECT_FALSE(ring_next(&self->bench.vcpu[0], &entry));
		EXPECT_EQ(0, vm_reset_rings(&self->bench.vm));
	} else {
		EXPECT_EQ(-ENOENT, vm_get_log(&self->bench.vm, &self->bench.data, self->bitmap));
	}
}

TEST_HARNESS_MAIN
