// SPDX-License-Identifier: GPL-2.0
/* vCPU state: start-up in each mode, save and restore. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"

#define CR0_PE	   (1UL << 0)
#define CR0_MP	   (1UL << 1)
#define CR0_ET	   (1UL << 4)
#define CR0_NE	   (1UL << 5)
#define CR0_PG	   (1UL << 31)
#define CR4_PAE	   (1UL << 5)
#define CR4_OSFXSR (1UL << 9)
#define RFLAGS_1   (1UL << 1)
#define RFLAGS_IF  (1UL << 9)
#define EFER_LME   (1UL << 8)
#define EFER_LMA   (1UL << 10)

#define PTE_TABLE 0x23UL /* present, writable, accessed */
#define PTE_LARGE 0xe3UL /* the same, dirty, 2 MiB */

int cpu_set_supported_cpuid(struct vm *vm, struct vcpu *vcpu)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[CPUID_MAX];
	} cpuid = { .head.nent = CPUID_MAX };
	int ret = kvm_ioctl(vm->dev, KVM_GET_SUPPORTED_CPUID, &cpuid);

	return ret ?: kvm_ioctl(vcpu->fd, KVM_SET_CPUID2, &cpuid);
}

static struct kvm_segment segment(uint16_t selector, uint8_t type, enum cpu_mode mode)
{
	struct kvm_segment seg = {
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.limit = mode == CPU_REAL ? 0xffff : 0xffffffff,
		.g = mode != CPU_REAL,
	};

	if (mode == CPU_LONG && type == 11)
		seg.l = 1;
	else
		seg.db = mode != CPU_REAL;
	return seg;
}

static void set_mode(struct kvm_sregs *sregs, enum cpu_mode mode, uint64_t page_table)
{
	bool real = mode == CPU_REAL;
	struct kvm_segment data = segment(real ? 0 : 0x10, 3, mode);

	sregs->cs = segment(real ? 0 : 8, real ? 3 : 11, mode);
	sregs->ds = data;
	sregs->es = data;
	sregs->fs = data;
	sregs->gs = data;
	sregs->ss = data;
	sregs->cr0 = CR0_ET | CR0_NE | CR0_MP | (real ? 0 : CR0_PE);
	sregs->cr4 = CR4_OSFXSR;
	sregs->efer &= ~(EFER_LME | EFER_LMA);
	if (mode != CPU_LONG)
		return;
	sregs->cr0 |= CR0_PG;
	sregs->cr3 = page_table;
	sregs->cr4 |= CR4_PAE;
	sregs->efer |= EFER_LME | EFER_LMA;
}

int cpu_start(struct vcpu *vcpu, enum cpu_mode mode, uint64_t rip, uint64_t page_table)
{
	/*
	 * IF is set although nothing will interrupt the guest: in a guest that has it
	 * clear, Bochs 2.7 holds the host's own interrupts back until the next exit.
	 */
	struct kvm_regs regs = { .rip = rip, .rflags = RFLAGS_1 | RFLAGS_IF };
	struct kvm_sregs sregs;
	int ret = kvm_ioctl(vcpu->fd, KVM_GET_SREGS, &sregs);

	if (ret)
		return ret;
	set_mode(&sregs, mode, page_table);
	ret = kvm_ioctl(vcpu->fd, KVM_SET_SREGS, &sregs);
	return ret ?: kvm_ioctl(vcpu->fd, KVM_SET_REGS, &regs);
}

void cpu_page_tables(void *table, uint64_t gpa)
{
	uint64_t *pml4 = table, *pdpt = pml4 + 512, *pd = pdpt + 512;
	unsigned int i;

	memset(table, 0, CPU_TABLE_BYTES);
	pml4[0] = (gpa + PAGE_SIZE) | PTE_TABLE;
	pdpt[0] = (gpa + 2 * PAGE_SIZE) | PTE_TABLE;
	for (i = 0; i < 512; i++)
		pd[i] = (uint64_t)i << 21 | PTE_LARGE;
}

/* The MSRs that the device lists and the vCPU lets us read. */
static int save_msrs(struct vm *vm, struct vcpu *vcpu, struct cpu_state *state)
{
	struct {
		struct kvm_msr_list head;
		uint32_t indices[MSRS_MAX];
	} list = { .head.nmsrs = MSRS_MAX };
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} one;
	unsigned int i, count = 0;
	int ret = kvm_ioctl(vm->dev, KVM_GET_MSR_INDEX_LIST, &list);

	if (ret)
		return ret;
	for (i = 0; i < list.head.nmsrs; i++) {
		memset(&one, 0, sizeof(one));
		one.head.nmsrs = 1;
		one.entry.index = list.indices[i];
		if (kvm_ioctl(vcpu->fd, KVM_GET_MSRS, &one) == 1)
			state->msrs.entries[count++] = one.entry;
	}
	state->msrs.head.nmsrs = count;
	return 0;
}

/* KVM 6.1 does not say how many entries it gave: those behind them are zero. */
static void trim_cpuid(struct cpu_state *state)
{
	static const struct kvm_cpuid_entry2 zero;
	uint32_t n = state->cpuid.head.nent;

	while (n && !memcmp(&state->cpuid.entries[n - 1], &zero, sizeof(zero)))
		n--;
	state->cpuid.head.nent = n;
}

int cpu_save(struct vm *vm, struct vcpu *vcpu, struct cpu_state *state)
{
	int ret;

	memset(state, 0, sizeof(*state));
	state->has_debugregs = kvm_cap(vm->fd, KVM_CAP_DEBUGREGS) > 0;
	state->has_events = kvm_cap(vm->fd, KVM_CAP_VCPU_EVENTS) > 0;
	state->cpuid.head.nent = CPUID_MAX;
	ret = kvm_ioctl(vcpu->fd, KVM_GET_CPUID2, &state->cpuid);
	trim_cpuid(state);
	ret = ret ?: kvm_ioctl(vcpu->fd, KVM_GET_MP_STATE, &state->mp);
	ret = ret ?: kvm_ioctl(vcpu->fd, KVM_GET_REGS, &state->regs);
	ret = ret ?: kvm_ioctl(vcpu->fd, KVM_GET_SREGS, &state->sregs);
	ret = ret ?: kvm_ioctl(vcpu->fd, KVM_GET_FPU, &state->fpu);
	if (state->has_debugregs)
		ret = ret ?: kvm_ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &state->debugregs);
	if (state->has_events)
		ret = ret ?: kvm_ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &state->events);
	return ret ?: save_msrs(vm, vcpu, state);
}

/* One by one, because KVM_SET_MSRS stops at the first that it refuses. */
static int restore_msrs(struct vcpu *vcpu, const struct cpu_state *state)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} one = { .head.nmsrs = 1 };
	unsigned int i;
	int refused = 0;

	for (i = 0; i < state->msrs.head.nmsrs; i++) {
		one.entry = state->msrs.entries[i];
		refused += kvm_ioctl(vcpu->fd, KVM_SET_MSRS, &one) != 1;
	}
	return refused;
}

int cpu_restore(struct vcpu *vcpu, struct cpu_state *state)
{
	int ret;

	ret = kvm_ioctl(vcpu->fd, KVM_SET_CPUID2, &state->cpuid);
	ret = ret ?: kvm_ioctl(vcpu->fd, KVM_SET_SREGS, &state->sregs);
	ret = ret ?: kvm_ioctl(vcpu->fd, KVM_SET_REGS, &state->regs);
	ret = ret ?: kvm_ioctl(vcpu->fd, KVM_SET_FPU, &state->fpu);
	if (state->has_debugregs)
		ret = ret ?: kvm_ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &state->debugregs);
	if (state->has_events)
		ret = ret ?: kvm_ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &state->events);
	ret = ret ?: kvm_ioctl(vcpu->fd, KVM_SET_MP_STATE, &state->mp);
	return ret ?: restore_msrs(vcpu, state);
}
