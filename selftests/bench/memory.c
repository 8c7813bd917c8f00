// SPDX-License-Identifier: GPL-2.0
/*
 * Rows about more memory than 16 MiB of 4K pages: huge pages, what the host has aged,
 * and slots of which little is there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../device/life.h"
#include "bench.h"

DECLARE_GUEST(bench_write);
DECLARE_GUEST(bench_step);

#define HUGE_BYTES	(2UL << 20)
#define TEN		10
#define SMALL_PAGES	(1UL << 14)	/* 64 MiB */
#define LARGE_PAGES	(1UL << 24)	/* 64 GiB */
#define SMALL_STEP	1638		/* pages */
#define LARGE_STEP	75000		/* the last is below 3 GiB, where a flat guest can write */

/* Address space for guest memory, aligned by 2M; the pages come as they are touched. */
static void *map_memory(size_t bytes, int advice)
{
	size_t size = bytes + HUGE_BYTES;
	char *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t head = -(uintptr_t)map & (HUGE_BYTES - 1);

	check(map == MAP_FAILED ? -errno : 0);
	if (head)
		munmap(map, head);
	munmap(map + head + bytes, HUGE_BYTES - head);
	check(madvise(map + head, bytes, advice) ? -errno : 0);
	return map + head;
}

static void open_step(struct bench *bench, uint64_t pages, int advice)
{
	struct bench_config config = { .vcpus = 1, .data_pages = pages };

	config.data_host = map_memory(pages * PAGE_SIZE, advice);
	check(bench_open(bench, &config));
	BENCH_LOAD(bench, bench_step);
	check(bench_start(bench, 0));
	MBOX(bench, 0, BASE) = DATA_GPA;
}

static void close_step(struct bench *bench)
{
	void *host = bench->data.host;
	size_t bytes = bench->data.size;

	bench_close(bench);
	munmap(host, bytes);
}

/* The number behind a word in a file of /proc; 0 if it is not there. */
static uint64_t ask(const char *path, const char *word)
{
	unsigned long value, found = 0;
	FILE *file = fopen(path, "r");
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, word, strlen(word)) &&
		    sscanf(line + strlen(word), "%lu", &value) == 1)
			found = value;
	if (file)
		fclose(file);
	return found;
}

/* The guest is the first to touch its memory, each 2M of it; then all is logged. */
static void huge(void)
{
	struct bench bench;
	uint64_t from;

	bench_row = POPULATE_THP;
	/* Below 512 MiB the kernel has them off to begin with. */
	check(life_tell("/sys/kernel/mm/transparent_hugepage/enabled", "madvise"));
	open_step(&bench, THP_PAGES, MADV_HUGEPAGE);
	MBOX(&bench, 0, COUNT) = THP_PAGES * PAGE_SIZE / HUGE_BYTES;
	MBOX(&bench, 0, VALUE) = HUGE_BYTES;
	timed_run(&bench, POPULATE_THP);
	/* Else it is not about huge pages. */
	check(ask("/proc/self/smaps_rollup", "AnonHugePages:") < THP_PAGES * PAGE_SIZE >> 10);
	from = begin(ENABLE_THP);
	check(bench_set_flags(&bench, KVM_MEM_LOG_DIRTY_PAGES));
	end(from);
	close_step(&bench);
}

/*
 * Reclaim of a memory cgroup looks which pages were accessed, and takes the access
 * away where there are no A/D bits.  They are pinned: it can only look.
 */
static void aged(void)
{
	const struct bench_config config = { .vcpus = 1, .data_pages = AGED_PAGES };
	struct bench bench;
	int pin, lap;

	bench_row = AGED;
	check(life_group_make() ? 0 : -ENODEV);
	check(bench_open(&bench, &config));
	check(life_group_enter_with(bench.data.host, bench.data.size));
	BENCH_LOAD(&bench, bench_write);
	check(bench_start(&bench, 0));
	pin = life_pin(bench.data.host, bench.data.size);
	check(pin < 0 ? -errno : 0);
	MBOX(&bench, 0, BASE) = DATA_GPA;
	MBOX(&bench, 0, COUNT) = AGED_PAGES;
	run(&bench);
	for (lap = 0; lap < 2; lap++)
		life_tell(LIFE_GROUP "/memory.reclaim", "2M"); /* -EAGAIN: it did not get them */
	timed_run(&bench, AGED);
	close(pin);
	bench_close(&bench);
	life_group_leave();
}

/* What kvm_intel keeps beside each table, which it needs as much and does not count. */
static uint64_t header_kib(void)
{
	unsigned long active, objects, size, kib = 0;
	FILE *file = fopen("/proc/slabinfo", "r");
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "kvm_mmu_page_header %lu %lu %lu", &active, &objects, &size) == 3)
			kib = active * size >> 10;
	if (file)
		fclose(file);
	return kib;
}

static uint64_t table_kib(void)
{
	/* Counts that are still each CPU's own are added up. */
	life_tell("/proc/sys/vm/stat_refresh", "1");
	return ask("/proc/meminfo", "SecPageTables:") + header_kib();
}

/* One page in a hundred of 1 GiB is there, and so all its tables. */
static void sparse(void)
{
	static uint64_t bits[SPARSE_PAGES / 64];
	uint64_t from, before = table_kib();
	struct bench bench;

	bench_row = GET_SPARSE;
	open_step(&bench, SPARSE_PAGES, MADV_NOHUGEPAGE);
	MBOX(&bench, 0, COUNT) = SPARSE_DIRTY;
	MBOX(&bench, 0, VALUE) = SPARSE_STEP * PAGE_SIZE;
	run(&bench);
	keep(TABLE_KIB, table_kib() - before);
	check(bench_set_flags(&bench, KVM_MEM_LOG_DIRTY_PAGES));
	run(&bench);
	check(vm_get_log(&bench.vm, &bench.data, bits));
	run(&bench);
	from = begin(GET_SPARSE);
	check(vm_get_log(&bench.vm, &bench.data, bits));
	end(from);
	close_step(&bench);
}

/* Ten pages of a slot are dirty. */
static void ten(unsigned int row, uint64_t pages, uint64_t step)
{
	uint64_t *bits = calloc(pages / 64, sizeof(*bits));
	struct bench bench;
	uint64_t from, i, found = 0;

	bench_row = row;
	check(bits ? 0 : -ENOMEM);
	memset(bits, 0xff, pages / 8);
	open_step(&bench, pages, MADV_NOHUGEPAGE);
	MBOX(&bench, 0, COUNT) = TEN;
	MBOX(&bench, 0, VALUE) = step * PAGE_SIZE;
	check(bench_set_flags(&bench, KVM_MEM_LOG_DIRTY_PAGES));
	run(&bench);
	check(vm_get_log(&bench.vm, &bench.data, bits));
	run(&bench);
	from = begin(row);
	check(vm_get_log(&bench.vm, &bench.data, bits));
	end(from);
	for (i = 0; i < pages / 64; i++)
		found += __builtin_popcountll(bits[i]);
	check(found != TEN);
	close_step(&bench);
	free(bits);
}

void memory(void)
{
	huge();
	aged();
	sparse();
	ten(GET_SMALL, SMALL_PAGES, SMALL_STEP);
	ten(GET_LARGE, LARGE_PAGES, LARGE_STEP);
}
