// SPDX-License-Identifier: GPL-2.0
/*
 * What each path costs, in TSC ticks: exits, first touches, logged writes, and
 * harvests a page. A 16 MiB slot of 4K pages that the host has touched; a guest in
 * flat 32-bit mode that writes one word to each page. On the emulated machine with
 * one CPU a tick is an instruction. Everything is done several times over, each
 * time with a new VM, and the least of each is printed: what interrupts add to a
 * path is in some of its rounds only. Prints "row ticks" lines, which report.py
 * makes a table of. Not a test: it fails only when something cannot be measured.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

DECLARE_GUEST(bench_cpuid);
DECLARE_GUEST(bench_out);
DECLARE_GUEST(bench_write);

#define ROUNDS		5
#define PAGES		4096
#define RING_ENTRIES	8192
#define REPEAT		1000
#define HARVESTS	10

/* What a row is divided by, and whether the guest's own loop is in it. */
static const struct row {
	const char *name;
	unsigned int count;
	bool has_loop;
} rows[ROWS] = {
	[CPUID] = { "cpuid", REPEAT },
	[OUT] = { "out", REPEAT },
	[FIRST_TOUCH] = { "first_touch", PAGES, true },
	[LOOP] = { "guest_loop", PAGES },
	[ENABLE] = { "enable_logging", PAGES },
	[WRITE_BITMAP] = { "write_bitmap", PAGES, true },
	[GET_LOG] = { "get_log", PAGES },
	[CLEAR_LOG] = { "clear_log", PAGES },
	[GET_LOG_MANUAL] = { "get_log_manual", HARVESTS },
	[WRITE_RING] = { "write_ring", PAGES, true },
	[HARVEST] = { "harvest", PAGES },
	[RESET_RING] = { "reset_ring", PAGES },
	[OUT_OF_ORDER] = { "out_of_order", 1 },
	[POPULATE_THP] = { "populate_thp", THP_PAGES },
	[ENABLE_THP] = { "enable_thp", THP_PAGES },
	[AGED] = { "aged", AGED_PAGES },
	[GET_SPARSE] = { "get_sparse", SPARSE_DIRTY },
	[TABLE_KIB] = { "table_kib", 1 },
	[GET_SMALL] = { "get_small", 1 },
	[GET_LARGE] = { "get_large", 1 },
	[L2_VMCALL] = { "l2_vmcall", L2_EXITS },
	[L2_HANDLED] = { "l2_handled", L2_EXITS },
	[L2_RDMSR] = { "l2_rdmsr", L2_EXITS },
	[L2_FIRST_TOUCH] = { "l2_first_touch", L2_PAGES },
	[L2_WRITE] = { "l2_write", L2_PAGES },
};

static uint64_t least[ROWS];
unsigned int bench_row;
unsigned int bench_round;

void check(int ret)
{
	if (!ret)
		return;
	fprintf(stderr, "bench: %s cannot be measured (%s).\n", rows[bench_row].name,
		ret < 0 ? strerror(-ret) : "unexpected exit");
	exit(1);
}

static uint64_t ticks(void)
{
	uint32_t low, high;

	asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* testbed/profile follows what the CPU does between two marks around a row that it names. */
static bool marked(void)
{
	const char *names = getenv("BENCH_MARK");
	char name[32];

	snprintf(name, sizeof(name), "|%s|", rows[bench_row].name);
	return names && strstr(names, name);
}

static void mark(void)
{
	if (marked())
		asm volatile("xchg %%bx, %%bx" : : : "memory");
}

/*
 * What the kernel put off is done while we sleep, and not in the row; for how long
 * depends on the round, so that the timer's interrupt meets each row elsewhere.
 */
uint64_t begin(unsigned int row)
{
	bench_row = row;
	usleep(500 + 700 * bench_round);
	mark();
	return ticks();
}

void keep(unsigned int row, uint64_t value)
{
	if (value < least[row])
		least[row] = value;
}

void end(uint64_t from)
{
	uint64_t took = ticks() - from;

	keep(bench_row, took);
	mark();
	if (marked())
		printf("marked %s %.2f\n", rows[bench_row].name,
		       (double)took / rows[bench_row].count);
	fflush(stdout);
}

void run(struct bench *bench)
{
	check(bench_run(bench, 0) != KVM_EXIT_IO || !bench_done(bench, 0));
}

void timed_run(struct bench *bench, unsigned int row)
{
	uint64_t from = begin(row);

	run(bench);
	end(from);
}

static void open_bench(struct bench *bench, uint32_t ring_entries, uint64_t manual)
{
	const struct bench_config config = {
		.vcpus = 1, .data_pages = PAGES, .ring_entries = ring_entries, .manual = manual,
	};

	check(bench_open(bench, &config));
	BENCH_LOAD(bench, bench_write);
	check(bench_start(bench, 0));
	MBOX(bench, 0, BASE) = DATA_GPA;
	MBOX(bench, 0, COUNT) = PAGES;
}

/* The first run is for what comes once; the second is measured. */
static void exits(void)
{
	const struct bench_config config = { .vcpus = 1 };
	struct bench bench;
	uint64_t from;
	int i;

	bench_row = CPUID;
	check(bench_open(&bench, &config));
	BENCH_LOAD(&bench, bench_cpuid);
	check(bench_start(&bench, 0));
	MBOX(&bench, 0, COUNT) = REPEAT;
	run(&bench);
	timed_run(&bench, CPUID);

	bench_row = OUT;
	BENCH_LOAD(&bench, bench_out);
	check(bench_start(&bench, 0));
	run(&bench);
	from = begin(OUT);
	for (i = 0; i < REPEAT; i++)
		run(&bench);
	end(from);
	bench_close(&bench);
}

static void enable(struct bench *bench)
{
	uint64_t from = begin(ENABLE);

	check(bench_set_flags(bench, KVM_MEM_LOG_DIRTY_PAGES));
	end(from);
}

static void bitmap(void)
{
	static uint64_t bits[PAGES / 64];
	struct bench bench;
	uint64_t from;

	open_bench(&bench, 0, 0);
	timed_run(&bench, FIRST_TOUCH);
	timed_run(&bench, LOOP);
	enable(&bench);
	check(vm_get_log(&bench.vm, &bench.data, bits));
	timed_run(&bench, WRITE_BITMAP);
	from = begin(GET_LOG);
	check(vm_get_log(&bench.vm, &bench.data, bits));
	end(from);
	bench_close(&bench);
}

static void manual(void)
{
	static uint64_t bits[PAGES / 64];
	struct kvm_clear_dirty_log clear = { .num_pages = PAGES, .dirty_bitmap = bits };
	struct bench bench;
	uint64_t from;
	int i;

	bench_row = CLEAR_LOG;
	open_bench(&bench, 0, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE);
	clear.slot = bench.data.id;
	check(bench_set_flags(&bench, KVM_MEM_LOG_DIRTY_PAGES));
	run(&bench);
	check(vm_get_log(&bench.vm, &bench.data, bits));
	from = begin(CLEAR_LOG);
	check(vm_clear_log(&bench.vm, &clear));
	end(from);
	MBOX(&bench, 0, COUNT) = 1;
	run(&bench);
	from = begin(GET_LOG_MANUAL);
	for (i = 0; i < HARVESTS; i++)
		check(vm_get_log(&bench.vm, &bench.data, bits));
	end(from);
	bench_close(&bench);
}

static void ring(void)
{
	struct kvm_dirty_gfn entry;
	struct bench bench;
	uint64_t from, n, wrong = 0;

	bench_row = WRITE_RING;
	open_bench(&bench, RING_ENTRIES, 0);
	run(&bench);
	check(bench_set_flags(&bench, KVM_MEM_LOG_DIRTY_PAGES));
	timed_run(&bench, WRITE_RING);
	from = begin(HARVEST);
	for (n = 0; ring_next(&bench.vcpu[0], &entry); n++)
		wrong += entry.offset != n;
	end(from);
	check(n != PAGES);
	from = begin(RESET_RING);
	check(vm_reset_rings(&bench.vm) != PAGES);
	end(from);
	keep(OUT_OF_ORDER, wrong);
	bench_close(&bench);
}

static void print(unsigned int i)
{
	uint64_t off = rows[i].has_loop ? least[LOOP] : 0;

	printf("%s %.2f\n", rows[i].name, (double)(least[i] - off) / rows[i].count);
}

/* Not for a profile of other rows: it would be most of that. */
static bool one_is_asked_for(unsigned int first, unsigned int last)
{
	if (!getenv("BENCH_MARK"))
		return true;
	for (bench_row = first; bench_row <= last; bench_row++)
		if (marked())
			return true;
	return false;
}

static void all(void)
{
	unsigned int rounds = getenv("BENCH_MARK") ? 1 : ROUNDS;

	for (bench_round = 0; bench_round < rounds; bench_round++) {
		exits();
		bitmap();
		manual();
		ring();
		if (bench_round < LONG_ROUNDS && one_is_asked_for(POPULATE_THP, GET_LARGE))
			memory();
		if (bench_round < LONG_ROUNDS && one_is_asked_for(L2_VMCALL, L2_WRITE))
			nested();
	}
}

/* "bench nested": the rows of nested.c alone. */
int main(int argc, char **argv)
{
	unsigned int i;

	for (i = 0; i < ROWS; i++)
		least[i] = UINT64_MAX;
	if (argc == 2 && !strcmp(argv[1], "nested"))
		for (bench_round = 0; bench_round < LONG_ROUNDS; bench_round++)
			nested();
	else if (argc == 1)
		all();
	else
		errx(2, "usage: bench [nested]");
	for (i = 0; i < ROWS; i++)
		if (least[i] != UINT64_MAX)
			print(i);
	return 0;
}
