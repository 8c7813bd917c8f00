// SPDX-License-Identifier: GPL-2.0
/*
 * Invariant 1, completeness (and 2, clear - flush - return): two vCPUs keep
 * writing to random pages while a harvester that never pauses them copies each
 * page that is reported. Once they have stopped and the last harvest is in, the
 * copy equals the memory: no write was lost. By ring, by bitmap, by bitmap with
 * manual protection, and by ring and bitmap at the same time.
 */
#include <kselftest_harness.h>

#include "../../tools/lib/page.h"
#include "vm.h"

#define PAGES		128
#define RING_ENTRIES	2048
#define VCPUS		2
#define LAPS		40
#define REPORTS		(4 * PAGES)	/* pages to be reported before the writers stop */

/* One way of learning what is dirty, and the copy that it keeps. */
struct follower {
	struct bench *bench;
	uint64_t bitmap[PAGES / 64];
	char *copy;
	uint64_t reported;
	int error;
};

FIXTURE(complete)
{
	struct bench bench;
	struct runner runner[VCPUS];
	struct rng rng;
	struct follower ring, bitmap;
};

FIXTURE_VARIANT(complete)
{
	bool ring, bitmap;
	uint64_t manual;
};

FIXTURE_VARIANT_ADD(complete, ring)
{
	.ring = true,
};

FIXTURE_VARIANT_ADD(complete, bitmap)
{
	.bitmap = true,
};

FIXTURE_VARIANT_ADD(complete, manual_protect)
{
	.bitmap = true, .manual = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE,
};

FIXTURE_VARIANT_ADD(complete, manual_protect_initially_set)
{
	.bitmap = true,
	.manual = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET,
};

FIXTURE_VARIANT_ADD(complete, ring_and_bitmap)
{
	.ring = true, .bitmap = true,
};

FIXTURE_VARIANT_ADD(complete, ring_and_manual_protect)
{
	.ring = true, .bitmap = true, .manual = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE,
};

/* SKIP() does not work in a set-up. */
static bool possible(const FIXTURE_VARIANT(complete) *variant)
{
	return !(variant->ring && variant->bitmap && kvm_device_is_kvm());
}

FIXTURE_SETUP(complete)
{
	const struct bench_config config = {
		.vcpus = VCPUS, .data_pages = PAGES, .data_flags = KVM_MEM_LOG_DIRTY_PAGES,
		.ring_entries = variant->ring ? RING_ENTRIES : 0, .manual = variant->manual,
	};
	unsigned int i;

	self->rng.state = bench_seed();
	if (!possible(variant))
		return;
	ASSERT_EQ(0, bench_open(&self->bench, &config));
	self->ring.bench = &self->bench;
	self->ring.copy = mem_alloc(PAGES * PAGE_SIZE);
	self->bitmap.bench = &self->bench;
	self->bitmap.copy = mem_alloc(PAGES * PAGE_SIZE);
	BENCH_LOAD(&self->bench, random);
	for (i = 0; i < VCPUS; i++) {
		bench_random(&self->bench, i, rng_next(&self->rng));
		ASSERT_EQ(0, bench_start(&self->bench, i));
	}
}

FIXTURE_TEARDOWN(complete)
{
	if (possible(variant))
		bench_close(&self->bench);
}

/* In each way: first report, then protect again, and only then copy. */
static void follow_ring(struct follower *follower)
{
	struct kvm_dirty_gfn entry;
	int taken = 0, reset;
	unsigned int i;

	memset(follower->bitmap, 0, sizeof(follower->bitmap));
	for (i = 0; i < VCPUS; i++) {
		while (ring_next(&follower->bench->vcpu[i], &entry)) {
			taken++;
			if (entry.slot != follower->bench->data.id || entry.offset >= PAGES)
				follower->error = -ERANGE;
			else
				follower->bitmap[entry.offset / 64] |= 1ULL << entry.offset % 64;
		}
	}
	reset = vm_reset_rings(&follower->bench->vm);
	if (reset != taken)
		follower->error = reset < 0 ? reset : -EPROTO;
}

static void follow_bitmap(struct follower *follower, bool manual)
{
	struct kvm_clear_dirty_log clear = {
		.slot = follower->bench->data.id, .num_pages = PAGES,
		.dirty_bitmap = follower->bitmap,
	};
	int ret = vm_get_log(&follower->bench->vm, &follower->bench->data, follower->bitmap);

	if (!ret && manual)
		ret = vm_clear_log(&follower->bench->vm, &clear);
	if (ret)
		follower->error = ret;
}

static void copy_reported(struct follower *follower)
{
	uint32_t page;

	for (page = 0; page < PAGES; page++) {
		if (!bitmap_test(follower->bitmap, page))
			continue;
		page_copy(follower->copy + page * PAGE_SIZE, bench_page(follower->bench, page));
		follower->reported++;
	}
}

/* The first page that the copy has wrong, or -1. */
static int first_difference(struct follower *follower)
{
	int page;

	for (page = 0; page < PAGES; page++)
		if (!page_same(follower->copy + page * PAGE_SIZE,
			       bench_page(follower->bench, page)))
			return page;
	return -1;
}

static void harvest(FIXTURE_DATA(complete) *self, const FIXTURE_VARIANT(complete) *variant)
{
	if (variant->ring) {
		follow_ring(&self->ring);
		copy_reported(&self->ring);
	}
	if (variant->bitmap) {
		follow_bitmap(&self->bitmap, variant->manual);
		copy_reported(&self->bitmap);
	}
}

/*
 * Harvest until so many pages were reported, stop the writers, harvest what is
 * left. A write that was lost shows only if its page is not written again: so
 * this is short, and done often.
 */
static int lap(FIXTURE_DATA(complete) *self, const FIXTURE_VARIANT(complete) *variant)
{
	uint64_t until = self->ring.reported + self->bitmap.reported + REPORTS;
	bool apart = rng_below(&self->rng, 2);
	unsigned int i;
	int ret = 0;

	for (i = 0; i < VCPUS; i++) {
		/* A page that both write may hide what was lost of one of them. */
		MBOX(&self->bench, i, MASK) = apart ? PAGES / VCPUS - 1 : PAGES - 1;
		MBOX(&self->bench, i, BASE) = self->bench.data.gpa +
					      (apart ? i * PAGES / VCPUS * PAGE_SIZE : 0);
		MBOX(&self->bench, i, STOP) = 0;
		ret = ret ?: runner_start(&self->runner[i], &self->bench, i);
	}
	while (!ret && self->ring.reported + self->bitmap.reported < until) {
		harvest(self, variant);
		usleep(rng_below(&self->rng, 1000));
	}
	for (i = 0; i < VCPUS; i++)
		MBOX(&self->bench, i, STOP) = 1;
	/* A full ring must not keep a vCPU from its end. */
	while (!self->runner[0].finished || !self->runner[1].finished) {
		usleep(200);
		if (self->runner[0].full + self->runner[1].full)
			harvest(self, variant);
	}
	for (i = 0; i < VCPUS; i++)
		ret = ret ?: runner_join(&self->runner[i]);
	harvest(self, variant);
	return ret;
}

TEST_F_TIMEOUT(complete, nothing_is_lost, 120)
{
	unsigned int i;

	if (!possible(variant))
		SKIP(return, "KVM on x86 cannot have ring and bitmap together");
	for (i = 0; i < LAPS; i++) {
		ASSERT_EQ(0, lap(self, variant)) TH_LOG("lap %u", i);
		ASSERT_EQ(0, self->ring.error);
		ASSERT_EQ(0, self->bitmap.error);
		/* The follower that a variant does not have has followed nothing. */
		ASSERT_EQ(-1, variant->ring ? first_difference(&self->ring) : -1) {
			TH_LOG("lap %u, ring", i);
		}
		ASSERT_EQ(-1, variant->bitmap ? first_difference(&self->bitmap) : -1) {
			TH_LOG("lap %u, bitmap", i);
		}
	}
	for (i = 0; i < VCPUS; i++)
		EXPECT_LT(PAGES, MBOX(&self->bench, i, VALUE)) TH_LOG("vCPU %u hardly ran", i);
	TH_LOG("%u and %u writes; ring reported %llu pages, bitmap %llu",
	       MBOX(&self->bench, 0, VALUE), MBOX(&self->bench, 1, VALUE),
	       (unsigned long long)self->ring.reported,
	       (unsigned long long)self->bitmap.reported);
}

TEST_HARNESS_MAIN
