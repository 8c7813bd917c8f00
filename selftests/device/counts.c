// SPDX-License-Identifier: GPL-2.0
/*
 * The statistics of a vCPU (KVM_GET_STATS_FD): every name that the vellum command
 * shows is there, and each count is what the guest did.
 */
#include <kselftest_harness.h>

#include "../../tools/lib/stats.h"
#include "vm.h"

DECLARE_GUEST(bench_cpuid);
DECLARE_GUEST(bench_out);

#define PAGES	1024

FIXTURE(counts)
{
	struct bench bench;
	struct stats stats;
};

FIXTURE_SETUP(counts)
{
	const struct bench_config config = {
		.vcpus = 1, .data_pages = PAGES, .data_flags = KVM_MEM_LOG_DIRTY_PAGES,
	};

	ASSERT_EQ(0, bench_open(&self->bench, &config));
	ASSERT_EQ(0, stats_open(&self->stats, self->bench.vcpu[0].fd));
}

FIXTURE_TEARDOWN(counts)
{
	stats_close(&self->stats);
	bench_close(&self->bench);
}

static uint64_t get(struct stats *stats, const char *name)
{
	uint64_t value;

	return stats_read(stats, name, &value) ? UINT64_MAX : value;
}

TEST_F(counts, names)
{
	static const char * const names[] = {
		"exits", "exits_intr", "exits_ept_violation", "exits_ept_misconfig",
		"exits_pml_full", "exits_io", "exits_cpuid", "exits_hlt", "exits_msr",
		"exits_other", "pml_entries", "ept_faults", "tlb_flushes",
	};
	size_t i;

	if (kvm_device_is_kvm())
		SKIP(return, "KVM's statistics have other names");
	for (i = 0; i < ARRAY_SIZE(names); i++)
		EXPECT_NE(UINT64_MAX, get(&self->stats, names[i])) TH_LOG("name %zu", i);
}

TEST_F(counts, counts_are_exact)
{
	uint64_t io, cpuid, exits;
	int i;

	if (kvm_device_is_kvm())
		SKIP(return, "KVM's statistics have other names");
	BENCH_LOAD(&self->bench, bench_cpuid);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	MBOX(&self->bench, 0, COUNT) = 100;
	exits = get(&self->stats, "exits");
	cpuid = get(&self->stats, "exits_cpuid");
	io = get(&self->stats, "exits_io");
	ASSERT_EQ(KVM_EXIT_IO, bench_run(&self->bench, 0));
	EXPECT_EQ(cpuid + 100, get(&self->stats, "exits_cpuid"));
	EXPECT_EQ(io + 1, get(&self->stats, "exits_io"));
	EXPECT_LE(exits + 101, get(&self->stats, "exits"));
	BENCH_LOAD(&self->bench, bench_out);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	for (i = 0; i < 50; i++)
		ASSERT_EQ(KVM_EXIT_IO, bench_run(&self->bench, 0));
	EXPECT_EQ(io + 51, get(&self->stats, "exits_io"));
}

/*
 * Pages that are mapped and clean are seen in the CPU's log, 512 to an exit, or by
 * a fault each, or not before the harvest looks at their D bits.
 */
TEST_F(counts, logged_writes)
{
	uint32_t pages[PAGES], i;
	uint64_t bitmap[PAGES / 64], logged, faults, full;

	if (kvm_device_is_kvm())
		SKIP(return, "KVM's statistics have other names");
	BENCH_LOAD(&self->bench, writer);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	for (i = 0; i < PAGES; i++)
		pages[i] = i;
	ASSERT_EQ(KVM_EXIT_IO, bench_touch(&self->bench, pages, PAGES, 0));
	ASSERT_EQ(0, vm_get_log(&self->bench.vm, &self->bench.data, bitmap));
	logged = get(&self->stats, "pml_entries");
	faults = get(&self->stats, "ept_faults");
	full = get(&self->stats, "exits_pml_full");
	ASSERT_EQ(KVM_EXIT_IO, bench_touch(&self->bench, pages, PAGES, 0));
	logged = get(&self->stats, "pml_entries") - logged;
	faults = get(&self->stats, "ept_faults") - faults;
	full = get(&self->stats, "exits_pml_full") - full;
	TH_LOG("%llu in the log, %llu faults, log full %llu times", (unsigned long long)logged,
	       (unsigned long long)faults, (unsigned long long)full);
	EXPECT_GE(PAGES, logged);
	EXPECT_GE(PAGES, faults);
	EXPECT_GE(logged / 512, full);
	EXPECT_TRUE(logged == PAGES || faults == PAGES || (!logged && !faults));
}

TEST_HARNESS_MAIN
