// SPDX-License-Identifier: GPL-2.0
/*
 * Two slots over one range of host memory. Each slot's log is exact for what is
 * written through it, and says nothing of what is written through the other; when
 * the host takes the memory away it goes from both. A slot for reading only over
 * memory that another writes sees each write, and has no log.
 */
#include <kselftest_harness.h>
#include <sys/mman.h>

#include "../../tools/lib/page.h"
#include "life.h"

#define PAGES		128
#define OTHER_GPA	(DATA_GPA + 4 * PAGES * PAGE_SIZE)
#define SOME		40

FIXTURE(overlap)
{
	struct bench bench;
	struct mem other;
	struct rng rng;
	uint64_t log[2][PAGES / 64];	/* what each slot said, all in all */
};

FIXTURE_SETUP(overlap)
{
	const struct bench_config config = {
		.vcpus = kvm_device_is_kvm() ? 1 : 2, .data_pages = PAGES,
		.data_flags = KVM_MEM_LOG_DIRTY_PAGES,
	};

	self->rng.state = bench_seed();
	ASSERT_EQ(0, bench_open(&self->bench, &config));
	self->other = self->bench.data;
	self->other.id = 7;
	self->other.gpa = OTHER_GPA;
	ASSERT_EQ(0, vm_set_mem(&self->bench.vm, &self->other));
}

FIXTURE_TEARDOWN(overlap)
{
	bench_close(&self->bench);
}

/* Harvests both; false: an error. */
static bool harvest(FIXTURE_DATA(overlap) *self, uint64_t found[2][PAGES / 64])
{
	return !vm_get_log(&self->bench.vm, &self->bench.data, found[0]) &&
	       !vm_get_log(&self->bench.vm, &self->other, found[1]);
}

/* The guest goes through some pages by one of the slots; which, as a bitmap. */
static bool touch(FIXTURE_DATA(overlap) *self, const struct mem *by, uint32_t how, uint64_t *which)
{
	uint32_t *list = bench_script_list(&self->bench), i, page;

	memset(which, 0, PAGES / 8);
	for (i = 0; i < SOME; i++) {
		page = rng_below(&self->rng, PAGES);
		list[i] = (by->gpa + page * PAGE_SIZE) | how;
		which[page / 64] |= 1ULL << page % 64;
	}
	return bench_script(&self->bench, SOME) == KVM_EXIT_IO;
}

TEST_F(overlap, each_log_is_exact)
{
	uint64_t written[2][PAGES / 64], read[PAGES / 64], found[2][PAGES / 64];
	int lap;

	BENCH_LOAD(&self->bench, writer);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	for (lap = 0; lap < 6; lap++) {
		ASSERT_TRUE(touch(self, &self->bench.data, 0, written[0]));
		ASSERT_TRUE(touch(self, &self->other, SCRIPT_READ, read));
		ASSERT_TRUE(touch(self, &self->other, 0, written[1]));
		ASSERT_TRUE(touch(self, &self->bench.data, SCRIPT_READ, read));
		/* Not yet harvested, and gone from both. */
		if (lap & 1)
			ASSERT_EQ(0, madvise(self->other.host, PAGES * PAGE_SIZE, MADV_PAGEOUT));
		ASSERT_TRUE(harvest(self, found));
		ASSERT_EQ(0, memcmp(written, found, sizeof(found))) TH_LOG("lap %d", lap);
	}
}

/* What the guest reads in one page at this address; 0: it could not. */
static uint32_t guest_word(struct bench *bench, uint64_t gpa)
{
	const struct mem data = bench->data;
	uint32_t word = 0;

	bench->data.gpa = gpa;
	bench->data.size = PAGE_SIZE;
	if (!bench_guest_sum(bench, 0, 0x800, &word))
		word = 0;
	bench->data = data;
	return word;
}

/* Both views are of the pages that the host has now, each in its place. */
static bool same_view(FIXTURE_DATA(overlap) *self)
{
	struct bench *bench = &self->bench;
	uint32_t page, i;

	for (page = 0; page < PAGES; page++)
		bench_page(bench, page)[0x200] = rng_next(&self->rng) | 1;
	for (i = 0; i < 12; i++) {
		page = rng_below(&self->rng, PAGES);
		if (guest_word(bench, bench->data.gpa + page * PAGE_SIZE) !=
		    bench_page(bench, page)[0x200] ||
		    guest_word(bench, OTHER_GPA + page * PAGE_SIZE) !=
		    bench_page(bench, page)[0x200])
			return false;
	}
	return true;
}

static void take(FIXTURE_DATA(overlap) *self, uint8_t *copy)
{
	uint64_t found[2][PAGES / 64] = {};
	uint32_t page;

	harvest(self, found);
	for (page = 0; page < PAGES; page++) {
		if (!bitmap_test(found[0], page) && !bitmap_test(found[1], page))
			continue;
		self->log[0][page / 64] |= found[0][page / 64];
		self->log[1][page / 64] |= found[1][page / 64];
		page_copy(copy + page * PAGE_SIZE, (char *)self->other.host + page * PAGE_SIZE);
	}
}

static uint32_t unlike(FIXTURE_DATA(overlap) *self, const uint8_t *copy)
{
	uint32_t page, n = 0;

	for (page = 0; page < PAGES; page++)
		n += !page_same(copy + page * PAGE_SIZE,
				(char *)self->other.host + page * PAGE_SIZE);
	return n;
}

/* A vCPU writes through each; the pages go to swap space, and what was written is told. */
TEST_F(overlap, complete_under_two_writers)
{
	struct bench *bench = &self->bench;
	struct runner runner[2];
	uint8_t *copy = mem_alloc(PAGES * PAGE_SIZE);
	unsigned int i, lap;

	if (bench->vcpus < 2)
		SKIP(return, "this needs two writers, and there is one on kvm_intel");
	BENCH_LOAD(bench, random);
	for (i = 0; i < 2; i++) {
		bench_random(bench, i, rng_next(&self->rng));
		MBOX(bench, i, BASE) = i ? self->other.gpa : bench->data.gpa;
		ASSERT_EQ(0, bench_start(bench, i));
		ASSERT_EQ(0, runner_start(&runner[i], bench, i));
	}
	for (lap = 0; lap < 10; lap++) {
		usleep(rng_below(&self->rng, 500));
		if (lap & 1)
			ASSERT_EQ(0, madvise(bench->data.host, PAGES * PAGE_SIZE, MADV_PAGEOUT));
		take(self, copy);
	}
	for (i = 0; i < 2; i++) {
		MBOX(bench, i, STOP) = 1;
		ASSERT_EQ(0, runner_join(&runner[i]));
	}
	take(self, copy);
	EXPECT_EQ(0, unlike(self, copy));
	/* The first vCPU's writes are no news of the second slot, nor the other way round. */
	EXPECT_NE(0, self->log[0][0]);
	EXPECT_NE(0, self->log[1][0]);
	ASSERT_TRUE(same_view(self));
	ASSERT_EQ(0, madvise(bench->data.host, PAGES * PAGE_SIZE, MADV_DONTNEED));
	ASSERT_TRUE(same_view(self));
	mem_free(copy, PAGES * PAGE_SIZE);
}

/* Read through a slot for that, written through the other one, and taken away meanwhile. */
TEST_F(overlap, one_for_reading_only)
{
	uint64_t written[PAGES / 64], read[PAGES / 64], found[PAGES / 64];
	struct bench *bench = &self->bench;
	uint32_t *list = bench_script_list(bench);
	int lap;

	self->other.size = 0;
	ASSERT_EQ(0, vm_set_mem(&bench->vm, &self->other));
	self->other.size = PAGES * PAGE_SIZE;
	self->other.flags = KVM_MEM_READONLY | KVM_MEM_LOG_DIRTY_PAGES;
	ASSERT_EQ(0, vm_set_mem(&bench->vm, &self->other));
	for (lap = 0; lap < 6; lap++) {
		BENCH_LOAD(bench, writer);
		ASSERT_EQ(0, bench_start(bench, 0));
		ASSERT_TRUE(touch(self, &self->other, SCRIPT_READ, read));
		ASSERT_TRUE(touch(self, &bench->data, 0, written));
		if (lap & 1)
			ASSERT_EQ(0, madvise(self->other.host, PAGES * PAGE_SIZE,
					     lap & 2 ? MADV_DONTNEED : MADV_PAGEOUT));
		ASSERT_EQ(0, vm_get_log(&bench->vm, &bench->data, found));
		ASSERT_EQ(0, memcmp(written, found, sizeof(found))) TH_LOG("lap %d", lap);
		/* A write is for the VM's owner to hear of, and nobody's record. */
		list[0] = self->other.gpa + lap * PAGE_SIZE;
		ASSERT_EQ(KVM_EXIT_MMIO, bench_script(bench, 1));
		ASSERT_EQ(self->other.gpa + lap * PAGE_SIZE, bench->vcpu[0].run->mmio.phys_addr);
		ASSERT_EQ(0, vm_get_log(&bench->vm, &self->other, found));
		EXPECT_EQ(0, found[0] | found[1]);
		ASSERT_TRUE(same_view(self)) TH_LOG("lap %d", lap);
	}
}

TEST_HARNESS_MAIN
