// SPDX-License-Identifier: GPL-2.0
/*
 * A vCPU's state: what is set is what the guest has and what is read back; what
 * the CPU would not take is refused, or ends the run for its owner and no more.
 */
#include <kselftest_harness.h>
#include <errno.h>
#include <signal.h>
#include <sys/time.h>

#include "../guest/state.h"
#include "../guest/exits.h"
#include "vm.h"

DECLARE_GUEST(regs);
DECLARE_GUEST(sregs);
DECLARE_GUEST(msr);
DECLARE_GUEST(cpuid);
DECLARE_GUEST(fpu);
DECLARE_GUEST(spin);

#define MSR_STAR		0xc0000081
#define MSR_LSTAR		0xc0000082
#define MSR_FMASK		0xc0000084
#define MSR_KERNEL_GS_BASE	0xc0000102
#define MSR_SYSENTER_CS		0x174
#define MSR_SYSENTER_ESP	0x175
#define MSR_SYSENTER_EIP	0x176
#define MSR_PAT			0x277
#define MSR_EFER		0xc0000080

FIXTURE(state)
{
	struct bench bench;
	struct rng rng;
	int fd;
};

FIXTURE_SETUP(state)
{
	const struct bench_config config = { .vcpus = 1 };

	self->rng.state = bench_seed();
	ASSERT_EQ(0, bench_open(&self->bench, &config));
	self->fd = self->bench.vcpu[0].fd;
	BENCH_LOAD(&self->bench, hlt);
	ASSERT_EQ(0, bench_start_mode(&self->bench, 0, CPU_LONG));
}

FIXTURE_TEARDOWN(state)
{
	bench_close(&self->bench);
}

static void *result(struct bench *bench)
{
	return (char *)bench_mbox(bench, 0) + STATE_RESULT;
}

static bool run_to_done(struct bench *bench)
{
	return bench_run(bench, 0) == KVM_EXIT_IO && bench_done(bench, 0);
}

TEST_F(state, regs)
{
	struct kvm_regs set, get;
	uint64_t *seen = result(&self->bench);
	__u64 *value;
	int i;

	BENCH_LOAD(&self->bench, regs);
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_REGS, &set));
	/* rbp stays the mailbox, rip and rflags come behind these sixteen. */
	for (value = &set.rax, i = 0; i < 16; i++)
		if (&value[i] != &set.rbp)
			value[i] = rng_next(&self->rng);
	set.rflags = 0x202 | FLAGS_ALU;
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_SET_REGS, &set));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_REGS, &get));
	EXPECT_EQ(0, memcmp(&set, &get, sizeof(set)));
	ASSERT_TRUE(run_to_done(&self->bench));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_REGS, &get));
	const uint64_t given[] = {
		set.rax, set.rbx, set.rcx, set.rdx, set.rsi, set.rdi, set.rsp, set.r8,
		set.r9, set.r10, set.r11, set.r12, set.r13, set.r14, set.r15,
	};
	const uint64_t after[] = {
		get.rax, get.rbx, get.rcx, get.rdx, get.rsi, get.rdi, get.rsp, get.r8,
		get.r9, get.r10, get.r11, get.r12, get.r13, get.r14, get.r15,
	};
	for (i = 0; i < 15; i++) {
		EXPECT_EQ(given[i], seen[i]) TH_LOG("register %d", i);
		EXPECT_EQ(given[i] + 1, after[i]) TH_LOG("register %d", i);
	}
	EXPECT_EQ(set.rflags, get.rflags) TH_LOG("lea and mov leave the flags alone");
}

TEST_F(state, sregs)
{
	struct kvm_sregs set, get;
	char *seen = result(&self->bench);
	uint32_t *words = bench_low(&self->bench, 0x50000);

	BENCH_LOAD(&self->bench, sregs);
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_SREGS, &set));
	set.cr2 = 0x123456789abc;
	set.cr8 = 5;
	set.gdt.base = 0x11223344;
	set.gdt.limit = 0x5566;
	set.idt.base = 0x778899aa;
	set.idt.limit = 0x0bbc;
	set.fs.base = 0x50000;
	set.gs.base = 0x50004;
	set.tr.selector = 0x30;
	words[0] = 0xf5;
	words[1] = 0x65;
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_SET_SREGS, &set));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_SREGS, &get));
	EXPECT_EQ(0, memcmp(&set, &get, sizeof(set)));
	ASSERT_TRUE(run_to_done(&self->bench));
	EXPECT_EQ(set.cr0, *(uint64_t *)seen);
	EXPECT_EQ(set.cr2, *(uint64_t *)(seen + 0x08));
	EXPECT_EQ(set.cr3, *(uint64_t *)(seen + 0x10));
	EXPECT_EQ(set.cr4, *(uint64_t *)(seen + 0x18));
	EXPECT_EQ(set.gdt.limit, *(uint16_t *)(seen + 0x26));
	EXPECT_EQ(set.gdt.base, *(uint64_t *)(seen + 0x28));
	EXPECT_EQ(set.idt.limit, *(uint16_t *)(seen + 0x36));
	EXPECT_EQ(set.idt.base, *(uint64_t *)(seen + 0x38));
	EXPECT_EQ(0x30, *(uint64_t *)(seen + 0x40));
	EXPECT_EQ(0xf5, *(uint64_t *)(seen + 0x48));
	EXPECT_EQ(0x65, *(uint64_t *)(seen + 0x50));
	EXPECT_EQ(set.efer, *(uint64_t *)(seen + 0x58));
}

static int one_msr(int fd, unsigned long request, uint32_t index, uint64_t *value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msr = { .head.nmsrs = 1, .entry = { .index = index, .data = *value } };
	int ret = kvm_ioctl(fd, request, &msr);

	*value = msr.entry.data;
	return ret;
}

TEST_F(state, msrs)
{
	static const struct {
		uint32_t index;
		uint64_t by_host, by_guest;
	} msrs[] = {
		{ MSR_STAR, 0x0011223344556677, 0x8899aabbccddeeff },
		{ MSR_LSTAR, 0xffff800012345678, 0x00007fff87654321 },
		{ MSR_FMASK, 0x47700, 0x300 },
		{ MSR_KERNEL_GS_BASE, 0xffffc00000001000, 0x1000 },
		{ MSR_SYSENTER_CS, 0x10, 0x20 },
		{ MSR_SYSENTER_ESP, 0xffff800000001000, 0x2000 },
		{ MSR_SYSENTER_EIP, 0xffff800000003000, 0x4000 },
		{ MSR_PAT, 0x0007040600070406, 0x0606060606060606 },
	};
	struct kvm_regs start;
	uint64_t *seen = result(&self->bench);
	uint64_t value;
	size_t i;

	BENCH_LOAD(&self->bench, msr);
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_REGS, &start));
	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		value = msrs[i].by_host;
		ASSERT_EQ(1, one_msr(self->fd, KVM_SET_MSRS, msrs[i].index, &value));
		value = 0;
		ASSERT_EQ(1, one_msr(self->fd, KVM_GET_MSRS, msrs[i].index, &value));
		EXPECT_EQ(msrs[i].by_host, value) TH_LOG("MSR %#x", msrs[i].index);
		seen[0] = msrs[i].index;
		seen[2] = msrs[i].by_guest;
		ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_SET_REGS, &start));
		ASSERT_TRUE(run_to_done(&self->bench)) TH_LOG("MSR %#x", msrs[i].index);
		ASSERT_EQ(KVM_EXIT_HLT, bench_run(&self->bench, 0));
		EXPECT_EQ(msrs[i].by_host, seen[1]) TH_LOG("MSR %#x", msrs[i].index);
		ASSERT_EQ(1, one_msr(self->fd, KVM_GET_MSRS, msrs[i].index, &value));
		EXPECT_EQ(msrs[i].by_guest, value) TH_LOG("MSR %#x", msrs[i].index);
	}
}

/* Every MSR in the list can be read, and set to what it is. */
TEST_F(state, msr_list)
{
	struct {
		struct kvm_msr_list head;
		uint32_t indices[MSRS_MAX];
	} list = { .head.nmsrs = MSRS_MAX };
	uint64_t value;
	uint32_t i, unread = 0;

	ASSERT_EQ(0, kvm_ioctl(self->bench.vm.dev, KVM_GET_MSR_INDEX_LIST, &list));
	ASSERT_LT(0, list.head.nmsrs);
	for (i = 0; i < list.head.nmsrs; i++) {
		value = 0;
		if (one_msr(self->fd, KVM_GET_MSRS, list.indices[i], &value) != 1) {
			TH_LOG("MSR %#x is in the list and cannot be read", list.indices[i]);
			unread++;
		}
	}
	/* KVM lists some that depend on CPUID. */
	if (!kvm_device_is_kvm())
		EXPECT_EQ(0, unread);
}

TEST_F(state, msrs_that_are_refused)
{
	const uint64_t non_canonical = 0x8000000000000000;
	uint64_t value = non_canonical;

	EXPECT_EQ(0, one_msr(self->fd, KVM_SET_MSRS, MSR_LSTAR, &value));
	value = non_canonical;
	EXPECT_EQ(0, one_msr(self->fd, KVM_SET_MSRS, MSR_KERNEL_GS_BASE, &value));
	value = 0x0202020202020202;
	EXPECT_EQ(0, one_msr(self->fd, KVM_SET_MSRS, MSR_PAT, &value));
	value = ~0ULL;
	EXPECT_EQ(0, one_msr(self->fd, KVM_SET_MSRS, MSR_EFER, &value));
	value = 1;
	EXPECT_EQ(0, one_msr(self->fd, KVM_SET_MSRS, 0xdeadbeef, &value));
	EXPECT_EQ(0, one_msr(self->fd, KVM_GET_MSRS, 0xdeadbeef, &value));
	EXPECT_EQ(KVM_EXIT_HLT, bench_run(&self->bench, 0));
}

/* The guest sees the leaves that it was given. */
TEST_F(state, cpuid)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[CPUID_MAX];
	} set = { .head.nent = CPUID_MAX }, get = { .head.nent = CPUID_MAX };
	struct kvm_cpuid_entry2 own = {
		.function = 0x40000000, .eax = 0x40000000, .ebx = 0x6c6c6576, .ecx = 0x6d75,
		.edx = 0x1234,
	};
	uint32_t *seen = result(&self->bench);
	uint32_t i, n = 0;

	ASSERT_EQ(0, kvm_ioctl(self->bench.vm.dev, KVM_GET_SUPPORTED_CPUID, &set));
	for (i = 0; i < set.head.nent; i++)
		if (set.entries[i].function >> 8 != 0x400000)
			set.entries[n++] = set.entries[i];
	set.entries[n++] = own;
	set.head.nent = n;
	/* Other programs of this file have not run this vCPU: CPUID may be set again. */
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_SET_CPUID2, &set));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_CPUID2, &get));
	/* KVM 6.1 leaves nent as it was given. */
	if (!kvm_device_is_kvm())
		EXPECT_EQ(n, get.head.nent);
	EXPECT_EQ(0, memcmp(set.entries, get.entries, n * sizeof(own)));
	BENCH_LOAD(&self->bench, cpuid);
	seen[0] = own.function;
	ASSERT_TRUE(run_to_done(&self->bench));
	EXPECT_EQ(own.eax, seen[2]);
	EXPECT_EQ(own.ebx, seen[3]);
	EXPECT_EQ(own.ecx, seen[4]);
	EXPECT_EQ(own.edx, seen[5]);
}

TEST_F(state, fpu)
{
	struct kvm_fpu set, get;
	uint64_t *seen = result(&self->bench);
	double three = 3.0;
	int i;

	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_FPU, &set));
	set.fcw = 0x27f;
	set.fsw = 7 << 11;		/* top of stack is register 7 */
	set.ftwx = 1 << 7;		/* which is the only one in use */
	set.mxcsr = 0x1f80;
	/* 3.0 as an 80-bit number */
	memset(set.fpr, 0, sizeof(set.fpr));
	memcpy(set.fpr[0], "\0\0\0\0\0\0\0\xc0\0\x40", 10);
	for (i = 0; i < 16; i++)
		set.xmm[5][i] = rng_next(&self->rng) & 0x7f;
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_SET_FPU, &set));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_FPU, &get));
	EXPECT_EQ(0, memcmp(set.xmm, get.xmm, sizeof(set.xmm)));
	EXPECT_EQ(0, memcmp(set.fpr, get.fpr, sizeof(set.fpr)));
	EXPECT_EQ(set.fcw, get.fcw);
	EXPECT_EQ(set.fsw, get.fsw);
	EXPECT_EQ(set.ftwx, get.ftwx);
	/* KVM 6.1 neither sets nor gets MXCSR here. */
	if (!kvm_device_is_kvm())
		EXPECT_EQ(set.mxcsr, get.mxcsr);
	BENCH_LOAD(&self->bench, fpu);
	ASSERT_TRUE(run_to_done(&self->bench));
	EXPECT_EQ(0, memcmp(set.xmm[5], seen, 16));
	EXPECT_EQ(set.fcw, *(uint16_t *)&seen[2]);
	EXPECT_EQ(set.mxcsr, *((uint32_t *)&seen[2] + 1));
	EXPECT_EQ(0, memcmp(&three, &seen[3], sizeof(three)));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_FPU, &get));
	for (i = 0; i < 16; i++)
		EXPECT_EQ((uint8_t)(2 * set.xmm[5][i]), get.xmm[6][i]) TH_LOG("byte %d", i);
	if (!kvm_device_is_kvm())
		EXPECT_EQ(0x1fa0, get.mxcsr);
}

/* The process's own FPU registers are its own, whatever a guest does. */
TEST_F(state, fpu_of_the_host_is_left_alone)
{
	double before = 1.25, after;
	struct kvm_fpu fpu;

	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_FPU, &fpu));
	memset(fpu.xmm, 0x55, sizeof(fpu.xmm));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_SET_FPU, &fpu));
	BENCH_LOAD(&self->bench, fpu);
	asm volatile("movsd %0, %%xmm6" : : "m"(before) : "xmm6");
	long ret = self->fd;

	asm volatile("syscall" : "=a"(ret) : "a"(16L), "D"((long)self->fd), "S"((long)KVM_RUN),
		     "d"(0L) : "rcx", "r11", "memory");
	asm volatile("movsd %%xmm6, %0" : "=m"(after));
	EXPECT_EQ(0, ret);
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
}

TEST_F(state, mxcsr_that_is_refused)
{
	struct kvm_fpu fpu;
	int ret;

	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_FPU, &fpu));
	fpu.mxcsr = 0xffff0000;
	ret = kvm_ioctl(self->fd, KVM_SET_FPU, &fpu);
	/* Refused or masked; what must not be is a fault in the kernel's restore. */
	if (ret)
		EXPECT_EQ(-EINVAL, ret);
	EXPECT_EQ(KVM_EXIT_HLT, bench_run(&self->bench, 0));
}

TEST_F(state, mp_state)
{
	struct kvm_mp_state mp = { .mp_state = 99 };

	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_MP_STATE, &mp));
	EXPECT_EQ(KVM_MP_STATE_RUNNABLE, mp.mp_state);
	EXPECT_EQ(0, kvm_ioctl(self->fd, KVM_SET_MP_STATE, &mp));
	/* Without a local APIC in the kernel a vCPU is runnable and nothing else. */
	mp.mp_state = KVM_MP_STATE_HALTED;
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->fd, KVM_SET_MP_STATE, &mp));
	mp.mp_state = 0x12345;
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->fd, KVM_SET_MP_STATE, &mp));
	EXPECT_EQ(KVM_EXIT_HLT, bench_run(&self->bench, 0));
}

static void on_signal(int signal)
{
	(void)signal;
}

/* A signal that the thread blocks ends KVM_RUN, if the vCPU's mask lets it. */
TEST_F(state, signal_mask)
{
	struct itimerval timer = { .it_value.tv_usec = 5000 };
	struct sigaction action = { .sa_handler = on_signal };
	struct {
		struct kvm_signal_mask head;
		uint64_t set;
	} mask = { .head.len = 8 };
	sigset_t blocked, pending;

	BENCH_LOAD(&self->bench, spin);
	ASSERT_EQ(0, bench_start(&self->bench, 0));
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGALRM);
	sigaction(SIGALRM, &action, NULL);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &blocked, NULL));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_SET_SIGNAL_MASK, &mask));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
	EXPECT_EQ(-EINTR, bench_run(&self->bench, 0));
	/* It is still pending: the handler has not run. */
	ASSERT_EQ(0, sigpending(&pending));
	EXPECT_EQ(1, sigismember(&pending, SIGALRM));
}

/* One field at a time is made impossible. */
TEST_F(state, sregs_that_are_refused)
{
	struct kvm_sregs good, bad;

	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_SREGS, &good));
	bad = good;
	bad.cr4 |= 1ULL << 63;
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->fd, KVM_SET_SREGS, &bad)) TH_LOG("reserved bit of CR4");
	bad = good;
	bad.cr4 &= ~(1ULL << 5);
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->fd, KVM_SET_SREGS, &bad)) TH_LOG("long mode, no PAE");
	bad = good;
	bad.efer &= ~(1ULL << 10);
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->fd, KVM_SET_SREGS, &bad)) TH_LOG("LME, PG, no LMA");
	bad = good;
	bad.cr3 = 1ULL << 62;
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->fd, KVM_SET_SREGS, &bad)) TH_LOG("reserved bit of CR3");
	bad = good;
	bad.cr0 &= ~(1ULL << 31);
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->fd, KVM_SET_SREGS, &bad)) TH_LOG("LMA without paging");
	bad = good;
	bad.apic_base = ~0ULL;
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->fd, KVM_SET_SREGS, &bad)) TH_LOG("APIC base");
	/* None of it has stuck. */
	EXPECT_EQ(KVM_EXIT_HLT, bench_run(&self->bench, 0));
}

/*
 * Random values in random fields: refused, or taken, and then a run ends one way
 * or another. An alarm ends those that do not end by themselves.
 */
TEST_F(state, random_sregs)
{
	const struct bench_config config = { .vcpus = 1 };
	struct kvm_sregs good, bad;
	struct kvm_regs regs;
	int i, k, ret, refused = 0, ran = 0;

	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_SREGS, &good));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_REGS, &regs));
	for (i = 0; i < 70; i++) {
		bad = good;
		for (k = rng_below(&self->rng, 3); k >= 0; k--)
			((uint8_t *)&bad)[rng_below(&self->rng, sizeof(bad))] =
				rng_next(&self->rng);
		ret = kvm_ioctl(self->fd, KVM_SET_SREGS, &bad);
		if (ret) {
			ASSERT_EQ(-EINVAL, ret);
			refused++;
			continue;
		}
		ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_SET_REGS, &regs));
		ret = bench_run_alarmed(&self->bench, 0, 3000);
		ran += ret >= 0;
		/* A fresh vCPU, so that one state does not hide the next. */
		bench_close(&self->bench);
		ASSERT_EQ(0, bench_open(&self->bench, &config));
		BENCH_LOAD(&self->bench, hlt);
		ASSERT_EQ(0, bench_start_mode(&self->bench, 0, CPU_LONG));
		self->fd = self->bench.vcpu[0].fd;
	}
	EXPECT_LT(0, refused);
	EXPECT_LT(0, ran);
	EXPECT_EQ(KVM_EXIT_HLT, bench_run(&self->bench, 0));
}

/* All of it at once moves to another VM, and the guest there has it. */
TEST_F(state, save_and_restore)
{
	static struct cpu_state saved, again;
	const struct bench_config config = { .vcpus = 1 };
	struct bench other;
	uint64_t value = 0xffff800000001230;

	ASSERT_EQ(1, one_msr(self->fd, KVM_SET_MSRS, MSR_LSTAR, &value));
	ASSERT_EQ(0, cpu_save(&self->bench.vm, &self->bench.vcpu[0], &saved));
	ASSERT_EQ(0, bench_open(&other, &config));
	memcpy(other.low.host, self->bench.low.host, LOW_BYTES);
	EXPECT_LE(0, cpu_restore(&other.vcpu[0], &saved));
	ASSERT_EQ(0, cpu_save(&other.vm, &other.vcpu[0], &again));
	EXPECT_EQ(0, memcmp(&saved.regs, &again.regs, sizeof(saved.regs)));
	EXPECT_EQ(0, memcmp(&saved.sregs, &again.sregs, sizeof(saved.sregs)));
	EXPECT_EQ(0, memcmp(&saved.fpu, &again.fpu, sizeof(saved.fpu)));
	ASSERT_EQ(1, one_msr(other.vcpu[0].fd, KVM_GET_MSRS, MSR_LSTAR, &value));
	EXPECT_EQ(0xffff800000001230, value);
	EXPECT_EQ(KVM_EXIT_HLT, bench_run(&other, 0));
	bench_close(&other);
}

TEST_HARNESS_MAIN
