// SPDX-License-Identifier: GPL-2.0
/*
 * Machine checks: banks as the guest and its owner see them, and errors that the
 * owner reports, which are recorded, interrupt the guest, or end it.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <string.h>

#include "time.h"

DECLARE_GUEST(machine_check);

#define GDT_GPA		0x50000
#define IDT_GPA		0x51000
#define HANDLER_GPA	0x52000
#define MC_VECTOR	18
#define CR4_MCE		(1ul << 6)

#define MCG_CTL_P	(1ull << 8)
#define MCG_CMCI_P	(1ull << 10)
#define MCG_SER_P	(1ull << 24)
#define MCG_MCIP	4
#define BANKS		10

#define MSR_MCG_CAP	0x179
#define MSR_MCG_STATUS	0x17a
#define MSR_MCG_CTL	0x17b
#define MSR_CTL(bank)	(0x400 + 4 * (bank))
#define MSR_STATUS(bank) (MSR_CTL(bank) + 1)
#define MSR_ADDR(bank)	(MSR_CTL(bank) + 2)
#define MSR_CTL2(bank)	(0x280 + (bank))

#define STATUS_VAL	(1ull << 63)
#define STATUS_UC	(1ull << 61)
#define STATUS_PCC	(1ull << 57)

FIXTURE(mce)
{
	struct bench bench;
	int fd;
};

/* A descriptor table for the handler's code segment, and the one gate. */
static int set_tables(struct bench *bench)
{
	uint64_t *gdt = bench_low(bench, GDT_GPA), *gate = bench_low(bench, IDT_GPA);
	struct kvm_sregs sregs;
	int ret;

	gdt[0] = 0;
	gdt[1] = 0x00af9b000000ffff;
	gdt[2] = 0x00cf93000000ffff;
	gate += 2 * MC_VECTOR;
	gate[0] = (uint64_t)HANDLER_GPA >> 16 << 48 | 0x8e00ull << 32 | 8 << 16 |
		  (HANDLER_GPA & 0xffff);
	gate[1] = 0;
	memcpy(bench_low(bench, HANDLER_GPA), guest_machine_check,
	       guest_machine_check_end - guest_machine_check);
	ret = kvm_ioctl(bench->vcpu[0].fd, KVM_GET_SREGS, &sregs);
	sregs.gdt.base = GDT_GPA;
	sregs.gdt.limit = 23;
	sregs.idt.base = IDT_GPA;
	sregs.idt.limit = 16 * (MC_VECTOR + 1) - 1;
	sregs.cr4 |= CR4_MCE;
	return ret ?: kvm_ioctl(bench->vcpu[0].fd, KVM_SET_SREGS, &sregs);
}

static int setup(int fd, uint64_t cap)
{
	return kvm_ioctl(fd, KVM_X86_SETUP_MCE, &cap);
}

static int report(int fd, uint8_t bank, uint64_t status, uint64_t addr)
{
	struct kvm_x86_mce error = {
		.bank = bank, .status = status, .addr = addr, .mcg_status = MCG_MCIP | 1,
	};

	return kvm_ioctl(fd, KVM_X86_SET_MCE, &error);
}

FIXTURE_SETUP(mce)
{
	const struct bench_config config = { .vcpus = 1 };

	ASSERT_EQ(0, bench_open(&self->bench, &config));
	self->fd = self->bench.vcpu[0].fd;
	ASSERT_EQ(0, time_start(&self->bench, 1));
	ASSERT_EQ(0, set_tables(&self->bench));
	ASSERT_EQ(0, setup(self->fd, BANKS | MCG_CTL_P | MCG_CMCI_P | MCG_SER_P));
}

FIXTURE_TEARDOWN(mce)
{
	bench_close(&self->bench);
}

TEST_F(mce, what_it_may_have)
{
	uint64_t cap = 0, value;

	EXPECT_EQ(32, kvm_cap(self->bench.vm.dev, KVM_CAP_MCE));
	ASSERT_EQ(0, kvm_ioctl(self->bench.vm.dev, KVM_X86_GET_MCE_CAP_SUPPORTED, &cap));
	EXPECT_EQ(MCG_CTL_P | MCG_CMCI_P | MCG_SER_P,
		  cap & (MCG_CTL_P | MCG_CMCI_P | MCG_SER_P));
	EXPECT_EQ(-EINVAL, setup(self->fd, 0));
	EXPECT_EQ(-EINVAL, setup(self->fd, MCG_CTL_P));
	EXPECT_EQ(-EINVAL, setup(self->fd, 33));
	EXPECT_EQ(-EINVAL, setup(self->fd, 255));
	EXPECT_EQ(-EINVAL, setup(self->fd, 1 | 1ull << 40));
	EXPECT_EQ(-EFAULT, kvm_ioctl(self->fd, KVM_X86_SETUP_MCE, NULL));
	EXPECT_EQ(-EFAULT, kvm_ioctl(self->fd, KVM_X86_SET_MCE, NULL));
	EXPECT_EQ(-EFAULT, kvm_ioctl(self->bench.vm.dev, KVM_X86_GET_MCE_CAP_SUPPORTED, NULL));
	/* All that stays as it was. */
	ASSERT_EQ(0, time_rdmsr(&self->bench, 0, MSR_MCG_CAP, &value));
	EXPECT_EQ(BANKS | MCG_CTL_P | MCG_CMCI_P | MCG_SER_P, value);
	ASSERT_EQ(0, time_rdmsr(&self->bench, 0, MSR_MCG_CTL, &value));
	EXPECT_EQ(~0ull, value);
	ASSERT_EQ(0, time_rdmsr(&self->bench, 0, MSR_CTL(BANKS - 1), &value));
	EXPECT_EQ(~0ull, value);
	EXPECT_EQ(0, msr_get(&self->bench, 0, MSR_CTL(BANKS), &value));
	EXPECT_EQ(0, msr_get(&self->bench, 0, MSR_CTL2(BANKS), &value));
}

TEST_F(mce, registers)
{
	uint64_t value;

	ASSERT_EQ(0, time_wrmsr(&self->bench, 0, MSR_CTL2(3), 1 << 30 | 5));
	ASSERT_EQ(1, msr_get(&self->bench, 0, MSR_CTL2(3), &value));
	EXPECT_EQ(1 << 30 | 5, value);
	EXPECT_EQ(0, msr_set(&self->bench, 0, MSR_CTL2(3), 1 << 29));
	EXPECT_EQ(1, msr_set(&self->bench, 0, MSR_STATUS(3), STATUS_VAL | 7));
	ASSERT_EQ(0, time_rdmsr(&self->bench, 0, MSR_STATUS(3), &value));
	EXPECT_EQ(STATUS_VAL | 7, value);
	/* The guest may clear it, and not make one up. */
	ASSERT_EQ(0, time_wrmsr(&self->bench, 0, MSR_STATUS(3), 0));
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, time_wrmsr(&self->bench, 0, MSR_STATUS(3), STATUS_VAL));
}

TEST_F(mce, bad_reports)
{
	EXPECT_EQ(-EINVAL, report(self->fd, BANKS, STATUS_VAL, 0));
	EXPECT_EQ(-EINVAL, report(self->fd, 255, STATUS_VAL, 0));
	EXPECT_EQ(-EINVAL, report(self->fd, 0, STATUS_UC, 0));
	EXPECT_EQ(0, time_op(&self->bench, 0, OP_RDTSCP));
}

TEST_F(mce, corrected)
{
	uint64_t value;

	ASSERT_EQ(0, report(self->fd, 5, STATUS_VAL | 9, 0x1234000));
	ASSERT_EQ(0, time_rdmsr(&self->bench, 0, MSR_STATUS(5), &value));
	EXPECT_EQ(STATUS_VAL | 9, value);
	ASSERT_EQ(0, time_rdmsr(&self->bench, 0, MSR_ADDR(5), &value));
	EXPECT_EQ(0x1234000, value);
	EXPECT_EQ(0, *(uint32_t *)time_field(&self->bench, 0, MCE_COUNT));
}

TEST_F(mce, uncorrected)
{
	uint32_t *count = (uint32_t *)time_field(&self->bench, 0, MCE_COUNT);
	uint32_t *status = (uint32_t *)time_field(&self->bench, 0, MCE_STATUS);
	uint64_t value;

	ASSERT_EQ(0, time_op(&self->bench, 0, OP_RDTSCP));
	ASSERT_EQ(0, report(self->fd, 2, STATUS_VAL | STATUS_UC | STATUS_PCC, 0x5000));
	ASSERT_EQ(0, time_op(&self->bench, 0, OP_RDTSCP));
	EXPECT_EQ(1, *count);
	EXPECT_EQ(MCG_MCIP | 1, *status);
	ASSERT_EQ(0, time_rdmsr(&self->bench, 0, MSR_ADDR(2), &value));
	EXPECT_EQ(0x5000, value);
	ASSERT_EQ(0, time_rdmsr(&self->bench, 0, MSR_MCG_STATUS, &value));
	EXPECT_EQ(0, value);
	/* The guest went on with what it did. */
	ASSERT_EQ(0, report(self->fd, 2, STATUS_VAL | STATUS_UC | STATUS_PCC, 0x6000));
	ASSERT_EQ(0, time_op(&self->bench, 0, OP_RDTSCP));
	EXPECT_EQ(2, *count);
	/* Reporting turned off: nobody hears of it. */
	ASSERT_EQ(0, time_wrmsr(&self->bench, 0, MSR_MCG_CTL, 0));
	ASSERT_EQ(0, report(self->fd, 2, STATUS_VAL | STATUS_UC | STATUS_PCC, 0x7000));
	ASSERT_EQ(0, time_op(&self->bench, 0, OP_RDTSCP));
	EXPECT_EQ(2, *count);
	ASSERT_EQ(0, time_rdmsr(&self->bench, 0, MSR_ADDR(2), &value));
	EXPECT_EQ(0x6000, value);
}

/* A second one on top of the first is the end (SDM 3A 6.15, interrupt 18). */
TEST_F(mce, on_top_of_another)
{
	*(uint32_t *)time_field(&self->bench, 0, MCE_KEEP) = 1;
	ASSERT_EQ(0, report(self->fd, 2, STATUS_VAL | STATUS_UC | STATUS_PCC, 0x5000));
	ASSERT_EQ(0, time_op(&self->bench, 0, OP_RDTSCP));
	ASSERT_EQ(0, report(self->fd, 3, STATUS_VAL | STATUS_UC | STATUS_PCC, 0x5000));
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, time_op(&self->bench, 0, OP_RDTSCP));
}

TEST_F(mce, not_enabled)
{
	struct kvm_sregs sregs;

	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_SREGS, &sregs));
	sregs.cr4 &= ~CR4_MCE;
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_SET_SREGS, &sregs));
	ASSERT_EQ(0, report(self->fd, 2, STATUS_VAL | STATUS_UC | STATUS_PCC, 0x5000));
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, time_op(&self->bench, 0, OP_RDTSCP));
}

TEST_HARNESS_MAIN
