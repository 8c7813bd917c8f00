// SPDX-License-Identifier: GPL-2.0
/*
 * Invariant 8: CLEAR touches only bits that were asked for and set, also in slots
 * whose size is no multiple of 64 pages and whose base is not 2 MiB aligned. A
 * model bitmap goes beside the real one through random writes and clears.
 */
#include <kselftest_harness.h>
#include <errno.h>

#include "vm.h"

#define PAGES		1000		/* 15 words of 64, and 40 */
#define WORDS		16
#define ODD_GPA		(DATA_GPA + 3 * PAGE_SIZE)

FIXTURE(clear)
{
	struct bench bench;
	struct rng rng;
	uint64_t model[WORDS];
	uint64_t real[WORDS];
};

FIXTURE_VARIANT(clear)
{
	uint64_t manual;
};

FIXTURE_VARIANT_ADD(clear, manual_protect)
{
	.manual = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE,
};

FIXTURE_VARIANT_ADD(clear, initially_set)
{
	.manual = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET,
};

FIXTURE_SETUP(clear)
{
	const struct bench_config config = {
		.vcpus = 1, .data_pages = PAGES, .data_gpa = ODD_GPA,
		.data_flags = KVM_MEM_LOG_DIRTY_PAGES, .manual = variant->manual,
	};

	self->rng.state = bench_seed();
	ASSERT_EQ(0, bench_open(&self->bench, &config));
	BENCH_LOAD(&self->bench, writer);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	if (variant->manual & KVM_DIRTY_LOG_INITIALLY_SET) {
		memset(self->model, 0xff, sizeof(self->model));
		self->model[WORDS - 1] = (1ULL << PAGES % 64) - 1;
	}
}

FIXTURE_TEARDOWN(clear)
{
	bench_close(&self->bench);
}

static int clear(struct bench *bench, uint64_t first, uint32_t count, void *bitmap)
{
	struct kvm_clear_dirty_log range = {
		.slot = bench->data.id, .first_page = first, .num_pages = count,
		.dirty_bitmap = bitmap,
	};

	return vm_clear_log(&bench->vm, &range);
}

static bool write_some(FIXTURE_DATA(clear) *self)
{
	uint32_t pages[200], count = rng_below(&self->rng, 200), i;

	for (i = 0; i < count; i++) {
		/* The ends of slot and words more often than others. */
		pages[i] = rng_below(&self->rng, 4) ? rng_below(&self->rng, PAGES) :
						      PAGES - 1 - rng_below(&self->rng, 3);
		self->model[pages[i] / 64] |= 1ULL << pages[i] % 64;
	}
	return bench_touch(&self->bench, pages, count, 0) == KVM_EXIT_IO;
}

/* A random range that is allowed, and random bits in it, set in the log or not. */
static int clear_some(FIXTURE_DATA(clear) *self)
{
	uint32_t word = rng_below(&self->rng, WORDS);
	uint32_t words = 1 + rng_below(&self->rng, WORDS - word);
	uint32_t count = words * 64, i;
	uint64_t bits[WORDS];

	if (word * 64 + count > PAGES)
		count = PAGES - word * 64;
	for (i = 0; i < words; i++) {
		bits[i] = rng_next(&self->rng) & rng_next(&self->rng);
		if (!rng_below(&self->rng, 4))
			bits[i] = ~0ULL;
		self->model[word + i] &= ~bits[i];
	}
	return clear(&self->bench, word * 64, count, bits);
}

static bool same(FIXTURE_DATA(clear) *self)
{
	memset(self->real, 0xaa, sizeof(self->real));
	return !vm_get_log(&self->bench.vm, &self->bench.data, self->real) &&
	       !memcmp(self->real, self->model, sizeof(self->real));
}

TEST_F(clear, follows_the_model)
{
	int round;

	ASSERT_TRUE(same(self)) TH_LOG("the first GET");
	for (round = 0; round < 150; round++) {
		ASSERT_TRUE(rng_below(&self->rng, 2) ? write_some(self) : !clear_some(self));
		ASSERT_TRUE(same(self)) TH_LOG("round %d", round);
		/* GET clears nothing here. */
		if (!rng_below(&self->rng, 4))
			ASSERT_TRUE(same(self)) TH_LOG("round %d, second GET", round);
	}
}

TEST_F(clear, ranges)
{
	struct bench *b = &self->bench;
	uint64_t bits[WORDS] = { 0 };

	/* Odd numbers of pages only up to the end of the slot. */
	EXPECT_EQ(0, clear(b, 0, PAGES, bits));
	EXPECT_EQ(0, clear(b, 960, PAGES - 960, bits));
	EXPECT_EQ(0, clear(b, 64, 64, bits));
	EXPECT_EQ(-EINVAL, clear(b, 1, 64, bits));
	EXPECT_EQ(-EINVAL, clear(b, 63, 1, bits));
	EXPECT_EQ(-EINVAL, clear(b, 0, 63, bits));
	EXPECT_EQ(-EINVAL, clear(b, 0, PAGES - 1, bits));
	EXPECT_EQ(-EINVAL, clear(b, 0, PAGES + 1, bits));
	EXPECT_EQ(-EINVAL, clear(b, 0, 1024, bits));
	EXPECT_EQ(-EINVAL, clear(b, 960, 64, bits));
	EXPECT_EQ(-EINVAL, clear(b, 1024, 64, bits));
	EXPECT_EQ(-EINVAL, clear(b, 64, UINT32_MAX & ~63U, bits));
	EXPECT_EQ(-EINVAL, clear(b, UINT64_MAX & ~63ULL, 64, bits));
	EXPECT_EQ(-EINVAL, clear(b, 1ULL << 63, 64, bits));
	EXPECT_EQ(-EFAULT, clear(b, 0, PAGES, (void *)8));
}

TEST_F(clear, slots)
{
	struct kvm_clear_dirty_log range = { .num_pages = 64, .dirty_bitmap = self->real };

	range.slot = self->bench.low.id;
	EXPECT_EQ(-ENOENT, vm_clear_log(&self->bench.vm, &range)) TH_LOG("not logged");
	range.slot = 77;
	EXPECT_EQ(-ENOENT, vm_clear_log(&self->bench.vm, &range)) TH_LOG("no such slot");
	range.slot = 0xffff;
	EXPECT_EQ(-EINVAL, vm_clear_log(&self->bench.vm, &range)) TH_LOG("no such slot number");
	range.slot = self->bench.data.id | 5 << 16;
	EXPECT_EQ(-EINVAL, vm_clear_log(&self->bench.vm, &range)) TH_LOG("no such address space");
}

TEST(capability)
{
	const uint64_t enable = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;
	const uint64_t initially_set = KVM_DIRTY_LOG_INITIALLY_SET;
	struct vm vm;

	ASSERT_EQ(0, vm_open(&vm));
	EXPECT_EQ(enable | initially_set, kvm_cap(vm.fd, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2));
	EXPECT_EQ(-EINVAL, vm_enable_cap(&vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, initially_set));
	EXPECT_EQ(-EINVAL, vm_enable_cap(&vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 1 << 2));
	EXPECT_EQ(-EINVAL, vm_enable_cap(&vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 1ULL << 63));
	EXPECT_EQ(0, vm_enable_cap(&vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, enable));
	EXPECT_EQ(0, vm_enable_cap(&vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 0));
	vm_close(&vm);
}

TEST_HARNESS_MAIN
