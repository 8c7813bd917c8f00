// SPDX-License-Identifier: GPL-2.0
/*
 * What each path costs, in TSC ticks: exits, first touches, logged writes, and
 * harvests a page. A 16 MiB slot of 4K pages that the host has touched; a guest in
 * flat 32-bit mode that writes one word to each page. On the emulated machine with
 * one CPU a tick is an instruction, and the figures repeat. Not a test: it fails
 * only when something cannot be measured.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../device/vm.h"

DECLARE_GUEST(bench_cpuid);
DECLARE_GUEST(bench_out);
DECLARE_GUEST(bench_write);

#define PAGES		4096
#define RING_ENTRIES	8192
#define REPEAT		1000

static const char *path = "nothing";

static void check(int ret)
{
	if (!ret)
		return;
	fprintf(stderr, "bench: %s cannot be measured (%s).\n", path,
		ret < 0 ? strerror(-ret) : "unexpected exit");
	exit(1);
}

/* testbed/profile follows what the CPU does between two marks in the rows it names. */
static void mark(void)
{
	const char *rows = getenv("BENCH_MARK");

	if (rows && strstr(rows, path))
		asm volatile("xchg %%bx, %%bx" : : : "memory");
}

static uint64_t ticks(void)
{
	uint32_t low, high;

	mark();
	asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static void print(uint64_t value)
{
	printf("%-44s %8llu\n", path, (unsigned long long)value);
	fflush(stdout);
}

/* What has passed since then, for each of so many, less the guest's own part. */
static void report(uint64_t from, uint64_t count, uint64_t off)
{
	uint64_t each = (ticks() - from) / count;

	print(each > off ? each - off : 0);
}

static void run(struct bench *bench)
{
	check(bench_run(bench, 0) != KVM_EXIT_IO || !bench_done(bench, 0));
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

static void exits(void)
{
	const struct bench_config config = { .vcpus = 1 };
	struct bench bench;
	uint64_t from;
	int i;

	path = "CPUID exit and re-entry";
	check(bench_open(&bench, &config));
	BENCH_LOAD(&bench, bench_cpuid);
	check(bench_start(&bench, 0));
	MBOX(&bench, 0, COUNT) = REPEAT;
	run(&bench);
	from = ticks();
	run(&bench);
	report(from, REPEAT, 0);

	path = "OUT exit to userspace and KVM_RUN again";
	BENCH_LOAD(&bench, bench_out);
	check(bench_start(&bench, 0));
	run(&bench);
	from = ticks();
	for (i = 0; i < REPEAT; i++)
		run(&bench);
	report(from, REPEAT, 0);
	bench_close(&bench);
}

static const char own_loop[] = "the guest's own loop, a page (taken off)";

/* First touches, and then plain writes: what the guest's own loop costs a page. */
static uint64_t first_touch(struct bench *bench)
{
	uint64_t from, touched, loop;

	path = "first touch of a page";
	from = ticks();
	run(bench);
	touched = (ticks() - from) / PAGES;
	path = own_loop;
	from = ticks();
	run(bench);
	loop = (ticks() - from) / PAGES;
	path = "first touch of a page";
	print(touched - loop);
	path = own_loop;
	print(loop);
	return loop;
}

static void enable(struct bench *bench)
{
	uint64_t from;

	path = "enabling logging, a page of the slot";
	from = ticks();
	check(bench_set_flags(bench, KVM_MEM_LOG_DIRTY_PAGES));
	report(from, PAGES, 0);
}

static void bitmap(void)
{
	static uint64_t bits[PAGES / 64];
	struct bench bench;
	uint64_t from, loop;

	open_bench(&bench, 0, 0);
	loop = first_touch(&bench);
	enable(&bench);
	check(vm_get_log(&bench.vm, &bench.data, bits));
	path = "logged write into the bitmap, a page";
	from = ticks();
	run(&bench);
	report(from, PAGES, loop);
	path = "GET_DIRTY_LOG, a dirty page";
	from = ticks();
	check(vm_get_log(&bench.vm, &bench.data, bits));
	report(from, PAGES, 0);
	bench_close(&bench);
}

static void manual(void)
{
	static uint64_t bits[PAGES / 64];
	struct kvm_clear_dirty_log clear = { .num_pages = PAGES, .dirty_bitmap = bits };
	struct bench bench;
	uint64_t from;
	int i;

	open_bench(&bench, 0, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE);
	clear.slot = bench.data.id;
	check(bench_set_flags(&bench, KVM_MEM_LOG_DIRTY_PAGES));
	run(&bench);
	check(vm_get_log(&bench.vm, &bench.data, bits));
	path = "CLEAR_DIRTY_LOG, a dirty page";
	from = ticks();
	check(vm_clear_log(&bench.vm, &clear));
	report(from, PAGES, 0);
	MBOX(&bench, 0, COUNT) = 1;
	run(&bench);
	path = "GET_DIRTY_LOG, manual, 1 page dirty of 4096";
	from = ticks();
	for (i = 0; i < 10; i++)
		check(vm_get_log(&bench.vm, &bench.data, bits));
	report(from, 10, 0);
	bench_close(&bench);
}

static void ring(void)
{
	struct kvm_dirty_gfn entry;
	struct bench bench;
	uint64_t from, loop, n, wrong = 0;

	path = own_loop;
	open_bench(&bench, RING_ENTRIES, 0);
	run(&bench);
	from = ticks();
	run(&bench);
	loop = (ticks() - from) / PAGES;
	check(bench_set_flags(&bench, KVM_MEM_LOG_DIRTY_PAGES));
	path = "logged write into the ring, a page";
	from = ticks();
	run(&bench);
	report(from, PAGES, loop);
	path = "harvest in userspace, an entry";
	from = ticks();
	for (n = 0; ring_next(&bench.vcpu[0], &entry); n++)
		wrong += entry.offset != n;
	check(n != PAGES);
	report(from, n, 0);
	path = "RESET_DIRTY_RINGS, an entry";
	from = ticks();
	check(vm_reset_rings(&bench.vm) != PAGES);
	report(from, n, 0);
	path = "entries out of the order of the writes";
	print(wrong);
	bench_close(&bench);
}

int main(void)
{
	printf("%-44s %8s\n", kvm_device(), "ticks");
	exits();
	bitmap();
	manual();
	ring();
	return 0;
}
