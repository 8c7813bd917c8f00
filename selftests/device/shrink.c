// SPDX-License-Identifier: GPL-2.0
/*
 * Page-table memory under pressure: the host takes the tables of VMs that run,
 * are logged and harvested; their count falls, no write is lost, the guest has
 * its memory back. And what they cost is shown where the host shows it.
 */
#include <kselftest_harness.h>
#include <fcntl.h>
#include <sys/mman.h>

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

/* Many tables: a page each, at addresses far apart. */
TEST_F(shrink, their_memory_comes_back)
{
	struct life *life = &self->life;
	struct mem mem = { .size = PAGE_SIZE };
	uint32_t *list = bench_script_list(&life->bench), i;
	long before, full, after;
	char *host = mem_alloc(TABLES * PAGE_SIZE);

	NOT_KVM();
	for (i = 0; i < TABLES; i++) {
		mem.id = 2 + i;
		mem.gpa = 0x40000000 + i * (2UL << 20);
		mem.host = host + i * PAGE_SIZE;
		ASSERT_EQ(0, vm_set_mem(&life->bench.vm, &mem));
		list[i] = mem.gpa;
	}
	before = table_kib();
	if (before < 0)
		SKIP(return, "this kernel's /proc/meminfo has no SecPageTables");
	BENCH_LOAD(&life->bench, writer);
	ASSERT_EQ(0, bench_start(&life->bench, 0));
	ASSERT_EQ(KVM_EXIT_IO, bench_script(&life->bench, TABLES));
	full = table_kib();
	EXPECT_LE(before + TABLES * 4, full);
	ASSERT_EQ(0, drop());
	after = table_kib();
	EXPECT_GE(full - TABLES * 4, after);
	TH_LOG("KiB of tables: %ld, with %d more %ld, shrunk %ld", before, TABLES, full, after);
	ASSERT_EQ(KVM_EXIT_IO, bench_script(&life->bench, TABLES));
	for (i = 0; i < TABLES; i++)
		ASSERT_EQ(TABLES + 1 + i, *(uint32_t *)(host + i * PAGE_SIZE));
	mem_free(host, TABLES * PAGE_SIZE);
}

TEST_HARNESS_MAIN
