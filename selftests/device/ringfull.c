// SPDX-License-Identifier: GPL-2.0
/*
 * Invariant 7: an entry not yet harvested is never overwritten; a full ring ends
 * KVM_RUN before entry and nothing is lost; a harvest without RESET protects
 * nothing; RESET does exactly what was harvested. And what the ring's owner may
 * not do with it.
 */
#include <kselftest_harness.h>
#include <errno.h>

#include "vm.h"

#define PAGES		2048
#define RING_ENTRIES	1024
#define FEW		100

static uint32_t list[PAGES];

FIXTURE(ringfull)
{
	struct bench bench;
	struct rng rng;
};

FIXTURE_SETUP(ringfull)
{
	const struct bench_config config = {
		.vcpus = 1, .ring_entries = RING_ENTRIES, .data_pages = PAGES,
		.data_flags = KVM_MEM_LOG_DIRTY_PAGES,
	};
	uint32_t i;

	self->rng.state = bench_seed();
	ASSERT_EQ(0, bench_open(&self->bench, &config));
	BENCH_LOAD(&self->bench, writer);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	for (i = 0; i < PAGES; i++)
		list[i] = i;
	rng_shuffle(&self->rng, list, PAGES);
}

FIXTURE_TEARDOWN(ringfull)
{
	bench_close(&self->bench);
}

static int written(struct bench *bench)
{
	uint32_t page, count = 0;

	for (page = 0; page < PAGES; page++)
		count += bench_page(bench, page)[0] != 0;
	return count;
}

/* Take up to max entries, count them, and count each page that they name. */
static int take(struct bench *bench, int max, uint8_t *named)
{
	struct kvm_dirty_gfn entry;
	int n;

	for (n = 0; n < max && ring_next(&bench->vcpu[0], &entry); n++) {
		if (entry.slot != bench->data.id || entry.offset >= PAGES)
			return -1;
		if (named)
			named[entry.offset]++;
	}
	return n;
}

TEST_F(ringfull, nothing_is_lost_when_full)
{
	static uint8_t named[PAGES];
	int reason, n, total = 0, full = 0, missing = 0;
	uint32_t page;

	reason = bench_touch(&self->bench, list, PAGES, 0);
	for (;; reason = bench_run(&self->bench, 0)) {
		n = take(&self->bench, PAGES, named);
		ASSERT_LE(0, n);
		/* Room for all that the guest wrote: no more than the ring has. */
		ASSERT_GE(RING_ENTRIES, n);
		ASSERT_EQ(n, vm_reset_rings(&self->bench.vm));
		total += n;
		if (reason != KVM_EXIT_DIRTY_RING_FULL)
			break;
		full++;
	}
	ASSERT_EQ(KVM_EXIT_IO, reason);
	ASSERT_TRUE(bench_done(&self->bench, 0));
	ASSERT_EQ(PAGES, written(&self->bench));
	for (page = 0; page < PAGES; page++)
		missing += !named[page];
	EXPECT_EQ(0, missing);
	EXPECT_LE(PAGES / RING_ENTRIES, full);
	/* Where a fault logs before the write, the page of each full exit comes twice. */
	EXPECT_GE(PAGES + full, total);
}

TEST_F(ringfull, full_again_until_reset)
{
	int i, before, n;

	ASSERT_EQ(KVM_EXIT_DIRTY_RING_FULL, bench_touch(&self->bench, list, PAGES, 0));
	before = written(&self->bench);
	for (i = 0; i < 5; i++)
		ASSERT_EQ(KVM_EXIT_DIRTY_RING_FULL, bench_run(&self->bench, 0));
	/* Harvested entries are not free before RESET. */
	n = take(&self->bench, PAGES, NULL);
	ASSERT_LT(0, n);
	ASSERT_EQ(KVM_EXIT_DIRTY_RING_FULL, bench_run(&self->bench, 0));
	EXPECT_EQ(before, written(&self->bench)) TH_LOG("the guest ran although the ring was full");
	ASSERT_EQ(n, vm_reset_rings(&self->bench.vm));
	ASSERT_NE(0, bench_run(&self->bench, 0));
	EXPECT_LT(before, written(&self->bench));
}

TEST_F(ringfull, harvest_without_reset_protects_nothing)
{
	ASSERT_EQ(KVM_EXIT_IO, bench_touch(&self->bench, list, FEW, 0));
	ASSERT_EQ(FEW, take(&self->bench, PAGES, NULL));
	ASSERT_EQ(KVM_EXIT_IO, bench_touch(&self->bench, list, FEW, 0));
	EXPECT_EQ(0, take(&self->bench, PAGES, NULL));
	ASSERT_EQ(FEW, vm_reset_rings(&self->bench.vm));
	ASSERT_EQ(0, vm_reset_rings(&self->bench.vm));
	ASSERT_EQ(KVM_EXIT_IO, bench_touch(&self->bench, list, FEW, 0));
	EXPECT_EQ(FEW, take(&self->bench, PAGES, NULL));
	ASSERT_EQ(FEW, vm_reset_rings(&self->bench.vm));
}

TEST_F(ringfull, partial_harvest_resets_that_part)
{
	static uint8_t named[PAGES];
	int k, n;

	for (k = 1; k < FEW; k += 1 + rng_below(&self->rng, 20)) {
		memset(named, 0, sizeof(named));
		rng_shuffle(&self->rng, list, PAGES);
		ASSERT_EQ(KVM_EXIT_IO, bench_touch(&self->bench, list, FEW, 0));
		ASSERT_EQ(k, take(&self->bench, k, named));
		ASSERT_EQ(k, vm_reset_rings(&self->bench.vm));
		/* Only these k are protected again; the others stand in the ring still. */
		ASSERT_EQ(KVM_EXIT_IO, bench_touch(&self->bench, list, FEW, 0));
		n = take(&self->bench, PAGES, named);
		ASSERT_EQ(FEW, n);
		ASSERT_EQ(FEW, vm_reset_rings(&self->bench.vm));
	}
}

/* An entry in the middle that is marked harvested waits for those before it. */
TEST_F(ringfull, reset_stops_at_the_first_not_harvested)
{
	struct vcpu *vcpu = &self->bench.vcpu[0];

	ASSERT_EQ(KVM_EXIT_IO, bench_touch(&self->bench, list, FEW, 0));
	vcpu->ring[10].flags = KVM_DIRTY_GFN_F_RESET;
	EXPECT_EQ(0, vm_reset_rings(&self->bench.vm));
	vcpu->ring[10].flags = KVM_DIRTY_GFN_F_DIRTY;
	ASSERT_EQ(FEW, take(&self->bench, PAGES, NULL));
	EXPECT_EQ(FEW, vm_reset_rings(&self->bench.vm));
}

TEST_F(ringfull, mapping_must_be_shared_and_not_executable)
{
	const size_t bytes = RING_ENTRIES * sizeof(struct kvm_dirty_gfn);
	const off_t offset = KVM_DIRTY_LOG_PAGE_OFFSET * PAGE_SIZE;
	int fd = self->bench.vcpu[0].fd;

	EXPECT_EQ(MAP_FAILED, mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, offset));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, bytes, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, offset));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, bytes, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED,
				   fd, offset));
	EXPECT_NE(MAP_FAILED, mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset));
}

/* A new VM of this process logs as it should: the module has taken no harm. */
static void expect_usable(struct __test_metadata *_metadata)
{
	const struct bench_config config = {
		.vcpus = 1, .ring_entries = RING_ENTRIES, .data_pages = PAGES,
		.data_flags = KVM_MEM_LOG_DIRTY_PAGES,
	};
	struct bench bench;

	ASSERT_EQ(0, bench_open(&bench, &config));
	BENCH_LOAD(&bench, writer);
	ASSERT_EQ(0, bench_start(&bench, 0));
	ASSERT_EQ(KVM_EXIT_IO, bench_touch(&bench, list, FEW, 0));
	EXPECT_EQ(FEW, take(&bench, PAGES, NULL));
	EXPECT_EQ(FEW, vm_reset_rings(&bench.vm));
	bench_close(&bench);
}

/* The ring is the owner's to write: no slot or offset that he puts there is believed. */
TEST_F(ringfull, garbage_in_entries)
{
	static const uint32_t slots[] = { 0, 1, 2, 0x7fff, 0xffff, 0x10001, 0xffffffff };
	static const uint64_t offsets[] = { 0, PAGES - 1, PAGES, 1ULL << 31, 1ULL << 51,
					    1ULL << 52, UINT64_MAX - 1, UINT64_MAX };
	struct vcpu *vcpu = &self->bench.vcpu[0];
	int round, i, n;

	for (round = 0; round < 10; round++) {
		ASSERT_EQ(KVM_EXIT_IO, bench_touch(&self->bench, list, FEW, 0));
		for (i = 0; i < FEW; i++) {
			struct kvm_dirty_gfn *gfn =
				&vcpu->ring[(vcpu->ring_next + i) % RING_ENTRIES];

			gfn->slot = slots[rng_below(&self->rng, 7)];
			gfn->offset = offsets[rng_below(&self->rng, 8)];
		}
		for (n = 0; n < FEW; n++) {
			struct kvm_dirty_gfn entry;

			if (!ring_next(vcpu, &entry))
				break;
		}
		EXPECT_EQ(n, vm_reset_rings(&self->bench.vm));
		/* What was not reset stays unprotected, which is the owner's own loss. */
		ASSERT_EQ(0, bench_set_flags(&self->bench, 0));
		ASSERT_EQ(0, bench_set_flags(&self->bench, KVM_MEM_LOG_DIRTY_PAGES));
	}
	expect_usable(_metadata);
}

/* All entries said to be harvested, with every flag there is: RESET ends. */
TEST_F(ringfull, garbage_in_flags)
{
	struct vcpu *vcpu = &self->bench.vcpu[0];
	uint32_t i;
	int ret;

	ASSERT_EQ(KVM_EXIT_IO, bench_touch(&self->bench, list, FEW, 0));
	for (i = 0; i < RING_ENTRIES; i++) {
		vcpu->ring[i].flags = i & 1 ? KVM_DIRTY_GFN_F_RESET : 0xffffffff;
		vcpu->ring[i].slot = rng_next(&self->rng);
		vcpu->ring[i].offset = rng_next(&self->rng);
	}
	ret = vm_reset_rings(&self->bench.vm);
	EXPECT_LE(0, ret);
	EXPECT_GE(RING_ENTRIES, ret);
	for (i = 0; i < RING_ENTRIES; i++)
		vcpu->ring[i].flags = KVM_DIRTY_GFN_F_RESET;
	ret = vm_reset_rings(&self->bench.vm);
	EXPECT_LE(0, ret);
	EXPECT_GE(RING_ENTRIES, ret);
	expect_usable(_metadata);
}

TEST(ring_sizes)
{
	const uint64_t entry = sizeof(struct kvm_dirty_gfn);
	struct vm vm;
	int max;

	ASSERT_EQ(0, vm_open(&vm));
	max = kvm_cap(vm.fd, KVM_CAP_DIRTY_LOG_RING);
	ASSERT_LT(0, max);
	EXPECT_EQ(max, kvm_cap(vm.fd, KVM_CAP_DIRTY_LOG_RING_ACQ_REL));
	EXPECT_EQ(-EINVAL, vm_reset_rings(&vm)) TH_LOG("there is no ring yet");
	EXPECT_EQ(-EINVAL, vm_enable_cap(&vm, KVM_CAP_DIRTY_LOG_RING, 0));
	EXPECT_EQ(-EINVAL, vm_enable_cap(&vm, KVM_CAP_DIRTY_LOG_RING, entry));
	EXPECT_EQ(-EINVAL, vm_enable_cap(&vm, KVM_CAP_DIRTY_LOG_RING, PAGE_SIZE / 2));
	EXPECT_EQ(-EINVAL, vm_enable_cap(&vm, KVM_CAP_DIRTY_LOG_RING, 1024 * entry - 1));
	EXPECT_EQ(-EINVAL, vm_enable_cap(&vm, KVM_CAP_DIRTY_LOG_RING, 3 * 1024 * entry));
	EXPECT_EQ(-E2BIG, vm_enable_cap(&vm, KVM_CAP_DIRTY_LOG_RING, 2 * (uint64_t)max));
	EXPECT_EQ(-EINVAL, vm_enable_cap(&vm, KVM_CAP_DIRTY_LOG_RING, 1ULL << 63 | 1));
	EXPECT_GT(0, vm_enable_cap(&vm, KVM_CAP_DIRTY_LOG_RING, 1ULL << 63));
	EXPECT_GT(0, vm_enable_cap(&vm, KVM_CAP_DIRTY_LOG_RING, 1ULL << 32));
	ASSERT_EQ(0, vm_enable_ring(&vm, RING_ENTRIES));
	EXPECT_EQ(-EINVAL, vm_enable_ring(&vm, RING_ENTRIES)) TH_LOG("a second time");
	EXPECT_EQ(0, vm_reset_rings(&vm)) TH_LOG("no vCPU yet");
	vm_close(&vm);
}

TEST(ring_after_a_vcpu_is_refused)
{
	struct vcpu vcpu;
	struct vm vm;

	ASSERT_EQ(0, vm_open(&vm));
	ASSERT_EQ(0, vcpu_open(&vm, &vcpu, 0));
	EXPECT_EQ(-EINVAL, vm_enable_ring(&vm, RING_ENTRIES));
	vcpu_close(&vcpu);
	vm_close(&vm);
}

TEST_HARNESS_MAIN
