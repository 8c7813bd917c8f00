// SPDX-License-Identifier: GPL-2.0
/*
 * A page of guest memory that the host has lost to a memory error: the vCPU that
 * asks for it gets SIGBUS with BUS_MCEERR_AR and the address, as any thread does
 * that touches such a page, and KVM_RUN returns -EINTR. It goes on once another page
 * is there. What was written to other pages is in the log.
 */
#define _GNU_SOURCE
#include <kselftest_harness.h>
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

#include "vm.h"

#define PAGES	64
#define LOST	17

FIXTURE(poison)
{
	struct bench bench;
	char *lost;
};

/* The last one that came, and how many there were. */
static struct {
	volatile unsigned int count;
	volatile pthread_t thread;
	siginfo_t info;
} bus;

static void on_bus(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	bus.info = *info;
	bus.thread = pthread_self();
	bus.count++;
}

FIXTURE_SETUP(poison)
{
	const struct sigaction action = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };
	const struct bench_config config = {
		.vcpus = 1, .data_pages = PAGES, .data_flags = KVM_MEM_LOG_DIRTY_PAGES,
	};

	ASSERT_EQ(0, sigaction(SIGBUS, &action, NULL));
	ASSERT_EQ(0, bench_open(&self->bench, &config));
	self->lost = (char *)bench_page(&self->bench, LOST);
	BENCH_LOAD(&self->bench, writer);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
}

FIXTURE_TEARDOWN(poison)
{
	bench_close(&self->bench);
	signal(SIGBUS, SIG_DFL);
}

/* One frame of the machine is lost for good; 0 or -errno. */
static int lose(FIXTURE_DATA(poison) *self)
{
	int ret = madvise(self->lost, PAGE_SIZE, MADV_HWPOISON) ? -errno : 0;

	bus.count = 0; /* who asked for it is told, too */
	return ret;
}

static bool replace(FIXTURE_DATA(poison) *self)
{
	return mmap(self->lost, PAGE_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == self->lost;
}

#define LOSE_PAGE() do {							\
	int lost = lose(self);							\
										\
	if (lost == -EINVAL || lost == -EPERM)					\
		SKIP(return, "no MADV_HWPOISON: no CONFIG_MEMORY_FAILURE, or not root"); \
	ASSERT_EQ(0, lost);							\
} while (0)

static bool told_of(FIXTURE_DATA(poison) *self)
{
	return bus.info.si_signo == SIGBUS && bus.info.si_code == BUS_MCEERR_AR &&
	       bus.info.si_addr == self->lost && bus.info.si_addr_lsb == PAGE_SHIFT;
}

TEST_F(poison, the_vcpu_gets_a_bus_error)
{
	const uint32_t pages[] = { 1, LOST, 2 };
	uint64_t log = 0;
	unsigned int how;

	for (how = 0; how < 2; how++) {
		LOSE_PAGE();
		/* To read and to write it; and again as long as it is so. */
		ASSERT_EQ(-EINTR, bench_touch(&self->bench, pages, 3, how ? SCRIPT_READ : 0));
		EXPECT_EQ(1, bus.count);
		EXPECT_TRUE(told_of(self)) TH_LOG("code %d, %p", bus.info.si_code,
						  bus.info.si_addr);
		ASSERT_EQ(-EINTR, bench_run(&self->bench, 0));
		EXPECT_EQ(2, bus.count);
		ASSERT_EQ(0, vm_get_log(&self->bench.vm, &self->bench.data, &log));
		EXPECT_EQ(how ? 0 : 2, log);
		ASSERT_TRUE(replace(self));
		ASSERT_EQ(KVM_EXIT_IO, bench_run(&self->bench, 0));
		ASSERT_TRUE(bench_done(&self->bench, 0));
		ASSERT_EQ(0, vm_get_log(&self->bench.vm, &self->bench.data, &log));
		EXPECT_EQ(how ? 0 : 1UL << LOST | 1UL << 2, log);
	}
}

/* The thread that runs the vCPU, not the one that began it all. */
TEST_F(poison, its_own_thread_does)
{
	struct runner runner;
	unsigned int i;

	BENCH_LOAD(&self->bench, random);
	bench_random(&self->bench, 0, 1);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	ASSERT_EQ(0, runner_start(&runner, &self->bench, 0));
	usleep(1000);
	LOSE_PAGE();
	for (i = 0; i < 1000 && !bus.count; i++)
		usleep(1000);
	ASSERT_NE(0, bus.count);
	EXPECT_TRUE(pthread_equal(bus.thread, runner.thread));
	EXPECT_TRUE(told_of(self));
	ASSERT_TRUE(replace(self));
	MBOX(&self->bench, 0, STOP) = 1;
	ASSERT_EQ(0, runner_join(&runner));
}

TEST_HARNESS_MAIN
