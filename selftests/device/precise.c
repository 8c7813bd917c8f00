// SPDX-License-Identifier: GPL-2.0
/*
 * Invariant 3, precision: a page that was not written since it was last cleared
 * is clean. A large slot of which the guest writes little; reads dirty nothing.
 */
#include <kselftest_harness.h>

#include "vm.h"

#define PAGES		2048
#define RING_ENTRIES	4096
#define SOME		300

FIXTURE(precise)
{
	struct bench bench;
	struct rng rng;
	uint64_t expected[PAGES / 64];
	uint64_t found[PAGES / 64];
	uint32_t entries;	/* of the ring; pages named twice count twice */
};

FIXTURE_VARIANT(precise)
{
	bool ring;
	uint64_t manual;
};

FIXTURE_VARIANT_ADD(precise, ring)
{
	.ring = true,
};

FIXTURE_VARIANT_ADD(precise, bitmap)
{
	.ring = false,
};

FIXTURE_VARIANT_ADD(precise, manual_protect)
{
	.manual = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE,
};

FIXTURE_SETUP(precise)
{
	const struct bench_config config = {
		.vcpus = 1, .data_pages = PAGES, .data_flags = KVM_MEM_LOG_DIRTY_PAGES,
		.ring_entries = variant->ring ? RING_ENTRIES : 0, .manual = variant->manual,
	};

	self->rng.state = bench_seed();
	ASSERT_EQ(0, bench_open(&self->bench, &config));
	BENCH_LOAD(&self->bench, writer);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
}

FIXTURE_TEARDOWN(precise)
{
	bench_close(&self->bench);
}

static int harvest(FIXTURE_DATA(precise) *self, const FIXTURE_VARIANT(precise) *variant)
{
	struct kvm_clear_dirty_log clear = {
		.slot = self->bench.data.id, .num_pages = PAGES, .dirty_bitmap = self->found,
	};
	struct kvm_dirty_gfn entry;
	int ret;

	memset(self->found, 0, sizeof(self->found));
	self->entries = 0;
	if (variant->ring) {
		for (; ring_next(&self->bench.vcpu[0], &entry); self->entries++)
			if (entry.slot == self->bench.data.id && entry.offset < PAGES)
				self->found[entry.offset / 64] |= 1ULL << entry.offset % 64;
		ret = vm_reset_rings(&self->bench.vm);
		return ret == (int)self->entries ? 0 : -EPROTO;
	}
	ret = vm_get_log(&self->bench.vm, &self->bench.data, self->found);
	if (!ret && variant->manual)
		ret = vm_clear_log(&self->bench.vm, &clear);
	return ret;
}

/* The guest writes count random pages; expected is what it wrote. */
static bool write_some(FIXTURE_DATA(precise) *self, uint32_t count)
{
	uint32_t pages[SOME], i;

	memset(self->expected, 0, sizeof(self->expected));
	for (i = 0; i < count; i++) {
		pages[i] = rng_below(&self->rng, PAGES);
		self->expected[pages[i] / 64] |= 1ULL << pages[i] % 64;
	}
	return bench_touch(&self->bench, pages, count, 0) == KVM_EXIT_IO &&
	       bench_done(&self->bench, 0);
}

static bool read_all(FIXTURE_DATA(precise) *self)
{
	uint32_t pages[PAGES], i;

	for (i = 0; i < PAGES; i++)
		pages[i] = i;
	rng_shuffle(&self->rng, pages, PAGES);
	return bench_touch(&self->bench, pages, PAGES, SCRIPT_READ) == KVM_EXIT_IO &&
	       bench_done(&self->bench, 0);
}

static uint32_t bits(const uint64_t *bitmap)
{
	uint32_t i, sum = 0;

	for (i = 0; i < PAGES / 64; i++)
		sum += __builtin_popcountll(bitmap[i]);
	return sum;
}

TEST_F(precise, exactly_the_written_pages)
{
	int round;

	for (round = 0; round < 20; round++) {
		ASSERT_TRUE(write_some(self, 1 + rng_below(&self->rng, SOME)));
		ASSERT_EQ(0, harvest(self, variant));
		ASSERT_EQ(0, memcmp(self->expected, self->found, sizeof(self->found))) {
			TH_LOG("round %d: %u pages written, %u reported", round,
			       bits(self->expected), bits(self->found));
		}
		/* Each page once, also in the ring. */
		ASSERT_EQ(variant->ring ? bits(self->expected) : 0, self->entries);
		ASSERT_EQ(0, harvest(self, variant));
		ASSERT_EQ(0, bits(self->found)) TH_LOG("round %d: again", round);
	}
}

TEST_F(precise, reads_are_clean)
{
	/* First touches, and then reads of pages that are mapped already. */
	ASSERT_TRUE(read_all(self));
	ASSERT_EQ(0, harvest(self, variant));
	EXPECT_EQ(0, bits(self->found)) TH_LOG("of first reads");
	ASSERT_TRUE(write_some(self, SOME));
	ASSERT_EQ(0, harvest(self, variant));
	EXPECT_EQ(0, memcmp(self->expected, self->found, sizeof(self->found)));
	ASSERT_TRUE(read_all(self));
	ASSERT_EQ(0, harvest(self, variant));
	EXPECT_EQ(0, bits(self->found)) TH_LOG("of reads after writes");
}

/* The host reads, and writes, guest memory: neither is a guest write. */
TEST_F(precise, the_host_dirties_nothing)
{
	uint32_t page;

	ASSERT_TRUE(write_some(self, SOME));
	ASSERT_EQ(0, harvest(self, variant));
	for (page = 0; page < PAGES; page += 7)
		bench_page(&self->bench, page)[5]++;
	ASSERT_EQ(KVM_EXIT_IO, bench_script(&self->bench, 0));
	ASSERT_EQ(0, harvest(self, variant));
	EXPECT_EQ(0, bits(self->found));
}

TEST_HARNESS_MAIN
