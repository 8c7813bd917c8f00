// SPDX-License-Identifier: GPL-2.0
/*
 * The CPU as the guest itself moves it: from real mode up, exceptions, debug
 * registers, single steps, string I/O, interrupts.
 */
#include <kselftest_harness.h>

#include "../guest/modes.h"
#include "vm.h"

DECLARE_GUEST(climb);
DECLARE_GUEST(pae);
DECLARE_GUEST(debugregs);
DECLARE_GUEST(protection);
DECLARE_GUEST(singlestep);
DECLARE_GUEST(strings);
DECLARE_GUEST(interrupt);

#define CR0_PG		(1ULL << 31)
#define EFER_LMA	(1ULL << 10)
#define DR6_BS		(1ULL << 14)

FIXTURE(modes)
{
	struct bench bench;
	struct kvm_run *run;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
};

FIXTURE_SETUP(modes)
{
	const struct bench_config config = { .vcpus = 1 };

	ASSERT_EQ(0, bench_open(&self->bench, &config));
	self->run = self->bench.vcpu[0].run;
	ASSERT_EQ(0, cpu_set_supported_cpuid(&self->bench.vm, &self->bench.vcpu[0]));
}

FIXTURE_TEARDOWN(modes)
{
	bench_close(&self->bench);
}

/* Runs to the next exit and looks at the registers there. */
static int run_and_look(FIXTURE_DATA(modes) * self)
{
	int fd = self->bench.vcpu[0].fd, ret = bench_run(&self->bench, 0);

	if (kvm_ioctl(fd, KVM_GET_REGS, &self->regs) || kvm_ioctl(fd, KVM_GET_SREGS, &self->sregs))
		return -1;
	return ret;
}

TEST_F(modes, real_to_long_mode)
{
	NEED_REAL_MODE();
	BENCH_LOAD(&self->bench, climb);
	ASSERT_EQ(0, bench_start_mode(&self->bench, 0, CPU_REAL));
	ASSERT_EQ(KVM_EXIT_HLT, run_and_look(self));
	EXPECT_EQ(MODES_LONG, self->regs.rbx);
	EXPECT_EQ(EFER_LMA, self->sregs.efer & EFER_LMA);
	EXPECT_EQ(1, self->sregs.cs.l);
	/* SYSCALL takes the guest's MSRs, not the host's. */
	ASSERT_EQ(KVM_EXIT_HLT, run_and_look(self));
	EXPECT_EQ(0, self->regs.rcx);
}

TEST_F(modes, pae_paging)
{
	NEED_REAL_MODE();
	BENCH_LOAD(&self->bench, pae);
	ASSERT_EQ(0, bench_start_mode(&self->bench, 0, CPU_REAL));
	ASSERT_EQ(KVM_EXIT_HLT, run_and_look(self));
	EXPECT_EQ(MODES_VALUE, self->regs.rbx);
	EXPECT_EQ(CR0_PG, self->sregs.cr0 & CR0_PG);
	ASSERT_EQ(KVM_EXIT_HLT, run_and_look(self));
	EXPECT_EQ(MODES_VALUE, self->regs.rcx);
	EXPECT_EQ(0, self->sregs.cr0 & CR0_PG);
}

TEST_F(modes, debug_registers)
{
	NEED_REAL_MODE();
	BENCH_LOAD(&self->bench, debugregs);
	ASSERT_EQ(0, bench_start_mode(&self->bench, 0, CPU_REAL));
	ASSERT_EQ(KVM_EXIT_HLT, run_and_look(self));
	EXPECT_EQ(0x1234, self->regs.rbx);
	EXPECT_EQ(0x5678, self->regs.rcx);
	EXPECT_EQ(0xffff0ff0, self->regs.rdx);
	EXPECT_EQ(0x400, self->regs.rax);
}

TEST_F(modes, unknown_msr_raises_gp)
{
	NEED_REAL_MODE();
	BENCH_LOAD(&self->bench, protection);
	ASSERT_EQ(0, bench_start_mode(&self->bench, 0, CPU_REAL));
	ASSERT_EQ(KVM_EXIT_HLT, run_and_look(self));
	EXPECT_EQ(13, self->regs.rax & 0xffff);
	EXPECT_EQ(0, self->regs.rbx & 0xffff);
}

TEST_F(modes, one_trap_for_each_single_step)
{
	NEED_REAL_MODE();
	BENCH_LOAD(&self->bench, singlestep);
	ASSERT_EQ(0, bench_start_mode(&self->bench, 0, CPU_REAL));
	ASSERT_EQ(KVM_EXIT_HLT, run_and_look(self));
	EXPECT_EQ(11, self->regs.rsi & 0xffff);
	EXPECT_EQ(DR6_BS, self->regs.rdx & DR6_BS);
}

/*
 * Lets the guest do port I/O until count bytes went in one direction, which it may do in
 * as many exits as the hypervisor likes. The bytes come from or go to data.
 */
static bool pump(struct bench *bench, int direction, unsigned int size, char *data,
		 unsigned int count)
{
	struct kvm_run *run = bench->vcpu[0].run;
	unsigned int done = 0, bytes;
	char *there;

	while (done < count) {
		if (bench_run(bench, 0) != KVM_EXIT_IO || run->io.direction != direction ||
		    run->io.port != MODES_PORT || run->io.size != size)
			return false;
		bytes = run->io.size * run->io.count;
		if (!bytes || bytes > count - done)
			return false;
		there = (char *)run + run->io.data_offset;
		memcpy(direction == KVM_EXIT_IO_IN ? there : data + done,
		       direction == KVM_EXIT_IO_IN ? data + done : there, bytes);
		done += bytes;
	}
	return true;
}

TEST_F(modes, string_io)
{
	char *memory = bench_low(&self->bench, MODES_STRING);
	char out[] = "0123456789abcdefghij", in[] = "the quick brown fox ";
	char got[MODES_STRING_BYTES + 1] = "", last = '!';

	NEED_REAL_MODE();
	BENCH_LOAD(&self->bench, strings);
	memcpy(memory, out, MODES_STRING_BYTES);
	ASSERT_EQ(0, bench_start_mode(&self->bench, 0, CPU_REAL));
	ASSERT_TRUE(pump(&self->bench, KVM_EXIT_IO_OUT, 1, got, MODES_STRING_BYTES));
	EXPECT_STREQ(out, got);
	ASSERT_TRUE(pump(&self->bench, KVM_EXIT_IO_IN, 1, in, MODES_STRING_BYTES));
	/* One word forwards, two bytes backwards from behind it, none at all. */
	ASSERT_TRUE(pump(&self->bench, KVM_EXIT_IO_OUT, 2, got, 2));
	EXPECT_EQ(0, memcmp(got, "th", 2));
	EXPECT_EQ(0, memcmp(memory, in, MODES_STRING_BYTES));
	ASSERT_TRUE(pump(&self->bench, KVM_EXIT_IO_OUT, 1, got, 2));
	EXPECT_EQ(0, memcmp(got, "eh", 2));
	/* INS without REP counts nothing down, and comes behind what came before. */
	ASSERT_TRUE(pump(&self->bench, KVM_EXIT_IO_IN, 1, &last, 1));
	ASSERT_EQ(KVM_EXIT_HLT, run_and_look(self));
	EXPECT_EQ(0xffff, self->regs.rcx & 0xffff);
	EXPECT_EQ('!', memory[MODES_STRING_BYTES]);
}

TEST_F(modes, an_interrupt_waits_until_it_is_allowed)
{
	int fd = self->bench.vcpu[0].fd;

	NEED_REAL_MODE();
	BENCH_LOAD(&self->bench, interrupt);
	ASSERT_EQ(0, bench_start_mode(&self->bench, 0, CPU_REAL));
	ASSERT_EQ(KVM_EXIT_HLT, run_and_look(self));
	self->sregs.interrupt_bitmap[0] = 1ULL << 0x21;
	ASSERT_EQ(0, kvm_ioctl(fd, KVM_SET_SREGS, &self->sregs));
	ASSERT_EQ(0, kvm_ioctl(fd, KVM_GET_SREGS, &self->sregs));
	EXPECT_EQ(1ULL << 0x21, self->sregs.interrupt_bitmap[0]);
	ASSERT_EQ(KVM_EXIT_HLT, run_and_look(self));
	EXPECT_EQ(0x21, self->regs.rax & 0xffff);
	EXPECT_EQ(2, self->regs.rbx & 0xffff);
	EXPECT_EQ(0, self->sregs.interrupt_bitmap[0]);
}

TEST_HARNESS_MAIN
