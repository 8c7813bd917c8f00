// SPDX-License-Identifier: GPL-2.0
/*
 * As much of Hyper-V's interface (TLFS) as there is, seen from a guest whose CPUID has
 * it: hypercalls, the pages that its MSRs name, the APIC by MSR; and from one without.
 * kvm_intel fails it: it lists other leaves, and all of Hyper-V's MSRs.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <string.h>

#include "../../tools/lib/page.h"
#include "intr.h"

#define MSR_GUEST_OS_ID	0x40000000
#define MSR_HYPERCALL	0x40000001
#define MSR_VP_INDEX	0x40000002
#define MSR_EOI		0x40000070
#define MSR_ICR		0x40000071
#define MSR_TPR		0x40000072
#define MSR_ASSIST	0x40000073

#define NO_SUCH_CALL	2		/* HV_STATUS_INVALID_HYPERCALL_CODE */
#define NO_KVM_CALL	((uint32_t)-1000)	/* -KVM_ENOSYS */
#define SELF		(1 << 18)	/* of the ICR: the shorthand */
#define NOT_MEMORY	0x70000000
#define PAGES		4

struct cpuid {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entries[CPUID_MAX];
};

/* VMCALL; RET */
static const uint8_t call[] = { 0x0f, 0x01, 0xc1, 0xc3 };

FIXTURE(hyperv)
{
	struct bench bench;
};

FIXTURE_VARIANT(hyperv)
{
	bool x2apic;
};

FIXTURE_VARIANT_ADD(hyperv, xapic)
{
	.x2apic = false,
};

FIXTURE_VARIANT_ADD(hyperv, x2apic)
{
	.x2apic = true,
};

/* A VM whose owner hears of each MSR that faults. */
static int open_vm(struct bench *bench)
{
	const struct bench_config config = { .vcpus = 1, .irqchip = true, .data_pages = PAGES };
	int ret = intr_open(bench, config);

	return ret ?: vm_enable_cap(&bench->vm, KVM_CAP_X86_USER_SPACE_MSR,
				    KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN);
}

/* In place of KVM's leaves. */
static int set_hyperv_cpuid(struct vcpu *vcpu)
{
	struct cpuid cpuid = { .head.nent = CPUID_MAX }, hyperv = { .head.nent = CPUID_MAX };
	int ret = kvm_ioctl(vcpu->fd, KVM_GET_CPUID2, &cpuid);
	uint32_t i, n = 0;

	ret = ret ?: kvm_ioctl(vcpu->fd, KVM_GET_SUPPORTED_HV_CPUID, &hyperv);
	for (i = 0; i < cpuid.head.nent; i++)
		if (cpuid.entries[i].function >> 8 != 0x400000)
			cpuid.entries[n++] = cpuid.entries[i];
	for (i = 0; !ret && i < hyperv.head.nent; i++)
		cpuid.entries[n++] = hyperv.entries[i];
	cpuid.head.nent = n;
	return ret ?: kvm_ioctl(vcpu->fd, KVM_SET_CPUID2, &cpuid);
}

FIXTURE_SETUP(hyperv)
{
	struct bench *bench = &self->bench;

	ASSERT_EQ(0, open_vm(bench));
	ASSERT_EQ(0, set_hyperv_cpuid(&bench->vcpu[0]));
	if (variant->x2apic) {
		INTR_STEPS(bench, 0, STEPS_X2APIC);
	} else {
		bench_mbox(bench, 0)[INTR_XAPIC / 4] = 1;
		INTR_STEPS(bench, 0, { STEP_MMIO_WRITE, APIC_SVR, 0x1ff, 0 });
	}
	ASSERT_TRUE(intr_run(bench, 0));
}

FIXTURE_TEARDOWN(hyperv)
{
	bench_close(&self->bench);
}

static uint64_t page_gpa(unsigned int page)
{
	return DATA_GPA + page * PAGE_SIZE;
}

static uint8_t *page_of(struct bench *bench, unsigned int page)
{
	return (uint8_t *)bench_page(bench, page);
}

/* The next step is told to the owner, for @reason, and faults no more. */
static void check_told(struct __test_metadata *_metadata, struct bench *bench, int exit,
		       uint32_t reason)
{
	struct kvm_run *run = bench->vcpu[0].run;

	ASSERT_EQ(exit, bench_run(bench, 0));
	ASSERT_EQ(reason, run->msr.reason) TH_LOG("MSR %#x", run->msr.index);
	run->msr.error = 0;
}

TEST_F(hyperv, hypercalls)
{
	struct bench *bench = &self->bench;
	uint64_t bitmap = 0;

	memset(page_of(bench, 0), 0xcc, PAGE_SIZE);
	memcpy(page_of(bench, 1), call, sizeof(call));
	ASSERT_EQ(0, bench_set_flags(bench, KVM_MEM_LOG_DIRTY_PAGES));
	INTR_STEPS(bench, 0, { STEP_CALL, page_gpa(1), 0x1234, 0 },
		   { STEP_WRMSR, MSR_GUEST_OS_ID, 1, 0 },
		   { STEP_WRMSR, MSR_HYPERCALL, page_gpa(0) | 1, 0 },
		   { STEP_RDMSR, MSR_HYPERCALL, 0, 0 },
		   { STEP_CALL, page_gpa(0), 0x1234, 0 });
	ASSERT_TRUE(intr_run(bench, 0));
	EXPECT_EQ(NO_KVM_CALL, intr_result(bench, 0, 0)) TH_LOG("nobody yet: KVM's hypercall");
	EXPECT_EQ(page_gpa(0) | 1, intr_result(bench, 0, 1));
	EXPECT_EQ(NO_SUCH_CALL, intr_result(bench, 0, 2));
	EXPECT_EQ(0, memcmp(page_of(bench, 0), call, sizeof(call)));
	EXPECT_EQ(0xcc, page_of(bench, 0)[sizeof(call)]) TH_LOG("no more than the code");
	ASSERT_EQ(0, vm_get_log(&bench->vm, &bench->data, &bitmap));
	EXPECT_EQ(1, bitmap & 1) TH_LOG("what is written there is logged");
}

/* Who is nobody has no page, and loses the one that he had. */
TEST_F(hyperv, no_hypercalls_of_nobody)
{
	struct bench *bench = &self->bench;

	memset(page_of(bench, 0), 0xcc, PAGE_SIZE);
	INTR_STEPS(bench, 0, { STEP_WRMSR, MSR_HYPERCALL, page_gpa(0) | 1, 0 },
		   { STEP_RDMSR, MSR_HYPERCALL, 0, 0 });
	ASSERT_TRUE(intr_run(bench, 0));
	EXPECT_EQ(page_gpa(0), intr_result(bench, 0, 0));
	EXPECT_EQ(0xcc, page_of(bench, 0)[0]);
	INTR_STEPS(bench, 0, { STEP_WRMSR, MSR_GUEST_OS_ID, 1, 0 },
		   { STEP_WRMSR, MSR_HYPERCALL, page_gpa(0) | 1, 0 },
		   { STEP_WRMSR, MSR_GUEST_OS_ID, 0, 0 }, { STEP_RDMSR, MSR_HYPERCALL, 0, 0 });
	ASSERT_TRUE(intr_run(bench, 0));
	EXPECT_EQ(page_gpa(0), intr_result(bench, 0, 1));
}

/* The word that says which EOIs need not be told is cleared, and nothing else. */
TEST_F(hyperv, assist_page)
{
	struct bench *bench = &self->bench;
	uint64_t bitmap = 0;

	memset(page_of(bench, 2), 0xff, PAGE_SIZE);
	ASSERT_EQ(0, bench_set_flags(bench, KVM_MEM_LOG_DIRTY_PAGES));
	INTR_STEPS(bench, 0, { STEP_WRMSR, MSR_ASSIST, page_gpa(2) | 1, 0 },
		   { STEP_RDMSR, MSR_ASSIST, 0, 0 });
	ASSERT_TRUE(intr_run(bench, 0));
	EXPECT_EQ(page_gpa(2) | 1, intr_result(bench, 0, 0));
	EXPECT_EQ(0, *bench_page(bench, 2));
	EXPECT_EQ(0xffffffff, bench_page(bench, 2)[1]);
	ASSERT_EQ(0, vm_get_log(&bench->vm, &bench->data, &bitmap));
	EXPECT_EQ(1 << 2, bitmap);
}

/* A page that is no memory, or that no address reaches. */
TEST_F(hyperv, pages_that_are_none)
{
	struct bench *bench = &self->bench;
	unsigned int i;

	INTR_STEPS(bench, 0, { STEP_WRMSR, MSR_GUEST_OS_ID, 1, 0 },
		   { STEP_WRMSR, MSR_HYPERCALL, NOT_MEMORY | 1, 0 },
		   { STEP_WRMSR, MSR_HYPERCALL, 1, 1 << 24 },
		   { STEP_WRMSR, MSR_ASSIST, NOT_MEMORY | 1, 0 },
		   { STEP_WRMSR, MSR_ASSIST, 1, 1 << 24 },
		   { STEP_RDMSR, MSR_HYPERCALL, 0, 0 }, { STEP_RDMSR, MSR_ASSIST, 0, 0 });
	for (i = 0; i < 4; i++)
		check_told(_metadata, bench, KVM_EXIT_X86_WRMSR, KVM_MSR_EXIT_REASON_INVAL);
	ASSERT_TRUE(intr_run(bench, 0));
	EXPECT_EQ(0, intr_result(bench, 0, 0));
	EXPECT_EQ(0, intr_result(bench, 0, 1));
}

/* The second interrupt of one vector comes when the first is ended, by these MSRs alone. */
TEST_F(hyperv, apic)
{
	struct bench *bench = &self->bench;

	bench_mbox(bench, 0)[INTR_DEPTH / 4] = 1;
	INTR_STEPS(bench, 0, { STEP_WRMSR, MSR_TPR, 0x20, 0 }, { STEP_READ_CR8, 0, 0, 0 },
		   { STEP_RDMSR, MSR_TPR, 0, 0 }, { STEP_STI, 0, 0, 0 },
		   { STEP_WRMSR, MSR_ICR, SELF | 0x41, 0 }, { STEP_WAIT, 0x41, 1, 0 },
		   { STEP_RDMSR, MSR_ICR, 0, 0 }, { STEP_WRMSR, MSR_ICR, SELF | 0x41, 0 },
		   { STEP_TICK, 0, 0, 0 }, { STEP_WRMSR, MSR_EOI, 7, 0 },
		   { STEP_WAIT, 0x41, 2, 0 });
	ASSERT_TRUE(intr_run(bench, 0));
	ASSERT_TRUE(intr_ticked(bench, 0));
	EXPECT_EQ(1, intr_count(bench, 0, 0x41)) TH_LOG("the first one is in service");
	ASSERT_TRUE(intr_run(bench, 0));
	EXPECT_EQ(2, intr_count(bench, 0, 0x41));
	EXPECT_EQ(2, intr_result(bench, 0, 0));
	EXPECT_EQ(0x20, intr_result(bench, 0, 1));
	EXPECT_EQ(SELF | 0x41, intr_result(bench, 0, 2));
}

/* EOI is for writing, the index for reading, and an APIC that is off has none of these. */
TEST_F(hyperv, what_faults)
{
	struct bench *bench = &self->bench;

	INTR_STEPS(bench, 0, { STEP_RDMSR, MSR_EOI, 0, 0 },
		   { STEP_WRMSR, MSR_VP_INDEX, 1, 0 },
		   { STEP_WRMSR, MSR_APIC_BASE, 0xfee00100, 0 },
		   { STEP_RDMSR, MSR_TPR, 0, 0 }, { STEP_WRMSR, MSR_TPR, 0, 0 },
		   { STEP_RDMSR, MSR_ICR, 0, 0 }, { STEP_WRMSR, MSR_EOI, 0, 0 },
		   { STEP_RDMSR, MSR_VP_INDEX, 0, 0 });
	check_told(_metadata, bench, KVM_EXIT_X86_RDMSR, KVM_MSR_EXIT_REASON_INVAL);
	check_told(_metadata, bench, KVM_EXIT_X86_WRMSR, KVM_MSR_EXIT_REASON_INVAL);
	check_told(_metadata, bench, KVM_EXIT_X86_RDMSR, KVM_MSR_EXIT_REASON_INVAL);
	check_told(_metadata, bench, KVM_EXIT_X86_WRMSR, KVM_MSR_EXIT_REASON_INVAL);
	check_told(_metadata, bench, KVM_EXIT_X86_RDMSR, KVM_MSR_EXIT_REASON_INVAL);
	check_told(_metadata, bench, KVM_EXIT_X86_WRMSR, KVM_MSR_EXIT_REASON_INVAL);
	ASSERT_TRUE(intr_run(bench, 0));
}

/* A guest that is not told of them does not have them. */
TEST(take_cpuid)
{
	static const uint32_t msrs[] = { MSR_GUEST_OS_ID, MSR_HYPERCALL, MSR_VP_INDEX, MSR_EOI,
					 MSR_ICR, MSR_TPR, MSR_ASSIST };
	struct bench bench;
	unsigned int i;

	ASSERT_EQ(0, open_vm(&bench));
	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		INTR_STEPS(&bench, 0, { STEP_RDMSR, msrs[i], 0, 0 },
			   { STEP_WRMSR, msrs[i], 0, 0 });
		check_told(_metadata, &bench, KVM_EXIT_X86_RDMSR, KVM_MSR_EXIT_REASON_UNKNOWN);
		check_told(_metadata, &bench, KVM_EXIT_X86_WRMSR, KVM_MSR_EXIT_REASON_UNKNOWN);
		ASSERT_TRUE(intr_run(&bench, 0));
	}
	bench_close(&bench);
}

/* The list is of the device, where it is of what may be enabled, and of a vCPU. */
TEST(supported_cpuid)
{
	const uint32_t evmcs = bench_module_param("nested") ? 0x101 : 0;
	struct cpuid cpuid = { .head.nent = 10 };
	struct bench bench;

	ASSERT_EQ(0, open_vm(&bench));
	EXPECT_EQ(-E2BIG, kvm_ioctl(bench.vm.dev, KVM_GET_SUPPORTED_HV_CPUID, &cpuid));
	cpuid.head.nent = CPUID_MAX;
	ASSERT_EQ(0, kvm_ioctl(bench.vm.dev, KVM_GET_SUPPORTED_HV_CPUID, &cpuid));
	EXPECT_EQ(11, cpuid.head.nent);
	EXPECT_EQ(0x4000000a, cpuid.entries[0].eax);
	EXPECT_EQ(0, memcmp(&cpuid.entries[1].eax, "Hv#1", 4));
	EXPECT_EQ(evmcs, cpuid.entries[10].eax & 0xffff);
	cpuid.head.nent = CPUID_MAX;
	ASSERT_EQ(0, kvm_ioctl(bench.vcpu[0].fd, KVM_GET_SUPPORTED_HV_CPUID, &cpuid));
	EXPECT_EQ(0, cpuid.entries[10].eax) TH_LOG("not enabled");
	bench_close(&bench);
}

TEST_HARNESS_MAIN
