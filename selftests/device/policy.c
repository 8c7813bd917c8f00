// SPDX-License-Identifier: GPL-2.0
/*
 * What an owner decides about his guest: the MSR filter, MSRs that he answers
 * himself, exits that he does without.
 */
#include <kselftest_harness.h>
#include <errno.h>

#include "vm.h"

DECLARE_GUEST(msr_read);
DECLARE_GUEST(msr_write);
DECLARE_GUEST(msr_loop);

#define MSR_LSTAR	0xc0000082
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_PAT		0x277
#define MSR_X2APIC_ID	0x802
#define MSR_UNKNOWN	0xdeadbeef

#define READ	KVM_MSR_FILTER_READ
#define WRITE	KVM_MSR_FILTER_WRITE

FIXTURE(policy)
{
	struct bench bench;
	struct kvm_run *run;
	int fd, vm;
};

FIXTURE_SETUP(policy)
{
	const struct bench_config config = { .vcpus = 1 };

	ASSERT_EQ(0, bench_open(&self->bench, &config));
	self->fd = self->bench.vcpu[0].fd;
	self->vm = self->bench.vm.fd;
	self->run = self->bench.vcpu[0].run;
	ASSERT_EQ(0, bench_start(&self->bench, 0));
}

FIXTURE_TEARDOWN(policy)
{
	bench_close(&self->bench);
}

/* One MSR is denied, all others are what the default says. */
static int deny(int vm, uint32_t index, uint32_t accesses)
{
	uint64_t none = 0;
	struct kvm_msr_filter filter = {
		.ranges[3] = { .flags = accesses, .base = index, .nmsrs = 1,
			       .bitmap = (void *)&none },
	};

	return kvm_ioctl(vm, KVM_X86_SET_MSR_FILTER, &filter);
}

static int allow_all(int vm)
{
	struct kvm_msr_filter filter = { };

	return kvm_ioctl(vm, KVM_X86_SET_MSR_FILTER, &filter);
}

static int hear_of(struct bench *bench, uint64_t reasons)
{
	return vm_enable_cap(&bench->vm, KVM_CAP_X86_USER_SPACE_MSR, reasons);
}

/* A guest without an IDT: #GP is the end of it. */
static int access_msr(struct bench *bench, uint32_t index, uint32_t access, uint32_t value)
{
	int ret = bench_start(bench, 0);

	if (ret)
		return ret;
	if (access == READ)
		BENCH_LOAD(bench, msr_read);
	else
		BENCH_LOAD(bench, msr_write);
	MBOX(bench, 0, BASE) = index;
	MBOX(bench, 0, LANE) = value;
	MBOX(bench, 0, VALUE) = 0;
	return bench_run(bench, 0);
}

/* The denied access faults, the other one does not; of an MSR that exits, and one that does not. */
TEST_F(policy, denied)
{
	static const uint32_t msrs[] = { MSR_KERNEL_GS_BASE, MSR_LSTAR, MSR_PAT };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		struct bench *b = &self->bench;
		uint32_t value = msrs[i] == MSR_PAT ? 0x00070406 : 0x1000;

		ASSERT_EQ(0, deny(self->vm, msrs[i], READ));
		EXPECT_EQ(KVM_EXIT_IO, access_msr(b, msrs[i], WRITE, value)) TH_LOG("%#x", msrs[i]);
		EXPECT_EQ(KVM_EXIT_SHUTDOWN, access_msr(b, msrs[i], READ, 0)) {
			TH_LOG("%#x", msrs[i]);
		}
		ASSERT_EQ(0, deny(self->vm, msrs[i], WRITE));
		EXPECT_EQ(KVM_EXIT_IO, access_msr(b, msrs[i], READ, 0)) TH_LOG("%#x", msrs[i]);
		EXPECT_EQ(value, MBOX(b, 0, VALUE));
		EXPECT_EQ(KVM_EXIT_SHUTDOWN, access_msr(b, msrs[i], WRITE, 0)) {
			TH_LOG("%#x", msrs[i]);
		}
		/* Its owner may still. */
		ASSERT_EQ(0, deny(self->vm, msrs[i], READ | WRITE));
		struct {
			struct kvm_msrs head;
			struct kvm_msr_entry entry;
		} msr = { .head.nmsrs = 1, .entry.index = msrs[i] };

		EXPECT_EQ(1, kvm_ioctl(self->fd, KVM_GET_MSRS, &msr));
		EXPECT_EQ(1, kvm_ioctl(self->fd, KVM_SET_MSRS, &msr));
		ASSERT_EQ(0, allow_all(self->vm));
		EXPECT_EQ(KVM_EXIT_IO, access_msr(b, msrs[i], READ, 0)) TH_LOG("%#x", msrs[i]);
	}
}

/* Denied by default, with a few bits that allow. */
TEST_F(policy, default_deny)
{
	uint64_t bits = 1 << 1;
	struct kvm_msr_filter filter = {
		.flags = KVM_MSR_FILTER_DEFAULT_DENY,
		.ranges[0] = { .flags = READ | WRITE, .base = MSR_FS_BASE - 1, .nmsrs = 2,
			       .bitmap = (void *)&bits },
	};
	struct bench *b = &self->bench;

	ASSERT_EQ(0, kvm_ioctl(self->vm, KVM_X86_SET_MSR_FILTER, &filter));
	EXPECT_EQ(KVM_EXIT_IO, access_msr(b, MSR_FS_BASE, READ, 0));
	EXPECT_EQ(KVM_EXIT_IO, access_msr(b, MSR_FS_BASE, WRITE, 0));
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, access_msr(b, MSR_FS_BASE + 1, READ, 0));
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, access_msr(b, MSR_LSTAR, WRITE, 0));
	/* The local APIC's are never filtered: in xAPIC mode they fault by themselves. */
	ASSERT_EQ(0, hear_of(b, KVM_MSR_EXIT_REASON_FILTER));
	EXPECT_EQ(KVM_EXIT_X86_RDMSR, access_msr(b, MSR_LSTAR, READ, 0));
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, access_msr(b, MSR_X2APIC_ID, READ, 0));
}

/* Userspace answers for the MSR, or has it fault. */
TEST_F(policy, userspace_answers)
{
	struct bench *b = &self->bench;

	ASSERT_EQ(0, deny(self->vm, MSR_LSTAR, READ | WRITE));
	ASSERT_EQ(0, hear_of(b, KVM_MSR_EXIT_REASON_FILTER));
	ASSERT_EQ(KVM_EXIT_X86_RDMSR, access_msr(b, MSR_LSTAR, READ, 0));
	EXPECT_EQ(MSR_LSTAR, self->run->msr.index);
	EXPECT_EQ(KVM_MSR_EXIT_REASON_FILTER, self->run->msr.reason);
	EXPECT_EQ(0, self->run->msr.error);
	self->run->msr.data = 0x1122334455667788;
	ASSERT_EQ(KVM_EXIT_IO, bench_run(b, 0));
	EXPECT_EQ(0x55667788, MBOX(b, 0, VALUE));
	EXPECT_EQ(0x11223344, MBOX(b, 0, SEED));

	ASSERT_EQ(KVM_EXIT_X86_WRMSR, access_msr(b, MSR_LSTAR, WRITE, 0x4321));
	EXPECT_EQ(MSR_LSTAR, self->run->msr.index);
	EXPECT_EQ(0x4321, self->run->msr.data);
	ASSERT_EQ(KVM_EXIT_IO, bench_run(b, 0));
	EXPECT_EQ(1, MBOX(b, 0, VALUE));

	ASSERT_EQ(KVM_EXIT_X86_RDMSR, access_msr(b, MSR_LSTAR, READ, 0));
	self->run->msr.error = 1;
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, bench_run(b, 0)) TH_LOG("#GP");
	ASSERT_EQ(KVM_EXIT_X86_WRMSR, access_msr(b, MSR_LSTAR, WRITE, 0));
	self->run->msr.error = 1;
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, bench_run(b, 0)) TH_LOG("#GP");
}

/* Three reasons, of which each is told only to who asked for it. */
TEST_F(policy, reasons)
{
	static const struct {
		uint32_t index, access, reason;
	} cases[] = {
		{ MSR_UNKNOWN, READ, KVM_MSR_EXIT_REASON_UNKNOWN },
		{ MSR_UNKNOWN, WRITE, KVM_MSR_EXIT_REASON_UNKNOWN },
		{ MSR_PAT, WRITE, KVM_MSR_EXIT_REASON_INVAL }, /* type 2 */
		{ MSR_LSTAR, READ, KVM_MSR_EXIT_REASON_FILTER },
	};
	struct bench *b = &self->bench;
	size_t i;

	ASSERT_EQ(0, deny(self->vm, MSR_LSTAR, READ));
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_EQ(0, hear_of(b, 7 & ~cases[i].reason));
		EXPECT_EQ(KVM_EXIT_SHUTDOWN, access_msr(b, cases[i].index, cases[i].access, 2)) {
			TH_LOG("case %zu", i);
		}
		ASSERT_EQ(0, hear_of(b, cases[i].reason));
		EXPECT_EQ(cases[i].access == READ ? KVM_EXIT_X86_RDMSR : KVM_EXIT_X86_WRMSR,
			  access_msr(b, cases[i].index, cases[i].access, 2)) {
			TH_LOG("case %zu", i);
		}
		EXPECT_EQ(cases[i].reason, self->run->msr.reason);
		EXPECT_EQ(cases[i].index, self->run->msr.index);
	}
	EXPECT_EQ(-EINVAL, hear_of(b, 8));
}

/* Between exit and answer the instruction goes away: nothing of it happens. */
TEST_F(policy, answer_to_nothing)
{
	struct bench *b = &self->bench;
	struct kvm_regs regs;

	ASSERT_EQ(0, deny(self->vm, MSR_LSTAR, READ));
	ASSERT_EQ(0, hear_of(b, KVM_MSR_EXIT_REASON_FILTER));
	ASSERT_EQ(KVM_EXIT_X86_RDMSR, access_msr(b, MSR_LSTAR, READ, 0));
	self->run->msr.data = 0x77;
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_REGS, &regs));
	regs.rip += 2;
	regs.rax = 0x99;
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_SET_REGS, &regs));
	ASSERT_EQ(KVM_EXIT_IO, bench_run(b, 0));
	EXPECT_EQ(0x99, MBOX(b, 0, VALUE));
}

struct reader {
	struct bench *bench;
	volatile int parked;	/* an exit waits for its answer */
	volatile int go;
	int result;
};

static void *reader_main(void *arg)
{
	struct reader *reader = arg;
	int exit;

	while ((exit = bench_run(reader->bench, 0)) == KVM_EXIT_X86_RDMSR || exit == -EINTR) {
		if (exit == -EINTR)
			continue;
		reader->parked = 1;
		while (!reader->go)
			usleep(100);
		reader->go = 0;
		reader->bench->vcpu[0].run->msr.data = 0x77;
	}
	reader->result = exit;
	return NULL;
}

/* The filter changes under a guest that reads an MSR without exits. */
TEST_F(policy, changed_while_running)
{
	struct reader reader = { .bench = &self->bench };
	struct bench *b = &self->bench;
	pthread_t thread;
	uint32_t count;
	int i;

	BENCH_LOAD(b, msr_loop);
	MBOX(b, 0, BASE) = MSR_FS_BASE;
	ASSERT_EQ(0, hear_of(b, KVM_MSR_EXIT_REASON_FILTER));
	ASSERT_EQ(0, pthread_create(&thread, NULL, reader_main, &reader));
	for (i = 0; i < 10; i++) {
		for (count = MBOX(b, 0, COUNT); MBOX(b, 0, COUNT) - count < 10;)
			usleep(100);
		EXPECT_EQ(0, deny(self->vm, MSR_FS_BASE, READ));
		/* At most the rest of one round. */
		count = MBOX(b, 0, COUNT);
		while (!reader.parked)
			usleep(100);
		EXPECT_GE(1, MBOX(b, 0, COUNT) - count) TH_LOG("round %d", i);
		reader.parked = 0;
		if (i == 9)
			MBOX(b, 0, STOP) = 1;
		EXPECT_EQ(0, allow_all(self->vm));
		reader.go = 1;
	}
	pthread_join(thread, NULL);
	EXPECT_EQ(KVM_EXIT_IO, reader.result);
	EXPECT_EQ(0x77, MBOX(b, 0, VALUE)) TH_LOG("the last read was answered by userspace");
}

TEST_F(policy, bad_filters)
{
	uint64_t bits[KVM_MSR_FILTER_MAX_BITMAP_SIZE / 8 + 1] = { };
	const struct kvm_msr_filter good = {
		.ranges[0] = { .flags = READ, .base = 0, .nmsrs = 64, .bitmap = (void *)bits },
	};
	struct kvm_msr_filter bad, fine = good;

	EXPECT_EQ(-EFAULT, kvm_ioctl(self->vm, KVM_X86_SET_MSR_FILTER, (void *)8));
	bad = good;
	bad.flags = 2;
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->vm, KVM_X86_SET_MSR_FILTER, &bad));
	bad = good;
	bad.ranges[0].flags = 4;
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->vm, KVM_X86_SET_MSR_FILTER, &bad));
	bad = good;
	bad.ranges[0].flags = 0;
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->vm, KVM_X86_SET_MSR_FILTER, &bad));
	bad = good;
	bad.ranges[0].nmsrs = KVM_MSR_FILTER_MAX_BITMAP_SIZE * 8 + 1;
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->vm, KVM_X86_SET_MSR_FILTER, &bad));
	bad.ranges[0].nmsrs = 0xffffffff;
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->vm, KVM_X86_SET_MSR_FILTER, &bad));
	bad = good;
	bad.ranges[15] = good.ranges[0];
	bad.ranges[15].bitmap = (void *)8;
	EXPECT_EQ(-EFAULT, kvm_ioctl(self->vm, KVM_X86_SET_MSR_FILTER, &bad));
	bad = (struct kvm_msr_filter){ .flags = KVM_MSR_FILTER_DEFAULT_DENY };
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->vm, KVM_X86_SET_MSR_FILTER, &bad));
	/* None of it is in force. */
	EXPECT_EQ(KVM_EXIT_IO, access_msr(&self->bench, MSR_FS_BASE, READ, 0));
	EXPECT_EQ(0, kvm_ioctl(self->vm, KVM_X86_SET_MSR_FILTER, &fine));
}

/*
 * HLT that does not exit: the vCPU waits in the guest, until a signal takes it out.
 * Bochs 2.7 forgets that the CPU was halted when an interrupt of the host's ends
 * that, and the guest goes on behind its HLT, under kvm_intel too.
 */
TEST_F(policy, hlt_without_exit)
{
	const struct bench_config none = { };
	struct bench *b = &self->bench;
	int ret;

	EXPECT_EQ(-EINVAL, vm_enable_cap(&b->vm, KVM_CAP_X86_DISABLE_EXITS, 1 << 16));
	bench_close(b);
	ASSERT_EQ(0, bench_open(b, &none));
	ASSERT_EQ(0, vm_enable_cap(&b->vm, KVM_CAP_X86_DISABLE_EXITS,
				   KVM_X86_DISABLE_EXITS_HLT | KVM_X86_DISABLE_EXITS_PAUSE));
	ASSERT_EQ(0, vcpu_open(&b->vm, &b->vcpu[0], 0));
	b->vcpus = 1;
	ASSERT_EQ(0, cpu_set_supported_cpuid(&b->vm, &b->vcpu[0]));
	BENCH_LOAD(b, hlt);
	ASSERT_EQ(0, bench_start(b, 0));
	ret = bench_run_alarmed(b, 0, 5000);
	if (ret != -EINTR)
		EXPECT_EQ(KVM_EXIT_IO, ret);
}

TEST_HARNESS_MAIN
