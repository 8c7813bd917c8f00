// SPDX-License-Identifier: GPL-2.0
/*
 * Page-table memory under pressure: the host takes the tables of VMs that run,
 * are logged and harvested; their count falls, no write is lost, the guest has
 * its memory back. What they cost is shown where the host shows it, and a memory
 * cgroup under pressure takes those of its own VMs.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "../../tools/lib/stats.h"
#include "life.h"

#define DROP_SLAB	"2\n"
#define TABLES		64

FIXTURE(shrink)
{
	struct life life;
};

FIXTURE_VARIANT(shrink)
{
	struct life_config config;
};

FIXTURE_VARIANT_ADD(shrink, bitmap)
{
	.config = {},
};

FIXTURE_VARIANT_ADD(shrink, ring)
{
	.config = { .ring = true },
};

FIXTURE_SETUP(shrink)
{
	if (kvm_device_is_kvm())
		return;
	ASSERT_EQ(0, life_open(&self->life, &variant->config));
}

FIXTURE_TEARDOWN(shrink)
{
	if (!kvm_device_is_kvm())
		life_close(&self->life);
}

/* kvm_intel keeps the tables of its own EPT. */
#define NOT_KVM() do {								\
	if (kvm_device_is_kvm())						\
		SKIP(return, "kvm_intel gives no tables back under pressure");	\
} while (0)

/* KiB of page tables of VMs, all in all; what each CPU counted is summed up first. */
static long table_kib(void)
{
	char line[128];
	FILE *file;
	long kib = -1;

	life_tell("/proc/sys/vm/stat_refresh", "1");
	file = fopen("/proc/meminfo", "r");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "SecPageTables: %ld", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib;
}

static int drop(void)
{
	return life_tell("/proc/sys/vm/drop_caches", DROP_SLAB);
}

/* The same where no guest runs: then tables must have gone. */
static bool drop_tables(void)
{
	long before = table_kib();

	return !drop() && (before < 0 || table_kib() < before);
}

TEST_F(shrink, under_writers)
{
	struct life *life = &self->life;
	int lap, i;

	NOT_KVM();
	for (lap = 0; lap < LIFE_LAPS; lap++) {
		LIFE_START(life);
		for (i = 0; i < 3; i++) {
			life_wait(life, rng_below(&life->rng, 1000));
			ASSERT_EQ(0, drop());
		}
		LIFE_STOP(life, false, lap);
	}
}

/* Written, not yet harvested, and the tables gone: each page is reported, and no other. */
TEST_F(shrink, records_outlive_the_tables)
{
	struct life *life = &self->life;
	uint32_t page, pages[LIFE_PAGES / 4];
	uint64_t reported;

	NOT_KVM();
	for (page = 0; page < LIFE_PAGES / 4; page++)
		pages[page] = page * 4 + rng_below(&life->rng, 4);
	BENCH_LOAD(&life->bench, writer);
	ASSERT_EQ(0, bench_start(&life->bench, 0));
	ASSERT_EQ(KVM_EXIT_IO, bench_touch(&life->bench, pages, LIFE_PAGES / 4, 0));
	life_harvest(life);
	reported = life->reported;
	ASSERT_EQ(KVM_EXIT_IO, bench_touch(&life->bench, pages, LIFE_PAGES / 4, 0));
	ASSERT_TRUE(drop_tables());
	life_harvest(life);
	ASSERT_EQ(0, life->error);
	EXPECT_EQ(reported + LIFE_PAGES / 4, life->reported);
	ASSERT_EQ(KVM_EXIT_IO, bench_touch(&life->bench, pages, 1, 0));
	ASSERT_TRUE(drop_tables());
	ASSERT_EQ(KVM_EXIT_IO, bench_touch(&life->bench, pages + 1, 1, 0));
	life_harvest(life);
	EXPECT_EQ(reported + LIFE_PAGES / 4 + 2, life->reported);
	for (page = 0; page < LIFE_PAGES / 4; page++)
		ASSERT_LT(0, bench_page(&life->bench, pages[page])[0]);
}

/* Many tables: a page each of @host, at addresses far apart, written by the guest. */
static bool spread(struct bench *bench, char *host)
{
	uint32_t *list = bench_script_list(bench), i;

	for (i = 0; i < TABLES; i++) {
		const struct mem mem = {
			.id = 2 + i, .gpa = 0x40000000 + i * (2UL << 20),
			.host = host + i * PAGE_SIZE, .size = PAGE_SIZE,
		};

		if (vm_set_mem(&bench->vm, &mem))
			return false;
		list[i] = mem.gpa;
	}
	BENCH_LOAD(bench, writer);
	return !bench_start(bench, 0) && bench_script(bench, TABLES) == KVM_EXIT_IO;
}

/* Once more after @runs, the tables gone in between. */
static bool spread_again(struct bench *bench, const char *host, uint32_t runs)
{
	uint32_t i;

	if (bench_script(bench, TABLES) != KVM_EXIT_IO)
		return false;
	for (i = 0; i < TABLES; i++)
		if (*(const uint32_t *)(host + i * PAGE_SIZE) != runs * TABLES + 1 + i)
			return false;
	return true;
}

TEST_F(shrink, their_memory_comes_back)
{
	struct life *life = &self->life;
	long before, full, after;
	char *host = mem_alloc(TABLES * PAGE_SIZE);

	NOT_KVM();
	before = table_kib();
	if (before < 0)
		SKIP(return, "this kernel's /proc/meminfo has no SecPageTables");
	ASSERT_TRUE(spread(&life->bench, host));
	full = table_kib();
	EXPECT_LE(before + TABLES * 4, full);
	ASSERT_EQ(0, drop());
	after = table_kib();
	EXPECT_GE(full - TABLES * 4, after);
	TH_LOG("KiB of tables: %ld, with %d more %ld, shrunk %ld", before, TABLES, full, after);
	ASSERT_TRUE(spread_again(&life->bench, host, 1));
	mem_free(host, TABLES * PAGE_SIZE);
}

/* Of one VM. */
static long tables(const struct bench *bench)
{
	struct stats stats;
	uint64_t n;
	long ret = -1;

	if (stats_open(&stats, bench->vm.fd))
		return -1;
	if (!stats_read(&stats, "ept_tables", &n))
		ret = n;
	stats_close(&stats);
	return ret;
}

/* For more than there is: the kernel tries its hardest, and says -EAGAIN. */
static int reclaim(void)
{
	return life_tell(LIFE_GROUP "/memory.reclaim", "64M");
}

/* Pressure in a memory cgroup takes the tables of the VM that was made there, and no other's. */
TEST_F(shrink, by_its_cgroup)
{
	const struct bench_config config = { .vcpus = 1 };
	struct life *life = &self->life;
	char *host = mem_alloc(2 * TABLES * PAGE_SIZE);
	struct bench inside;
	long full, outside;
	int lap;

	NOT_KVM();
	if (!life_group_make())
		SKIP(return, "no cgroup v2 with a memory controller");
	ASSERT_TRUE(spread(&life->bench, host));
	ASSERT_EQ(0, life_tell(LIFE_GROUP "/cgroup.procs", "0"));
	ASSERT_EQ(0, bench_open(&inside, &config));
	ASSERT_TRUE(spread(&inside, host + TABLES * PAGE_SIZE));
	for (lap = 0; lap < 2; lap++) {
		full = tables(&inside);
		outside = tables(&life->bench);
		ASSERT_LT(TABLES, full);
		ASSERT_LT(TABLES, outside);
		ASSERT_EQ(-EAGAIN, reclaim());
		EXPECT_GE(full - TABLES, tables(&inside)) TH_LOG("lap %d", lap);
		EXPECT_EQ(outside, tables(&life->bench));
		/* The cgroup is asked while there are none: it is asked again when there are. */
		ASSERT_EQ(0, drop());
		ASSERT_EQ(-EAGAIN, reclaim());
		ASSERT_TRUE(spread_again(&inside, host + TABLES * PAGE_SIZE, lap + 1));
		ASSERT_TRUE(spread_again(&life->bench, host, lap + 1));
	}
	bench_close(&inside);
	life_group_leave();
	mem_free(host, 2 * TABLES * PAGE_SIZE);
}

TEST_HARNESS_MAIN
