// SPDX-License-Identifier: GPL-2.0
/*
 * VELLUM_CLEAR and VELLUM_RESET_RINGS. Invariants 7 and 8 for those that do a part
 * and say which: no call does more than it was allowed, what it went through is
 * cleared and armed, the rest is untouched, and going on from there ends with what
 * one unbounded call does. And what is refused.
 */
#include <kselftest_harness.h>
#include <errno.h>

#include "../../tools/lib/tracker.h"
#include "vm.h"

#define PAGES		1000
#define WORDS		16
#define RING_ENTRIES	1024
#define FEW		100

FIXTURE(bounded)
{
	struct bench bench;
	struct rng rng;
	uint64_t model[WORDS];
	uint64_t real[WORDS];
};

FIXTURE_SETUP(bounded)
{
	const struct bench_config config = {
		.vcpus = 2, .ring_entries = RING_ENTRIES, .data_pages = PAGES,
		.data_flags = KVM_MEM_LOG_DIRTY_PAGES,
		.manual = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE,
	};
	int i;

	if (kvm_device_is_kvm())
		SKIP_IN_SETUP("KVM has no such calls");
	self->rng.state = bench_seed();
	ASSERT_EQ(0, bench_open(&self->bench, &config));
	BENCH_LOAD(&self->bench, writer);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, bench_start(&self->bench, i));
}

FIXTURE_TEARDOWN(bounded)
{
	bench_close(&self->bench);
}

static bool write_some(FIXTURE_DATA(bounded) *self, uint32_t num)
{
	uint32_t pages[FEW * 4], i;

	for (i = 0; i < num; i++) {
		pages[i] = rng_below(&self->rng, PAGES);
		self->model[pages[i] / 64] |= 1ULL << pages[i] % 64;
	}
	return bench_touch(&self->bench, pages, num, 0) == KVM_EXIT_IO;
}

/* Takes what stands in vCPU i's ring, and gives nothing back. */
static int harvest(FIXTURE_DATA(bounded) *self, unsigned int i)
{
	struct kvm_dirty_gfn entry;
	int n;

	for (n = 0; ring_next(&self->bench.vcpu[i], &entry); n++)
		;
	return n;
}

static bool same(FIXTURE_DATA(bounded) *self)
{
	return !vm_get_log(&self->bench.vm, &self->bench.data, self->real) &&
	       !memcmp(self->real, self->model, sizeof(self->real));
}

static int reset(struct bench *bench, uint32_t max, uint32_t *count)
{
	struct vellum_reset asked = { .max = max };
	int ret = kvm_ioctl(bench->vm.fd, VELLUM_RESET_RINGS, &asked);

	*count = asked.count;
	return ret;
}

TEST_F(bounded, clear_goes_on)
{
	struct vellum_clear clear = { .slot = 1, .max = 64, .bitmap = (uintptr_t)self->real };
	uint64_t done, i, cleared;
	int calls;

	for (clear.max = 64; clear.max < 200; clear.max += 45) {
		ASSERT_TRUE(write_some(self, 4 * FEW));
		/* Nobody reads the ring here. */
		ASSERT_LE(0, harvest(self, 0));
		ASSERT_LE(0, vm_reset_rings(&self->bench.vm));
		ASSERT_TRUE(same(self));
		for (done = 0, calls = 0; done < PAGES; done += clear.count, calls++) {
			clear.first_page = done;
			clear.num_pages = PAGES - done;
			clear.bitmap = (uintptr_t)&self->real[done / 64];
			ASSERT_EQ(0, kvm_ioctl(self->bench.vm.fd, VELLUM_CLEAR, &clear));
			ASSERT_LT(0, clear.count);
			ASSERT_TRUE(done + clear.count == PAGES || clear.count % 64 == 0);
			for (cleared = 0, i = done / 64; i < (done + clear.count + 63) / 64; i++) {
				cleared += __builtin_popcountll(self->model[i]);
				self->model[i] = 0;
			}
			EXPECT_GE(clear.max, cleared);
			ASSERT_TRUE(same(self)) TH_LOG("after %lu pages", done);
		}
		EXPECT_LT(1, calls);
	}
}

TEST_F(bounded, reset_goes_on)
{
	struct bench *b = &self->bench;
	int given_back = 0, all;
	uint32_t count;

	ASSERT_TRUE(write_some(self, 2 * FEW));
	all = harvest(self, 0);
	ASSERT_LT(FEW, all);
	do {
		ASSERT_EQ(0, reset(b, 30, &count));
		given_back += count;
		EXPECT_TRUE(count == 30 || given_back == all);
	} while (count == 30);
	EXPECT_EQ(all, given_back);
	EXPECT_EQ(0, vm_reset_rings(&b->vm));
	/* All of them are armed: each comes again. */
	ASSERT_TRUE(write_some(self, FEW));
	EXPECT_LT(0, harvest(self, 0));
	ASSERT_EQ(0, reset(b, RING_ENTRIES, &count));
	EXPECT_LT(0, count);
}

/* A vCPU whose ring never gets empty does not keep the others' full. */
TEST_F(bounded, every_ring_has_its_turn)
{
	struct bench *b = &self->bench;
	uint32_t count;
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(FEW, mark_pages(b->vcpu[i].fd, &b->data, 0, FEW, NULL));
		ASSERT_EQ(FEW, harvest(self, i));
	}
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, reset(b, 1, &count));
		EXPECT_EQ(1, count);
	}
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, b->vcpu[i].ring[1].flags) TH_LOG("vCPU %d", i);
		EXPECT_EQ(KVM_DIRTY_GFN_F_RESET, b->vcpu[i].ring[2].flags);
	}
	EXPECT_EQ(2 * FEW - 4, vm_reset_rings(&b->vm));
}

TEST_F(bounded, refused)
{
	const uint64_t bitmap = (uintptr_t)self->real;
	struct bench *b = &self->bench;
	const struct {
		struct vellum_clear clear;
		int error;
	} bad[] = {
		{ { 1, 0, 0, PAGES, bitmap, 63, 0, { 0 } }, -EINVAL },
		{ { 1, 1, 0, PAGES, bitmap, 64, 0, { 0 } }, -EINVAL },
		{ { 1, 0, 1, 64, bitmap, 64, 0, { 0 } }, -EINVAL },
		{ { 1, 0, 0, PAGES - 1, bitmap, 64, 0, { 0 } }, -EINVAL },
		{ { 1, 0, 0, 1ULL << 32, bitmap, 64, 0, { 0 } }, -EINVAL },
		{ { 1, 0, 0, PAGES, 8, 64, 0, { 0 } }, -EFAULT },
		{ { 5, 0, 0, PAGES, bitmap, 64, 0, { 0 } }, -ENOENT },
		{ { .slot = 1, .num_pages = PAGES, .bitmap = bitmap, .max = 64,
		    .reserved = { 0, 1 } }, -EINVAL },
	};
	struct vellum_reset asked = { .max = 1, .flags = 1 };
	struct vellum_clear clear;
	uint32_t count;
	unsigned int i;

	EXPECT_EQ(1, vellum_extension(b->vm.fd, VELLUM_EXT_BOUNDED));
	ASSERT_TRUE(write_some(self, FEW));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		clear = bad[i].clear;
		EXPECT_EQ(bad[i].error, kvm_ioctl(b->vm.fd, VELLUM_CLEAR, &clear))
			TH_LOG("case %u", i);
	}
	EXPECT_EQ(-EFAULT, kvm_ioctl(b->vm.fd, VELLUM_CLEAR, (void *)8));
	EXPECT_TRUE(same(self));
	EXPECT_EQ(-EINVAL, kvm_ioctl(b->vm.fd, VELLUM_RESET_RINGS, &asked));
	asked.flags = 0;
	asked.reserved[0] = 1;
	EXPECT_EQ(-EINVAL, kvm_ioctl(b->vm.fd, VELLUM_RESET_RINGS, &asked));
	EXPECT_EQ(-EINVAL, reset(b, 0, &count));
	EXPECT_EQ(-EINVAL, reset(b, ~0u, &count));
	EXPECT_EQ(-EFAULT, kvm_ioctl(b->vm.fd, VELLUM_RESET_RINGS, (void *)8));
}

TEST_HARNESS_MAIN
