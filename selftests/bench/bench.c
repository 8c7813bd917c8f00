// SPDX-License-Identifier: GPL-2.0
/*
 * What each hot path costs, in TSC ticks; on the emulated machine a tick is an
 * instruction, so the figures repeat to the digit on one CPU.  The same program
 * runs on vellum and, with VELLUM_DEV=/dev/kvm, on kvm_intel.
 *
 * Prints one line a row: name, ticks for each unit.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../device/vm.h"

DECLARE_GUEST(exitloop);

#define PAGES	     4096u
#define RING_ENTRIES 16384
#define LOOPS	     1000u

static uint32_t list[PAGES];

static uint64_t rdtsc(void)
{
	uint32_t low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench: %s failed\n", what);
	exit(1);
}

static void row(const char *name, uint64_t ticks, uint64_t units)
{
	printf("%-28s %8.1f\n", name, (double)ticks / units);
	fflush(stdout);
}

/* One pass over the pages: its ticks. */
static uint64_t pass(struct bench *bench)
{
	uint64_t start = rdtsc();

	must(bench_script(bench, PAGES) == KVM_EXIT_IO, "a pass over the pages");
	return rdtsc() - start;
}

static void open_pages(struct bench *bench, uint32_t ring, uint32_t flags, uint64_t manual)
{
	const struct bench_config config = {
		.vcpus = 1,
		.ring_entries = ring,
		.data_pages = PAGES,
		.data_flags = flags,
		.manual = manual,
	};
	uint32_t i;

	must(!bench_open(bench, &config), "opening the VM");
	BENCH_LOAD(bench, writer);
	must(!bench_start(bench, 0), "starting the vCPU");
	for (i = 0; i < PAGES; i++)
		list[i] = i;
	must(bench_touch(bench, list, 0, 0) == KVM_EXIT_IO, "an empty pass");
	for (i = 0; i < PAGES; i++)
		bench_script_list(bench)[i] = DATA_GPA + i * PAGE_SIZE;
}

static void bench_exits(void)
{
	const struct bench_config config = { .vcpus = 1 };
	struct bench bench;
	uint64_t start;
	uint32_t i;

	must(!bench_open(&bench, &config), "opening the VM");
	BENCH_LOAD(&bench, exitloop);
	must(!bench_start(&bench, 0), "starting the vCPU");
	MBOX(&bench, 0, COUNT) = LOOPS;
	MBOX(&bench, 0, VALUE) = LOOPS;
	start = rdtsc();
	must(bench_run(&bench, 0) == KVM_EXIT_IO, "CPUID");
	row("CPUID exit", rdtsc() - start, LOOPS);
	start = rdtsc();
	for (i = 0; i < LOOPS; i++)
		must(bench_run(&bench, 0) == KVM_EXIT_IO, "OUT");
	row("OUT to userspace and back", rdtsc() - start, LOOPS);
	bench_close(&bench);
}

static void bench_bitmap(void)
{
	uint64_t *bitmap, start, first, plain;
	struct bench bench;

	open_pages(&bench, 0, 0, 0);
	first = pass(&bench);
	plain = pass(&bench);
	row("first touch", first - plain, PAGES);
	bitmap = calloc(1, mem_bitmap_bytes(&bench.data));
	start = rdtsc();
	must(!bench_set_flags(&bench, KVM_MEM_LOG_DIRTY_PAGES), "enabling logging");
	row("enabling logging, per page", rdtsc() - start, PAGES);
	row("logged write, bitmap", pass(&bench) - plain, PAGES);
	start = rdtsc();
	must(!vm_get_log(&bench.vm, &bench.data, bitmap), "KVM_GET_DIRTY_LOG");
	row("GET_DIRTY_LOG, per page", rdtsc() - start, PAGES);
	row("logged write again, bitmap", pass(&bench) - plain, PAGES);
	free(bitmap);
	bench_close(&bench);
}

static void bench_clear(void)
{
	struct kvm_clear_dirty_log range = { .slot = 1, .num_pages = PAGES };
	uint64_t *bitmap, start;
	struct bench bench;

	open_pages(&bench, 0, KVM_MEM_LOG_DIRTY_PAGES, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE);
	bitmap = calloc(1, mem_bitmap_bytes(&bench.data));
	range.dirty_bitmap = bitmap;
	pass(&bench);
	must(!vm_get_log(&bench.vm, &bench.data, bitmap), "KVM_GET_DIRTY_LOG");
	start = rdtsc();
	must(!vm_clear_log(&bench.vm, &range), "KVM_CLEAR_DIRTY_LOG");
	row("CLEAR_DIRTY_LOG, per page", rdtsc() - start, PAGES);
	must(bench_touch(&bench, list, 1, 0) == KVM_EXIT_IO, "one write");
	start = rdtsc();
	must(!vm_get_log(&bench.vm, &bench.data, bitmap), "KVM_GET_DIRTY_LOG");
	row("GET, manual, 1 dirty, a call", rdtsc() - start, 1);
	free(bitmap);
	bench_close(&bench);
}

static void bench_ring(void)
{
	struct kvm_dirty_gfn entry;
	uint64_t start, plain;
	struct bench bench;
	uint32_t n;

	open_pages(&bench, RING_ENTRIES, KVM_MEM_LOG_DIRTY_PAGES, 0);
	pass(&bench);
	plain = pass(&bench);
	while (ring_next(&bench.vcpu[0], &entry))
		;
	vm_reset_rings(&bench.vm);
	row("logged write, ring", pass(&bench) - plain, PAGES);
	start = rdtsc();
	for (n = 0; ring_next(&bench.vcpu[0], &entry); n++)
		;
	row("harvest, per entry", rdtsc() - start, n);
	start = rdtsc();
	must(vm_reset_rings(&bench.vm) == (int)n, "KVM_RESET_DIRTY_RINGS");
	row("RESET_DIRTY_RINGS, per entry", rdtsc() - start, n);
	bench_close(&bench);
}

int main(void)
{
	printf("%-28s %8s\n", kvm_device(), "ticks");
	bench_exits();
	bench_bitmap();
	bench_clear();
	bench_ring();
	return 0;
}
