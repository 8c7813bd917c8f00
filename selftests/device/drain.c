// SPDX-License-Identifier: GPL-2.0
/*
 * VELLUM_DRAIN. Invariant 1 for who reads a ring, which is no call: when the drain
 * returned, every write that was seen before it stands in the ring, although the
 * vCPU was never told to come out of KVM_RUN. And what the call refuses.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <sched.h>

#include "../../tools/lib/stats.h"
#include "../../uapi/vellum.h"
#include "vm.h"

#define PAGES		2048		/* all of them fit into the ring */
#define RING_ENTRIES	4096
#define ROUNDS		20

FIXTURE(drain)
{
	struct bench bench;
	pthread_t thread;
	volatile int returned;		/* times that KVM_RUN came back */
	uint32_t before[PAGES];		/* what stood in each page after the last reset */
	bool seen[PAGES];		/* written since, as the host's eyes see it */
	bool named[PAGES];
};

static void *run_once(void *arg)
{
	FIXTURE_DATA(drain) *self = arg;

	bench_run(&self->bench, 0);
	self->returned = 1;
	return NULL;
}

FIXTURE_SETUP(drain)
{
	const struct bench_config config = {
		.vcpus = 1, .ring_entries = RING_ENTRIES, .data_pages = PAGES,
		.data_flags = KVM_MEM_LOG_DIRTY_PAGES,
	};

	if (kvm_device_is_kvm())
		SKIP_IN_SETUP("KVM has no such call");
	ASSERT_EQ(0, bench_open(&self->bench, &config));
}

FIXTURE_TEARDOWN(drain)
{
	bench_close(&self->bench);
}

static int drain(struct vm *vm)
{
	return kvm_ioctl(vm->fd, VELLUM_DRAIN, NULL);
}

static uint32_t word(FIXTURE_DATA(drain) *self, uint32_t page)
{
	return bench_page(&self->bench, page)[MBOX(&self->bench, 0, LANE) / 4];
}

/* How many pages the guest has written since the last reset. */
static uint32_t look(FIXTURE_DATA(drain) *self)
{
	uint32_t page, count = 0;

	for (page = 0; page < PAGES; page++) {
		self->seen[page] = word(self, page) != self->before[page];
		count += self->seen[page];
	}
	return count;
}

/* Pages that were seen written and are in no entry that was read so far. */
static uint32_t missing(FIXTURE_DATA(drain) *self)
{
	struct kvm_dirty_gfn entry;
	uint32_t page, count = 0;

	while (ring_next(&self->bench.vcpu[0], &entry))
		if (entry.slot == self->bench.data.id && entry.offset < PAGES)
			self->named[entry.offset] = true;
	for (page = 0; page < PAGES; page++)
		count += self->seen[page] && !self->named[page];
	return count;
}

/* All that is known is given back and armed; what the guest writes from now on is new. */
static int begin_round(FIXTURE_DATA(drain) *self)
{
	uint32_t page;
	int ret = vm_reset_rings(&self->bench.vm);

	memset(self->named, 0, sizeof(self->named));
	for (page = 0; page < PAGES; page++)
		self->before[page] = word(self, page);
	return ret;
}

static bool uses_pml(struct bench *bench)
{
	struct stats stats;
	uint64_t entries = 0;

	if (!stats_open(&stats, bench->vcpu[0].fd)) {
		stats_read(&stats, "pml_entries", &entries);
		stats_close(&stats);
	}
	return entries;
}

TEST_F(drain, brings_a_running_vcpus_writes)
{
	struct bench *b = &self->bench;
	int round, needed = 0, tries;

	BENCH_LOAD(b, random);
	bench_random(b, 0, bench_seed());
	ASSERT_EQ(0, bench_start(b, 0));
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, run_once, self));
	for (round = 0; round < ROUNDS; round++) {
		ASSERT_LE(0, begin_round(self));
		for (tries = 0; look(self) < PAGES / 4 && tries < 300; tries++)
			usleep(100);
		needed += missing(self) != 0;
		ASSERT_EQ(0, drain(&b->vm));
		ASSERT_EQ(0, missing(self)) TH_LOG("round %d: written, and in no entry", round);
	}
	EXPECT_EQ(0, self->returned) TH_LOG("KVM_RUN came back");
	MBOX(b, 0, STOP) = 1;
	pthread_join(self->thread, NULL);
	EXPECT_TRUE(bench_done(b, 0));
	/* Elsewhere a vCPU that the host's thread looks at is outside, or a fault has told. */
	if (uses_pml(b) && sysconf(_SC_NPROCESSORS_ONLN) > 1)
		EXPECT_LT(0, needed) TH_LOG("the ring was complete without a drain");
}

TEST_F(drain, arguments)
{
	struct bench *b = &self->bench;

	EXPECT_EQ(1, kvm_ioctl(b->vm.fd, VELLUM_CHECK_EXTENSION, (void *)VELLUM_EXT_DRAIN));
	EXPECT_EQ(1, kvm_ioctl(b->vm.dev, VELLUM_CHECK_EXTENSION, (void *)VELLUM_EXT_DRAIN));
	EXPECT_EQ(0, kvm_ioctl(b->vm.fd, VELLUM_CHECK_EXTENSION, (void *)0));
	EXPECT_EQ(0, kvm_ioctl(b->vm.fd, VELLUM_CHECK_EXTENSION, (void *)~0UL));
	EXPECT_EQ(0, drain(&b->vm)) TH_LOG("nothing ran yet");
	EXPECT_EQ(-EINVAL, kvm_ioctl(b->vm.fd, VELLUM_DRAIN, (void *)1));
	EXPECT_EQ(-EINVAL, kvm_ioctl(b->vm.dev, VELLUM_DRAIN, NULL)) TH_LOG("not the device's");
	EXPECT_EQ(-EINVAL, kvm_ioctl(b->vcpu[0].fd, VELLUM_DRAIN, NULL)) TH_LOG("not a vCPU's");
	EXPECT_EQ(-ENOTTY, kvm_ioctl(b->vm.fd, _IO(VELLUMIO, 0xcf), NULL));
}

TEST_HARNESS_MAIN
