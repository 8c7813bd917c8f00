// SPDX-License-Identifier: GPL-2.0
/*
 * MSRs that the CPU itself uses: those in the VMCS, those of SYSCALL, which
 * the host uses too, and the TSC.  All others are numbers (platform/msr.c).
 */
#include <uapi/asm/kvm_para.h>
#include <asm/msr.h>

#include "platform/xsave.h"
#include "vmx/vmx.h"

/* The host's SYSCALL MSRs are the same on all CPUs and never change. */
static u64 host_star, host_lstar, host_cstar, host_sfmask;

void msrs_init(void)
{
	rdmsrl(MSR_STAR, host_star);
	rdmsrl(MSR_LSTAR, host_lstar);
	rdmsrl(MSR_CSTAR, host_cstar);
	rdmsrl(MSR_SYSCALL_MASK, host_sfmask);
}

static bool uses_tsc_aux(const struct vcpu_vmx *vmx)
{
	return vmx->vmcs->secondary & SECONDARY_EXEC_ENABLE_RDTSCP;
}

/* A guest that has SYSCALL off cannot feel these MSRs: reads and writes of them exit. */
void msrs_switch_to_guest(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;

	if (vmx->efer & EFER_SCE) {
		wrmsrl(MSR_STAR, vmx->star);
		wrmsrl(MSR_LSTAR, vmx->lstar);
		wrmsrl(MSR_CSTAR, vmx->cstar);
		wrmsrl(MSR_SYSCALL_MASK, vmx->sfmask);
	}
	if (uses_tsc_aux(vmx) && vcpu->msrs.tsc_aux != vmx->host.tsc_aux)
		wrmsrl(MSR_TSC_AUX, vcpu->msrs.tsc_aux);
}

void msrs_switch_to_host(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;

	if (vmx->efer & EFER_SCE) {
		wrmsrl(MSR_STAR, host_star);
		wrmsrl(MSR_LSTAR, host_lstar);
		wrmsrl(MSR_CSTAR, host_cstar);
		wrmsrl(MSR_SYSCALL_MASK, host_sfmask);
	}
	if (uses_tsc_aux(vmx) && vcpu->msrs.tsc_aux != vmx->host.tsc_aux)
		wrmsrl(MSR_TSC_AUX, vmx->host.tsc_aux);
}

void msrs_reset(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;

	msr_reset(&vcpu->msrs, vcpu->id == vcpu->vm->boot_id);
	mce_reset(&vcpu->mce);
	vmx->dr6 = 0xffff0ff0;
	vmx->dr7 = 0x400;
	vmx->xcr0 = XCR0_X87;
}

/* The VMCS field of an MSR, or 0. */
static u32 msr_field(u32 index)
{
	switch (index) {
	case MSR_FS_BASE:
		return GUEST_FS_BASE;
	case MSR_GS_BASE:
		return GUEST_GS_BASE;
	case MSR_IA32_SYSENTER_CS:
		return GUEST_SYSENTER_CS;
	case MSR_IA32_SYSENTER_ESP:
		return GUEST_SYSENTER_ESP;
	case MSR_IA32_SYSENTER_EIP:
		return GUEST_SYSENTER_EIP;
	}
	return 0;
}

/* Where vmx/ keeps a SYSCALL MSR, or NULL. */
static u64 *syscall_msr(struct vcpu_vmx *vmx, u32 index)
{
	switch (index) {
	case MSR_STAR:
		return &vmx->star;
	case MSR_LSTAR:
		return &vmx->lstar;
	case MSR_CSTAR:
		return &vmx->cstar;
	case MSR_SYSCALL_MASK:
		return &vmx->sfmask;
	case MSR_KERNEL_GS_BASE:
		return &vmx->kernel_gs_base;
	}
	return NULL;
}

/* Linear addresses, which must be canonical. */
static bool holds_address(u32 index)
{
	switch (index) {
	case MSR_FS_BASE:
	case MSR_GS_BASE:
	case MSR_KERNEL_GS_BASE:
	case MSR_LSTAR:
	case MSR_CSTAR:
	case MSR_IA32_SYSENTER_ESP:
	case MSR_IA32_SYSENTER_EIP:
		return true;
	}
	return false;
}

static bool is_canonical(u64 address)
{
	return (u64)((s64)(address << 16) >> 16) == address;
}

/* Those of tsc.c, clock.c and steal.c. */
static bool is_time_msr(u32 index)
{
	switch (index) {
	case MSR_IA32_TSC:
	case MSR_IA32_TSC_ADJUST:
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_WALL_CLOCK_NEW:
	case MSR_KVM_SYSTEM_TIME_NEW:
	case MSR_KVM_STEAL_TIME:
		return true;
	}
	return false;
}

/* The paravirtual ones of these are there only with their feature. */
static bool has_time_msr(const struct vcpu *vcpu, u32 index)
{
	switch (index) {
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_SYSTEM_TIME:
		return guest_pv_has(vcpu, KVM_FEATURE_CLOCKSOURCE);
	case MSR_KVM_WALL_CLOCK_NEW:
	case MSR_KVM_SYSTEM_TIME_NEW:
		return guest_pv_has(vcpu, KVM_FEATURE_CLOCKSOURCE2);
	case MSR_KVM_STEAL_TIME:
		return guest_pv_has(vcpu, KVM_FEATURE_STEAL_TIME);
	}
	return true;
}

static int get_time_msr(struct vcpu *vcpu, u32 index, u64 *value)
{
	if (!has_time_msr(vcpu, index))
		return -ENOENT;
	switch (index) {
	case MSR_IA32_TSC:
	case MSR_IA32_TSC_ADJUST:
		return tsc_get_msr(vcpu, index, value);
	case MSR_KVM_STEAL_TIME:
		*value = vcpu->vmx->steal.msr;
		return 0;
	default:
		return clock_get_msr(vcpu, index, value);
	}
}

static int set_time_msr(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	if (!has_time_msr(vcpu, index))
		return -ENOENT;
	switch (index) {
	case MSR_IA32_TSC:
	case MSR_IA32_TSC_ADJUST:
		return tsc_set_msr(vcpu, index, value, host);
	case MSR_KVM_STEAL_TIME:
		return steal_set_msr(vcpu, value);
	default:
		return clock_set_msr(vcpu, index, value);
	}
}

int vmx_get_msr(struct vcpu *vcpu, u32 index, u64 *value)
{
	struct vcpu_vmx *vmx = vcpu->vmx;
	u64 *kept = syscall_msr(vmx, index);

	if (kept)
		*value = *kept;
	else if (msr_field(index))
		*value = vmread(msr_field(index));
	else if (index == MSR_EFER)
		*value = vmx->efer;
	else if (is_time_msr(index))
		return get_time_msr(vcpu, index, value);
	else if (apic_has_msr(index))
		return apic_get_msr(vcpu, index, value);
	else if (nested_ops && nested_ops->has_msr(index))
		return nested_ops->get_msr(vcpu, index, value);
	else if (mce_has_msr(index))
		return mce_get_msr(&vcpu->mce, index, value);
	else if (hyperv_has_msr(index))
		return hyperv_get_msr(vcpu, index, value);
	else
		return msr_get(&vcpu->msrs, index, value);
	return 0;
}

/*
 * EFER by WRMSR or KVM_SET_MSRS: LMA is the CPU's, LME is fixed while paging is on
 * (SDM 3A 10.8.5).
 */
static int set_efer(struct vcpu *vcpu, u64 value, bool host)
{
	u64 old = vcpu->vmx->efer;

	if (!efer_is_valid(vcpu, value))
		return -EINVAL;
	if (!host && (vmx_cr0(vcpu) & X86_CR0_PG) && ((old ^ value) & EFER_LME))
		return -EINVAL;
	vmx_put_efer(vcpu, (value & ~(u64)EFER_LMA) | (old & EFER_LMA));
	return 0;
}

/* The CPU's copy, if the guest's are in it, is brought back before the number changes. */
static void set_loaded_msr(struct vcpu *vcpu, u64 *kept, u64 value)
{
	preempt_disable();
	guest_state_put(vcpu);
	*kept = value;
	preempt_enable();
}

static int set_model_msr(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	int ret;

	preempt_disable();
	if (index == MSR_TSC_AUX)
		guest_state_put(vcpu);
	ret = msr_set(&vcpu->msrs, &vcpu->cpuid, index, value, host);
	preempt_enable();
	if (!ret && index == MSR_IA32_CR_PAT)
		vmwrite(GUEST_IA32_PAT, vcpu->msrs.pat);
	return ret;
}

int vmx_set_msr(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	u64 *kept = syscall_msr(vcpu->vmx, index);

	if (holds_address(index) && !is_canonical(value))
		return -EINVAL;
	if (kept)
		set_loaded_msr(vcpu, kept, value);
	else if (msr_field(index))
		vmwrite(msr_field(index), index == MSR_IA32_SYSENTER_CS ? (u32)value : value);
	else if (index == MSR_EFER)
		return set_efer(vcpu, value, host);
	else if (is_time_msr(index))
		return set_time_msr(vcpu, index, value, host);
	else if (apic_has_msr(index))
		return apic_set_msr(vcpu, index, value, host);
	else if (nested_ops && nested_ops->has_msr(index))
		return nested_ops->set_msr(vcpu, index, value, host);
	else if (mce_has_msr(index))
		return mce_set_msr(&vcpu->mce, index, value, host);
	else if (hyperv_has_msr(index))
		return hyperv_set_msr(vcpu, index, value, host);
	else
		return set_model_msr(vcpu, index, value, host);
	return 0;
}

int vcpu_get_msr(struct vcpu *vcpu, u32 index, u64 *value)
{
	int ret;

	vcpu_load(vcpu);
	ret = vmx_get_msr(vcpu, index, value);
	vcpu_put(vcpu);
	return ret;
}

int vcpu_set_msr(struct vcpu *vcpu, u32 index, u64 value)
{
	int ret;

	vcpu_load(vcpu);
	ret = vmx_set_msr(vcpu, index, value, true);
	vcpu_put(vcpu);
	return ret;
}
