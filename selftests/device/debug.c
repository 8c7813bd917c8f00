// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_SET_GUEST_DEBUG: a debugger steps, stops at its breakpoints and hands
 * exceptions on, and the guest goes on as if nothing had been.
 */
#include <kselftest_harness.h>
#include <errno.h>

#include "../guest/debug.h"
#include "vm.h"

DECLARE_GUEST(steps);
DECLARE_GUEST(int3);
DECLARE_GUEST(own_breakpoint);

#define AT(program, label)	(CODE_GPA + (uint64_t)(label - guest_##program))
#define DB_VECTOR		1
#define BP_VECTOR		3
#define DR6_BS			(1 << 14)
#define DR6_BD			(1 << 13)
#define DR7_GD			(1 << 13)
#define RFLAGS_TF		(1 << 8)

FIXTURE(debug)
{
	struct bench bench;
	struct kvm_run *run;
	int fd;
};

FIXTURE_SETUP(debug)
{
	const struct bench_config config = { .vcpus = 1 };

	ASSERT_EQ(0, bench_open(&self->bench, &config));
	self->fd = self->bench.vcpu[0].fd;
	self->run = self->bench.vcpu[0].run;
	BENCH_LOAD(&self->bench, steps);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
}

FIXTURE_TEARDOWN(debug)
{
	bench_close(&self->bench);
}

static int set_debug(int fd, uint32_t control)
{
	struct kvm_guest_debug debug = { .control = control };

	return kvm_ioctl(fd, KVM_SET_GUEST_DEBUG, &debug);
}

static int set_breakpoint(int fd, uint64_t address, uint64_t dr7)
{
	struct kvm_guest_debug debug = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
		.arch.debugreg = { [0] = address, [7] = dr7 },
	};

	return kvm_ioctl(fd, KVM_SET_GUEST_DEBUG, &debug);
}

/* Every instruction is a stop: where the next one is, until the guest says that it is done. */
TEST_F(debug, single_step)
{
	uint64_t pc[32], expected[] = {
		1, 6, 7, 6, 7, 6, 7, 9, 11, 13, 18, 20, 27, 28,
	};
	struct kvm_regs regs;
	size_t n = 0, i;
	int exit;

	ASSERT_EQ(0, set_debug(self->fd, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP));
	while ((exit = bench_run(&self->bench, 0)) == KVM_EXIT_DEBUG && n < ARRAY_SIZE(pc)) {
		EXPECT_EQ(DB_VECTOR, self->run->debug.arch.exception);
		EXPECT_NE(0, self->run->debug.arch.dr6 & DR6_BS);
		pc[n++] = self->run->debug.arch.pc;
		ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_REGS, &regs));
		EXPECT_EQ(pc[n - 1], regs.rip);
		EXPECT_EQ(0, regs.rflags & RFLAGS_TF) TH_LOG("the debugger's own");
	}
	EXPECT_EQ(KVM_EXIT_IO, exit);
	EXPECT_EQ(AT(steps, guest_steps_last), CODE_GPA + expected[ARRAY_SIZE(expected) - 1]);
	EXPECT_EQ(ARRAY_SIZE(expected), n);
	for (i = 0; i < n && i < ARRAY_SIZE(expected); i++)
		EXPECT_EQ(CODE_GPA + expected[i], pc[i]) TH_LOG("stop %zu", i);
	EXPECT_EQ(0x55, MBOX(&self->bench, 0, VALUE));
	/* Off again: the guest runs to its HLT. */
	ASSERT_EQ(0, set_debug(self->fd, 0));
	EXPECT_EQ(KVM_EXIT_HLT, bench_run(&self->bench, 0));
}

TEST_F(debug, instruction_breakpoint)
{
	ASSERT_EQ(0, set_breakpoint(self->fd, AT(steps, guest_steps_store), 0x401));
	ASSERT_EQ(KVM_EXIT_DEBUG, bench_run(&self->bench, 0));
	EXPECT_EQ(DB_VECTOR, self->run->debug.arch.exception);
	EXPECT_EQ(AT(steps, guest_steps_store), self->run->debug.arch.pc);
	EXPECT_EQ(0xffff0ff1, self->run->debug.arch.dr6);
	EXPECT_EQ(0x401, self->run->debug.arch.dr7);
	EXPECT_EQ(0, MBOX(&self->bench, 0, VALUE)) TH_LOG("before the instruction");
	ASSERT_EQ(0, set_debug(self->fd, 0));
	EXPECT_EQ(KVM_EXIT_IO, bench_run(&self->bench, 0));
	EXPECT_EQ(0x55, MBOX(&self->bench, 0, VALUE));
}

TEST_F(debug, data_breakpoint)
{
	/* 4 bytes, on writing. */
	ASSERT_EQ(0, set_breakpoint(self->fd, MBOX_GPA + MBOX_VALUE, 0x400 | 2 | 0xd << 16));
	ASSERT_EQ(KVM_EXIT_DEBUG, bench_run(&self->bench, 0));
	EXPECT_EQ(DB_VECTOR, self->run->debug.arch.exception);
	EXPECT_EQ(0xffff0ff1, self->run->debug.arch.dr6);
	EXPECT_EQ(AT(steps, guest_steps_store) + 7, self->run->debug.arch.pc);
	EXPECT_EQ(0x55, MBOX(&self->bench, 0, VALUE)) TH_LOG("behind the instruction");
	EXPECT_EQ(KVM_EXIT_IO, bench_run(&self->bench, 0));
}

TEST_F(debug, software_breakpoint)
{
	struct kvm_regs regs;

	BENCH_LOAD(&self->bench, int3);
	ASSERT_EQ(0, set_debug(self->fd, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP));
	ASSERT_EQ(KVM_EXIT_DEBUG, bench_run(&self->bench, 0));
	EXPECT_EQ(BP_VECTOR, self->run->debug.arch.exception);
	EXPECT_EQ(CODE_GPA, self->run->debug.arch.pc);
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_REGS, &regs));
	EXPECT_EQ(CODE_GPA, regs.rip);
	/* The debugger puts the instruction back that was there: one of the same length. */
	*(uint8_t *)bench_low(&self->bench, CODE_GPA) = 0x90;
	EXPECT_EQ(KVM_EXIT_IO, bench_run(&self->bench, 0));
	EXPECT_EQ(0x66, MBOX(&self->bench, 0, VALUE));
}

/* Its own breakpoint: the debugger hands the exception on, to a guest that has no handler. */
TEST_F(debug, exceptions_handed_on)
{
	BENCH_LOAD(&self->bench, int3);
	ASSERT_EQ(0, set_debug(self->fd, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP));
	ASSERT_EQ(KVM_EXIT_DEBUG, bench_run(&self->bench, 0));
	ASSERT_EQ(0, set_debug(self->fd, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_BP));
	EXPECT_EQ(-EBUSY, set_debug(self->fd, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_DB));
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, bench_run(&self->bench, 0));
}

/* DR7.GD stops at what touches a debug register; the guest's own registers are its own. */
TEST_F(debug, debug_registers_are_the_guests)
{
	struct kvm_debugregs set = { .db = { 1, 2, 3, 4 }, .dr6 = 0xffff0ff0, .dr7 = 0x400 };
	struct kvm_debugregs get;
	/* mov %dr0,%eax; mov %eax,MBOX_VALUE(%ebp); out; hlt */
	static const uint8_t code[] = { 0x0f, 0x21, 0xc0, 0x89, 0x45, MBOX_VALUE, 0xe6, PORT_DONE,
					0xf4 };

	memcpy(bench_low(&self->bench, CODE_GPA), code, sizeof(code));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_SET_DEBUGREGS, &set));
	ASSERT_EQ(0, set_breakpoint(self->fd, 0x1234, 0x400 | DR7_GD));
	ASSERT_EQ(KVM_EXIT_DEBUG, bench_run(&self->bench, 0));
	EXPECT_EQ(0xffff0ff0 | DR6_BD, self->run->debug.arch.dr6);
	EXPECT_EQ(CODE_GPA, self->run->debug.arch.pc);
	ASSERT_EQ(0, set_breakpoint(self->fd, 0x1234, 0x400));
	EXPECT_EQ(KVM_EXIT_IO, bench_run(&self->bench, 0));
	EXPECT_EQ(1, MBOX(&self->bench, 0, VALUE));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_DEBUGREGS, &get));
	EXPECT_EQ(0, memcmp(&set, &get, sizeof(set)));
}

/* The guest's own are in force from its next instruction on, without an exit to userspace. */
TEST_F(debug, guests_own_breakpoint)
{
	BENCH_LOAD(&self->bench, own_breakpoint);
	EXPECT_EQ(KVM_EXIT_IO, bench_run(&self->bench, 0));
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	MBOX(&self->bench, 0, COUNT) = 1;
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, bench_run(&self->bench, 0)) TH_LOG("#DB, and no IDT");
	EXPECT_EQ(0x77, MBOX(&self->bench, 0, VALUE));
}

TEST_F(debug, refused)
{
	struct kvm_debugregs regs = { .dr6 = 0xffff0ff0, .dr7 = 0x400 }, bad;

	EXPECT_EQ(-EINVAL, set_debug(self->fd, KVM_GUESTDBG_ENABLE | 0x80000000));
	EXPECT_EQ(-EFAULT, kvm_ioctl(self->fd, KVM_SET_GUEST_DEBUG, (void *)8));
	bad = regs;
	bad.dr6 = 1ULL << 32;
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->fd, KVM_SET_DEBUGREGS, &bad));
	bad = regs;
	bad.dr7 = 1ULL << 32;
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->fd, KVM_SET_DEBUGREGS, &bad));
	bad = regs;
	bad.flags = 1;
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->fd, KVM_SET_DEBUGREGS, &bad));
	EXPECT_EQ(KVM_EXIT_IO, bench_run(&self->bench, 0));
}

TEST_HARNESS_MAIN
