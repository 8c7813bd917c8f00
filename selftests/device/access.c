// SPDX-License-Identifier: GPL-2.0
/*
 * Invariants 4 and 5: the host ages guest memory (clear_young of the MMU notifier),
 * which takes access away where there are no A/D bits; an access brings it back, and
 * what is logged is exact across it, also if logging begins when all of it was aged.
 *
 * Reclaim of a memory cgroup ages what it looks at.  The pages are pinned, as by
 * somebody's DMA, so that it can only look: they stay where they are.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../tools/lib/stats.h"
#include "life.h"

#define PAGES		512
#define BYTES		(PAGES * PAGE_SIZE)
#define RING_ENTRIES	2048
#define LAPS		2	/* of reclaim, which looks at everything before it gives up */

FIXTURE(access)
{
	struct bench bench;
	struct stats stats;
	uint64_t bitmap[PAGES / 64];
	uint32_t all[PAGES], some[PAGES / 4];
	char *host;
	int pin;
	bool soft;	/* no A/D bits: an aged page faults */
};

FIXTURE_VARIANT(access)
{
	uint32_t ring_entries;
};

FIXTURE_VARIANT_ADD(access, bitmap) { };

FIXTURE_VARIANT_ADD(access, ring)
{
	.ring_entries = RING_ENTRIES,
};

FIXTURE_SETUP(access)
{
	struct bench_config config = { .vcpus = 1, .ring_entries = variant->ring_entries,
				       .data_pages = PAGES };
	unsigned int i;

	ASSERT_TRUE(life_group_make());
	self->host = mem_alloc(BYTES);
	ASSERT_NE(NULL, self->host);
	config.data_host = self->host;
	ASSERT_EQ(0, bench_open(&self->bench, &config));
	ASSERT_EQ(0, life_group_enter_with(self->host, BYTES));
	ASSERT_EQ(0, stats_open(&self->stats, self->bench.vcpu[0].fd));
	BENCH_LOAD(&self->bench, writer);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	self->pin = life_pin(self->host, BYTES);
	ASSERT_LE(0, self->pin);
	self->soft = !bench_module_param("ept_ad");
	for (i = 0; i < PAGES; i++)
		self->all[i] = i;
	for (i = 0; i < PAGES / 4; i++)
		self->some[i] = 4 * i + 1;
}

FIXTURE_TEARDOWN(access)
{
	close(self->pin);
	stats_close(&self->stats);
	bench_close(&self->bench);
	mem_free(self->host, BYTES);
	life_group_leave();
}

/* The guest touches these pages; how many of them had lost their access. -1: it failed. */
static long touch(FIXTURE_DATA(access) *self, const uint32_t *pages, uint32_t n, uint32_t how)
{
	uint64_t before, after;

	if (stats_read(&self->stats, "faults_restored", &before) ||
	    bench_touch(&self->bench, pages, n, how) != KVM_EXIT_IO ||
	    stats_read(&self->stats, "faults_restored", &after))
		return -1;
	return after - before;
}

/* The host looks for memory that it could take, often enough to have looked at all of it. */
static void age(void)
{
	int lap;

	for (lap = 0; lap < LAPS; lap++)
		life_tell(LIFE_GROUP "/memory.reclaim", "2M"); /* -EAGAIN: it did not get them */
}

/* Harvests: exactly these pages were written. */
static bool logged(FIXTURE_DATA(access) *self, const uint32_t *pages, uint32_t n)
{
	uint64_t want[PAGES / 64] = { };
	struct kvm_dirty_gfn entry;
	uint32_t i;

	memset(self->bitmap, 0, sizeof(self->bitmap));
	for (i = 0; i < n; i++)
		want[pages[i] / 64] |= 1ULL << (pages[i] % 64);
	if (!self->bench.vm.ring_entries) {
		if (vm_get_log(&self->bench.vm, &self->bench.data, self->bitmap))
			return false;
	} else {
		while (ring_next(&self->bench.vcpu[0], &entry))
			if (entry.slot == self->bench.data.id)
				self->bitmap[entry.offset / 64] |= 1ULL << (entry.offset % 64);
		if (vm_reset_rings(&self->bench.vm) < 0)
			return false;
	}
	return !memcmp(want, self->bitmap, sizeof(want));
}

TEST_F(access, comes_back)
{
	NEED_SWAP();
	ASSERT_LE(0, touch(self, self->all, PAGES, 0));
	age();
	/* It was only looked at. */
	ASSERT_EQ(PAGES, life_present(self->host, BYTES));
	EXPECT_EQ(self->soft ? PAGES : 0, touch(self, self->all, PAGES, SCRIPT_READ));
	EXPECT_EQ(0, touch(self, self->all, PAGES, SCRIPT_READ));
	/* Write access, too, and at once. */
	age();
	EXPECT_EQ(self->soft ? PAGES : 0, touch(self, self->all, PAGES, 0));
	EXPECT_EQ(0, touch(self, self->all, PAGES, 0));
}

/* A write before and one after are told of, each once; a look and a read are not. */
TEST_F(access, logging_is_exact_across_it)
{
	const uint32_t n = PAGES / 4;

	NEED_SWAP();
	ASSERT_LE(0, touch(self, self->all, PAGES, 0));
	ASSERT_EQ(0, bench_set_flags(&self->bench, KVM_MEM_LOG_DIRTY_PAGES));
	ASSERT_LE(0, touch(self, self->some, n, 0));
	age();
	EXPECT_TRUE(logged(self, self->some, n)) TH_LOG("writes before ageing");
	age();
	ASSERT_LE(0, touch(self, self->all, PAGES, SCRIPT_READ));
	EXPECT_TRUE(logged(self, NULL, 0)) TH_LOG("ageing and reads are no writes");
	age();
	ASSERT_LE(0, touch(self, self->some + 1, n - 1, 0));
	age();
	ASSERT_LE(0, touch(self, self->some, 1, 0));
	EXPECT_TRUE(logged(self, self->some, n)) TH_LOG("writes between two ageings and after");
	ASSERT_EQ(PAGES, life_present(self->host, BYTES));
}

TEST_F(access, logging_begins_when_all_was_aged)
{
	const uint32_t n = PAGES / 4;

	NEED_SWAP();
	ASSERT_LE(0, touch(self, self->all, PAGES, 0));
	age();
	ASSERT_EQ(0, bench_set_flags(&self->bench, KVM_MEM_LOG_DIRTY_PAGES));
	EXPECT_TRUE(logged(self, NULL, 0));
	EXPECT_EQ(self->soft ? n : 0, touch(self, self->some, n, SCRIPT_READ));
	EXPECT_TRUE(logged(self, NULL, 0));
	EXPECT_LE(0, touch(self, self->all, PAGES, 0));
	EXPECT_TRUE(logged(self, self->all, PAGES)) TH_LOG("restored for reading or not at all");
}

TEST_HARNESS_MAIN
