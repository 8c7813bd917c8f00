// SPDX-License-Identifier: GPL-2.0
/*
 * VELLUM_MARK. Invariant 12 for what userspace writes itself: what it says it wrote
 * is recorded, nothing else is, and on a vCPU it stands in the ring, of which the
 * reserve stays free. And what the call refuses.
 */
#include <kselftest_harness.h>
#include <errno.h>

#include "../../tools/lib/tracker.h"
#include "vm.h"

#define PAGES		1000
#define WORDS		16
#define RING_ENTRIES	1024

FIXTURE(mark)
{
	struct bench bench;
	uint64_t log[WORDS];
};

FIXTURE_SETUP(mark)
{
	const struct bench_config config = {
		.vcpus = 1, .ring_entries = RING_ENTRIES, .data_pages = PAGES,
		.data_flags = KVM_MEM_LOG_DIRTY_PAGES,
	};

	if (kvm_device_is_kvm())
		SKIP_IN_SETUP("KVM has no such call");
	ASSERT_EQ(0, bench_open(&self->bench, &config));
	BENCH_LOAD(&self->bench, writer);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
}

FIXTURE_TEARDOWN(mark)
{
	bench_close(&self->bench);
}

/* The log is taken: is it pages [first, end) and no other? */
static bool is_range(FIXTURE_DATA(mark) *self, uint32_t first, uint32_t end)
{
	uint32_t page;

	if (vm_get_log(&self->bench.vm, &self->bench.data, self->log))
		return false;
	for (page = 0; page < PAGES; page++)
		if (bitmap_test(self->log, page) != (page >= first && page < end))
			return false;
	return true;
}

TEST_F(mark, any_range)
{
	static const uint32_t ranges[][2] = {
		{ 0, 1 }, { 0, PAGES }, { 63, 65 }, { 64, 128 }, { 1, 64 }, { PAGES - 1, PAGES },
		{ 960, PAGES }, { 5, 5 }, { PAGES, PAGES }, { 100, 900 },
	};
	struct bench *b = &self->bench;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		uint32_t first = ranges[i][0], num = ranges[i][1] - first;

		EXPECT_EQ(num, mark_pages(b->vm.fd, &b->data, first, num, NULL));
		EXPECT_TRUE(is_range(self, first, ranges[i][1])) TH_LOG("range %u", i);
		EXPECT_TRUE(is_range(self, 0, 0)) TH_LOG("told twice");
	}
	/* By the VM it is nobody's ring. */
	EXPECT_FALSE(ring_next(&b->vcpu[0], &(struct kvm_dirty_gfn){}));
}

TEST_F(mark, bits_begin_with_the_range)
{
	const uint64_t bits[] = { 0x7, 1 };
	struct bench *b = &self->bench;

	EXPECT_EQ(65, mark_pages(b->vm.fd, &b->data, 70, 65, bits));
	ASSERT_EQ(0, vm_get_log(&b->vm, &b->data, self->log));
	EXPECT_EQ(0, self->log[0]);
	EXPECT_EQ(0x7ULL << 6, self->log[1]);
	EXPECT_EQ(1ULL << 6, self->log[2]);
	EXPECT_EQ(0, self->log[3]);
}

/* In the place of a vCPU: its ring has the pages, in order, behind what the guest wrote. */
TEST_F(mark, by_a_vcpu)
{
	struct bench *b = &self->bench;
	struct kvm_dirty_gfn entry;
	uint32_t page = 700, i;

	ASSERT_EQ(KVM_EXIT_IO, bench_touch(b, &page, 1, 0));
	EXPECT_EQ(10, mark_pages(b->vcpu[0].fd, &b->data, 60, 10, NULL));
	ASSERT_TRUE(ring_next(&b->vcpu[0], &entry));
	EXPECT_EQ(700, entry.offset);
	for (i = 60; i < 70; i++) {
		ASSERT_TRUE(ring_next(&b->vcpu[0], &entry));
		EXPECT_EQ(b->data.id, entry.slot);
		EXPECT_EQ(i, entry.offset);
	}
	EXPECT_FALSE(ring_next(&b->vcpu[0], &entry));
	EXPECT_EQ(11, vm_reset_rings(&b->vm));
	ASSERT_EQ(0, vm_get_log(&b->vm, &b->data, self->log));
	EXPECT_EQ(0xfULL << 60, self->log[0]);
	EXPECT_EQ(0x3f, self->log[1]);
	EXPECT_EQ(1ULL << 700 % 64, self->log[700 / 64]);
}

/* A ring takes what it has room for, and the rest when it has been given back. */
TEST_F(mark, goes_on_where_the_ring_was_full)
{
	struct bench *b = &self->bench;
	struct kvm_dirty_gfn entry;
	int64_t done = 0, n;
	int rounds = 0, taken;

	for (; done < PAGES; done += n, rounds++) {
		n = mark_pages(b->vcpu[0].fd, &b->data, done, PAGES - done, NULL);
		ASSERT_LT(0, n);
		if (done + n < PAGES) {
			EXPECT_EQ(0, mark_pages(b->vcpu[0].fd, &b->data, 0, 1, NULL));
			EXPECT_EQ(KVM_EXIT_DIRTY_RING_FULL, bench_run(b, 0));
		}
		for (taken = 0; ring_next(&b->vcpu[0], &entry); taken++)
			EXPECT_EQ(done + taken, entry.offset);
		EXPECT_EQ(n, taken);
		ASSERT_EQ(taken, vm_reset_rings(&b->vm));
	}
	EXPECT_LT(1, rounds);
	EXPECT_TRUE(is_range(self, 0, PAGES));
}

TEST_F(mark, refused)
{
	struct bench *b = &self->bench;
	const int fds[] = { b->vm.fd, b->vcpu[0].fd };
	const struct {
		struct vellum_pages pages;
		int error;
	} bad[] = {
		{ { .slot = 100, .num_pages = 1 }, -ENOENT },
		{ { .slot = 0, .num_pages = 1 }, -ENOENT },	/* not logged */
		{ { .slot = ~0u, .num_pages = 1 }, -EINVAL },
		{ { .slot = 1, .num_pages = PAGES + 1 }, -EINVAL },
		{ { .slot = 1, .num_pages = 1, .first_page = PAGES }, -EINVAL },
		{ { .slot = 1, .num_pages = ~0ULL, .first_page = 2 }, -EINVAL },
		{ { .slot = 1, .num_pages = 2, .first_page = ~0ULL }, -EINVAL },
		{ { .slot = 1, .num_pages = 1, .flags = 1 }, -EINVAL },
		{ { .slot = 1, .num_pages = 1, .reserved = { 1 } }, -EINVAL },
		{ { .slot = 1, .num_pages = 1, .bitmap = 8 }, -EFAULT },
	};
	struct vellum_pages pages;
	unsigned int i, k;

	ASSERT_EQ(1, b->data.id);
	EXPECT_EQ(1, vellum_extension(b->vm.fd, VELLUM_EXT_MARK));
	for (i = 0; i < 2; i++) {
		for (k = 0; k < ARRAY_SIZE(bad); k++) {
			pages = bad[k].pages;
			EXPECT_EQ(bad[k].error, kvm_ioctl(fds[i], VELLUM_MARK, &pages))
				TH_LOG("case %u", k);
		}
		EXPECT_EQ(-EFAULT, kvm_ioctl(fds[i], VELLUM_MARK, (void *)8));
	}
	EXPECT_TRUE(is_range(self, 0, 0));
}

TEST_HARNESS_MAIN
