// SPDX-License-Identifier: GPL-2.0
/*
 * A vCPU's whole state moves to another VM in mid-run, and the guest goes on. And
 * the ways that state takes: SREGS2 with its PDPTEs, the run page.
 */
#include <kselftest_harness.h>
#include <errno.h>

#include "vm.h"

DECLARE_GUEST(move);

#define ROUNDS		2000
#define CR0_PG		(1ULL << 31)
#define CR4_PAE		(1ULL << 5)
#define EFER_LME_LMA	0x500

struct msr_list {
	struct kvm_msr_list head;
	uint32_t indices[MSRS_MAX];
};

struct state {
	struct kvm_regs regs;
	struct kvm_sregs2 sregs;
	struct kvm_xsave xsave;
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debug;
	struct kvm_vcpu_events events;
	struct kvm_lapic_state lapic;
	struct kvm_mp_state mp;
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entries[MSRS_MAX];
	} msrs;
};

static struct state saved, again;
static const struct bench_config config = { .vcpus = 1, .irqchip = true };

/* All MSRs that are in the list, so that nothing has to be known of them. */
static bool save(struct bench *bench, struct state *state)
{
	struct msr_list list = { .head.nmsrs = MSRS_MAX };
	int fd = bench->vcpu[0].fd;
	uint32_t i;

	if (kvm_ioctl(bench->vm.dev, KVM_GET_MSR_INDEX_LIST, &list))
		return false;
	state->msrs.head.nmsrs = list.head.nmsrs;
	for (i = 0; i < list.head.nmsrs; i++)
		state->msrs.entries[i].index = list.indices[i];
	return kvm_ioctl(fd, KVM_GET_MSRS, &state->msrs) == (int)list.head.nmsrs &&
	       !kvm_ioctl(fd, KVM_GET_REGS, &state->regs) &&
	       !kvm_ioctl(fd, KVM_GET_SREGS2, &state->sregs) &&
	       !kvm_ioctl(fd, KVM_GET_XSAVE, &state->xsave) &&
	       !kvm_ioctl(fd, KVM_GET_XCRS, &state->xcrs) &&
	       !kvm_ioctl(fd, KVM_GET_DEBUGREGS, &state->debug) &&
	       !kvm_ioctl(fd, KVM_GET_VCPU_EVENTS, &state->events) &&
	       !kvm_ioctl(fd, KVM_GET_LAPIC, &state->lapic) &&
	       !kvm_ioctl(fd, KVM_GET_MP_STATE, &state->mp);
}

/* 0, or the line that failed. */
static int restore(struct bench *bench, struct state *state)
{
	int fd = bench->vcpu[0].fd;

	if (kvm_ioctl(fd, KVM_SET_REGS, &state->regs))
		return __LINE__;
	if (kvm_ioctl(fd, KVM_SET_SREGS2, &state->sregs))
		return __LINE__;
	if (kvm_ioctl(fd, KVM_SET_XSAVE, &state->xsave))
		return __LINE__;
	/* Where the host has no XSAVE there are none, and none are taken. */
	if (kvm_ioctl(fd, KVM_SET_XCRS, &state->xcrs) != (state->xcrs.nr_xcrs ? 0 : -EINVAL))
		return __LINE__;
	if (kvm_ioctl(fd, KVM_SET_DEBUGREGS, &state->debug))
		return __LINE__;
	if (kvm_ioctl(fd, KVM_SET_MSRS, &state->msrs) != (int)state->msrs.head.nmsrs)
		return __LINE__;
	if (kvm_ioctl(fd, KVM_SET_LAPIC, &state->lapic))
		return __LINE__;
	if (kvm_ioctl(fd, KVM_SET_VCPU_EVENTS, &state->events))
		return __LINE__;
	if (kvm_ioctl(fd, KVM_SET_MP_STATE, &state->mp))
		return __LINE__;
	return 0;
}

#define EXPECT_SAME(field) EXPECT_EQ(0, memcmp(&saved.field, &again.field, sizeof(saved.field)))

/* Every few thousand instructions the guest finds itself in another VM. */
TEST(whole_state)
{
	struct bench a, b;
	int exit, moves = 0;

	ASSERT_EQ(0, bench_open(&a, &config));
	BENCH_LOAD(&a, move);
	ASSERT_EQ(0, bench_start_mode(&a, 0, CPU_LONG));
	MBOX(&a, 0, MASK) = ROUNDS;
	while ((exit = bench_run_alarmed(&a, 0, 2000)) == -EINTR) {
		ASSERT_TRUE(save(&a, &saved));
		ASSERT_EQ(0, bench_open(&b, &config));
		memcpy(b.low.host, a.low.host, LOW_BYTES);
		bench_close(&a);
		ASSERT_EQ(0, restore(&b, &saved));
		ASSERT_TRUE(save(&b, &again));
		EXPECT_SAME(regs);
		EXPECT_SAME(sregs);
		EXPECT_SAME(xsave);
		EXPECT_SAME(xcrs);
		EXPECT_SAME(debug);
		EXPECT_SAME(events);
		EXPECT_SAME(lapic);
		EXPECT_SAME(mp);
		a = b;
		moves++;
	}
	EXPECT_EQ(KVM_EXIT_IO, exit);
	EXPECT_EQ(ROUNDS, MBOX(&a, 0, COUNT));
	EXPECT_EQ(1, MBOX(&a, 0, VALUE));
	EXPECT_LT(2, moves);
	bench_close(&a);
}

/* PDPTEs are the CPU's, not the memory's: here memory has none. */
TEST(pdptes)
{
	struct kvm_sregs2 sregs, get;
	uint64_t *table;
	struct bench b;
	int i;

	ASSERT_EQ(0, bench_open(&b, &config));
	BENCH_LOAD(&b, hlt);
	ASSERT_EQ(0, bench_start(&b, 0));
	ASSERT_EQ(0, kvm_ioctl(b.vcpu[0].fd, KVM_GET_SREGS2, &sregs));
	EXPECT_EQ(0, sregs.flags);
	/* One page directory of 2 MiB pages; %cr3 names a page of zeroes. */
	table = bench_low(&b, TABLE_GPA);
	for (i = 0; i < 512; i++)
		table[i] = i * 0x200000ULL | 0xe3;
	sregs.cr0 |= CR0_PG;
	sregs.cr4 |= CR4_PAE;
	sregs.cr3 = TABLE_GPA + PAGE_SIZE;
	sregs.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	sregs.pdptrs[0] = TABLE_GPA | 1;
	ASSERT_EQ(0, kvm_ioctl(b.vcpu[0].fd, KVM_SET_SREGS2, &sregs));
	ASSERT_EQ(0, kvm_ioctl(b.vcpu[0].fd, KVM_GET_SREGS2, &get));
	EXPECT_EQ(0, memcmp(&sregs, &get, sizeof(get)));
	/* Its first exit is the OUT behind a HLT that the APIC would have to end: run past it. */
	struct kvm_regs regs;

	ASSERT_EQ(0, kvm_ioctl(b.vcpu[0].fd, KVM_GET_REGS, &regs));
	regs.rip++;
	ASSERT_EQ(0, kvm_ioctl(b.vcpu[0].fd, KVM_SET_REGS, &regs));
	EXPECT_EQ(KVM_EXIT_IO, bench_run(&b, 0));
	/* Without the flag they come from memory, and nothing is mapped. */
	sregs.flags = 0;
	ASSERT_EQ(0, kvm_ioctl(b.vcpu[0].fd, KVM_SET_SREGS2, &sregs));
	ASSERT_EQ(0, kvm_ioctl(b.vcpu[0].fd, KVM_SET_REGS, &regs));
	EXPECT_EQ(KVM_EXIT_SHUTDOWN, bench_run(&b, 0));
	bench_close(&b);
}

FIXTURE(bad)
{
	struct bench b;
	struct kvm_run *run;
	int fd;
};

FIXTURE_SETUP(bad)
{
	ASSERT_EQ(0, bench_open(&self->b, &config));
	self->fd = self->b.vcpu[0].fd;
	self->run = self->b.vcpu[0].run;
	BENCH_LOAD(&self->b, hlt);
	ASSERT_EQ(0, bench_start(&self->b, 0));
}

FIXTURE_TEARDOWN(bad)
{
	bench_close(&self->b);
}

TEST_F(bad, pointers)
{
	static const unsigned long vcpu[] = {
		KVM_GET_SREGS2, KVM_SET_SREGS2, KVM_GET_XSAVE, KVM_SET_XSAVE, KVM_GET_XSAVE2,
		KVM_GET_XCRS, KVM_SET_XCRS, KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS,
		KVM_SET_GUEST_DEBUG, KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, KVM_ENABLE_CAP,
	};
	int dev = self->b.vm.dev;
	void *const bad[] = { (void *)8, (void *)0xffff888000001000 };
	size_t i, k;

	for (k = 0; k < ARRAY_SIZE(bad); k++) {
		for (i = 0; i < ARRAY_SIZE(vcpu); i++)
			EXPECT_EQ(-EFAULT, kvm_ioctl(self->fd, vcpu[i], bad[k])) TH_LOG("%zu", i);
		EXPECT_EQ(-EFAULT, kvm_ioctl(dev, KVM_GET_MSR_FEATURE_INDEX_LIST, bad[k]));
		EXPECT_EQ(-EFAULT, kvm_ioctl(dev, KVM_GET_MSRS, bad[k]));
		EXPECT_EQ(-EFAULT, kvm_ioctl(self->b.vm.fd, KVM_X86_SET_MSR_FILTER, bad[k]));
	}
}

TEST_F(bad, sregs2)
{
	struct kvm_sregs2 good, sregs;

	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_SREGS2, &good));
	sregs = good;
	sregs.flags = 2;
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->fd, KVM_SET_SREGS2, &sregs));
	sregs = good;
	sregs.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->fd, KVM_SET_SREGS2, &sregs)) TH_LOG("no PAE paging");
	sregs = good;
	sregs.efer = EFER_LME_LMA;
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->fd, KVM_SET_SREGS2, &sregs)) TH_LOG("LMA, no paging");
	/* Reserved bits of a PDPTE: VM entry judges them, and the vCPU can be set right again. */
	sregs = good;
	sregs.cr0 |= CR0_PG;
	sregs.cr4 |= CR4_PAE;
	sregs.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	sregs.pdptrs[0] = ~0ULL;
	if (!kvm_ioctl(self->fd, KVM_SET_SREGS2, &sregs))
		EXPECT_EQ(KVM_EXIT_FAIL_ENTRY, bench_run(&self->b, 0));
	EXPECT_EQ(0, kvm_ioctl(self->fd, KVM_SET_SREGS2, &good));
}

TEST_F(bad, xsave)
{
	static struct kvm_xsave good, xsave;
	struct kvm_xcrs xcrs = { .nr_xcrs = KVM_MAX_XCRS + 1 };

	ASSERT_LE((int)sizeof(good), kvm_cap(self->b.vm.fd, KVM_CAP_XSAVE2));
	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_XSAVE, &good));
	/* The header's features, at 512: x87 and SSE, whatever the CPU. */
	EXPECT_EQ(3, good.region[128] & 3);
	xsave = good;
	xsave.region[128 + 1] = 0x80000000;
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->fd, KVM_SET_XSAVE, &xsave)) TH_LOG("bit 63");
	xsave = good;
	xsave.region[6] = 0xffff0000;
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->fd, KVM_SET_XSAVE, &xsave)) TH_LOG("MXCSR");
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->fd, KVM_SET_XCRS, &xcrs));
	xcrs = (struct kvm_xcrs){ .nr_xcrs = 1, .flags = 1 };
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->fd, KVM_SET_XCRS, &xcrs));
	xcrs = (struct kvm_xcrs){ .nr_xcrs = 1, .xcrs[0].value = 2 };
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->fd, KVM_SET_XCRS, &xcrs)) TH_LOG("no x87");
}

TEST_F(bad, run_page)
{
	struct kvm_sregs good;

	ASSERT_EQ(0, kvm_ioctl(self->fd, KVM_GET_SREGS, &good));
	EXPECT_EQ(KVM_SYNC_X86_VALID_FIELDS, kvm_cap(self->b.vm.dev, KVM_CAP_SYNC_REGS));
	self->run->kvm_valid_regs = 8;
	EXPECT_EQ(-EINVAL, bench_run(&self->b, 0));
	self->run->kvm_valid_regs = 0;
	self->run->kvm_dirty_regs = ~0ULL;
	EXPECT_EQ(-EINVAL, bench_run(&self->b, 0));
	self->run->s.regs.sregs = good;
	self->run->s.regs.sregs.cr4 = ~0ULL;
	self->run->kvm_dirty_regs = KVM_SYNC_X86_SREGS;
	EXPECT_EQ(-EINVAL, bench_run(&self->b, 0));
	self->run->kvm_dirty_regs = KVM_SYNC_X86_EVENTS;
	memset(&self->run->s.regs.events, 0xff, sizeof(self->run->s.regs.events));
	EXPECT_EQ(-EINVAL, bench_run(&self->b, 0));
	self->run->kvm_dirty_regs = 0;
	EXPECT_EQ(0, kvm_ioctl(self->fd, KVM_SET_SREGS, &good));
}

TEST_F(bad, features_and_capabilities)
{
	struct {
		struct kvm_msr_list head;
		uint32_t indices[32]; /* with a guest's VMX there are fourteen */
	} list = { .head.nmsrs = 0 };
	struct kvm_enable_cap cap = { .cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .flags = 1 };
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msr = { .head.nmsrs = 1, .entry.index = 0xdeadbeef };
	struct kvm_device_attr attr = { .attr = KVM_X86_XCOMP_GUEST_SUPP };
	uint64_t xcr0 = ~0ULL;
	int dev = self->b.vm.dev;

	EXPECT_EQ(0, kvm_ioctl(dev, KVM_HAS_DEVICE_ATTR, &attr));
	EXPECT_EQ(-EFAULT, kvm_ioctl(dev, KVM_GET_DEVICE_ATTR, &attr));
	attr.addr = (uint64_t)&xcr0;
	EXPECT_EQ(0, kvm_ioctl(dev, KVM_GET_DEVICE_ATTR, &attr));
	/* x87 and what else there is, or no XSAVE. */
	EXPECT_TRUE(xcr0 == 0 || (xcr0 & 1));
	attr.attr = 1;
	EXPECT_EQ(-ENXIO, kvm_ioctl(dev, KVM_GET_DEVICE_ATTR, &attr));
	EXPECT_EQ(-E2BIG, kvm_ioctl(dev, KVM_GET_MSR_FEATURE_INDEX_LIST, &list));
	ASSERT_LT(0, list.head.nmsrs);
	ASSERT_GE(sizeof(list.indices), list.head.nmsrs * sizeof(list.indices[0]));
	EXPECT_EQ(0, kvm_ioctl(dev, KVM_GET_MSR_FEATURE_INDEX_LIST, &list));
	EXPECT_EQ(0, kvm_ioctl(dev, KVM_GET_MSRS, &msr));
	msr.entry.index = list.indices[0];
	EXPECT_EQ(1, kvm_ioctl(dev, KVM_GET_MSRS, &msr));
	msr.head.nmsrs = 0xffffffff;
	EXPECT_EQ(-E2BIG, kvm_ioctl(dev, KVM_GET_MSRS, &msr));
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->fd, KVM_ENABLE_CAP, &cap));
	cap = (struct kvm_enable_cap){ .cap = KVM_CAP_DISABLE_QUIRKS2 };
	EXPECT_EQ(-EINVAL, kvm_ioctl(self->fd, KVM_ENABLE_CAP, &cap)) TH_LOG("a VM's");
	EXPECT_EQ(-EINVAL, vm_enable_cap(&self->b.vm, KVM_CAP_DISABLE_QUIRKS2, ~0ULL));
	EXPECT_EQ(-EINVAL, vm_enable_cap(&self->b.vm, KVM_CAP_MAX_VCPU_ID, 1ULL << 32));
	EXPECT_EQ(-EINVAL, vm_enable_cap(&self->b.vm, KVM_CAP_X86_DISABLE_EXITS, ~0ULL));
}

TEST_HARNESS_MAIN
