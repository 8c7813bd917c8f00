// SPDX-License-Identifier: GPL-2.0
/*
 * Steal time: what a vCPU's thread waits for a CPU is told to the guest, whether it
 * runs too, and the page is dirty memory (invariant 12).
 */
#define _GNU_SOURCE
#include <kselftest_harness.h>
#include <fcntl.h>
#include <linux/kvm_para.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "time.h"

#define PAGES		64
#define STEAL_PAGE	24
#define STEAL_GPA	(DATA_GPA + STEAL_PAGE * PAGE_SIZE + 128)
#define NS_PER_MS	1000000ull
#define RING_ENTRIES	1024

FIXTURE(steal)
{
	struct bench bench;
	volatile struct kvm_steal_time *page;
	cpu_set_t cpus;
};

/* Everybody on one CPU: who runs takes it from the others. */
FIXTURE_SETUP(steal)
{
	const struct bench_config config = {
		.vcpus = 1, .data_pages = PAGES, .data_flags = KVM_MEM_LOG_DIRTY_PAGES,
	};
	cpu_set_t one;

	ASSERT_EQ(0, sched_getaffinity(0, sizeof(self->cpus), &self->cpus));
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	ASSERT_EQ(0, bench_open(&self->bench, &config));
	ASSERT_EQ(0, time_start(&self->bench, 1));
	self->page = (void *)((char *)bench_page(&self->bench, STEAL_PAGE) + 128);
}

FIXTURE_TEARDOWN(steal)
{
	bench_close(&self->bench);
	sched_setaffinity(0, sizeof(self->cpus), &self->cpus);
}

/* Nanoseconds that this thread was ready to run and did not. */
static uint64_t delay(void)
{
	unsigned long long value = 0;
	FILE *file = fopen("/proc/thread-self/schedstat", "r");

	if (!file)
		return 0;
	if (fscanf(file, "%*u %llu", &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

static void *burn(void *ms)
{
	uint64_t end = now() + *(unsigned int *)ms * NS_PER_MS;

	while (now() < end)
		;
	return NULL;
}

/* Another thread has the CPU for a while, and this one wants it. */
static void be_stolen_from(unsigned int ms)
{
	uint64_t before = delay();
	pthread_t thread;

	pthread_create(&thread, NULL, burn, &ms);
	while (delay() - before < ms * NS_PER_MS / 2)
		sched_yield();
	pthread_join(thread, NULL);
}

TEST_F(steal, tells_what_was_stolen)
{
	uint64_t first = delay(), before, waited, steal;
	uint32_t version;

	ASSERT_EQ(0, time_wrmsr(&self->bench, 0, MSR_STEAL_TIME, STEAL_GPA | 1));
	EXPECT_EQ(0, self->page->version & 1);
	EXPECT_NE(0, self->page->version);
	EXPECT_EQ(0, self->page->flags);
	version = self->page->version;
	steal = self->page->steal;
	before = delay();
	be_stolen_from(20);
	waited = delay() - before;
	ASSERT_EQ(0, time_op(&self->bench, 0, OP_RDTSCP));
	EXPECT_LE(waited, self->page->steal - steal);
	EXPECT_GE(delay() - first, self->page->steal - steal);
	EXPECT_LT(version, self->page->version);
	/* Userspace's own number goes on: so it comes along from another machine. */
	self->page->steal = 1000 * NS_PER_SEC;
	ASSERT_EQ(0, time_op(&self->bench, 0, OP_RDTSCP));
	EXPECT_LE(1000 * NS_PER_SEC, self->page->steal);
	EXPECT_GT(1001 * NS_PER_SEC, self->page->steal);
}

static void *run_once(void *bench)
{
	be_stolen_from(50);
	return (void *)(long)time_op(bench, 0, OP_RDTSCP);
}

/* What another thread waited for before it ran the vCPU was not stolen from the guest. */
TEST_F(steal, another_thread)
{
	uint64_t steal;
	pthread_t thread;
	void *ret;

	ASSERT_EQ(0, time_wrmsr(&self->bench, 0, MSR_STEAL_TIME, STEAL_GPA | 1));
	steal = self->page->steal;
	pthread_create(&thread, NULL, run_once, &self->bench);
	pthread_join(thread, &ret);
	ASSERT_EQ(NULL, ret);
	EXPECT_GT(25 * NS_PER_MS, self->page->steal - steal);
}

static void *spin(void *bench)
{
	return (void *)(long)time_op(bench, 0, OP_SPIN);
}

/*
 * While the vCPU's thread is on no CPU "preempted" stands there: on one CPU it is
 * so whenever we can look. And its record is there before KVM_RUN returned.
 */
TEST_F(steal, preempted_in_the_guest)
{
	volatile uint32_t *count = &MBOX(&self->bench, 0, VALUE);
	unsigned int looks = 0, not_told = 0;
	uint64_t bitmap = 0;
	uint32_t last;
	pthread_t thread;

	ASSERT_EQ(0, time_wrmsr(&self->bench, 0, MSR_STEAL_TIME, STEAL_GPA | 1));
	EXPECT_EQ(0, self->page->preempted);
	pthread_create(&thread, NULL, spin, &self->bench);
	last = *count;
	while (*count == last)
		sched_yield();
	vm_get_log(&self->bench.vm, &self->bench.data, &bitmap);
	for (last = *count; looks < 10; last = *count) {
		while (*count == last)
			sched_yield();
		looks++;
		not_told += !(self->page->preempted & KVM_VCPU_PREEMPTED);
	}
	EXPECT_EQ(0, not_told);
	EXPECT_EQ(-EINTR, (int)(long)thread_interrupt(thread));
	ASSERT_EQ(0, vm_get_log(&self->bench.vm, &self->bench.data, &bitmap));
	EXPECT_EQ(1ull << STEAL_PAGE, bitmap);
}

TEST_F(steal, is_logged)
{
	uint64_t bitmap = 0, value;

	ASSERT_EQ(0, time_wrmsr(&self->bench, 0, MSR_STEAL_TIME, STEAL_GPA | 1));
	ASSERT_EQ(0, vm_get_log(&self->bench.vm, &self->bench.data, &bitmap));
	EXPECT_EQ(1ull << STEAL_PAGE, bitmap);
	ASSERT_EQ(0, vm_get_log(&self->bench.vm, &self->bench.data, &bitmap));
	EXPECT_EQ(0, bitmap);
	be_stolen_from(5);
	ASSERT_EQ(0, time_op(&self->bench, 0, OP_RDTSCP));
	ASSERT_EQ(0, vm_get_log(&self->bench.vm, &self->bench.data, &bitmap));
	EXPECT_EQ(1ull << STEAL_PAGE, bitmap);
	/* Turned off it is left alone. */
	ASSERT_EQ(0, time_wrmsr(&self->bench, 0, MSR_STEAL_TIME, STEAL_GPA));
	vm_get_log(&self->bench.vm, &self->bench.data, &bitmap);
	be_stolen_from(5);
	ASSERT_EQ(0, time_rdmsr(&self->bench, 0, MSR_STEAL_TIME, &value));
	EXPECT_EQ(STEAL_GPA, value);
	ASSERT_EQ(0, vm_get_log(&self->bench.vm, &self->bench.data, &bitmap));
	EXPECT_EQ(0, bitmap);
}

/* Each run that tells something has room for it in the ring; a full one is not written. */
TEST(steal_in_the_ring)
{
	const struct bench_config config = {
		.vcpus = 1, .data_pages = PAGES, .data_flags = KVM_MEM_LOG_DIRTY_PAGES,
		.ring_entries = RING_ENTRIES,
	};
	struct kvm_dirty_gfn entry;
	int n, count = 0, reason = 0;
	struct bench bench;

	ASSERT_EQ(0, bench_open(&bench, &config));
	ASSERT_EQ(0, time_start(&bench, 1));
	for (n = 0; !reason && n < 2 * RING_ENTRIES; n++)
		reason = time_wrmsr(&bench, 0, MSR_STEAL_TIME, STEAL_GPA | 1);
	EXPECT_EQ(KVM_EXIT_DIRTY_RING_FULL, reason);
	for (n = 0; n < 2 * RING_ENTRIES; n++) {
		ASSERT_EQ(1, msr_set(&bench, 0, MSR_STEAL_TIME, STEAL_GPA | 1));
		ASSERT_EQ(KVM_EXIT_DIRTY_RING_FULL, bench_run(&bench, 0));
	}
	while (ring_next(&bench.vcpu[0], &entry)) {
		EXPECT_EQ(STEAL_PAGE, entry.offset);
		count++;
	}
	EXPECT_GT(RING_ENTRIES, count);
	ASSERT_EQ(count, vm_reset_rings(&bench.vm));
	ASSERT_EQ(KVM_EXIT_IO, bench_run(&bench, 0));
	EXPECT_TRUE(ring_next(&bench.vcpu[0], &entry));
	bench_close(&bench);
}

/* Memory that is not the guest's any more is not written. */
TEST_F(steal, slot_goes)
{
	struct mem gone = self->bench.data;
	char before[PAGE_SIZE];
	const char *host = (const char *)bench_page(&self->bench, STEAL_PAGE);

	ASSERT_EQ(0, time_wrmsr(&self->bench, 0, MSR_STEAL_TIME, STEAL_GPA | 1));
	gone.size = 0;
	ASSERT_EQ(0, vm_set_mem(&self->bench.vm, &gone));
	memcpy(before, host, PAGE_SIZE);
	be_stolen_from(5);
	ASSERT_EQ(0, time_op(&self->bench, 0, OP_RDTSCP));
	EXPECT_EQ(0, memcmp(before, host, PAGE_SIZE));
	self->bench.data.flags = KVM_MEM_READONLY;
	ASSERT_EQ(0, vm_set_mem(&self->bench.vm, &self->bench.data));
	ASSERT_EQ(0, time_op(&self->bench, 0, OP_RDTSCP));
	EXPECT_EQ(0, memcmp(before, host, PAGE_SIZE));
}

TEST_F(steal, bad_places)
{
	uint64_t value;

	EXPECT_EQ(0, msr_set(&self->bench, 0, MSR_STEAL_TIME, STEAL_GPA | 2 | 1));
	EXPECT_EQ(0, msr_set(&self->bench, 0, MSR_STEAL_TIME, STEAL_GPA | 32));
	EXPECT_EQ(0, msr_set(&self->bench, 0, MSR_STEAL_TIME, 1ull << 52 | 1));
	EXPECT_EQ(1, msr_get(&self->bench, 0, MSR_STEAL_TIME, &value));
	EXPECT_EQ(0, value);
	EXPECT_EQ(1, msr_set(&self->bench, 0, MSR_STEAL_TIME, 0x30000000 | 1));
	EXPECT_EQ(0, time_op(&self->bench, 0, OP_RDTSCP));
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, time_wrmsr(&self->bench, 0, MSR_STEAL_TIME, STEAL_GPA | 3));
}

TEST_HARNESS_MAIN
