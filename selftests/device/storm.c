// SPDX-License-Identifier: GPL-2.0
/*
 * Promise 3, safe, and the locks: everything at the same time. Two vCPUs write;
 * one thread turns logging on and off, deletes the slot and makes it again; others
 * harvest ring and bitmap, clear, reset; one takes the memory away and gives it
 * back. Any call may fail with the errnos that fit; afterwards all works as ever.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <signal.h>

#include "vm.h"

#define PAGES		512
#define BYTES		(PAGES * PAGE_SIZE)
#define RING_ENTRIES	2048
#define VCPUS		2
#define STORM_US	400000

struct storm {
	struct bench bench;
	struct rng rng;
	volatile bool over;
	volatile int unexpected;	/* the first errno that should not have been */
	volatile uint32_t turns[8];
};

typedef void (*gust_fn)(struct storm *storm, struct rng *rng);

/* 0 and counts are fine; of the errnos only the one that this call may give. */
static void expect(struct storm *storm, int ret, int allowed)
{
	if (ret < 0 && ret != allowed && !storm->unexpected)
		storm->unexpected = ret;
}

static void gust_slot(struct storm *storm, struct rng *rng)
{
	struct mem mem = storm->bench.data;

	switch (rng_below(rng, 4)) {
	case 0:
		mem.size = 0;
		expect(storm, vm_set_mem(&storm->bench.vm, &mem), -EINVAL);
		break;
	case 1:
		mem.flags = 0;
		expect(storm, vm_set_mem(&storm->bench.vm, &mem), 0);
		break;
	default:
		mem.flags = KVM_MEM_LOG_DIRTY_PAGES;
		expect(storm, vm_set_mem(&storm->bench.vm, &mem), 0);
	}
}

static void gust_ring(struct storm *storm, struct rng *rng)
{
	struct kvm_dirty_gfn entry;
	unsigned int i, n;

	for (i = 0; i < VCPUS; i++) {
		n = rng_below(rng, RING_ENTRIES);
		while (n && ring_next(&storm->bench.vcpu[i], &entry))
			n--;
	}
	expect(storm, vm_reset_rings(&storm->bench.vm), 0);
}

static void gust_reset(struct storm *storm, struct rng *rng)
{
	(void)rng;
	expect(storm, vm_reset_rings(&storm->bench.vm), 0);
}

static void gust_bitmap(struct storm *storm, struct rng *rng)
{
	uint64_t bitmap[PAGES / 64];
	struct kvm_clear_dirty_log clear = {
		.slot = storm->bench.data.id, .num_pages = 64, .dirty_bitmap = bitmap,
		.first_page = rng_below(rng, PAGES / 64) * 64,
	};
	/* KVM refuses both where there is a ring. */
	int refused = kvm_device_is_kvm() ? -ENXIO : -ENOENT;

	memset(bitmap, 0xff, sizeof(bitmap));
	if (rng_below(rng, 2))
		expect(storm, vm_get_log(&storm->bench.vm, &storm->bench.data, bitmap), refused);
	else
		expect(storm, vm_clear_log(&storm->bench.vm, &clear), refused);
}

static void gust_memory(struct storm *storm, struct rng *rng)
{
	char *host = storm->bench.data.host;
	uint64_t from = rng_below(rng, PAGES), pages = 1 + rng_below(rng, PAGES - from);

	switch (rng_below(rng, 3)) {
	case 0:
		madvise(host + from * PAGE_SIZE, pages * PAGE_SIZE, MADV_DONTNEED);
		break;
	case 1:
		mprotect(host + from * PAGE_SIZE, pages * PAGE_SIZE, PROT_READ);
		mprotect(host, BYTES, PROT_READ | PROT_WRITE);
		break;
	default:
		munmap(host + from * PAGE_SIZE, pages * PAGE_SIZE);
		mmap(host, BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	}
}

static void run_vcpu(struct storm *storm, unsigned int i)
{
	int ret = bench_run(&storm->bench, i);

	/* The slot or its memory may be away at any time, the ring full. */
	expect(storm, ret, ret == -EFAULT ? -EFAULT : -EINTR);
	if (ret == KVM_EXIT_INTERNAL_ERROR || ret == KVM_EXIT_FAIL_ENTRY ||
	    ret == KVM_EXIT_SHUTDOWN)
		expect(storm, -EPROTO, 0);
}

static void gust_vcpu0(struct storm *storm, struct rng *rng)
{
	(void)rng;
	run_vcpu(storm, 0);
}

static void gust_vcpu1(struct storm *storm, struct rng *rng)
{
	(void)rng;
	run_vcpu(storm, 1);
}

static const gust_fn gusts[] = {
	gust_vcpu0, gust_vcpu1, gust_slot, gust_ring, gust_reset, gust_bitmap, gust_memory,
};

struct blower {
	struct storm *storm;
	unsigned int which;
	struct rng rng;
	pthread_t thread;
};

static void *blow(void *arg)
{
	struct blower *blower = arg;
	struct storm *storm = blower->storm;

	while (!storm->over) {
		gusts[blower->which](storm, &blower->rng);
		storm->turns[blower->which]++;
		if (blower->which >= VCPUS)
			usleep(rng_below(&blower->rng, 500));
	}
	return NULL;
}

static void on_signal(int signal)
{
	(void)signal;
}

FIXTURE(storm)
{
	struct storm storm;
};

FIXTURE_VARIANT(storm)
{
	uint64_t manual;
};

FIXTURE_VARIANT_ADD(storm, all)
{
	.manual = 0,
};

FIXTURE_VARIANT_ADD(storm, manual_protect)
{
	.manual = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET,
};

FIXTURE_SETUP(storm)
{
	const struct bench_config config = {
		.vcpus = VCPUS, .data_pages = PAGES, .ring_entries = RING_ENTRIES,
		.data_flags = KVM_MEM_LOG_DIRTY_PAGES, .manual = variant->manual,
	};
	unsigned int i;

	self->storm.rng.state = bench_seed();
	ASSERT_EQ(0, bench_open(&self->storm.bench, &config));
	BENCH_LOAD(&self->storm.bench, random);
	for (i = 0; i < VCPUS; i++) {
		bench_random(&self->storm.bench, i, rng_next(&self->storm.rng));
		ASSERT_EQ(0, bench_start(&self->storm.bench, i));
	}
}

FIXTURE_TEARDOWN(storm)
{
	bench_close(&self->storm.bench);
}

/* All threads for so long, and then none. Returns 0 or an errno. */
static int blow_all(struct storm *storm)
{
	struct blower blowers[ARRAY_SIZE(gusts)];
	unsigned int i, started;
	int ret = 0;

	for (started = 0; started < ARRAY_SIZE(gusts) && !ret; started++) {
		blowers[started] = (struct blower){ .storm = storm, .which = started };
		blowers[started].rng.state = rng_next(&storm->rng);
		ret = pthread_create(&blowers[started].thread, NULL, blow, &blowers[started]);
	}
	usleep(STORM_US);
	storm->over = true;
	for (i = 0; i < VCPUS && i < started; i++) {
		storm->bench.vcpu[i].run->immediate_exit = 1;
		pthread_kill(blowers[i].thread, SIGUSR1);
	}
	for (i = 0; i < started; i++)
		pthread_join(blowers[i].thread, NULL);
	for (i = 0; i < VCPUS; i++)
		storm->bench.vcpu[i].run->immediate_exit = 0;
	return ret;
}

/* A fresh slot, nothing in the rings. */
static int calm(struct storm *storm)
{
	struct mem none = storm->bench.data;

	none.size = 0;
	vm_set_mem(&storm->bench.vm, &none);
	do
		gust_ring(storm, &storm->rng);
	while (vm_reset_rings(&storm->bench.vm) > 0);
	return bench_set_flags(&storm->bench, KVM_MEM_LOG_DIRTY_PAGES);
}

TEST_F_TIMEOUT(storm, everything_at_once, 60)
{
	struct sigaction action = { .sa_handler = on_signal };
	volatile uint32_t *turns = self->storm.turns;
	struct bench *bench = &self->storm.bench;
	uint32_t pages[PAGES], i;
	uint64_t bitmap[PAGES / 64];

	sigaction(SIGUSR1, &action, NULL);
	ASSERT_EQ(0, blow_all(&self->storm));
	for (i = 0; i < ARRAY_SIZE(gusts); i++)
		EXPECT_LT(0, turns[i]) TH_LOG("thread %u did nothing", i);
	EXPECT_EQ(0, self->storm.unexpected);
	TH_LOG("turns: vCPUs %u %u, slot %u, ring %u, reset %u, bitmap %u, memory %u",
	       turns[0], turns[1], turns[2], turns[3], turns[4], turns[5], turns[6]);

	/* After the storm what is written is in memory, and reported. */
	ASSERT_EQ(0, calm(&self->storm));
	for (i = 0; i < PAGES; i++)
		pages[i] = i;
	BENCH_LOAD(bench, writer);
	ASSERT_EQ(0, bench_start(bench, 0));
	ASSERT_EQ(KVM_EXIT_IO, bench_touch(bench, pages, PAGES, 0));
	ASSERT_TRUE(bench_done(bench, 0));
	for (i = 0; i < PAGES; i++)
		ASSERT_NE(0, bench_page(bench, i)[0]);
	if (kvm_device_is_kvm())
		return;
	ASSERT_EQ(0, vm_get_log(&bench->vm, &bench->data, bitmap));
	for (i = 0; i < PAGES / 64; i++)
		EXPECT_EQ(~0ULL, bitmap[i]);
}

TEST_HARNESS_MAIN
