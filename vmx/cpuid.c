// SPDX-License-Identifier: GPL-2.0
/*
 * The CPUID instruction, and what the VMCS has to know of a guest's CPUID.
 */
#include "platform/xsave.h"
#include "vmx/vmx.h"

/* Leaves that follow the vCPU's state. */
static struct kvm_cpuid_entry2 follow(const struct vcpu *vcpu, const struct kvm_cpuid_entry2 *entry)
{
	const struct cpuid_state state = {
		/* The bits of CR4 that CPUID shows are all the host's: in the shadow. */
		.cr4 = vcpu->vmx->cr4_shadow,
		.xcr0 = vcpu->vmx->xcr0,
		.apic = vcpu->msrs.apic_base & MSR_IA32_APICBASE_ENABLE,
		.own_mwait = !vm_has_quirk(vcpu->vm, KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT),
		.mwait = vcpu->msrs.misc_enable & MSR_IA32_MISC_ENABLE_MWAIT,
	};

	return cpuid_follow(&vcpu->cpuid, entry, &state);
}

int exit_cpuid(struct vcpu *vcpu)
{
	const struct kvm_cpuid_entry2 *entry =
		cpuid_answer(&vcpu->cpuid, vcpu->regs[GPR_RAX], vcpu->regs[GPR_RCX]);
	struct kvm_cpuid_entry2 now;

	if (unlikely(vcpu->msrs.misc_features & MSR_MISC_FEATURES_ENABLES_CPUID_FAULT) &&
	    guest_cpl()) {
		queue_exception_error(vcpu, GP_VECTOR, 0);
		return ENTER_AGAIN;
	}
	if (cpuid_follows_state(entry->function)) {
		now = follow(vcpu, entry);
		entry = &now;
	}
	vcpu->regs[GPR_RAX] = entry->eax;
	vcpu->regs[GPR_RBX] = entry->ebx;
	vcpu->regs[GPR_RCX] = entry->ecx;
	vcpu->regs[GPR_RDX] = entry->edx;
	skip_insn(vcpu);
	return ENTER_AGAIN;
}

/* Nothing is monitored: MWAIT goes on at once.  By KVM's habit also without the feature. */
int exit_mwait(struct vcpu *vcpu)
{
	if (!vm_has_quirk(vcpu->vm, KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS) &&
	    !(follow(vcpu, cpuid_entry(&vcpu->cpuid, 1, 0)).ecx & BIT(3)))
		queue_exception(vcpu, UD_VECTOR);
	else
		skip_insn(vcpu);
	return ENTER_AGAIN;
}

void vcpu_cpuid_changed(struct vcpu *vcpu)
{
	const struct cpuid_model *model = &vcpu->cpuid;
	u32 allowed = vmx_caps.secondary_allowed;
	struct vcpu_vmx *vmx = vcpu->vmx;
	bool rdtscp = (cpuid_entry(model, 0x80000001, 0)->edx & BIT(27)) ||
		      (cpuid_entry(model, 7, 0)->ecx & BIT(22)); /* or RDPID */
	bool invpcid = cpuid_entry(model, 7, 0)->ebx & BIT(10);
	u64 cr4;

	if (!xcr0_is_valid(vmx->xcr0, model->xcr0_bits))
		vmx->xcr0 = XCR0_X87;
	if (vcpu->apic)
		vcpu->apic->has_deadline = cpuid_entry(model, 1, 0)->ecx & BIT(24);
	vcpu_load(vcpu);
	vmcs_set_secondary(vmx, allowed & SECONDARY_EXEC_ENABLE_RDTSCP, rdtscp);
	vmcs_set_secondary(vmx, allowed & SECONDARY_EXEC_ENABLE_INVPCID, invpcid);
	/* What the guest owns of CR4 follows CPUID too; its own bits were read by the old mask. */
	cr4 = (vmread(GUEST_CR4) & ~vmread(CR4_GUEST_HOST_MASK)) |
	      (vmx->cr4_shadow & vmread(CR4_GUEST_HOST_MASK));
	vmx_put_cr4(vcpu, cr4);
	exceptions_write(vmx); /* by the guest's MAXPHYADDR */
	vcpu_put(vcpu);
}
