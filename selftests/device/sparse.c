// SPDX-License-Identifier: GPL-2.0
/*
 * A slot of 64 GiB (or as much as the CPU can address) of which hardly anything is
 * there: harvests of it are exact, and cost by what is dirty and not by its size.
 */
#define _GNU_SOURCE
#include <kselftest_harness.h>
#include <cpuid.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../tools/lib/tracker.h"
#include "vm.h"

#define GIB		(1UL << 30)
#define LARGE		(64 * GIB)
#define PAGES		10
#define ROUNDS		3

FIXTURE(sparse)
{
	struct bench bench;
	void *host;
	uint64_t *log;
	uint32_t page[PAGES];
};

FIXTURE_VARIANT(sparse)
{
	uint64_t manual;
};

FIXTURE_VARIANT_ADD(sparse, plain) { };

FIXTURE_VARIANT_ADD(sparse, manual)
{
	.manual = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE,
};

/* The slot ends with the addresses that the CPU has, if they are fewer. */
static uint64_t slot_size(void)
{
	unsigned int a = 0, b, c, d;
	uint64_t end;

	__get_cpuid(0x80000008, &a, &b, &c, &d);
	end = 1UL << (a & 0xff);
	return end - DATA_GPA > LARGE ? LARGE : end - DATA_GPA;
}

static void *map_sparse(uint64_t size)
{
	void *host = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (host == MAP_FAILED)
		return NULL;
	madvise(host, size, MADV_NOHUGEPAGE);
	return host;
}

FIXTURE_SETUP(sparse)
{
	uint64_t size = slot_size(), pages = size / PAGE_SIZE, reach = pages;
	struct bench_config config = {
		.vcpus = 1, .data_pages = pages, .data_flags = KVM_MEM_LOG_DIRTY_PAGES,
		.manual = variant->manual,
		/* By default it is where the slot is, and there they would overlap. */
		.identity_map = DATA_GPA - PAGE_SIZE,
	};
	unsigned int i;

	self->host = map_sparse(size);
	ASSERT_NE(NULL, self->host);
	config.data_host = self->host;
	ASSERT_EQ(0, bench_open(&self->bench, &config));
	BENCH_LOAD(&self->bench, writer);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	self->log = mmap(NULL, pages / 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	ASSERT_NE(MAP_FAILED, self->log);
	/* A flat guest writes below 4 GiB, and below where an APIC would be. */
	if (reach > 3 * GIB / PAGE_SIZE)
		reach = 3 * GIB / PAGE_SIZE;
	for (i = 0; i < PAGES; i++)
		self->page[i] = reach / PAGES * i + i * 67;
}

FIXTURE_TEARDOWN(sparse)
{
	munmap(self->log, self->bench.data.size / PAGE_SIZE / 8);
	bench_close(&self->bench);
	munmap(self->host, slot_size());
}

static uint64_t pages_of(const FIXTURE_DATA(sparse) *self)
{
	return self->bench.data.size / PAGE_SIZE;
}

/* The bitmap says these @n pages and nothing else. */
static bool says(const FIXTURE_DATA(sparse) *self, const uint32_t *page, unsigned int n)
{
	uint64_t i, found = 0;

	for (i = 0; i < n; i++)
		if (!bitmap_test(self->log, page[i]))
			return false;
	for (i = 0; i < pages_of(self) / 64; i++)
		found += __builtin_popcountll(self->log[i]);
	return found == n;
}

/* GET into what is full of ones: that a page is clean must be said, too. */
static int get(FIXTURE_DATA(sparse) *self)
{
	memset(self->log, 0xff, pages_of(self) / 8);
	return vm_get_log(&self->bench.vm, &self->bench.data, self->log);
}

static int clear(FIXTURE_DATA(sparse) *self, uint64_t first, uint64_t pages)
{
	struct kvm_clear_dirty_log range = {
		.slot = self->bench.data.id, .first_page = first, .num_pages = pages,
		.dirty_bitmap = self->log + first / 64,
	};

	return vm_clear_log(&self->bench.vm, &range);
}

TEST_F(sparse, get_is_exact)
{
	unsigned int round;

	for (round = 0; round < ROUNDS; round++) {
		ASSERT_EQ(KVM_EXIT_IO, bench_touch(&self->bench, self->page, PAGES, 0));
		ASSERT_EQ(0, get(self));
		EXPECT_TRUE(says(self, self->page, PAGES));
		if (variant->manual) {
			ASSERT_EQ(0, get(self));
			EXPECT_TRUE(says(self, self->page, PAGES)) TH_LOG("it stays");
			/* A part, and the rest. */
			ASSERT_EQ(0, clear(self, 0, pages_of(self) / 2 & ~63UL));
			ASSERT_EQ(0, clear(self, pages_of(self) / 2 & ~63UL,
					   pages_of(self) - (pages_of(self) / 2 & ~63UL)));
		}
		ASSERT_EQ(0, get(self));
		EXPECT_TRUE(says(self, NULL, 0));
	}
}

/* Beyond what a 32-bit guest can write: userspace says that it wrote. */
TEST_F(sparse, its_last_pages)
{
	const uint32_t last[] = { pages_of(self) - 65, pages_of(self) - 1 };

	if (kvm_device_is_kvm())
		SKIP(return, "KVM has no marks");
	ASSERT_EQ(1, mark_pages(self->bench.vm.fd, &self->bench.data, last[0], 1, NULL));
	ASSERT_EQ(1, mark_pages(self->bench.vm.fd, &self->bench.data, last[1], 1, NULL));
	ASSERT_EQ(0, get(self));
	EXPECT_TRUE(says(self, last, 2));
}

TEST_F(sparse, a_tracker_is_exact)
{
	uint32_t flags = 0;
	int tracker;

	if (kvm_device_is_kvm())
		SKIP(return, "KVM has no trackers");
	tracker = tracker_open(&self->bench.vm, 3, &flags);
	ASSERT_LE(0, tracker);
	ASSERT_EQ(KVM_EXIT_IO, bench_touch(&self->bench, self->page, PAGES, 0));
	memset(self->log, 0xff, pages_of(self) / 8);
	ASSERT_EQ(PAGES, tracker_take(tracker, &self->bench.data, self->log, 0));
	EXPECT_TRUE(says(self, self->page, PAGES));
	ASSERT_EQ(PAGES, tracker_give_back(tracker, &self->bench.data, NULL));
	/* What the tracker took is still the log's to tell, and its own again. */
	ASSERT_EQ(0, get(self));
	EXPECT_TRUE(says(self, self->page, PAGES));
	memset(self->log, 0xff, pages_of(self) / 8);
	ASSERT_EQ(PAGES, tracker_take(tracker, &self->bench.data, self->log, VELLUM_TAKE_COMMIT));
	EXPECT_TRUE(says(self, self->page, PAGES));
	EXPECT_EQ(0, tracker_take(tracker, &self->bench.data, self->log, VELLUM_TAKE_COMMIT));
	EXPECT_TRUE(says(self, NULL, 0));
	close(tracker);
}

static uint64_t ticks(void)
{
	uint32_t low, high;

	asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* What the ABI demands whatever is dirty: so many bytes of zeros for userspace. */
static uint64_t zeroing(FIXTURE_DATA(sparse) *self)
{
	uint64_t from, bytes = pages_of(self) / 8;
	int fd = open("/dev/zero", O_RDONLY);

	if (fd < 0 || read(fd, self->log, bytes) != (ssize_t)bytes)
		return 0;
	from = ticks();
	if (read(fd, self->log, bytes) != (ssize_t)bytes)
		return 0;
	from = ticks() - from;
	close(fd);
	return from;
}

/*
 * A loop over all words of the slot, each a few instructions, is many times what
 * ten pages take: the least of some tries, beside the zeroing, stays below it.
 */
TEST_F(sparse, get_costs_by_what_is_dirty)
{
	uint64_t zero = zeroing(self), words = pages_of(self) / 64, least = ~0UL, from;
	unsigned int round;

	ASSERT_NE(0, zero);
	for (round = 0; round < ROUNDS; round++) {
		ASSERT_EQ(KVM_EXIT_IO, bench_touch(&self->bench, self->page, PAGES, 0));
		from = ticks();
		ASSERT_EQ(0, vm_get_log(&self->bench.vm, &self->bench.data, self->log));
		from = ticks() - from;
		least = from < least ? from : least;
	}
	TH_LOG("%lu ticks, zeroing as much %lu", least, zero);
	EXPECT_LT(least, zero + words * 2);
}

TEST_HARNESS_MAIN
