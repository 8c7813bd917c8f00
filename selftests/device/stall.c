// SPDX-License-Identifier: GPL-2.0
/*
 * The statistics of a guest's stall by cause (Documentation/harvest.md): each cause
 * is made, and moves its own count and no other.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "../../tools/lib/stats.h"
#include "../../uapi/vellum.h"
#include "huge.h"

DECLARE_GUEST(bench_cpuid);

#define PAGES		1024
#define RING_ENTRIES	1024
#define PAUSE_US	20000

enum { RING_FULL, MAP, SPLIT, RESTORE, PML, FLUSH, DRAIN, REQUEST, CAUSES };

static const char * const names[CAUSES] = {
	"stall_ring_full_ns", "stall_map_ns", "stall_split_ns", "stall_restore_ns",
	"stall_pml_ns", "stall_flush_ns", "stall_drain_ns", "stall_request_ns",
};

#define ONE(cause)	(1u << (cause))

struct stalls {
	uint64_t ns[CAUSES];
};

FIXTURE(stall)
{
	struct bench bench;
	struct stats stats;
	pthread_t thread;
	bool runs;
};

static uint64_t get(struct stats *stats, const char *name)
{
	uint64_t value;

	return stats_read(stats, name, &value) ? UINT64_MAX : value;
}

static struct stalls look(struct stats *stats)
{
	struct stalls stalls;
	unsigned int i;

	for (i = 0; i < CAUSES; i++)
		stalls.ns[i] = get(stats, names[i]);
	return stalls;
}

/* The causes that moved since, by bits; says by how much. */
static unsigned int moved(struct stats *stats, const struct stalls *since)
{
	const struct stalls now = look(stats);
	unsigned int i, mask = 0;

	for (i = 0; i < CAUSES; i++) {
		if (now.ns[i] == since->ns[i])
			continue;
		mask |= ONE(i);
		fprintf(stderr, "# %s %llu\n", names[i],
			(unsigned long long)(now.ns[i] - since->ns[i]));
	}
	return mask;
}

static int open_bench(FIXTURE_DATA(stall) *self, const struct bench_config *config)
{
	int ret = bench_open(&self->bench, config);

	return ret ?: stats_open(&self->stats, self->bench.vcpu[0].fd);
}

FIXTURE_SETUP(stall)
{
	if (kvm_device_is_kvm())
		SKIP(return, "KVM does not count stalls");
	self->stats.fd = -1;
}

FIXTURE_TEARDOWN(stall)
{
	if (self->runs) {
		MBOX(&self->bench, 0, STOP) = 1;
		pthread_join(self->thread, NULL);
	}
	if (self->stats.fd >= 0) {
		stats_close(&self->stats);
		bench_close(&self->bench);
	}
}

static int touch(struct bench *bench, uint32_t first, uint32_t count, uint32_t how)
{
	static uint32_t pages[PAGES];
	uint32_t i;

	for (i = 0; i < count; i++)
		pages[i] = first + i;
	return bench_touch(bench, pages, count, how);
}

static const struct kvm_stats_desc *desc(const struct stats *stats, unsigned int i)
{
	return (const void *)(stats->descs + i * (sizeof(struct kvm_stats_desc) +
						  stats->header.name_size));
}

TEST_F(stall, in_nanoseconds)
{
	const struct bench_config config = { .vcpus = 1 };
	unsigned int i, found = 0;

	ASSERT_EQ(0, open_bench(self, &config));
	for (i = 0; stats_name(&self->stats, i); i++) {
		const struct kvm_stats_desc *d = desc(&self->stats, i);
		bool is_time = !strncmp(d->name, "stall_", 6);

		found += is_time;
		EXPECT_EQ(is_time ? KVM_STATS_UNIT_SECONDS : KVM_STATS_UNIT_NONE,
			  d->flags & KVM_STATS_UNIT_MASK);
		EXPECT_EQ(KVM_STATS_BASE_POW10, d->flags & KVM_STATS_BASE_MASK);
		EXPECT_EQ(is_time ? -9 : 0, d->exponent) TH_LOG("%s", d->name);
	}
	EXPECT_EQ(CAUSES, found);
}

/* Exits of another kind are no stall, nor is the guest's own time. */
TEST_F(stall, nothing)
{
	const struct bench_config config = { .vcpus = 1, .data_pages = PAGES };
	struct bench *b = &self->bench;
	struct stalls before;

	ASSERT_EQ(0, open_bench(self, &config));
	BENCH_LOAD(b, bench_cpuid);
	ASSERT_EQ(0, bench_start(b, 0));
	MBOX(b, 0, COUNT) = 1000;
	ASSERT_EQ(KVM_EXIT_IO, bench_run(b, 0));
	BENCH_LOAD(b, writer);
	ASSERT_EQ(0, bench_start(b, 0));
	ASSERT_EQ(KVM_EXIT_IO, touch(b, 0, PAGES, 0));
	before = look(&self->stats);
	EXPECT_LT(0, before.ns[MAP]);
	ASSERT_EQ(KVM_EXIT_IO, touch(b, 0, PAGES, 0));
	usleep(PAUSE_US);
	ASSERT_EQ(KVM_EXIT_IO, touch(b, 0, PAGES, 0));
	BENCH_LOAD(b, bench_cpuid);
	ASSERT_EQ(0, bench_start(b, 0));
	MBOX(b, 0, COUNT) = 1000;
	ASSERT_EQ(KVM_EXIT_IO, bench_run(b, 0));
	EXPECT_EQ(0, moved(&self->stats, &before));
}

/* Far from each other, so that none is mapped for another one's fault. */
TEST_F(stall, faults_that_map)
{
	const struct bench_config config = { .vcpus = 1, .data_pages = PAGES };
	uint32_t pages[PAGES / 64], i;
	struct stalls before;

	ASSERT_EQ(0, open_bench(self, &config));
	BENCH_LOAD(&self->bench, writer);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	ASSERT_EQ(KVM_EXIT_IO, touch(&self->bench, 0, 1, SCRIPT_READ));
	for (i = 0; i < PAGES / 64; i++)
		pages[i] = i * 64 + 32;
	before = look(&self->stats);
	ASSERT_EQ(KVM_EXIT_IO, bench_touch(&self->bench, pages, PAGES / 64, 0));
	EXPECT_EQ(ONE(MAP), moved(&self->stats, &before));
}

/* A page of memory that userspace brings in when it is asked for; a descriptor, or -errno. */
static int make_missing(struct bench *bench, uint64_t page)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (uintptr_t)bench_page(bench, page), PAGE_SIZE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	return fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range) ||
	       madvise((void *)range.range.start, PAGE_SIZE, MADV_DONTNEED) ?
		       -errno : fd;
}

static int bring_in(struct bench *bench, uint64_t page, int fd)
{
	static _Alignas(4096) char zeros[PAGE_SIZE];
	struct uffdio_copy copy = {
		.dst = (uintptr_t)bench_page(bench, page), .src = (uintptr_t)zeros,
		.len = PAGE_SIZE,
	};

	return ioctl(fd, UFFDIO_COPY, &copy) ? -errno : 0;
}

static void nothing(int signal)
{
	(void)signal;
}

/* One that a signal ends before the guest is entered again, and the pause after it. */
static void *touch_and_pause(void *arg)
{
	int ret = touch(arg, 99, 1, 0);

	usleep(4 * PAUSE_US);
	return (void *)(long)(ret == -EINTR ? bench_run(arg, 0) : ret);
}

/* The host's time to have the page counts, userspace's after KVM_RUN returned does not. */
TEST_F(stall, a_page_that_is_brought_in)
{
	const struct bench_config config = { .vcpus = 1, .data_pages = PAGES };
	const struct sigaction action = { .sa_handler = nothing };
	struct stalls before;
	uint64_t told;
	void *result;
	int fd;

	ASSERT_EQ(0, open_bench(self, &config));
	BENCH_LOAD(&self->bench, writer);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	ASSERT_EQ(KVM_EXIT_IO, touch(&self->bench, 0, 1, 0));
	fd = make_missing(&self->bench, 99);
	ASSERT_LE(0, fd);
	before = look(&self->stats);
	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, touch_and_pause, &self->bench));
	ASSERT_EQ(1, poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, -1));
	usleep(PAUSE_US);
	ASSERT_EQ(0, pthread_kill(self->thread, SIGUSR1));
	ASSERT_EQ(0, bring_in(&self->bench, 99, fd));
	ASSERT_EQ(0, pthread_join(self->thread, &result));
	EXPECT_EQ(KVM_EXIT_IO, (long)result);
	EXPECT_EQ(ONE(MAP), moved(&self->stats, &before));
	told = get(&self->stats, names[MAP]) - before.ns[MAP];
	EXPECT_LE(PAUSE_US * 900, told);
	EXPECT_GE(PAUSE_US * 3000, told);
	close(fd);
}

/* Pages that are mapped and clean: each mode hears of their writes by its own means. */
TEST_F(stall, logged_writes)
{
	const struct bench_config config = {
		.vcpus = 1, .data_pages = PAGES, .data_flags = KVM_MEM_LOG_DIRTY_PAGES,
	};
	uint64_t bitmap[PAGES / 64], logged, restored;
	unsigned int expected = 0;
	struct stalls before;

	ASSERT_EQ(0, open_bench(self, &config));
	BENCH_LOAD(&self->bench, writer);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	ASSERT_EQ(KVM_EXIT_IO, touch(&self->bench, 0, PAGES, 0));
	before = look(&self->stats);
	/* The vCPU is not in the guest: the harvest is no stall of its. */
	ASSERT_EQ(0, vm_get_log(&self->bench.vm, &self->bench.data, bitmap));
	EXPECT_EQ(0, moved(&self->stats, &before));
	logged = get(&self->stats, "pml_entries");
	restored = get(&self->stats, "faults_restored");
	ASSERT_EQ(KVM_EXIT_IO, touch(&self->bench, 0, PAGES, 0));
	if (get(&self->stats, "pml_entries") != logged)
		expected |= ONE(PML);
	if (get(&self->stats, "faults_restored") != restored)
		expected |= ONE(RESTORE);
	EXPECT_EQ(expected, moved(&self->stats, &before));
	EXPECT_TRUE(!expected || expected == ONE(PML) || expected == ONE(RESTORE));
}

/* What a write to a large leaf costs that could not be split before. */
TEST_F(stall, faults_that_split)
{
	struct bench_config config = { .vcpus = 1, .data_pages = 2 * HUGE_PAGES };
	struct huge huge;
	struct stalls before;
	uint64_t splits;

	if (!huge_param("large_pages") || huge_param("eager_split") || !huge_have_thp())
		SKIP(return, "no write splits: it needs large pages and eager_split=0");
	ASSERT_EQ(0, huge_alloc(&huge, THP, 2 * HUGE_BYTES));
	config.data_host = huge.data;
	ASSERT_EQ(0, open_bench(self, &config));
	BENCH_LOAD(&self->bench, writer);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	ASSERT_EQ(KVM_EXIT_IO, touch(&self->bench, 5, 1, 0));
	ASSERT_EQ(0, bench_set_flags(&self->bench, KVM_MEM_LOG_DIRTY_PAGES));
	splits = get(&self->stats, "faults_split");
	before = look(&self->stats);
	ASSERT_EQ(KVM_EXIT_IO, touch(&self->bench, 5, 1, 0));
	EXPECT_EQ(splits + 1, get(&self->stats, "faults_split"));
	EXPECT_EQ(ONE(SPLIT), moved(&self->stats, &before) & ~ONE(PML));
	huge_free(&huge);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* From the exit on, userspace's time too, until there is room; and no other time. */
TEST_F(stall, ring_full)
{
	const struct bench_config config = {
		.vcpus = 1, .data_pages = PAGES, .data_flags = KVM_MEM_LOG_DIRTY_PAGES,
		.ring_entries = RING_ENTRIES,
	};
	uint64_t start, full, again, told;
	struct kvm_dirty_gfn entry;
	struct stalls before;

	ASSERT_EQ(0, open_bench(self, &config));
	BENCH_LOAD(&self->bench, writer);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	start = now_ns();
	ASSERT_EQ(KVM_EXIT_DIRTY_RING_FULL, touch(&self->bench, 0, PAGES, 0));
	full = now_ns();
	before = look(&self->stats);
	EXPECT_EQ(0, before.ns[RING_FULL]);
	usleep(PAUSE_US);
	ASSERT_EQ(KVM_EXIT_DIRTY_RING_FULL, bench_run(&self->bench, 0));
	EXPECT_EQ(ONE(RING_FULL), moved(&self->stats, &before));
	usleep(PAUSE_US);
	while (ring_next(&self->bench.vcpu[0], &entry))
		;
	ASSERT_LT(0, vm_reset_rings(&self->bench.vm));
	again = now_ns();
	ASSERT_LE(0, bench_run(&self->bench, 0));
	told = get(&self->stats, names[RING_FULL]);
	TH_LOG("%llu ns, of %llu to %llu", (unsigned long long)told,
	       (unsigned long long)(again - full), (unsigned long long)(now_ns() - start));
	/* The two clocks need not agree to the last digit. */
	EXPECT_LE((again - full) / 10 * 9, told);
	EXPECT_GE((now_ns() - start) / 10 * 11, told);
	/* What follows, while the vCPU does not wait for room, does not count. */
	if (bench_done(&self->bench, 0)) {
		usleep(PAUSE_US);
		ASSERT_LE(0, touch(&self->bench, 0, 1, SCRIPT_READ));
		EXPECT_EQ(told, get(&self->stats, names[RING_FULL]));
	}
}

static void *run_once(void *arg)
{
	FIXTURE_DATA(stall) *self = arg;

	bench_run(&self->bench, 0);
	return NULL;
}

/* A guest that writes one page over and over, which is written already. */
static int run_beside(FIXTURE_DATA(stall) *self)
{
	struct bench_config config = {
		.vcpus = 1, .data_pages = PAGES, .data_flags = KVM_MEM_LOG_DIRTY_PAGES,
		.ring_entries = RING_ENTRIES,
	};
	struct bench *b = &self->bench;
	int ret = open_bench(self, &config);

	if (ret)
		return ret;
	BENCH_LOAD(b, random);
	bench_random(b, 0, bench_seed());
	MBOX(b, 0, MASK) = 0;
	ret = bench_start(b, 0) ?: -pthread_create(&self->thread, NULL, run_once, self);
	if (ret)
		return ret;
	self->runs = true;
	while (!bench_page(b, 0)[MBOX(b, 0, LANE) / 4])
		usleep(100);
	usleep(1000);
	return 0;
}

/* Calls until @cause moves, and returns what has moved then; 0: it never does. */
static unsigned int call_until(FIXTURE_DATA(stall) *self, unsigned int cause,
			       int (*call)(struct bench *bench))
{
	struct stalls before = look(&self->stats);
	unsigned int i;

	for (i = 0; i < 300; i++) {
		if (call(&self->bench))
			return ~0u;
		usleep(1000);
		if (get(&self->stats, names[cause]) != before.ns[cause])
			break;
	}
	return moved(&self->stats, &before);
}

static bool many_cpus(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) > 1;
}

static int drain(struct bench *bench)
{
	return kvm_ioctl(bench->vm.fd, VELLUM_DRAIN, NULL);
}

static int set_clock(struct bench *bench)
{
	struct kvm_clock_data data = { .clock = 1000000000 };

	return kvm_ioctl(bench->vm.fd, KVM_SET_CLOCK, &data);
}

static int reset(struct bench *bench)
{
	struct kvm_dirty_gfn entry;
	int ret;

	while (ring_next(&bench->vcpu[0], &entry))
		;
	ret = vm_reset_rings(&bench->vm);
	return ret < 0 ? ret : 0;
}

/* On one CPU nobody harvests while the guest runs: nobody is made to leave it. */
TEST_F(stall, drains)
{
	struct stalls before;

	ASSERT_EQ(0, run_beside(self));
	/* What the page's one write left in the log. */
	ASSERT_EQ(0, drain(&self->bench));
	usleep(1000);
	EXPECT_EQ(many_cpus() ? ONE(DRAIN) : 0, call_until(self, DRAIN, drain));
	/* The timer's interrupts are nobody's. */
	before = look(&self->stats);
	usleep(2 * PAUSE_US);
	EXPECT_EQ(0, moved(&self->stats, &before));
}

TEST_F(stall, requests)
{
	ASSERT_EQ(0, run_beside(self));
	ASSERT_EQ(0, drain(&self->bench));
	usleep(1000);
	EXPECT_EQ(many_cpus() ? ONE(REQUEST) : 0, call_until(self, REQUEST, set_clock));
}

/* What is given back is armed, so the next write is told again. */
TEST_F(stall, flushes)
{
	unsigned int mask;

	ASSERT_EQ(0, run_beside(self));
	ASSERT_EQ(0, drain(&self->bench));
	usleep(1000);
	mask = call_until(self, FLUSH, reset);
	EXPECT_EQ(many_cpus() ? ONE(FLUSH) : 0, mask & ~(ONE(PML) | ONE(RESTORE)));
}

TEST_HARNESS_MAIN
