// SPDX-License-Identifier: GPL-2.0
/*
 * RDMSR and WRMSR of the guest: what the owner's filter lets through, and what
 * is told to userspace instead of raising #GP.
 */
#include <asm/hyperv-tlfs.h>

#include "vmx/vmx.h"

static __always_inline int check_read(const struct vcpu *vcpu, u32 index)
{
	switch (index) {
	case MSR_PLATFORM_INFO:
		return READ_ONCE(vcpu->vm->hide_platform_info) ? -EINVAL : 0;
	case MSR_IA32_ARCH_CAPABILITIES:
		return cpuid_entry(&vcpu->cpuid, 7, 0)->edx & BIT(29) ? 0 : -EINVAL;
	case MSR_IA32_VMX_BASIC ... MSR_IA32_VMX_VMFUNC:
		return cpuid_entry(&vcpu->cpuid, 1, 0)->ecx & CPUID_1_ECX_VMX ? 0 : -EINVAL;
	case HV_X64_MSR_GUEST_OS_ID ... HV_X64_MSR_VP_ASSIST_PAGE:
		return hyperv_is_offered(vcpu) ? 0 : -ENOENT;
	}
	return 0;
}

int guest_check_read_msr(const struct vcpu *vcpu, u32 index)
{
	return check_read(vcpu, index);
}

/* 0, -ENOENT: there is no such MSR, -EINVAL: it faults, -EPERM: the filter denies it. */
static int guest_get(struct vcpu *vcpu, u32 index, u64 *value)
{
	int ret = vm_filters_msr(vcpu->vm, index, KVM_MSR_FILTER_READ) ? -EPERM :
									 check_read(vcpu, index);

	/* L2's is not what L1 finds, nor userspace. */
	if (!ret && index == MSR_IA32_TSC && vmx_in_l2(vcpu->vmx)) {
		*value = tsc_running(vcpu);
		return 0;
	}
	return ret ?: vmx_get_msr(vcpu, index, value);
}

static int guest_set(struct vcpu *vcpu, u32 index, u64 value)
{
	if (vm_filters_msr(vcpu->vm, index, KVM_MSR_FILTER_WRITE))
		return -EPERM;
	return vmx_set_msr(vcpu, index, value, false);
}

static u32 exit_reason_of(int err)
{
	return err == -EPERM  ? KVM_MSR_EXIT_REASON_FILTER :
	       err == -ENOENT ? KVM_MSR_EXIT_REASON_UNKNOWN :
				KVM_MSR_EXIT_REASON_INVAL;
}

/* False: nobody wants to hear of it, and it raises #GP. */
static bool tell_user(struct vcpu *vcpu, u32 exit, u32 index, int err)
{
	struct io_pending *io = &vcpu->vmx->io;
	struct kvm_run *run = vcpu->run;

	if (!(READ_ONCE(vcpu->vm->user_msrs) & exit_reason_of(err)))
		return false;
	run->exit_reason = exit;
	run->msr.error = 0;
	memset(run->msr.pad, 0, sizeof(run->msr.pad));
	run->msr.reason = exit_reason_of(err);
	run->msr.index = index;
	run->msr.data = 0;
	io->rip = vmread(GUEST_RIP);
	return true;
}

static void put_value(struct vcpu *vcpu, u64 value)
{
	vcpu->regs[GPR_RAX] = (u32)value;
	vcpu->regs[GPR_RDX] = value >> 32;
	skip_insn(vcpu);
}

static int complete_rdmsr(struct vcpu *vcpu)
{
	if (!io_is_current(vcpu))
		return ENTER_AGAIN;
	if (READ_ONCE(vcpu->run->msr.error))
		queue_exception_error(vcpu, GP_VECTOR, 0);
	else
		put_value(vcpu, READ_ONCE(vcpu->run->msr.data));
	return ENTER_AGAIN;
}

static int complete_wrmsr(struct vcpu *vcpu)
{
	if (!io_is_current(vcpu))
		return ENTER_AGAIN;
	if (READ_ONCE(vcpu->run->msr.error))
		queue_exception_error(vcpu, GP_VECTOR, 0);
	else
		skip_insn(vcpu);
	return ENTER_AGAIN;
}

int exit_rdmsr(struct vcpu *vcpu)
{
	u32 index = vcpu->regs[GPR_RCX];
	u64 value;
	int err;

	err = guest_get(vcpu, index, &value);
	if (likely(!err)) {
		put_value(vcpu, value);
		return ENTER_AGAIN;
	}
	if (tell_user(vcpu, KVM_EXIT_X86_RDMSR, index, err)) {
		vcpu->vmx->io.complete = complete_rdmsr;
		return EXIT_TO_USER;
	}
	queue_exception_error(vcpu, GP_VECTOR, 0);
	return ENTER_AGAIN;
}

int exit_wrmsr(struct vcpu *vcpu)
{
	u64 value = (u32)vcpu->regs[GPR_RAX] | vcpu->regs[GPR_RDX] << 32;
	u32 index = vcpu->regs[GPR_RCX];
	int err;

	err = guest_set(vcpu, index, value);
	if (likely(!err)) {
		skip_insn(vcpu);
		return ENTER_AGAIN;
	}
	if (tell_user(vcpu, KVM_EXIT_X86_WRMSR, index, err)) {
		vcpu->run->msr.data = value;
		vcpu->vmx->io.complete = complete_wrmsr;
		return EXIT_TO_USER;
	}
	queue_exception_error(vcpu, GP_VECTOR, 0);
	return ENTER_AGAIN;
}
