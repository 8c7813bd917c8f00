// SPDX-License-Identifier: GPL-2.0
/*
 * Guests with and without paging, and in real mode, on CPUs with and without
 * unrestricted guest: the same for the guest, but that real mode is refused, and
 * never runs as something else.
 */
#include <kselftest_harness.h>
#include <errno.h>

#include "../guest/paging.h"
#include "vm.h"

DECLARE_GUEST(paging);

#define CR0_PE		(1ULL << 0)
#define CR0_PG		(1ULL << 31)
#define CR4_PSE		(1ULL << 4)
#define CR4_PAE		(1ULL << 5)
#define EFER_LME	(1ULL << 8)
#define EFER_LMA	(1ULL << 10)

#define IDENTITY_MAP	0xfffbc000

FIXTURE(restricted)
{
	struct bench bench;
	struct kvm_run *run;
	bool real_mode;
};

FIXTURE_SETUP(restricted)
{
	const struct bench_config config = { .vcpus = 1 };

	self->real_mode = bench_has_real_mode();
	ASSERT_EQ(0, bench_open(&self->bench, &config));
	self->run = self->bench.vcpu[0].run;
}

FIXTURE_TEARDOWN(restricted)
{
	bench_close(&self->bench);
}

/* What the guest has, as it sees it itself and as it is told to userspace. */
static const struct {
	const char *what;
	uint64_t cr3, pg, cr4, efer;
} checkpoints[] = {
	{ "CR3 without paging", PAGING_NO_TABLE, 0, 0, 0 },
	{ "LME without paging", PAGING_NO_TABLE, 0, CR4_PAE, EFER_LME },
	{ "compatibility mode", TABLE_GPA, CR0_PG, CR4_PAE, EFER_LME | EFER_LMA },
	{ "paging off in long mode", TABLE_GPA, 0, CR4_PAE, EFER_LME },
	{ "PAE paging", PAGING_PDPT_GPA, CR0_PG, CR4_PAE, 0 },
	{ "PAE paging off", PAGING_PDPT_GPA, 0, CR4_PAE, 0 },
	{ "32-bit paging", PAGING_PD_GPA, CR0_PG, CR4_PSE, 0 },
	{ "32-bit paging off", PAGING_PD_GPA, 0, CR4_PSE, 0 },
};

TEST_F(restricted, paging_on_and_off)
{
	uint64_t *pdpt = bench_low(&self->bench, PAGING_PDPT_GPA);
	uint32_t *pd = bench_low(&self->bench, PAGING_PD_GPA);
	int fd = self->bench.vcpu[0].fd;
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	unsigned int i;

	cpu_page_tables(bench_low(&self->bench, TABLE_GPA), TABLE_GPA);
	pdpt[0] = (TABLE_GPA + 2 * PAGE_SIZE) | 1;
	pd[0] = 0xe3;
	BENCH_LOAD(&self->bench, paging);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	for (i = 0; i < sizeof(checkpoints) / sizeof(*checkpoints); i++) {
		ASSERT_EQ(KVM_EXIT_HLT, bench_run(&self->bench, 0))
			TH_LOG("%s", checkpoints[i].what);
		ASSERT_EQ(0, kvm_ioctl(fd, KVM_GET_REGS, &regs));
		ASSERT_EQ(0, kvm_ioctl(fd, KVM_GET_SREGS, &sregs));
		EXPECT_EQ(checkpoints[i].cr3, regs.rbx) TH_LOG("%s", checkpoints[i].what);
		EXPECT_EQ(checkpoints[i].cr3, sregs.cr3) TH_LOG("%s", checkpoints[i].what);
		EXPECT_EQ(checkpoints[i].pg | CR0_PE, regs.rdx & (CR0_PG | CR0_PE))
			TH_LOG("%s", checkpoints[i].what);
		EXPECT_EQ(checkpoints[i].pg | CR0_PE, sregs.cr0 & (CR0_PG | CR0_PE))
			TH_LOG("%s", checkpoints[i].what);
		EXPECT_EQ(checkpoints[i].cr4, regs.rsi & (CR4_PAE | CR4_PSE))
			TH_LOG("%s", checkpoints[i].what);
		EXPECT_EQ(checkpoints[i].cr4, sregs.cr4 & (CR4_PAE | CR4_PSE))
			TH_LOG("%s", checkpoints[i].what);
		EXPECT_EQ(checkpoints[i].efer, regs.rax) TH_LOG("%s", checkpoints[i].what);
		EXPECT_EQ(checkpoints[i].efer, sregs.efer) TH_LOG("%s", checkpoints[i].what);
		EXPECT_EQ(*(uint32_t *)bench_low(&self->bench, CODE_GPA), regs.rdi);
		/* What was told can be given back. */
		ASSERT_EQ(0, kvm_ioctl(fd, KVM_SET_SREGS, &sregs));
	}
	/* The guest leaves protected mode. */
	ASSERT_EQ(self->real_mode ? KVM_EXIT_HLT : KVM_EXIT_INTERNAL_ERROR,
		  bench_run(&self->bench, 0));
	ASSERT_EQ(0, kvm_ioctl(fd, KVM_GET_SREGS, &sregs));
	EXPECT_EQ(0, sregs.cr0 & (CR0_PG | CR0_PE));
}

TEST_F(restricted, real_mode_is_refused_or_runs)
{
	unsigned int i;

	BENCH_LOAD(&self->bench, hlt);
	ASSERT_EQ(0, bench_start_mode(&self->bench, 0, CPU_REAL));
	for (i = 0; i < 2 && !self->real_mode; i++) {
		ASSERT_EQ(KVM_EXIT_INTERNAL_ERROR, bench_run(&self->bench, 0));
		EXPECT_EQ(KVM_INTERNAL_ERROR_EMULATION, self->run->internal.suberror);
	}
	if (self->real_mode)
		ASSERT_EQ(KVM_EXIT_HLT, bench_run(&self->bench, 0));
	/* The vCPU is none the worse for it. */
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	EXPECT_EQ(KVM_EXIT_HLT, bench_run(&self->bench, 0));
	ASSERT_EQ(0, bench_start_mode(&self->bench, 0, CPU_LONG));
	EXPECT_EQ(KVM_EXIT_HLT, bench_run(&self->bench, 0));
}

/* The identity map is where its owner says, and no slot of the owner's may be there. */
TEST_F(restricted, identity_map)
{
	const struct mem over = { .id = 7, .gpa = IDENTITY_MAP, .size = PAGE_SIZE,
				  .host = mem_alloc(PAGE_SIZE) };
	uint64_t addr = 0xfef00000, beyond = 1ULL << 32;
	struct vcpu vcpu;
	struct vm vm;

	ASSERT_NE(NULL, over.host);
	EXPECT_EQ(self->real_mode ? 0 : -EEXIST, vm_set_mem(&self->bench.vm, &over));
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->bench.vm.fd, KVM_SET_IDENTITY_MAP_ADDR, &addr));

	ASSERT_EQ(0, vm_open(&vm));
	EXPECT_EQ(-EINVAL, kvm_ioctl(vm.fd, KVM_SET_IDENTITY_MAP_ADDR, &beyond));
	ASSERT_EQ(0, kvm_ioctl(vm.fd, KVM_SET_IDENTITY_MAP_ADDR, &addr));
	ASSERT_EQ(0, vm_set_mem(&vm, &self->bench.low));
	ASSERT_EQ(0, vm_set_mem(&vm, &over));
	ASSERT_EQ(0, vcpu_open(&vm, &vcpu, 0));
	BENCH_LOAD(&self->bench, hlt);
	ASSERT_EQ(0, cpu_start(&vcpu, CPU_FLAT32, CODE_GPA, TABLE_GPA));
	ASSERT_EQ(0, vcpu_run(&vcpu));
	EXPECT_EQ(KVM_EXIT_HLT, vcpu.run->exit_reason);
	vcpu_close(&vcpu);
	vm_close(&vm);
	mem_free(over.host, PAGE_SIZE);
}

TEST_HARNESS_MAIN
