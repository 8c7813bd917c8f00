// SPDX-License-Identifier: GPL-2.0
/*
 * VMX's capability MSRs as a vCPU has them.
 */
#include "nested/init.h"
#include "nested/nested.h"

/* Those from which the others follow: what has to be moved with a VM. */
const u32 nested_msr_list[] = {
	MSR_IA32_VMX_BASIC,
	MSR_IA32_VMX_TRUE_PINBASED_CTLS,
	MSR_IA32_VMX_TRUE_PROCBASED_CTLS,
	MSR_IA32_VMX_TRUE_EXIT_CTLS,
	MSR_IA32_VMX_TRUE_ENTRY_CTLS,
	MSR_IA32_VMX_MISC,
	MSR_IA32_VMX_CR0_FIXED0,
	MSR_IA32_VMX_CR4_FIXED0,
	MSR_IA32_VMX_VMCS_ENUM,
	MSR_IA32_VMX_PROCBASED_CTLS2,
	MSR_IA32_VMX_EPT_VPID_CAP,
	MSR_IA32_VMX_VMFUNC,
};

const unsigned int nested_msr_count = ARRAY_SIZE(nested_msr_list);

bool nested_has_msr(u32 index)
{
	return index >= MSR_IA32_VMX_BASIC && index <= MSR_IA32_VMX_VMFUNC;
}

bool nested_has_vmx(const struct vcpu *vcpu)
{
	return cpuid_entry(&vcpu->cpuid, 1, 0)->ecx & CPUID_1_ECX_VMX;
}

int nested_get_msr(struct vcpu *vcpu, u32 index, u64 *value)
{
	int ret = nested_caps_get(&nested_of(vcpu)->caps, index, value);

	/* It follows CPUID. */
	if (!ret && index == MSR_IA32_VMX_CR4_FIXED1)
		*value &= vcpu->cpuid.cr4_guest_bits;
	return ret;
}

int nested_set_msr(struct vcpu *vcpu, u32 index, u64 value, bool host)
{
	struct nested *n = nested_of(vcpu);
	int ret = host ? nested_caps_set(&n->caps, &nested_offer, index, value) : -EINVAL;

	/* A saved list may be of a vCPU that had more. */
	if (nested_is_enlightened(n))
		nested_caps_enlighten(&n->caps);
	return ret;
}

int nested_msr_feature(u32 index, u64 *value)
{
	return nested_caps_get(&nested_offer, index, value);
}
