// SPDX-License-Identifier: GPL-2.0
/*
 * What goes wrong with an instruction that touches MMIO goes wrong as on a CPU:
 * page faults of the memory side, interruption of a string, traps, a userspace
 * that goes elsewhere, and bytes that are no instruction.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <signal.h>
#include <sys/time.h>

#include "mmio_bench.h"

FIXTURE(mmio_faults)
{
	struct mmio_bench mmio;
};

FIXTURE_SETUP(mmio_faults)
{
	ASSERT_EQ(0, mmio_open(&self->mmio));
}

FIXTURE_TEARDOWN(mmio_faults)
{
	mmio_close(&self->mmio);
}

struct side {
	uint64_t clear, set; /* in the page table entry */
	bool write;	     /* the memory side is written */
	uint64_t error;
};

/* MOVS whose memory side faults after five elements: the fault's page, error and state. */
TEST_F(mmio_faults, page_faults_of_the_memory_side)
{
	static const struct side sides[] = {
		{ .clear = PTE_P, .error = 0 },
		{ .clear = PTE_P, .write = true, .error = 2 },
		{ .clear = PTE_W, .write = true, .error = 3 },
		{ .set = 1ULL << 51, .error = 9 },
		{ .set = 1ULL << 51, .write = true, .error = 0xb },
	};
	static const uint8_t rep_movsb[] = { 0xf3, 0xa4 };
	const uint64_t end = DATA_GPA + PAGE_SIZE;
	uint64_t *pte = mmio_data_pte(&self->mmio, 1);
	struct kvm_sregs sregs;
	uint64_t *frame;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sides); i++) {
		struct kvm_regs regs = mmio_random_regs(&self->mmio), now;
		const struct side *side = &sides[i];

		mmio_put_code(&self->mmio, rep_movsb, sizeof(rep_movsb));
		regs.rflags &= ~FLAG_DF;
		regs.rcx = 20;
		regs.rsi = side->write ? MMIO_GPA : end - 5;
		regs.rdi = side->write ? end - 5 : MMIO_GPA;
		*pte = (*pte & ~side->clear) | side->set;
		ASSERT_EQ(0, mmio_flush(&self->mmio));
		mmio_run_code(&self->mmio, &regs);
		ASSERT_EQ(14, mmio_fault_vector(&self->mmio, &now, &frame)) TH_LOG("side %zu", i);
		EXPECT_EQ(side->error, frame[0]) TH_LOG("side %zu", i);
		EXPECT_EQ(CODE_GPA, frame[1]);
		EXPECT_EQ(15, now.rcx);
		EXPECT_EQ(regs.rsi + 5, now.rsi);
		EXPECT_EQ(regs.rdi + 5, now.rdi);
		EXPECT_EQ(side->write ? 5 : 0, self->mmio.read);
		EXPECT_EQ(side->write ? 0 : 5, self->mmio.written);
		ASSERT_EQ(0, kvm_ioctl(self->mmio.bench.vcpu[0].fd, KVM_GET_SREGS, &sregs));
		EXPECT_EQ(end, sregs.cr2);
		*pte = end | PTE;
	}
}

TEST_F(mmio_faults, addresses_that_are_none)
{
	static const uint8_t movsb[] = { 0xa4 };
	struct kvm_regs regs = mmio_random_regs(&self->mmio), now;
	uint64_t *frame;

	mmio_put_code(&self->mmio, movsb, sizeof(movsb));
	regs.rsi = MMIO_GPA;
	regs.rdi = 1ULL << 63;
	mmio_run_code(&self->mmio, &regs);
	ASSERT_EQ(13, mmio_fault_vector(&self->mmio, &now, &frame));
	EXPECT_EQ(0, frame[0]);
	EXPECT_EQ(CODE_GPA, frame[1]);
	EXPECT_EQ(0, self->mmio.read); /* a read is not undone */
}

TEST_F(mmio_faults, the_memory_side_gets_accessed_and_dirty)
{
	static const uint8_t movsb[] = { 0xa4 };
	struct kvm_regs regs = mmio_random_regs(&self->mmio);

	mmio_put_code(&self->mmio, movsb, sizeof(movsb));
	regs.rsi = MMIO_GPA;
	regs.rdi = DATA_GPA + PAGE_SIZE;
	*mmio_data_pte(&self->mmio, 1) &= ~(PTE_A | PTE_D);
	ASSERT_EQ(0, mmio_flush(&self->mmio));
	ASSERT_EQ(0, mmio_run_code(&self->mmio, &regs));
	EXPECT_EQ(PTE_A | PTE_D, *mmio_data_pte(&self->mmio, 1) & (PTE_A | PTE_D));

	regs.rsi = DATA_GPA + PAGE_SIZE;
	regs.rdi = MMIO_GPA;
	*mmio_data_pte(&self->mmio, 1) &= ~(PTE_A | PTE_D);
	ASSERT_EQ(0, mmio_flush(&self->mmio));
	ASSERT_EQ(0, mmio_run_code(&self->mmio, &regs));
	EXPECT_EQ(PTE_A, *mmio_data_pte(&self->mmio, 1) & (PTE_A | PTE_D));
}

TEST_F(mmio_faults, a_string_can_be_interrupted)
{
	static const uint8_t rep_stosl[] = { 0xf3, 0xab };
	struct kvm_regs regs = mmio_random_regs(&self->mmio), now;
	int i;

	mmio_put_code(&self->mmio, rep_stosl, sizeof(rep_stosl));
	regs.rflags &= ~FLAG_DF;
	regs.rcx = 100;
	regs.rdi = MMIO_GPA;
	ASSERT_EQ(0, mmio_set_regs(&self->mmio, &regs));
	for (i = 1; i <= 10; i++) {
		self->mmio.run->immediate_exit = 0;
		ASSERT_EQ(KVM_EXIT_MMIO, bench_run(&self->mmio.bench, 0));
		EXPECT_EQ(MMIO_GPA + 4 * (i - 1), self->mmio.run->mmio.phys_addr);
		self->mmio.run->immediate_exit = 1;
		ASSERT_EQ(-EINTR, bench_run(&self->mmio.bench, 0));
		ASSERT_EQ(0, mmio_get_regs(&self->mmio, &now));
		EXPECT_EQ(CODE_GPA, now.rip);
		EXPECT_EQ(100 - i, now.rcx);
		EXPECT_EQ(regs.rdi + 4 * i, now.rdi);
	}
	self->mmio.run->immediate_exit = 0;
	self->mmio.written = 0;
	ASSERT_EQ(KVM_EXIT_IO, mmio_go_on(&self->mmio));
	EXPECT_TRUE(bench_done(&self->mmio.bench, 0));
	EXPECT_EQ(90, self->mmio.written);
}

/* Between the read and the write userspace goes elsewhere: nothing is written. */
TEST_F(mmio_faults, userspace_can_take_it_back)
{
	static const uint8_t or_mem[] = { 0x09, 0x03 };
	struct kvm_regs regs = mmio_random_regs(&self->mmio), now;

	mmio_put_code(&self->mmio, or_mem, sizeof(or_mem));
	regs.rbx = MMIO_GPA;
	ASSERT_EQ(0, mmio_set_regs(&self->mmio, &regs));
	ASSERT_EQ(KVM_EXIT_MMIO, bench_run(&self->mmio.bench, 0));
	EXPECT_EQ(0, self->mmio.run->mmio.is_write);
	ASSERT_EQ(0, mmio_get_regs(&self->mmio, &now));
	EXPECT_EQ(CODE_GPA, now.rip);
	now.rip += sizeof(or_mem);
	ASSERT_EQ(0, kvm_ioctl(self->mmio.bench.vcpu[0].fd, KVM_SET_REGS, &now));
	ASSERT_EQ(KVM_EXIT_IO, bench_run(&self->mmio.bench, 0));
	EXPECT_TRUE(bench_done(&self->mmio.bench, 0));
	ASSERT_EQ(0, mmio_get_regs(&self->mmio, &now));
	EXPECT_EQ(regs.rflags, now.rflags);
}

TEST_F(mmio_faults, a_trap_after_it)
{
	static const uint8_t code[][2] = {
		{ 0x89, 0x03 }, { 0x8b, 0x13 }, { 0x09, 0x03 }, { 0xf3, 0xab }
	};
	struct kvm_regs regs, now;
	uint64_t *frame;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(code); i++) {
		bool rep = code[i][0] == 0xf3;

		regs = mmio_random_regs(&self->mmio);
		mmio_put_code(&self->mmio, code[i], 2);
		regs.rbx = MMIO_GPA;
		regs.rdi = MMIO_GPA;
		regs.rcx = 3;
		regs.rflags = FLAGS_BASE | FLAG_TF;
		mmio_run_code(&self->mmio, &regs);
		ASSERT_EQ(1, mmio_fault_vector(&self->mmio, &now, &frame)) TH_LOG("code %zu", i);
		/* A string traps after each element, at itself. */
		EXPECT_EQ(CODE_GPA + (rep ? 0 : 2), frame[0]) TH_LOG("code %zu", i);
		EXPECT_EQ(rep ? 2 : 3, now.rcx);
	}
}

static void nothing(int signal)
{
	(void)signal;
}

/*
 * Random bytes, and random operands of instructions that are known, all at
 * MMIO: whatever they are, each run ends in an exit, and the module works on.
 */
TEST_F_TIMEOUT(mmio_faults, odd_instructions, 120)
{
	static const uint8_t start[] = { 0x00, 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x0f, 0x48, 0x64,
					 0x88, 0xa0, 0xa4, 0xaa, 0xc7, 0x80, 0xf6, 0x86 };
	struct itimerval timer = { .it_interval.tv_usec = 2000, .it_value.tv_usec = 2000 };
	const struct sigaction action = { .sa_handler = nothing };
	struct kvm_regs regs;
	uint8_t code[16];
	unsigned int i, unknown = 0, exits;
	int ret;

	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
	for (i = 0; i < 400; i++) {
		mmio_fill(&self->mmio, code, sizeof(code));
		if (i % 4)
			code[0] = start[rng_below(&self->mmio.rng, sizeof(start))] | (code[0] & 3);
		mmio_put_code(&self->mmio, code, sizeof(code));
		regs = mmio_random_regs(&self->mmio);
		regs.rax = regs.rbx = regs.rdx = regs.rsi = regs.rdi = regs.rbp = MMIO_GPA + 0xff8;
		ASSERT_EQ(0, mmio_set_regs(&self->mmio, &regs));
		for (exits = 0, ret = KVM_EXIT_MMIO; ret == KVM_EXIT_MMIO && exits < 10; exits++)
			ret = bench_run(&self->mmio.bench, 0);
		ASSERT_TRUE(ret >= 0 || ret == -EINTR) TH_LOG("program %u: %d", i, ret);
		unknown += ret == KVM_EXIT_INTERNAL_ERROR;
	}
	timer = (struct itimerval){};
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
	TH_LOG("%u were not known", unknown);
	EXPECT_EQ(KVM_EXIT_HLT, bench_run_new_vm());
}

TEST_HARNESS_MAIN
