// SPDX-License-Identifier: GPL-2.0
/*
 * The statistics of a VM and of a vCPU (KVM_GET_STATS_FD): every name is there,
 * and each count is what the guest did.
 */
#include <kselftest_harness.h>
#include <errno.h>

#include "../../tools/lib/stats.h"
#include "../guest/counts.h"
#include "vm.h"

DECLARE_GUEST(bench_cpuid);
DECLARE_GUEST(bench_out);
DECLARE_GUEST(counted);
DECLARE_GUEST(ud);

#define PAGES	1024

FIXTURE(counts)
{
	struct bench bench;
	struct stats stats;
	struct stats vm;
};

FIXTURE_SETUP(counts)
{
	const struct bench_config config = {
		.vcpus = 1, .data_pages = PAGES, .data_flags = KVM_MEM_LOG_DIRTY_PAGES,
	};

	ASSERT_EQ(0, bench_open(&self->bench, &config));
	ASSERT_EQ(0, stats_open(&self->stats, self->bench.vcpu[0].fd));
	ASSERT_EQ(0, stats_open(&self->vm, self->bench.vm.fd));
}

FIXTURE_TEARDOWN(counts)
{
	stats_close(&self->vm);
	stats_close(&self->stats);
	bench_close(&self->bench);
}

static uint64_t get(struct stats *stats, const char *name)
{
	uint64_t value;

	return stats_read(stats, name, &value) ? UINT64_MAX : value;
}

/* As they are in Documentation/uapi.md. */
static const char * const exit_names[] = {
	"exits_other", "exits_exception", "exits_intr", "exits_triple_fault",
	"exits_intr_window", "exits_nmi_window", "exits_cpuid", "exits_hlt", "exits_rdpmc",
	"exits_vmcall", "exits_vmx", "exits_cr", "exits_dr", "exits_io", "exits_rdmsr",
	"exits_wrmsr", "exits_mwait", "exits_monitor", "exits_pause", "exits_tpr",
	"exits_ept_violation", "exits_ept_misconfig", "exits_preemption_timer",
	"exits_wbinvd", "exits_xsetbv", "exits_pml_full",
};

static const char * const other_names[] = {
	"exits", "ept_faults", "faults_mapped", "faults_restored", "faults_emulated",
	"faults_retried", "mmio", "pml_drains", "pml_entries", "ring_full", "tlb_flushes",
	"requests", "injections", "sleeps", "ring_records", "ring_used", "faults_split",
	"stall_ring_full_ns", "stall_map_ns", "stall_split_ns", "stall_restore_ns", "stall_pml_ns",
	"stall_flush_ns", "stall_drain_ns", "stall_request_ns",
};

static const char * const vm_names[] = {
	"ept_tables", "ept_pages", "pages_4k", "pages_2m", "pages_1g", "large_splits",
	"slots_logged", "flushes", "kicks", "log_gets", "log_clears", "ring_resets",
	"ring_reset_entries",
};

#define COUNT(array)	(sizeof(array) / sizeof(*(array)))

TEST_F(counts, names)
{
	size_t i;

	if (kvm_device_is_kvm())
		SKIP(return, "KVM's statistics have other names");
	for (i = 0; i < COUNT(exit_names); i++) {
		EXPECT_NE(UINT64_MAX, get(&self->stats, exit_names[i]))
			TH_LOG("exit %zu", i);
	}
	for (i = 0; i < COUNT(other_names); i++) {
		EXPECT_NE(UINT64_MAX, get(&self->stats, other_names[i]))
			TH_LOG("other %zu", i);
	}
	EXPECT_EQ(NULL, stats_name(&self->stats, COUNT(exit_names) + COUNT(other_names)));
	for (i = 0; i < COUNT(vm_names); i++) {
		EXPECT_NE(UINT64_MAX, get(&self->vm, vm_names[i]))
			TH_LOG("VM's %zu", i);
	}
	EXPECT_EQ(NULL, stats_name(&self->vm, COUNT(vm_names)));
}

/* The names' counts add up to all exits, but for what a running vCPU adds. */
static uint64_t sum_of_exits(struct stats *stats)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < COUNT(exit_names); i++)
		sum += get(stats, exit_names[i]);
	return sum;
}

/* Each kind of exit as often as the guest made it; interrupts and faults come between. */
TEST_F(counts, every_cause)
{
	static const struct {
		const char *name;
		uint64_t count;
	} expected[] = {
		{ "exits_cr", COUNTED_CR }, { "exits_rdmsr", COUNTED_RDMSR },
		{ "exits_wrmsr", COUNTED_WRMSR }, { "exits_wbinvd", COUNTED_WBINVD },
		{ "exits_vmcall", COUNTED_VMCALL }, { "exits_cpuid", COUNTED_CPUID },
		{ "exits_io", 1 }, { "exits_hlt", 1 }, { "exits_triple_fault", 1 },
		{ "mmio", COUNTED_MMIO }, { "faults_emulated", 1 },
		{ "exits_ept_misconfig", COUNTED_MMIO - 1 },
		{ "exits_exception", 1 /* UD2 */ }, { "exits_other", 0 }, { "exits_vmx", 0 },
		{ "exits_intr_window", 0 }, { "exits_nmi_window", 0 }, { "exits_tpr", 0 },
		{ "exits_dr", 0 }, { "exits_rdpmc", 0 }, { "exits_xsetbv", 0 },
		{ "exits_pml_full", 0 }, { "pml_entries", 0 }, { "ring_full", 0 },
	};
	size_t i;

	if (kvm_device_is_kvm())
		SKIP(return, "KVM's statistics have other names");
	BENCH_LOAD(&self->bench, counted);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	for (i = 0; i < COUNTED_MMIO; i++)
		ASSERT_EQ(KVM_EXIT_MMIO, bench_run(&self->bench, 0));
	ASSERT_EQ(KVM_EXIT_IO, bench_run(&self->bench, 0));
	ASSERT_EQ(KVM_EXIT_HLT, bench_run(&self->bench, 0));
	BENCH_LOAD(&self->bench, ud);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	ASSERT_EQ(KVM_EXIT_SHUTDOWN, bench_run(&self->bench, 0));
	for (i = 0; i < COUNT(expected); i++) {
		EXPECT_EQ(expected[i].count, get(&self->stats, expected[i].name))
			TH_LOG("%s", expected[i].name);
	}
	EXPECT_EQ(get(&self->stats, "exits"), sum_of_exits(&self->stats));
	EXPECT_EQ(get(&self->stats, "ept_faults"),
		  get(&self->stats, "faults_mapped") + get(&self->stats, "faults_restored") +
		  get(&self->stats, "faults_emulated") + get(&self->stats, "faults_retried") +
		  get(&self->stats, "faults_split"));
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
	uint64_t bitmap[PAGES / 64], logged, faults, restored, full;

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
	restored = get(&self->stats, "faults_restored");
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
	EXPECT_EQ(faults, get(&self->stats, "faults_restored") - restored);
	EXPECT_LT(0, get(&self->stats, "faults_mapped"));
	EXPECT_LE(PAGES, get(&self->vm, "ept_pages"));
}

/* What userspace harvests is counted for the VM. */
TEST_F(counts, harvests)
{
	struct kvm_clear_dirty_log clear = { .slot = self->bench.data.id, .num_pages = PAGES };
	uint64_t bitmap[PAGES / 64] = { 0 }, flushes;

	if (kvm_device_is_kvm())
		SKIP(return, "KVM's statistics have other names");
	clear.dirty_bitmap = bitmap;
	EXPECT_EQ(0, get(&self->vm, "log_gets"));
	EXPECT_EQ(1, get(&self->vm, "slots_logged"));
	BENCH_LOAD(&self->bench, writer);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	ASSERT_EQ(KVM_EXIT_IO, bench_touch(&self->bench, (uint32_t[]){ 1, 2, 3 }, 3, 0));
	flushes = get(&self->vm, "flushes");
	ASSERT_EQ(0, vm_get_log(&self->bench.vm, &self->bench.data, bitmap));
	EXPECT_EQ(14, bitmap[0]);
	EXPECT_EQ(1, get(&self->vm, "log_gets"));
	EXPECT_EQ(flushes + 1, get(&self->vm, "flushes"));
	ASSERT_EQ(0, vm_clear_log(&self->bench.vm, &clear));
	EXPECT_EQ(1, get(&self->vm, "log_clears"));
	EXPECT_EQ(0, get(&self->vm, "ring_resets"));
	flushes = get(&self->stats, "tlb_flushes");
	ASSERT_EQ(KVM_EXIT_IO, bench_touch(&self->bench, (uint32_t[]){ 1 }, 1, 0));
	EXPECT_EQ(flushes + 1, get(&self->stats, "tlb_flushes"));
	ASSERT_EQ(0, bench_set_flags(&self->bench, 0));
	EXPECT_EQ(0, get(&self->vm, "slots_logged"));
}

/* A ring that fills: once when it is full, and RESET gives back what was harvested. */
TEST(ring)
{
	const struct bench_config config = {
		.vcpus = 1, .data_pages = PAGES, .data_flags = KVM_MEM_LOG_DIRTY_PAGES,
		.ring_entries = 1024,
	};
	struct kvm_dirty_gfn entry;
	uint32_t pages[PAGES], i;
	struct stats vcpu, vm;
	struct bench bench;
	uint64_t n = 0;

	if (kvm_device_is_kvm())
		SKIP(return, "KVM's statistics have other names");
	ASSERT_EQ(0, bench_open(&bench, &config));
	ASSERT_EQ(0, stats_open(&vcpu, bench.vcpu[0].fd));
	ASSERT_EQ(0, stats_open(&vm, bench.vm.fd));
	for (i = 0; i < PAGES; i++)
		pages[i] = i;
	BENCH_LOAD(&bench, writer);
	ASSERT_EQ(0, bench_start(&bench, 0));
	ASSERT_EQ(KVM_EXIT_DIRTY_RING_FULL, bench_touch(&bench, pages, PAGES, 0));
	EXPECT_EQ(1, get(&vcpu, "ring_full"));
	ASSERT_EQ(KVM_EXIT_DIRTY_RING_FULL, bench_run(&bench, 0));
	EXPECT_EQ(2, get(&vcpu, "ring_full"));
	while (ring_next(&bench.vcpu[0], &entry))
		n++;
	ASSERT_LT(0, n);
	EXPECT_EQ(n, get(&vcpu, "ring_records"));
	EXPECT_EQ(n, get(&vcpu, "ring_used"));
	ASSERT_EQ(n, vm_reset_rings(&bench.vm));
	EXPECT_EQ(n, get(&vcpu, "ring_records"));
	EXPECT_EQ(0, get(&vcpu, "ring_used"));
	EXPECT_EQ(1, get(&vm, "ring_resets"));
	EXPECT_EQ(n, get(&vm, "ring_reset_entries"));
	ASSERT_EQ(0, vm_reset_rings(&bench.vm));
	EXPECT_EQ(2, get(&vm, "ring_resets"));
	EXPECT_EQ(n, get(&vm, "ring_reset_entries"));
	stats_close(&vm);
	stats_close(&vcpu);
	bench_close(&bench);
}

/* HLT with a local APIC is one exit, and sleeps in the kernel until a signal comes. */
TEST(halts)
{
	const struct bench_config config = { .vcpus = 1, .irqchip = true };
	struct stats vcpu;
	struct bench bench;

	if (kvm_device_is_kvm())
		SKIP(return, "KVM's statistics have other names");
	ASSERT_EQ(0, bench_open(&bench, &config));
	ASSERT_EQ(0, stats_open(&vcpu, bench.vcpu[0].fd));
	BENCH_LOAD(&bench, hlt);
	ASSERT_EQ(0, bench_start(&bench, 0));
	EXPECT_EQ(0, get(&vcpu, "sleeps"));
	EXPECT_EQ(-EINTR, bench_run_alarmed(&bench, 0, 20000));
	EXPECT_EQ(1, get(&vcpu, "exits_hlt"));
	EXPECT_LE(1, get(&vcpu, "sleeps"));
	stats_close(&vcpu);
	bench_close(&bench);
}

TEST_HARNESS_MAIN
